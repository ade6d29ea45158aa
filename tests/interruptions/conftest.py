"""Small runs to interrupt, and what they leave, to compare."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from ablation.config.catalog import built_in
from ablation.config.settings import complete, merge, spec_json
from ablation.config.study import DataConfig
from ablation.data.prepare import prepare

ROOT = Path(__file__).resolve().parents[2]
TINY = {"model": {"filters": [2, 3, 4]}, "epochs": 3, "batch_size": 16}


class Run:
    """A run's directory, which jobs can be started on, one after another."""

    def __init__(self, server, directory, data, settings, options=()):
        self.server, self.directory, self.data, self.settings = server, directory, data, TINY
        self.change(**settings)
        self.options = ["--device", "cpu", *options]
        self.script = "probe.py" if "--every" in self.options else "train.py"
        self.log = directory.parents[1].with_suffix(".log")

    def change(self, **settings):
        """Settings as in the YAML, laid over those that the run has."""
        self.settings = merge(self.settings, settings, built_in())

    def job(self, kill_after=None, checkpoint_seconds=0, together_with=(), **sabotage):
        """The exit status of one job; negative where a signal ended it, 75 where it resumes later."""
        directories = map(str, (self.directory, *(run.directory for run in together_with)))
        arguments = [self.script, "--run", *directories, "--study", "tiny", "--data", str(self.data)]
        arguments += ["--checkpoint-seconds", str(checkpoint_seconds)]
        arguments += ["--spec", spec_json(complete(self.settings)), *self.options]
        return self.server.run(arguments, self.log, sabotage, kill_after)

    def to_the_end(self, **options):
        status = self.job(**options)
        assert status == 0, self.log.read_text()
        return self

    def said(self):
        return self.log.read_text()

    def left(self):
        """All that the run left, times aside."""
        assert not list(self.directory.glob("checkpoint*"))
        assert not list(self.directory.glob(".*"))
        assert (self.directory / "run.lock").read_text() == ""
        return {path.name: READERS[path.suffix](path) for path in self.directory.iterdir() if path.suffix in READERS}


def read_json(path):
    record = json.loads(path.read_text())
    for timing in ("cost", "seconds_per_step", "seconds_per_probe", "checksum"):
        record.pop(timing, None)
    return record


def read_arrays(path):
    with np.load(path, allow_pickle=False) as arrays:
        return {name: array.tobytes() for name, array in arrays.items()}


def read_weights(path):
    return {name: tensor.numpy().tobytes() for name, tensor in torch.load(path, weights_only=True).items()}


READERS = {".json": read_json, ".csv": Path.read_bytes, ".npz": read_arrays, ".pth": read_weights}


class Server:
    """`fork_server.py`, and the killing of its children."""

    def __init__(self):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "workflow/scripts"), *sys.path])}
        command = [sys.executable, str(Path(__file__).with_name("fork_server.py"))]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(self, arguments, log, sabotage, kill_after):
        self.start(arguments, log, sabotage)
        killer = threading.Timer(kill_after or 120, os.killpg, (self.child, signal.SIGKILL))
        killer.start()
        status = self.wait()
        killer.cancel()
        return status

    def start(self, arguments, log, sabotage):
        self.process.stdin.write(json.dumps({"arguments": arguments, "log": str(log), "sabotage": sabotage}) + "\n")
        self.child = json.loads(self.process.stdout.readline())

    def wait(self):
        return json.loads(self.process.stdout.readline())

    def processes(self):
        """Those of the last job that have not ended; each job has a session of its own."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                state, _, _, session, *_ = path.read_text().rpartition(")")[2].split()
                found += [path.parent.name] * (int(session) == self.child and state != "Z")
        return found


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.process.stdin.close()
    server.process.wait(30)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Digits: 80 training images, 360 test images."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    prepare(DataConfig(name="digits", train_images_per_class=8), folder)
    return folder


@pytest.fixture
def new_run(server, data, tmp_path):
    """Makes a run with these settings, as in the YAML, in a folder of the name; `options` are those of the script."""

    def make(name="run", options=(), seed=0, **settings):
        return Run(server, tmp_path / name / "tiny" / f"seed{seed}", data, settings, options)

    return make
