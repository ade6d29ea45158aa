"""The page shows what the report says: links lead to headings, figures are inside, and no text of a study is markup."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from ablation.analysis.page import LARGEST_DRAWING, contents, page
from ablation.escaping import for_markdown, one_line

HOSTILE = (
    "=cmd() | <b>x</b> <details> </details> <!-- <script>alert(1)</script> [a](javascript:b) ![c](d) `code` *e*"
    " <https://x.y> &lt; \\<i> {{ x }}"
)
TITLE = for_markdown(HOSTILE)
TAG = re.compile(r"<([a-z0-9]+)[ >]")


def body(text: str) -> str:
    """The page without what is the same of all."""
    return page(text, None).split("<main>\n")[1].split("</main>")[0]


def test_a_title_becomes_title_and_heading() -> None:
    shown = page("# A *study*\n", None)
    assert "<title>A study</title>" in shown
    assert '<h1 id="a-study">A <em>study</em></h1>' in shown


@pytest.mark.parametrize(
    "form",
    [
        "# {}\n",
        "## {}\n",
        "> **Warning.** {}\n",
        "- {}\n",
        "| a | b |\n|:--|--:|\n| {} | 1 |\n",
        "![{}](figures/one.png)\n",
    ],
)
def test_no_text_of_a_study_is_markup(form: str) -> None:
    plain, hostile = body(form.format("plain")), body(form.format(TITLE))
    assert TAG.findall(hostile) == TAG.findall(plain)
    assert html.escape(one_line(HOSTILE), quote=False) in hostile.replace("&quot;", '"')
    assert one_line(HOSTILE) in html.unescape(hostile)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>\n", "a <b>bold</b> word\n", "<details open>\n\n</details>\n"]
)
def test_html_in_the_report_is_shown_unless_it_is_a_fold(text: str) -> None:
    assert set(TAG.findall(body(text))) <= {"p"}


def test_a_fold_is_one() -> None:
    shown = body("<details>\n<summary>By variant</summary>\n\n| a |\n|---|\n| 1 |\n\n</details>\n")
    assert TAG.findall(shown)[:2] == ["details", "summary"]
    assert shown.rstrip().endswith("</details>")
    assert shown.count("<table>") == 1


# As GitHub makes them: https://github.com/gjtorikian/html-pipeline, toc filter.
@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("What is missing, and warnings", "what-is-missing-and-warnings"),
        ("VGG-A", "vgg-a"),
        ("Losses (A, B): 0.5 % & more_or `code`", "losses-a-b-05---more_or-code"),
        ("Überblick 漢", "überblick-漢"),
        (for_markdown("a*b*_c_ [d](e)"), "ab_c_-de"),
    ],
)
def test_links_of_the_contents_lead_to_headings_as_on_github(heading: str, slug: str) -> None:
    text = f"# Title\n\n## {heading}\n"
    assert contents(text) == f"[{heading}](#{slug})"
    shown = page(f"{text}\n{contents(text)}\n", None)
    assert f'<h2 id="{slug}">' in shown
    (link,) = re.findall(r'href="#([^"]+)"', shown)
    assert html.unescape(link) in (slug, _quoted(slug))


def _quoted(text: str) -> str:
    """A link's characters beyond ASCII are written as bytes."""
    return "".join(each if each.isascii() else "".join(f"%{byte:02X}" for byte in each.encode()) for each in text)


def test_headings_of_the_same_text_have_ids_of_their_own() -> None:
    text = "## Loss\n\n### Loss\n\n## Loss\n"
    assert contents(text) == "[Loss](#loss) · [Loss](#loss-2)"
    assert contents(text, under="Loss") == "[Loss](#loss-1)"


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/one.png").write_bytes(b"PNG")
    return tmp_path


def test_a_figure_is_inside_as_the_drawing_or_where_that_is_large_as_the_picture(figures: Path) -> None:
    text, drawing = "![one](figures/one.png)\n", figures / "figures/one.svg"
    assert '<img src="data:image/png;base64,UE5H" alt="one"' in page(text, figures)
    drawing.write_text("<svg/>")
    assert "data:image/svg+xml;base64,PHN2Zy8+" in page(text, figures)
    drawing.write_text("x" * (LARGEST_DRAWING + 1))
    assert "data:image/png;" in page(text, figures)


def test_a_lost_figure_is_an_error(figures: Path) -> None:
    with pytest.raises(ValueError, match=r"figures/two\.png is missing, and the report shows it"):
        page("![two](figures/two.png)\n", figures)


def test_without_figures_they_are_named() -> None:
    assert body("![Adam](figures/one.png)\n") == "<p><em>Figure one: Adam</em></p>\n"


def test_only_verdicts_are_labels() -> None:
    shown = body("**supported** **Adam** **undecided**\n")
    assert re.findall("<strong[^>]*>", shown) == [
        '<strong class="verdict supported">',
        "<strong>",
        '<strong class="verdict undecided">',
    ]


def test_a_long_name_may_go_on_in_the_next_line() -> None:
    assert body("`optimizer.learning_rate <`\n") == "<p><code>optimizer.<wbr>learning_<wbr>rate &lt;</code></p>\n"
