"""Texts in figures: in lines of a width, and in fonts that have their letters. No torch."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from rich.cells import set_cell_size
from rich.console import Console
from rich.text import Text as RichText

from ablation.escaping import for_figure

FONT = "DejaVu Sans"
CUT = "…"
CONSOLE = Console(width=1000)


def wrapped(text: str, width: int, most: int = 3) -> str:
    """A text in lines of at most so many letters, of which a Chinese one is two, and at most so many lines."""
    lines = [line.plain.rstrip() for line in RichText(text).wrap(CONSOLE, width)]
    if len(lines) > most:
        lines[most - 1] = set_cell_size(lines[most - 1], width - 1).rstrip() + CUT
    return for_figure("\n".join(lines[:most]))


def use_fonts_with_letters(figure: Figure) -> None:
    """Let the figure's texts have, after matplotlib's own font, those of this machine that have the letters it lacks.

    Letters that no font has are named on standard error.
    """
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    missing = {ord(letter) for text in texts for letter in text.get_text() if letter.isprintable()}
    missing -= letters_of(font_manager.findfont(FONT))
    fonts = [FONT]
    for path in _other_fonts() if missing else ():
        if found := missing & letters_of(path):
            font_manager.fontManager.addfont(path)
            fonts.append(font_manager.get_font(path).family_name)
            missing -= found
    if len(fonts) > 1:
        for text in texts:
            text.set_fontfamily(fonts)
    if missing:
        letters = "".join(map(chr, sorted(missing)))
        print(f"warning: no font of this machine has these letters, which are boxes: {letters}", file=sys.stderr)


@cache
def _other_fonts() -> list[str]:
    """Paths of fonts, also of those that were installed after matplotlib has listed them; sans serif ones first."""
    return sorted(font_manager.findSystemFonts(), key=lambda path: ("Serif" in path, "Mono" in path, Path(path).name))


@cache
def letters_of(path: str) -> frozenset[int]:
    """The code points that a font can draw; none of one that is damaged, or of pictures."""
    try:
        font = FT2Font(path)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    except (OSError, RuntimeError):
        return frozenset()
