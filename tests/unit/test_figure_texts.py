"""Texts in figures: their lines, and the fonts that have their letters."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from rich.cells import cell_len

from ablation.analysis import figure_texts
from ablation.analysis.figure_texts import FONT, letters_of, use_fonts_with_letters, wrapped
from ablation.analysis.figures import save

OTHER_FONT = str(Path(mpl.get_data_path(), "fonts/ttf/STIXGeneral.ttf"))
OWN_FONT = str(Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf"))
# A letter that only the other font has, and one that no font has.
RARE = chr(min(letter for letter in letters_of(OTHER_FONT) - letters_of(OWN_FONT) if chr(letter).isprintable()))
UNKNOWN = "\U00012000"


def labelled(text: str) -> Figure:
    figure = Figure()
    figure.subplots().set_title(text)
    return figure


@pytest.fixture
def fonts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the machine have these fonts."""
    return lambda *paths: monkeypatch.setattr(figure_texts, "_other_fonts", lambda: list(paths))


@pytest.mark.parametrize("text", ["many words of one long label of a row", "学习率千分之一权重衰减万分之一", "x" * 50])
def test_no_line_is_wider_than_asked_for_and_none_is_beyond_the_last(text: str) -> None:
    lines = wrapped(text, 12, most=3).split("\n")
    assert 2 <= len(lines) <= 3
    assert all(cell_len(line) <= 12 for line in lines)


def test_a_text_that_is_cut_off_says_so() -> None:
    assert wrapped("one two three four", 5, most=2) == "one\ntwo…"
    assert wrapped("one two", 20) == "one two"


def test_dollars_are_no_formula_and_brackets_no_style() -> None:
    assert wrapped("[bold]$a$", 20) == r"[bold]\$a\$"


def test_a_letter_that_matplotlibs_font_lacks_is_of_one_that_has_it(
    fonts: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    fonts("/no/such/font.ttf", OTHER_FONT)
    figure = labelled(f"letter {RARE}")
    save(figure, [tmp_path / "figure.png"])
    assert figure.axes[0].title.get_fontfamily() == [FONT, "STIXGeneral"]
    assert capsys.readouterr().err == ""


def test_where_all_letters_are_known_no_font_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_texts, "_other_fonts", lambda: pytest.fail("looked"))
    use_fonts_with_letters(labelled("Ünïcode – α\nand a line"))


def test_letters_that_no_font_has_are_named_once(
    fonts: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    fonts(OTHER_FONT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(labelled(f"{UNKNOWN} and {UNKNOWN}"), [tmp_path / "figure.png", tmp_path / "figure.svg"])
    expected = f"warning: no font of this machine has these letters, which are boxes: {UNKNOWN}\n"
    assert capsys.readouterr().err == expected
