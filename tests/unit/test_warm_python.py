"""`python` for the jobs of this machine is what the real one is, only faster."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ablation.cluster import machine
from ablation.cluster.machine import start_warm_python, use_warm_python

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
PROBE = """\
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ.get("COLOUR"), sys.path[0], __name__, sys.executable)
print(sys.stdin.read(), file=sys.stderr)
print(sorted(name for name in sys.modules if name.startswith("ablation")))
exec(sys.argv[1])
"""
TELL = """\
import sys
before = "ablation.told" in sys.modules
from ablation.told import WORD
if __name__ == "__main__":
    print(before, WORD)
"""
WAIT = """\
import os, signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))
print(os.getpid(), flush=True)
time.sleep(60)
"""


def start_and_wait(scripts):
    """A warm `python` whose server can be asked: a job before that would be the real one's."""
    python = start_warm_python(scripts)
    while not python.with_name("socket").exists():
        time.sleep(0.01)
    return python


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A `python` whose server has imported something."""
    python = start_warm_python([SCRIPTS / "status.py"])
    yield python
    assert python.exists(), "the server ended before this process"


def run(python, script, *arguments, **options):
    return subprocess.run(
        [python, script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"COLOUR": "blue", "PATH": os.environ["PATH"]},
        input="typed",
        **options,
    )


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "sys.exit(3)",
        "sys.exit('error: a sentence')",
        "os._exit(4)",
        "os.kill(os.getpid(), 9)",
        "os.kill(os.getpid(), 15)",
    ],
)
def test_it_ends_and_says_what_the_real_one_does(warm, tmp_path, end):
    script = tmp_path / "probe.py"
    script.write_text(PROBE)
    ours, real = (run(python, script, end, cwd=tmp_path) for python in (warm, sys.executable))
    assert (ours.returncode, ours.stdout, ours.stderr) == (real.returncode, real.stdout, real.stderr)
    assert "[]\n" in ours.stdout or ours.returncode


def test_a_job_runs_the_code_as_it_is_now(tmp_path, monkeypatch):
    scripts = shutil.copytree(SCRIPTS, tmp_path / "scripts")
    script, module = scripts / "tell.py", scripts / "ablation/told.py"
    script.write_text(TELL)
    module.write_text("WORD = 'first'\n")
    monkeypatch.setattr(machine, "SCRIPTS", scripts)
    python = start_and_wait([script])
    assert run(python, script).stdout == "True first\n"
    module.write_text("WORD = 'second'\n")
    assert run(python, script).stdout == "False second\n"


def test_an_error_is_a_traceback(warm, tmp_path):
    script = tmp_path / "wrong.py"
    script.write_text("def fail():\n    raise OSError('a reason')\n\nfail()\n")
    result = run(warm, script)
    assert result.returncode == 1
    assert f'File "{script}", line 2, in fail' in result.stderr
    assert result.stderr.endswith("OSError: a reason\n")


def waiting(python, tmp_path):
    """A job that waits, as its command and its process id."""
    script = tmp_path / "wait.py"
    script.write_text(WAIT)
    command = subprocess.Popen([python, script], stdout=subprocess.PIPE, text=True)
    return command, int(command.stdout.readline())


@pytest.mark.parametrize(("number", "status"), [("SIGUSR1", 75), ("SIGTERM", -15), ("SIGINT", 1)])
def test_signals_reach_the_job_and_its_end_is_the_command_s(warm, tmp_path, number, status):
    command, job = waiting(warm, tmp_path)
    assert job != command.pid
    command.send_signal(signal.Signals[number])
    assert command.wait(10) == status


def test_a_killed_command_takes_its_job_with_it(warm, tmp_path):
    command, job = waiting(warm, tmp_path)
    command.kill()
    wait_for_the_end_of(job)


def wait_for_the_end_of(job):
    for _ in range(100):
        stat = Path(f"/proc/{job}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    raise AssertionError("the job lives on")


def test_a_killed_server_takes_its_jobs_with_it(tmp_path):
    python = start_and_wait([])
    command, job = waiting(python, tmp_path)
    server = int(Path(f"/proc/{job}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(server, signal.SIGKILL)
    assert command.wait(10) == 1
    wait_for_the_end_of(job)
    shutil.rmtree(python.parent)


def test_jobs_beside_each_other_end_each_in_its_own_way(warm, tmp_path):
    """A command that ends is not told of by another one, and takes no other job with it."""
    first, second, third = (waiting(warm, tmp_path) for _ in range(3))
    second[0].kill()
    wait_for_the_end_of(second[1])
    first[0].send_signal(signal.SIGUSR1)
    assert first[0].wait(10) == 75
    assert third[0].poll() is None
    third[0].send_signal(signal.SIGTERM)
    assert third[0].wait(10) == -15


def test_a_command_that_is_killed_before_it_asks_leaves_the_server_alone(warm, tmp_path):
    script = tmp_path / "probe.py"
    script.write_text(PROBE)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(warm.with_name("socket")))
    time.sleep(0.5)
    assert run(warm, script, "pass").returncode == 0


def test_the_server_has_one_thread_when_it_forks():
    """A lock that another thread held would stay locked in the job."""
    script = """if True:
        import os, sys, warm_server
        warm_server.load(SCRIPTS)
        print(len(os.listdir("/proc/self/task")))
    """.replace("SCRIPTS", repr([str(SCRIPTS / name) for name in ("train.py", "compare.py", "prepare_data.py")]))
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "1\n"


def test_what_is_no_script_is_the_real_one_s(warm):
    result = subprocess.run([warm, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
    assert result.stdout == "42\n"


START = """\
import subprocess, sys
from ablation.cluster.machine import start_warm_python, use_python
python = start_warm_python([])
use_python(python)
print(python, flush=True)
subprocess.run(["python", "{script}", "pass"], stdin=subprocess.DEVNULL)
sys.stdin.read()
"""


def test_the_server_ends_with_the_process_that_started_it_and_python_is_then_the_real_one(tmp_path):
    script = tmp_path / "probe.py"
    script.write_text(PROBE)
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    command = [sys.executable, "-c", START.format(script=script)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    python = Path(process.stdout.readline().strip())
    assert "__main__" in process.stdout.readline()
    kept = shutil.copytree(python.parent, tmp_path / "kept", ignore=shutil.ignore_patterns("socket")) / "python"
    process.kill()
    for _ in range(100):
        if not python.parent.exists():
            break
        time.sleep(0.1)
    assert not python.parent.exists()
    assert "__main__" in run(kept, script, "pass").stdout


def test_where_a_socket_cannot_be_it_is_the_real_one(tmp_path, monkeypatch, capfd):
    """The temporary folder may be too deep for the path of a socket."""
    deep = tmp_path / ("deep" * 40)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    python = start_warm_python([])
    kept = shutil.copy(python, tmp_path / "python")
    script = tmp_path / "probe.py"
    script.write_text(PROBE)
    assert "__main__" in run(kept, script, "pass").stdout
    while python.parent.exists():
        time.sleep(0.1)
    assert "Jobs start without a warm Python: " in capfd.readouterr().err


def test_without_a_temporary_folder_python_is_the_real_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.delenv("ABLATION_WARM_PYTHON", raising=False)
    before = os.environ["PATH"]
    use_warm_python(["status.py"] * 9)
    assert os.environ["PATH"] == before
