"""Formatters, linters, type checker and Snakemake's own lint are clean; nothing points to where it was written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW_FILES = ["Snakefile", "workflow/Snakefile", *map(str, sorted((ROOT / "workflow" / "rules").glob("*.smk")))]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["snakefmt", "--check", *WORKFLOW_FILES],
        ["snakemake", "--lint"],
    ],
    ids=["ruff check", "ruff format", "mypy", "snakefmt", "snakemake --lint"],
)
def test_clean(command):
    program = str(Path(sys.executable).with_name(command[0]))
    result = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_snakefile_is_a_table_of_contents():
    assert len((ROOT / "workflow/Snakefile").read_text().splitlines()) < 40


def test_the_lock_pins_everything_with_hashes_and_names_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=\S)", lock.strip())
    assert len(blocks) > 50
    assert all(re.match(r"[a-z0-9.-]+==\S+", block) and "--hash=sha256:" in block for block in blocks)
    assert "://" not in lock


def test_the_lock_holds_every_requirement():
    wanted = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    locked = re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert set(wanted) <= set(locked)


def test_the_conda_environment_has_the_versions_of_the_lock():
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^ {6}- (\S+==\S+)$", (ROOT / "workflow/envs/ablation.yaml").read_text(), re.MULTILINE)
    assert len(pins) > 5
    assert all(re.search(rf"^{re.escape(pin)}\s", lock, re.MULTILINE) for pin in pins)
