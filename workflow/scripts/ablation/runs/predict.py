"""Image files -> how sure a finished run's network is of each class.

Images become pixels as those of the run's data did, and are computed with in float32. The run's record, `model.json`
and weights are checked first. Fails with `PredictionError` or `RecordError` on a run that cannot be used, and with
`DataError` on a file that is no image: each is a `ValueError`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from ablation.config.catalog import catalog
from ablation.config.kinds import ImageShape
from ablation.config.settings import read_spec
from ablation.config.study import DataConfig
from ablation.config.texts import snakemake_command
from ablation.data.image_files import DataError, check_size
from ablation.data.pixels import decoded
from ablation.escaping import one_line
from ablation.files import read_file
from ablation.runs.finished import RECORD
from ablation.runs.model_file import MODEL, ModelFile, WeightsKind, without_values
from ablation.runs.provenance import training_digest
from ablation.runs.records import RunRecord, read_file_of, read_record
from ablation.runs.results import components_of

BATCH = 64
SHOWN = 3
CHANGED = "the code has changed since it trained this run; if the network's has, these predictions are not the run's"


class PredictionError(ValueError):
    """The run cannot be used."""


class Prediction(NamedTuple):
    """The probability of each class of an image, the most probable first."""

    file: str
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Classifier:
    """A network with its weights on a device, and what it takes and knows."""

    network: nn.Module
    about: ModelFile
    device: torch.device

    def predictions(self, files: Sequence[str]) -> Iterator[Prediction]:
        """Those of image files, in their order.

        Raises:
            DataError: a file cannot be read, or is no image.
        """
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            for file, probabilities in zip(batch, self.probabilities(self.read(batch)), strict=True):
                values, order = probabilities.sort(descending=True, stable=True)
                names = [self.about.classes[index] for index in order.tolist()]
                yield Prediction(file, dict(zip(names, values.tolist(), strict=True)))

    def read(self, files: Iterable[str]) -> Tensor:
        """Images as (B, C, H, W) uint8."""
        size, channels = self.about.image_size, self.about.channels
        config = DataConfig.model_validate({"name": "images", "image_size": size, "channels": channels})
        pixels = bytearray(b"".join(pixels_of(file, config) for file in files))
        return torch.frombuffer(pixels, dtype=torch.uint8).view(-1, size, size, channels).permute(0, 3, 1, 2)

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) uint8 -> (B, classes), on the CPU."""
        mean, std = (torch.tensor(each).view(-1, 1, 1) for each in (self.about.mean, self.about.std))
        logits = self.network(((images / 255 - mean) / std).to(self.device))
        return logits.float().softmax(1).cpu()

    def try_out(self) -> None:
        """Compute the probabilities of a black image.

        Raises:
            ValueError: they are not those of the classes; other errors are the network's.
        """
        black = torch.zeros(1, self.about.channels, self.about.image_size, self.about.image_size, dtype=torch.uint8)
        shape = tuple(self.probabilities(black).shape)
        if shape != (1, len(self.about.classes)):
            raise ValueError(f"its output is {shape}, not (1, {len(self.about.classes)}): a number for each class")


def pixels_of(file: str, config: DataConfig) -> bytes:
    """The pixels of an image file, scaled as those of the data."""
    try:
        check_size(file, os.stat(file).st_size)
        return decoded(read_file(file), config).pixels
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def load_classifier(directory: Path, kind: WeightsKind, components: Sequence[str], device: str) -> Classifier:
    """The network of a finished run. `components` are files of the study's own; without them, those of its study.

    Raises:
        PredictionError: there is no such run, it has no such weights, or its network cannot be built.
        RecordError: a file of the run is missing or damaged.
    """
    where, record = usable_device(device), read_finished(directory)
    about = read_about(directory, record)
    if kind not in about.weights:
        raise PredictionError(f"{directory} has no {kind} weights, only {', '.join(about.weights)} ones")
    content = read_file_of(directory, record, about.weights[kind])
    try:
        network = without_values(about.network) if about.network else of_code(directory, record, about, components)
        network.load_state_dict(torch.load(BytesIO(content), weights_only=True), assign=True)
        classifier = Classifier(network.to(where).eval(), about, where)
        classifier.try_out()
    except PredictionError:
        raise
    except Exception as error:  # what torch and a study's own code raise depends on what is wrong
        reason = one_line(f"{type(error).__name__}: {error}")
        raise PredictionError(f"{directory}: its network cannot be used with its weights: {reason}") from error
    return classifier


def usable_device(name: str) -> torch.device:
    """The device of that name, once it has computed something."""
    try:
        torch.zeros(1, device=name).item()
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        raise PredictionError(f"--device {name} cannot be used: {str(error).splitlines()[0]}") from error


def read_finished(directory: Path) -> RunRecord:
    """The record of a run in this folder."""
    if not (directory / RECORD).is_file():
        advice = f"`snakemake results/runs/<variant>/seed<k>/{RECORD}` trains one of the study"
        raise PredictionError(f"{directory}: no finished run is there, with a {RECORD}; {advice}")
    return read_record(directory / RECORD)


def read_about(directory: Path, record: RunRecord) -> ModelFile:
    """The run's `model.json`."""
    if MODEL not in record.files:
        if record.best is None:
            raise PredictionError(f"{directory} diverged before its first epoch ended, so it has no weights")
        command = snakemake_command(directory / RECORD, "--force")
        raise PredictionError(
            f"{directory} has no {MODEL}, which earlier code did not write; `{command}` trains it again"
        )
    try:
        return ModelFile.model_validate_json(read_file_of(directory, record, MODEL))
    except ValidationError as error:
        raise PredictionError(f"{directory / MODEL}: {said(error)}") from error


def of_code(directory: Path, record: RunRecord, about: ModelFile, components: Sequence[str]) -> nn.Module:
    """The network that today's code builds from the run's settings; a warning where that is not what trained it."""
    files = components or components_of(Path(os.path.normpath(directory / "../../..")))
    try:
        settings = read_spec(json.dumps(record.spec), catalog(files))
    except ValueError as error:
        reason = said(error) if isinstance(error, ValidationError) else error
        hint = "--components FILE names a file of the study's own components"
        raise PredictionError(f"{directory}: its settings cannot be read: {reason}. {hint}") from error
    if training_digest(settings) != record.origin.code_digest:
        print(f"warning: {CHANGED}", file=sys.stderr)
    images = ImageShape(about.channels, about.image_size, about.image_size)
    return settings.model.build(images, len(about.classes))


def said(error: ValidationError) -> str:
    """The first of its errors, in a line."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def as_text(predictions: Iterable[Prediction]) -> str:
    """A line an image: its file, the class with its probability, and the runners-up, in columns."""
    rows = [[one_line(each.file), *chain.from_iterable(_first(each))] for each in predictions]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_aligned(row, widths)) for row in rows)


def _first(prediction: Prediction) -> list[tuple[str, str]]:
    first = list(prediction.probabilities.items())[:SHOWN]
    return [(one_line(name), f"{100 * probability:.1f} %") for name, probability in first]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Texts to the left, numbers to the right."""
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if column and column % 2 == 0 else cell.ljust(width)


def as_json(predictions: Iterable[Prediction]) -> str:
    """A list of an object an image: `file`, `class`, and `probabilities` by class, the most probable first."""
    found = [
        {"file": file, "class": next(iter(probabilities)), "probabilities": probabilities}
        for file, probabilities in predictions
    ]
    return json.dumps(found, indent=2, allow_nan=False)
