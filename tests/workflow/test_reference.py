"""What docs/reference/ shows is what its records make today, on a machine without its images."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/reference"
TEXTS = (".md", ".json", ".csv")


def texts(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.suffix in TEXTS}


def test_make_reference_makes_what_is_shipped(project):
    shutil.copy(ROOT / "Makefile", project.folder)
    for records in ("runs", "probes", "data"):
        shutil.copytree(REFERENCE / records, project.folder / "docs/reference" / records)
    # Only an earlier crate is replaced, and it is known by its metadata.
    shutil.copy(REFERENCE / "ro-crate-metadata.json", project.folder / "docs/reference")
    # The environment is the one of this test.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["make", "--assume-old=install", "reference"]
    call = subprocess.run(
        command, cwd=project.folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert call.returncode == 0, call.stdout + call.stderr
    shipped, made = texts(REFERENCE), texts(project.folder / "docs/reference")
    # Its date is that of the day.
    del shipped["ro-crate-metadata.json"], made["ro-crate-metadata.json"]
    assert made.keys() == shipped.keys(), "run `make reference`"
    assert [name for name in shipped if made[name] != shipped[name]] == [], "run `make reference`"
    figures = {path.name for path in REFERENCE.rglob("*.png")}
    assert figures == {path.name for path in (project.folder / "docs/reference").rglob("*.png")}
    assert all((REFERENCE / "figures" / name).stat().st_size > 1000 for name in ("claims.png", "optimizers.png"))


def rows(text):
    """The cells of the lines of tables, without emphasis and marks."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("*").removesuffix(" †").strip("*") for cell in line] for line in lines]


def test_the_readme_shows_the_table_of_the_shipped_report():
    report = (REFERENCE / "report.md").read_text().split("### Optimizers\n")[1].split("\n### ")[0]
    header, *expected = rows(report)
    shown_header, *shown = rows((ROOT / "README.md").read_text().split("You need Linux")[0])
    columns = [header.index(name) for name in shown_header]
    assert shown == [[row[column] for column in columns] for row in expected], (
        "run `make reference`, and copy the table"
    )
