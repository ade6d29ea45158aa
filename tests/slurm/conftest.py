"""A real SLURM for the tests of this folder, shared by all that run at the same time; without one they are skipped.

A project is a checkout with a study of its own, in which `snakemake --profile slurm` or `snakemake --profile
profiles/submitit` is typed as a user does.
"""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from ..workflow.conftest import ROOT, Project, warm_python
from ..workflow.conftest import SNAKEMAKE as SCRIPT
from . import cluster as slurm

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--configfile", "config/study.yaml", "--nocolor"]
IMAGES = """\
study: tiny
data: {name: digits, train_images_per_class: 10}
seeds: [0]
"""
ENVIRONMENT = os.environ | {"PATH": "/usr/bin:/bin"}


class ClusterProject(Project):
    """A checkout whose jobs run on the cluster, submitted by Snakemake's executor for SLURM."""

    profile = "slurm"
    profile_file = "profiles/slurm/config.yaml"
    # A job is looked at after two seconds, not after a minute.
    options = ("--slurm-init-seconds-before-status-checks", "2")

    def __init__(self, folder, study, site=()):
        super().__init__(folder)
        self.environment = dict(ENVIRONMENT)
        (folder / "slurm").symlink_to(os.readlink(ROOT / "slurm"))
        (folder / "config/study.yaml").write_text(study)
        profile = folder / self.profile_file
        for default, ours in site:
            assert default in profile.read_text()
            profile.write_text(profile.read_text().replace(default, ours))

    def call(self, *command):
        """The command as a process of its own, which writes to `output.txt`."""
        with (self.folder / "output.txt").open("w") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def start(self, *arguments):
        """`snakemake --profile ...`."""
        return self.call(*SNAKEMAKE, "--profile", self.profile, *self.options, *arguments)

    def run(self, *arguments):
        """`snakemake --profile ...` to its end, started by a warm Python; its status and output."""
        warm = [warm_python(), SCRIPT, *SNAKEMAKE[3:]]
        return self.ended(self.call(*warm, "--profile", self.profile, *self.options, *arguments))

    def ended(self, process):
        try:
            process.wait(400)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, self.read("output.txt")

    def queue(self):
        """Ids of this project's jobs that wait or run."""
        lines = slurm.output("squeue", "--noheader", "--format=%i %Z").splitlines()
        return [line.split()[0] for line in lines if line.split()[1] == str(self.folder)]

    def history(self, *fields):
        """These fields of accounting for all of this project's jobs, each time one was started, in that order."""
        columns = ",".join(["WorkDir", *fields])
        lines = slurm.output("sacct", "-XDnP", "--starttime=now-1hour", f"--format={columns}").splitlines()
        rows = [line.split("|") for line in lines]
        return [row[1:] for row in rows if row[0] == str(self.folder)]

    def wait_for_jobs(self):
        """Until all have left the queue, and accounting knows it, which may be a while later."""
        slurm.wait_for("an empty queue", lambda: not self.queue(), 200)
        slurm.wait_for("accounting", self._accounted)

    def _accounted(self):
        states = {state for (state,) in self.history("State")}
        return states and not {"PENDING", "RUNNING"} & states

    def log(self, run):
        """SLURM's logs of a run, which lie in the run's folder."""
        return "".join(file.read_text() for file in sorted((self.folder / f"results/runs/{run}/slurm").glob("*")))


class SubmititProject(ClusterProject):
    """A checkout whose jobs are submitted by submitit."""

    profile = "profiles/submitit"
    profile_file = "profiles/submitit/config.yaml"
    options = ()

    def submit(self, *arguments):
        """`submit.py` to its end; its status and output."""
        command = [sys.executable, "workflow/scripts/submit.py", "--configfile", "config/study.yaml", *arguments]
        return self.ended(self.call(*command))


@pytest.fixture(scope="session")
def cluster():
    """SLURM is up. ABLATION_REQUIRE_SLURM=1 makes its absence a failure."""
    if reason := slurm.why_not():
        if os.environ.get("ABLATION_REQUIRE_SLURM"):
            pytest.fail(reason)
        pytest.skip(reason)
    with slurm.in_use():
        yield slurm


@pytest.fixture(scope="session")
def new_project(cluster, tmp_path_factory):
    """Makes projects; their images, the same in all, are prepared once."""
    first = ClusterProject(tmp_path_factory.mktemp("data"), f"{IMAGES}variants: {{any: {{}}}}")
    subprocess.run([*SNAKEMAKE, "results/data/digits/data.json"], cwd=first.folder, env=ENVIRONMENT, check=True)

    def make(name, study, site=(), kind=ClusterProject):
        project = kind(tmp_path_factory.mktemp(name), f"{IMAGES}{study}", site)
        shutil.copytree(first.folder / "results/data", project.folder / "results/data")
        return project

    return make
