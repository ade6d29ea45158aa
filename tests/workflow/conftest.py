"""A copy of the project in a temporary folder, with a study of a few seconds, and `snakemake` run there as users do."""

import os
import shutil
import signal
import subprocess
import time
from functools import cache
from pathlib import Path

import pytest
from selenium import webdriver

from ablation.cluster.machine import start_warm_python

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = Path(__file__).with_name("run_snakemake.py")
PARTS = ("Snakefile", "workflow", "config", "profiles")

TINY = """\
study: tiny
title: A tiny study
data: {name: digits, train_images_per_class: 10}
seeds: [0, 1]
base: {model: {filters: [2, 3, 4]}, epochs: 2}
variants:
  adam: {}
  sgd: {optimizer: sgd}
  exploding:
    model: {batch_norm: false}
    optimizer: {name: sgd, learning_rate: 1.0e30}
    grad_clip: null
    scheduler: none
tables:
  optimizers:
    title: Optimizers
    rows:
      - {variant: adam, label: Adam, reported: 88.42}
      - {variant: sgd, label: SGD, reported: 78.58}
      - {variant: exploding, label: SGD far too fast}
  again:
    title: Adam once more
    rows:
      - {variant: adam, label: Adam again, reported: 50.0}
notes: [A decision of the tiny study.]
"""


# In the background of a shell Ctrl-C is ignored, and so it would be by what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

ENVIRONMENT = os.environ | {"PATH": "/usr/bin:/bin"}
# No file that a study leaves may hold what the environment does.
SECRET = "a-password-in-the-environment"


@cache
def warm_python():
    """A `python` that has imported all that Snakemake and its jobs need, which is most of what they take."""
    ours = ("train", "compare", "plot_comparison", "write_page")
    return start_warm_python([SNAKEMAKE, *(ROOT / f"workflow/scripts/{name}.py" for name in ours)])


def wait_for(condition, seconds=120):
    for _ in range(10 * seconds):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain")


class Project:
    """A checkout to break."""

    def __init__(self, folder):
        self.folder = folder
        for part in PARTS:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / part)
        (folder / "config" / "tiny.yaml").write_text(TINY)

    def snakemake(self, *arguments, config="config/tiny.yaml"):
        """Run `snakemake`, without its environment activated; its output, both streams, is in `.stdout`."""
        configs = [config] if isinstance(config, str) else config
        return subprocess.run(
            [warm_python(), SNAKEMAKE, *arguments, "--configfile", *configs],
            cwd=self.folder,
            env=ENVIRONMENT | {"ABLATION_WARM_PYTHON": str(warm_python()), "SOME_TOKEN": SECRET},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def script(self, name, *arguments):
        """Run one of the scripts; its output and errors are in `.stdout` and `.stderr`."""
        command = [warm_python(), f"workflow/scripts/{name}", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
        )

    def copy(self, folder):
        """The same project with all that it has made, in a folder that is not there yet: to change it."""
        project = object.__new__(Project)
        project.folder = Path(shutil.copytree(self.folder, folder))
        return project

    def snakemake_log(self):
        """All that Snakemake said of its last call, in its own words."""
        logs = (self.folder / ".snakemake/log").glob("*.log")
        return max(logs, key=lambda log: log.stat().st_mtime_ns).read_text()

    def read(self, path):
        return (self.folder / path).read_text()


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture(scope="session")
def new_project():
    """Makes a checkout in a folder."""
    return Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project whose tiny study has run through; tests only read it."""
    project = Project(tmp_path_factory.mktemp("finished"))
    project.result = project.snakemake()
    project.secret = SECRET
    return project


@pytest.fixture(scope="session")
def browser():
    """Chromium without a screen, driven by selenium."""
    found = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in found and os.environ.get("ABLATION_REQUIRE_CHROMIUM") != "1":
        pytest.skip("no chromium with its chromedriver here, so no page is opened")
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(found[1]))
    yield driver
    driver.quit()
