"""What docs/reference/ shows is what its records make today, on a machine without its images."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/reference"
TEXTS = (".md", ".json", ".csv")


def texts(folder, relative_to):
    return {str(path.relative_to(relative_to)): path.read_text() for path in folder.rglob("*") if path.suffix in TEXTS}


def test_the_shipped_study_is_what_its_records_make(project):
    results = project.folder / "results"
    for records in ("runs", "probes", "data"):
        shutil.copytree(REFERENCE / records, results / records)
    call = project.snakemake("report", "--config", "partial=true", "keep=true", config="config/reference.yaml")
    assert call.returncode == 0, call.stdout
    made = project.script("write_crate.py", "--license", "MIT", "--output", "results/crate")
    assert made.returncode == 0, made.stderr
    shipped, again = texts(REFERENCE, REFERENCE), texts(results / "crate", results / "crate")
    # Its date is that of the day.
    del shipped["ro-crate-metadata.json"], again["ro-crate-metadata.json"]
    assert again.keys() == shipped.keys(), "run `make reference`"
    assert [name for name in shipped if again[name] != shipped[name]] == [], "run `make reference`"
    figures = {path.name for path in REFERENCE.rglob("*.png")}
    assert figures == {path.name for path in (results / "crate").rglob("*.png")}
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
