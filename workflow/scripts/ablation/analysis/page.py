"""The report as one page for a browser, which asks for nothing beside it or from the network. No torch.

In: `report.md` and the figures beside it. Out: HTML. Only what the report's template writes is markup: HTML in a text
of the study stays text, and the page's policy lets the browser run no other script than ours. Without its figures the
page is small enough for `snakemake --report`, which has them beside it: within a page a browser shows 2 MB at most.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup
from mdit_py_plugins.anchors import anchors_plugin

from ablation.analysis.evidence import CONTRADICTED, EQUIVALENT, SUPPORTED, UNDECIDED

VERDICTS = {SUPPORTED, CONTRADICTED, EQUIVALENT, UNDECIDED}
# The only HTML that the report's template writes.
FOLD = re.compile(r"(<details>\n<summary>[^<>&]*</summary>|</details>)\n?")
WORD_END = re.compile(r"[._/](?=\w)")
# A larger drawing, of many curves, is slow to show: its picture of points is taken.
LARGEST_DRAWING = 300_000


def parser() -> MarkdownIt:
    """Markdown as GitHub reads it, with the same ids of headings."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    return markdown.use(anchors_plugin, max_level=3)


def contents(text: str, under: str = "") -> str:
    """Links to the sections of a report, or to those under one of them, in one line of Markdown."""
    tokens = parser().parse(text)
    links, section = [], ""
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            title = tokens[index + 1].content
            section = title if token.tag == "h2" else section
            if token.tag == ("h3" if under else "h2") and section == (under or title):
                links.append(f"[{title}](#{token.attrGet('id')})")
    return " · ".join(links)


def page(text: str, folder: Path | None) -> str:
    """The page of a report, whose pictures are in this folder. Without a folder the pictures are only named.

    Raises:
        ValueError: a picture is missing.
    """
    markdown = parser()
    tokens = markdown.parse(text)
    for token in tokens:
        _embed(token, folder)
    for name, rule in (RULES if folder else RULES | NAMED).items():
        markdown.add_render_rule(name, rule)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=True
    )
    template, script = environment.get_template("page.html.j2"), Path(__file__).with_name("page.js").read_text()
    return template.render(
        title=next(_titles(tokens), "Report"),
        body=Markup(markdown.renderer.render(tokens, markdown.options, {})),
        style=Markup(Path(__file__).with_name("page.css").read_text()),
        script=Markup(script),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _titles(tokens: Sequence[Token]) -> Iterator[str]:
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            yield "".join(child.content for child in tokens[index + 1].children or ())


def _embed(token: Token, folder: Path | None) -> None:
    for child in token.children or ():
        if folder and child.type == "image":
            child.attrSet("src", _data_uri(folder / str(child.attrGet("src"))))


def _data_uri(path: Path) -> str:
    """The drawing beside a picture where it is small, else the picture."""
    drawing = path.with_suffix(".svg")
    small = drawing.is_file() and drawing.stat().st_size <= LARGEST_DRAWING
    kind, path = ("svg+xml", drawing) if small else ("png", path)
    try:
        return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing, and the report shows it") from error


def _html(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    content = tokens[index].content
    return content if FOLD.fullmatch(content) else escapeHtml(content)


def _strong(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    """A verdict is a label of its own colour."""
    word = tokens[index + 1].content
    return f'<strong class="verdict {word}">' if word in VERDICTS else "<strong>"


def _table(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    """A table that is too wide moves in a box of its own, also by the keyboard."""
    return '<div class="table" tabindex="0" role="region" aria-label="table">\n<table>\n'


def _table_end(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    return "</table>\n</div>\n"


def _named(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    picture = tokens[index]
    text = renderer.renderInlineAsText(picture.children, options, env)
    return f"<em>Figure {escapeHtml(Path(str(picture.attrGet('src'))).stem)}: {escapeHtml(text)}</em>"


def _code(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    """A long name may go on in the next line where a word of it ends."""
    text = WORD_END.sub(r"\g<0><wbr>", escapeHtml(tokens[index].content))
    return f"<code>{text}</code>"


RULES = {
    "code_inline": _code,
    "html_block": _html,
    "html_inline": _html,
    "strong_open": _strong,
    "table_open": _table,
    "table_close": _table_end,
}
NAMED = {"image": _named}
