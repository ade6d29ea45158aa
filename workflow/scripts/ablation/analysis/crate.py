"""A study's results -> a Workflow Run RO-Crate: a folder that tells programs what was made, of what and by what.

No torch. In: a study, and its `results/` below the working directory. Out: a folder with the records, tables, figures
and report as they lie there, and `ro-crate-metadata.json`, which describes them (Workflow Run Crate 0.5,
Leo and others 2024, https://w3id.org/ro/wfrun/workflow/0.5). What is large (weights, images) stays behind, and what the
records make again (LaTeX, SVG, HTML): a copy of the folder named `results` is enough for `snakemake report --config
partial=true`. Records have no dates, so neither have actions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from rocrate.model import ContextEntity, Dataset, File
from rocrate.rocrate import ROCrate

from ablation.analysis.files import MODEL_CARD, REPORT
from ablation.analysis.frames import read_csv
from ablation.analysis.markdown import duration
from ablation.analysis.report import notice, template
from ablation.analysis.report_data import images_sentence
from ablation.analysis.report_runs import cost_sentence, origin_counts
from ablation.analysis.runs import COLUMNS
from ablation.config import matrix
from ablation.config.study import Study
from ablation.files import read_file, write_text
from ablation.runs.records import ProbeRecord, RecordError, RunRecord, read_probe, read_record
from ablation.runs.results import prepared_data

METADATA, README = "ro-crate-metadata.json", "README.md"
WORKFLOW = "workflow/Snakefile"
SNAKEFILE = Path(__file__).resolve().parents[3] / "Snakefile"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
# What the workflow read and wrote, besides runs: as patterns, with what they are.
INPUTS = {
    "study.json": "The checked study: variants, seeds, tables and claims",
    "data/*/data.json": "The data set: its classes, numbers of images and digests",
}
OUTPUTS = {
    REPORT: "The report",
    MODEL_CARD: "The best run's model card",
    "claims.json": "The verdict on each claim",
    "tables/*.csv": "The comparisons, and a line for each run",
    "figures/*.png": "The figures of the report",
    "landscape/*.csv": "The loss landscape",
    "landscape/*.png": "The figures of the loss landscape",
}
FORMATS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
}
WEIGHTS = ".pth"


class CratedRun(NamedTuple):
    """A finished run or probed run, and the folder in the crate that has its files."""

    name: str
    folder: str
    record: RunRecord | ProbeRecord
    files: tuple[str, ...]


def write_crate(study: Study, output: Path, license_name: str) -> int:
    """Write the crate as `output`, in place of an earlier one there, whose date stays; how many runs are in it.

    `license_name` is one of the SPDX list, or an address.

    Raises:
        ValueError: `output` has files that are none of a crate's, or the study has no report yet.
        OSError: a file cannot be read or written.
    """
    results = Path("results")
    if not (results / REPORT).exists():
        raise ValueError(f"there is no {results / REPORT}; `snakemake report` makes it")
    crate = Crate(study, license_name, _date_of(output))
    runs = list(_made(study, results))
    inputs, outputs = list(_found(results, INPUTS)), list(_found(results, OUTPUTS))
    crate.describe(inputs, outputs, runs)
    with _aside(output) as folder:
        for path in (*inputs, *outputs, *(f"{run.folder}{file}" for run in runs for file in run.files)):
            _copy(results / path, folder / path)
        _copy(SNAKEFILE, folder / WORKFLOW)
        write_text(folder / README, _readme(study, results))
        write_text(folder / METADATA, crate.text())
    return len(runs)


def _date_of(output: Path) -> str | None:
    """The date of an earlier crate; None where there is nothing."""
    if not output.exists() or not any(output.iterdir()):
        return None
    try:
        (root,) = (each for each in json.loads(read_file(output / METADATA))["@graph"] if each["@id"] == "./")
        return str(root["datePublished"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{output} is no earlier crate, and is not replaced; choose another --output") from error


@contextmanager
def _aside(output: Path) -> Iterator[Path]:
    """A folder beside `output` to write into, which takes its place when the block ends without an error."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
        whole = Path(folder, output.name)
        whole.mkdir()
        yield whole
        if output.exists():
            output.rename(Path(folder, "earlier"))
        whole.rename(output)


def _found(results: Path, patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from sorted(str(path.relative_to(results)) for path in results.glob(pattern))


def _made(study: Study, results: Path) -> Iterator[CratedRun]:
    """The finished runs, with their files but for the weights; a damaged record is none."""
    for run in matrix.runs(study):
        record = _read(read_record, run.metrics)
        if isinstance(record, RunRecord):
            small = (name for name in record.files if not name.endswith(WEIGHTS))
            folder = f"{Path(run.directory).relative_to(results)}/"
            yield CratedRun(f"Training {run.variant}, seed {run.seed}", folder, record, ("metrics.json", *small))
    for run in matrix.probed_runs(study):
        record = _read(read_probe, run.probe)
        if isinstance(record, ProbeRecord):
            path = Path(run.probe).relative_to(results)
            yield CratedRun(f"Probing {run.variant}, seed {run.seed}", f"{path.parent}/", record, (path.name,))


def _readme(study: Study, results: Path) -> str:
    """What a person who opens the folder wants to know first."""
    runs = read_csv(results / "tables/runs.csv", COLUMNS)
    data = prepared_data(study)
    return template("crate.md.j2").render(
        study=study,
        images=images_sentence(study, data) if data else "",
        notice=notice(study),
        cost=cost_sentence(runs),
        origins=origin_counts(runs),
        has_claims=bool(study.claims),
    )


def _read(reader: Any, path: str) -> RunRecord | ProbeRecord | None:
    try:
        return reader(path)
    except (FileNotFoundError, RecordError):
        return None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


class Crate:
    """The metadata of a crate."""

    def __init__(self, study: Study, license_name: str, date: str | None) -> None:
        self.study = study
        self.crate = ROCrate(version="1.1")
        self.root = self.crate.root_dataset
        self.crate.name = study.title
        seeds = ", ".join(map(str, study.all_seeds))
        self.crate.description = f"Study {study.study}: {len(study.matrix.variants)} variants, seeds {seeds}"
        if date is not None:
            self.crate.datePublished = date
        address = license_name if "://" in license_name else f"https://spdx.org/licenses/{license_name}"
        self.crate.license = self._entity(address, "CreativeWork", name=license_name)
        profiles = [
            self._entity(uri, "CreativeWork", name=name, version=uri.rsplit("/", 1)[1])
            for uri, name in PROFILES.items()
        ]
        self.root["conformsTo"] = profiles

    def text(self) -> str:
        return json.dumps(self.crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def describe(self, inputs: Iterable[str], outputs: Iterable[str], runs: Iterable[CratedRun]) -> None:
        """The files, the call of the workflow that made them, and each run."""
        workflow = self._workflow()
        read, written = list(map(self._file, inputs)), list(map(self._file, outputs))
        trained = [self._training(run, read) for run in runs]
        study = self._action("#study", f"The study {self.study.study}", workflow, read)
        study["result"] = [*written, *(each["result"] for each in trained)]
        study["description"] = "Trained each variant with each seed, compared them and judged the claims"
        readme = File(self.crate, dest_path=README, properties={"encodingFormat": FORMATS[".md"], "name": "Read me"})
        self.crate.add(readme)["about"] = self.root
        self.root["mentions"] = [study, *trained]

    def _workflow(self) -> Any:
        properties = {"name": "Ablation study", "encodingFormat": "text/plain"}
        return self.crate.add_workflow(dest_path=WORKFLOW, main=True, lang="snakemake", properties=properties)

    def _training(self, run: CratedRun, read: list[Any]) -> Any:
        """The action of a run, whose result is its folder."""
        action = self._action(f"#{run.folder.removesuffix('/')}", run.name, self._code(run.record), read)
        folder = Dataset(self.crate, dest_path=run.folder, properties={"name": f"{run.name}: its files"})
        action["result"] = self.crate.add(folder)
        action["description"] = _description(run.record)
        return action

    def _action(self, identifier: str, name: str, instrument: Any, read: list[Any]) -> Any:
        action = self._entity(identifier, "CreateAction", name=name)
        action["instrument"], action["object"] = instrument, read
        action["actionStatus"] = "http://schema.org/CompletedActionStatus"
        return action

    def _code(self, record: RunRecord | ProbeRecord) -> Any:
        """The code that made a run, once for all runs of the same one."""
        origin = record.origin
        versions = ", ".join(f"{name} {version}" for name, version in origin.versions.items())
        identifier = f"#code-{origin.code_digest}-{origin.git_commit or 'unknown'}"
        return self.crate.dereference(identifier) or self._entity(
            identifier,
            "SoftwareApplication",
            name=f"Training code of digest {origin.code_digest}",
            softwareVersion=origin.git_commit or "unknown",
            softwareRequirements=versions,
        )

    def _file(self, path: str) -> Any:
        described = {**INPUTS, **OUTPUTS}
        about = next(text for pattern, text in described.items() if Path(path).match(pattern))
        properties = {"name": f"{about}: {path}", "encodingFormat": FORMATS[Path(path).suffix]}
        return self.crate.add(File(self.crate, dest_path=path, properties=properties))

    def _entity(self, identifier: str, kind: str, **properties: Any) -> Any:
        return self.crate.add(ContextEntity(self.crate, identifier, properties={"@type": kind} | properties))


def _description(record: RunRecord | ProbeRecord) -> str:
    device = record.origin.device
    if isinstance(record, ProbeRecord):
        return f"On {device}"
    came_to = f"Diverged in epoch {record.epochs}"
    if record.status == "completed" and record.best is not None:
        came_to = f"Completed: {record.best.test_accuracy:.2f} % on the test images"
    return f"{came_to}, in {duration(record.cost.wall_seconds)} on {device}"
