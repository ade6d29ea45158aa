"""The images in the report, as Markdown: how many of each part and class, and how large they were. No torch.

In: a study, and what describes its prepared data. Out: what the templates of Markdown fill in.
"""

from __future__ import annotations

from ablation.analysis.markdown import markdown_table
from ablation.config.study import Study
from ablation.data.arrays import PARTS, Description
from ablation.escaping import for_markdown


def images_sentence(study: Study, data: Description) -> str:
    """`Data set digits: 10 classes; 600 training images, 360 test images. They came with 8x8 pixels, ...`"""
    counts = [f"{count:,} {PARTS[part]} images" for part, count in data.counts.items() if count]
    sentence = f"Data set `{data.name}`: {len(data.classes)} classes; {', '.join(counts)}."
    if data.sizes is None:
        return sentence
    smallest, largest = ("{}x{}".format(*size) for size in data.sizes)
    had = smallest if smallest == largest else f"{smallest} to {largest}"
    channels = "in colour" if study.data.channels == 3 else "in grey"
    return (
        f"{sentence} They came with {had} pixels, and are {study.data.image_size}x{study.data.image_size}, {channels}."
    )


def classes_markdown(data: Description) -> str:
    """How many images of each class a part has; empty where that is not known."""
    columns = {PARTS[part]: counts for part, counts in data.class_counts.items()}
    lines = [
        {"class": for_markdown(name)} | {part: f"{counts[label]:,}" for part, counts in columns.items()}
        for label, name in enumerate(data.classes)
    ]
    return markdown_table(lines) if columns else ""
