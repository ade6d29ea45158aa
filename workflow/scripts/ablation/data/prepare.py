"""Images of any source -> arrays on disk, made once, that training maps into memory. No torch but to fetch CIFAR-10.

In: a `DataConfig`. Out: a folder of `<split>_images.npy` (uint8, N x C x H x W) and `<split>_labels.npy` (int64, N)
for the splits train, test and, where one is asked for, validation; and `data.json`, written last, so that it alone
means done. The same images give the same bytes. Fails with `DataError` on data that cannot be used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from http.client import HTTPException
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ablation.config.study import DataConfig
from ablation.data.arrays import KINDS, PARTS, Description, Part, Size, digest_of, digest_of_all
from ablation.data.image_files import LAYOUT, DataError, Place, image_files, path_of
from ablation.data.pixels import Decoded, decoded, scaled
from ablation.data.tar_files import tar_files
from ablation.files import atomic_write, write_text

SPLIT_SEED = 0
DIGITS_TEST_SHARE = 0.2
DIGITS_SIZE, CIFAR10_SIZE = (8, 8), (32, 32)


class Split(NamedTuple):
    """Images, uint8 N x C x H x W, and their labels, int64 N."""

    images: np.ndarray
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> Split:
        return Split(self.images[indices], self.labels[indices])


class Source(NamedTuple):
    """A data set as it comes. A label is an index into `classes`; `sizes` are of the smallest and largest image."""

    classes: list[str]
    sizes: tuple[Size, Size]
    train: Split
    test: Split


def prepare(config: DataConfig, output: Path, identity: str = "") -> None:
    """Write the arrays and `data.json` into the folder `output`; older ones there are replaced.

    Raises:
        DataError: the data cannot be used.
        OSError: a file cannot be read or written.
    """
    source = SOURCES[config.name](config)
    splits = _splits(source, config)
    arrays = _arrays(splits)
    description = _description(config, source, splits, arrays).model_copy(update={"identity": identity})
    _write(output, description, arrays)


def _write(output: Path, description: Description, arrays: Mapping[str, np.ndarray]) -> None:
    _clear(output)
    for name, array in arrays.items():
        with atomic_write(output / f"{name}.npy") as aside, open(aside, "wb") as file:
            # `np.save` would not tell why it could write only a part.
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
            file.write(array.data)
    write_text(output / "data.json", description.model_dump_json(indent=2) + "\n")


def _description(
    config: DataConfig, source: Source, splits: Mapping[str, Split], arrays: Mapping[str, np.ndarray]
) -> Description:
    digests = {name: digest_of(array) for name, array in arrays.items()}
    return Description(
        name=config.name,
        classes=tuple(source.classes),
        held_out_part="validation" if "validation" in splits else "test",
        counts={part: len(splits[part].labels) if part in splits else 0 for part in PARTS},
        class_counts={
            part: tuple(np.bincount(splits[part].labels, minlength=len(source.classes)).tolist())
            for part in PARTS
            if part in splits
        },
        sizes=source.sizes,
        digest=digest_of_all(digests),
        arrays=digests,
    )


def _clear(output: Path) -> None:
    """Remove earlier data, `data.json` first: whatever happens then, the rest is not taken for complete.

    What a killed preparation was writing goes too.
    """
    (output / "data.json").unlink(missing_ok=True)
    for earlier in (*output.glob("*.npy"), *output.glob(".*.json")):
        earlier.unlink()


def _arrays(splits: Mapping[str, Split]) -> dict[str, np.ndarray]:
    return {
        f"{name}_{kind}": np.ascontiguousarray(array)
        for name, split in splits.items()
        for kind, array in zip(KINDS, split, strict=True)
    }


# --- Splits ---


def _splits(source: Source, config: DataConfig) -> dict[str, Split]:
    """The splits by name; they are thinned after the validation images were taken out of the training images."""
    splits = {"train": source.train, "test": source.test}
    if config.held_out_fraction > 0:
        # An image of each class at least, so that few of one's own can be split as well.
        count = max(round(config.held_out_fraction * len(source.train.labels)), len(source.classes))
        share = config.held_out_fraction if config.validation_fraction else count
        try:
            splits["train"], splits["validation"] = _stratified(source.train, share)
        except ValueError as error:
            reason = f"the {len(source.train.labels)} training images cannot be split by class"
            problem = f"data.validation_fraction {config.held_out_fraction:g}: {reason}: {error}"
            raise DataError(f"{problem}. With 0 the test images choose the best epoch") from error
    counts: dict[Part, int | None] = {"train": config.train_images_per_class, "test": config.test_images_per_class}
    return splits | {
        part: _thinned(splits[part], source.classes, part, count) for part, count in counts.items() if count is not None
    }


def _stratified(split: Split, share: float) -> tuple[Split, Split]:
    """The rest and, drawn by class with a fixed seed, a share or number of a split, each in the split's order."""
    indices = np.arange(len(split.labels))
    rest, drawn = train_test_split(indices, test_size=share, stratify=split.labels, random_state=SPLIT_SEED)
    return split.take(np.sort(rest)), split.take(np.sort(drawn))


def _thinned(split: Split, classes: Collection[str], part: Part, count: int) -> Split:
    """`count` images of each class, drawn with a fixed seed: a smaller draw is part of every larger one."""
    random = np.random.default_rng(SPLIT_SEED)
    drawn = []
    for label, each in enumerate(classes):
        indices = random.permutation(np.flatnonzero(split.labels == label))
        if len(indices) < count:
            raise DataError(
                f"data.{part}_images_per_class {count}: class {each!r} has {len(indices)} {PARTS[part]} images only"
            )
        drawn.append(indices[:count])
    return split.take(np.sort(np.concatenate(drawn)))


# --- Arrays ---


def _stacked(images: Iterable[bytes], config: DataConfig) -> np.ndarray:
    """Images of `scaled` as N x channels x height x width."""
    channels, height, width = config.image_shape
    return np.frombuffer(b"".join(images), np.uint8).reshape(-1, height, width, channels).transpose(0, 3, 1, 2)


# --- digits ---


def _digits(config: DataConfig) -> Source:
    digits = load_digits()
    levels = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # from 0 to 16
    images = _stacked((scaled(Image.fromarray(image), config) for image in levels), config)
    train, test = _stratified(Split(images, digits.target.astype(np.int64)), DIGITS_TEST_SHARE)
    return Source([str(name) for name in digits.target_names], (DIGITS_SIZE, DIGITS_SIZE), train, test)


# --- cifar10 ---


def _cifar10(config: DataConfig) -> Source:
    from torchvision.datasets import CIFAR10  # noqa: PLC0415 - it brings torch, which no other source needs

    folder = Path(config.path or "data")
    try:
        train, test = CIFAR10(folder, train=True), CIFAR10(folder, train=False)
    except RuntimeError:  # not unpacked yet, or damaged since
        _unpack_cifar10(folder)
        train, test = CIFAR10(folder, train=True), CIFAR10(folder, train=False)
    splits = [
        Split(
            _stacked((scaled(Image.fromarray(image), config) for image in each.data), config),
            np.array(each.targets, np.int64),
        )
        for each in (train, test)
    ]
    return Source(train.classes, (CIFAR10_SIZE, CIFAR10_SIZE), *splits)


def _unpack_cifar10(folder: Path) -> None:
    """Unpack the archive in the folder, or else a downloaded one, once its checksum is verified."""
    from torchvision.datasets import CIFAR10, utils  # noqa: PLC0415

    if folder.is_file():
        raise DataError(f"{folder}: is a file; give the folder that holds {CIFAR10.filename}")
    archive = folder / CIFAR10.filename
    if not archive.exists():
        _download_cifar10(archive)
    elif not utils.check_integrity(archive, CIFAR10.tgz_md5):
        reason = f"is damaged: its md5 is not {CIFAR10.tgz_md5}"
        raise DataError(f"{archive}: {reason}; replace it, or delete it to have it downloaded")
    utils.extract_archive(str(archive), str(folder))


def _download_cifar10(archive: Path) -> None:
    from torchvision.datasets import CIFAR10, utils  # noqa: PLC0415

    try:
        with atomic_write(archive) as aside:
            utils.download_url(CIFAR10.url, aside.parent, aside.name, CIFAR10.tgz_md5)
    except (OSError, RuntimeError, HTTPException) as error:
        raise DataError(
            f"CIFAR-10 could not be downloaded: {error}. Put {archive.name} (md5 {CIFAR10.tgz_md5}) into the folder "
            f"{archive.parent}; it is then verified and unpacked"
        ) from error


# --- images ---


def _images(config: DataConfig) -> Source:
    path = path_of(config)
    try:
        pixels = _decoded(_folder_files(path) if path.is_dir() else tar_files(path), config)
        classes = _common_classes(pixels)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    train, test = (_joined(pixels, split, classes, config) for split in ("train", "test"))
    smallest, *_, largest = sorted((image.size for image in pixels.values()), key=prod)
    return Source(classes, (smallest, largest), train, test)


def _joined(pixels: Mapping[Place, Decoded], split: str, classes: list[str], config: DataConfig) -> Split:
    """The images of a split, sorted by class and file name."""
    places = sorted(place for place in pixels if place.split == split)
    images = _stacked((pixels[place].pixels for place in places), config)
    label_of = {name: label for label, name in enumerate(classes)}
    return Split(images, np.array([label_of[place.label] for place in places], np.int64))


def _common_classes(places: Collection[Place]) -> list[str]:
    """The sorted class names, which train and test must share."""
    if not places:
        raise DataError(f"holds no images; they must be at {LAYOUT}")
    tops = sorted({place.top for place in places})
    if len(tops) > 1:
        raise DataError(f"holds several data sets, in {_listed(top or '.' for top in tops)}; keep one")
    train, test = ({place.label for place in places if place.split == split} for split in ("train", "test"))
    sides = {"train": train - test, "test": test - train}
    alone = [f"only in {split}: {_listed(sorted(names))}" for split, names in sides.items() if names]
    if alone:
        raise DataError(f"train and test must have images of the same classes; {'; '.join(alone)}")
    if len(train) < 2:
        raise DataError(f"at least two classes are needed; there is only {_listed(train)}")
    return sorted(train)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _decoded(files: Iterable[tuple[Place, bytes]], config: DataConfig) -> dict[Place, Decoded]:
    """The pixels of each image. All are tried before the first unusable one is named."""
    pixels: dict[Place, Decoded] = {}
    faults: dict[Place, str] = {}
    for place, content in files:
        try:
            pixels[place] = decoded(content, config)
        except DataError as error:
            faults[place] = str(error)
    if faults:
        first = min(faults)
        total = len(pixels.keys() | faults.keys())
        raise DataError(f"{str(first)!r} {faults[first]}. Unusable images: {len(faults)} of {total}")
    return pixels


def _folder_files(path: Path) -> Iterator[tuple[Place, bytes]]:
    """Place and content of every image."""
    for file in image_files(path):
        try:
            yield file.place, Path(file.path).read_bytes()
        except OSError as error:
            raise DataError(f"{str(file.place)!r} cannot be read: {error.strerror}") from error


SOURCES: dict[str, Callable[[DataConfig], Source]] = {"cifar10": _cifar10, "digits": _digits, "images": _images}
