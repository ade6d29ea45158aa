"""A real SLURM on this machine, for the tests: munge, MariaDB, slurmdbd, slurmctld and four nodes with pretended GPUs.

    python tests/slurm/cluster.py run COMMAND...   # runs the command beside the cluster, which ends with its last user
    python tests/slurm/cluster.py down             # ends what a killed user has left

It needs root and Debian's packages slurm-wlm, slurmdbd, munge and mariadb-server, but no systemd. SLURM's commands find
it where they look on a machine without a configuration of its own. Several users share it; the lock counts them.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
STATE = Path("/tmp/ablation-slurm")
LOCK = Path("/tmp/ablation-slurm.lock")
PIDS = Path("/run/ablation-slurm")
SITE = Path("/etc/slurm/slurm.conf")
CONFIG = Path("/run/slurm/conf")
NODES = ("node1", "node2", "node3", "node4")
ACCOUNT = "lab"
DAEMONS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd")
SOCKET = f"--socket={STATE}/mariadb.socket"

# Debian's daemons lie where a user's PATH may not lead.
os.environ["PATH"] += ":/usr/sbin:/sbin"


def why_not() -> str | None:
    """Why there can be no cluster here, if so."""
    if os.geteuid() != 0:
        return "a SLURM for the tests needs root"
    if SITE.exists():
        return f"this machine belongs to a SLURM cluster: {SITE}"
    missing = [name for name in DAEMONS if not shutil.which(name)]
    return f"SLURM is not installed: no {', '.join(missing)}" if missing else None


@contextmanager
def in_use() -> Iterator[None]:
    """The cluster is up inside; the last user ends it."""
    with LOCK.open("w") as lock:
        try:
            join(lock)
            yield
        finally:
            if alone(lock):
                down()


def join(lock: IO[str]) -> None:
    """Use the cluster with others, or start it where nobody uses it."""
    while True:
        if alone(lock):
            down()
            up()
            fcntl.flock(lock, fcntl.LOCK_SH)
            return
        fcntl.flock(lock, fcntl.LOCK_SH)
        if alive("slurmctld"):
            return
        fcntl.flock(lock, fcntl.LOCK_UN)


def alone(lock: IO[str]) -> bool:
    """Nobody else holds the lock, and nobody can take it now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def up() -> None:
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(mode=0o755)
    PIDS.mkdir(exist_ok=True)
    CONFIG.parent.mkdir(exist_ok=True)
    CONFIG.symlink_to(STATE)
    for name in ("slurm.conf", "gres.conf", "slurmdbd.conf"):
        file = STATE / name
        file.touch(mode=0o600 if name == "slurmdbd.conf" else 0o644)
        file.write_text((HERE / name).read_text().replace("{state}", str(STATE)))
    for index in range(2):
        os.mknod(STATE / f"gpu{index}", 0o666 | 0o020000, os.makedev(1, 3))
    start_munge()
    start_database()
    start("slurmctld", "slurmctld", "-D", "-i")
    wait_for("slurmctld", lambda: succeeds("scontrol", "ping"))
    for node in NODES:
        start_node(node)
    wait_for("idle nodes", lambda: set(NODES) == set(output("sinfo", "-hN", "-t", "idle", "-o", "%N").split()))


def start_munge() -> None:
    key = STATE / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    socket = f"{STATE}/munge.socket"
    files = [f"--{kind}-file={STATE}/munge.{kind}" for kind in ("key", "pid", "log", "seed")]
    start("munged", "munged", "--foreground", "--force", f"--socket={socket}", *files)
    wait_for("munged", lambda: succeeds("munge", "--no-input", f"--socket={socket}"))


def start_database() -> None:
    """MariaDB, and the daemon that writes SLURM's accounts into it."""
    data = f"--datadir={STATE}/mariadb"
    install = ["mariadb-install-db", "--no-defaults", "--user=root", data, "--skip-test-db"]
    subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, stdout=subprocess.DEVNULL)
    where = [SOCKET, f"--pid-file={STATE}/mariadb.pid", "--bind-address=127.0.0.1", "--port=16820"]
    size = ["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"]
    start("mariadbd", "mariadbd", "--no-defaults", "--user=root", data, *where, *size)
    sql = "CREATE DATABASE slurm; CREATE USER slurm@localhost; CREATE USER 'slurm'@'127.0.0.1';"
    grant = "GRANT ALL ON slurm.* TO slurm@localhost, 'slurm'@'127.0.0.1';"
    wait_for("mariadbd", lambda: succeeds("mariadb", "--no-defaults", SOCKET, "-uroot", "-e", "SELECT 1"))
    subprocess.run(["mariadb", "--no-defaults", SOCKET, "-uroot", "-e", sql + grant], check=True)
    start("slurmdbd", "slurmdbd", "-D")
    wait_for("slurmdbd", lambda: succeeds("sacctmgr", "-n", "list", "cluster"))
    for what in ("cluster testing", f"account {ACCOUNT} Cluster=testing", f"user root Account={ACCOUNT}"):
        subprocess.run(["sacctmgr", "-i", "add", *what.split()], check=True, stdout=subprocess.DEVNULL)


def start_node(node: str) -> None:
    start(f"slurmd.{node}", "slurmd", "-D", "-N", node)


def kill_node(node: str) -> None:
    """As if the machine had lost its power: its daemon and every process of its jobs are killed."""
    stop(f"slurmd.{node}", signal.SIGKILL)
    while found := processes_of(node):  # some may have just been started by others
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)


def processes_of(node: str) -> list[int]:
    """The node's jobs: their processes and the daemons that look after each."""
    found = set()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            mine = f"SLURMD_NODENAME={node}".encode() in environment.read_bytes().split(b"\0")
            parent = int(stat(int(environment.parent.name))[1]) if mine else 0
            if mine:
                found.add(int(environment.parent.name))
            if mine and Path(f"/proc/{parent}/comm").read_text().strip() == "slurmstepd":
                found.add(parent)
        except OSError:  # it has ended
            continue
    return sorted(found)


def down() -> None:
    if alive("slurmctld"):
        subprocess.run(["scancel", "--user=root"], check=False, timeout=30)
        wait_for("the end of all jobs", lambda: not output("squeue", "-h", "-t", "R,CG"), 20, must=False)
    for name in [f"slurmd.{node}" for node in NODES] + ["slurmctld", "slurmdbd", "mariadbd", "munged"]:
        stop(name)
    CONFIG.unlink(missing_ok=True)


def start(name: str, *command: str) -> None:
    """Start a daemon in a session of its own, and write down which process it is."""
    with (STATE / f"{name}.out").open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env=os.environ | {"SLURM_CONF": f"{STATE}/slurm.conf"},
        )
    (PIDS / name).write_text(f"{process.pid} {stat(process.pid)[19]}")


def stop(name: str, how: int = signal.SIGTERM) -> None:
    if alive(name):
        process = int((PIDS / name).read_text().split()[0])
        os.kill(process, how)
        wait_for(f"the end of {name}", lambda: not alive(name), 20, must=False)
        if alive(name):
            os.kill(process, signal.SIGKILL)
    (PIDS / name).unlink(missing_ok=True)


def alive(name: str) -> bool:
    """Is the recorded process still the same one? Process ids are used again; the start time tells."""
    try:
        process, started = (PIDS / name).read_text().split()
        state, *_ = fields = stat(int(process))
        return fields[19] == started and state != "Z"
    except (OSError, ValueError):
        return False


def stat(process: int) -> list[str]:
    """The fields of /proc/<process>/stat that follow the name: state, parent, ..., start time as number 19."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=False, timeout=30, text=True).stdout


def wait_for(what: str, happened: Callable[[], bool], seconds: float = 60, must: bool = True) -> None:
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            if must:
                raise TimeoutError(f"no {what} after {seconds} s; the logs are in {STATE}")
            return
        time.sleep(0.1)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["run", *command] if command:
            if reason := why_not():
                sys.exit(f"error: {reason}")
            with in_use():
                return subprocess.run(command, check=False).returncode
        case ["down"]:
            with LOCK.open("w") as lock:
                if not alone(lock):
                    sys.exit("error: the cluster is in use")
                down()
                return 0
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
