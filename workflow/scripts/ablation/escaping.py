"""Texts of a user, a record or an archive, for whatever would read more into them than text: one function for each.

In: any text. Out: what shows that text and nothing else, on a terminal, in a command to paste, in Markdown, a figure
or a spreadsheet.
"""

from __future__ import annotations

import os
import re
import shlex

# Control characters, those that turn the direction of a line, and bytes of a file's name that are no text.
_HIDDEN = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
HIDDEN = re.compile(f"[{_HIDDEN}]")
HIDDEN_OR_BREAK = re.compile(f"[\t\n{_HIDDEN}]")
NO_WORD = re.compile(r"[!-/:-@\[-`{-~]")
OF_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after the end of a line it would begin an option
    "*": "{*}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "→": r"$\to$",
    "β": r"$\beta$",
    "×": r"$\times$",
}
LATEX = re.compile("|".join(map(re.escape, OF_LATEX)))
MARKUP = re.compile(r"[\\`*_~\[\]>|#]")
# What makes a list or a rule of the line that it begins.
BEGINS_BLOCK = re.compile(r"^(\d*)(?=[.)](?:\s|$)|[+-](?:[\s-]|$))")
# What a spreadsheet takes for the beginning of a formula, also in full width.
BEGINS_FORMULA = re.compile("'*[=+@\uff0b\uff0d\uff1d\uff20-]")


def for_terminal(text: object) -> str:
    """A message of one or more lines: what would move the cursor or change colours is shown as an escape (`\\x1b`)."""
    return HIDDEN.sub(lambda found: ascii(found[0])[1:-1], str(text))


def one_line(text: str) -> str:
    """A text with single spaces and nothing hidden."""
    return for_terminal(" ".join(text.split()))


def for_shell(*arguments: object) -> str:
    """A command on one line, of which bash makes these arguments again."""
    return " ".join(map(_word, map(str, arguments)))


def _word(argument: str) -> str:
    if not HIDDEN_OR_BREAK.search(argument):
        return shlex.quote(argument)
    plain = argument.replace("\\", r"\\").replace("'", r"\'")
    return f"$'{HIDDEN_OR_BREAK.sub(_as_bytes, plain)}'"


def _as_bytes(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0]))


def for_markdown(text: str) -> str:
    """A text on one line, also for a heading or a cell: no markup, HTML, link or formula.

    Some viewers make a formula of what is between two dollar signs, with a backslash before them too.
    """
    text = re.sub(r"&(?=[#\w])", "&amp;", one_line(text)).replace("<", "&lt;")
    return BEGINS_BLOCK.sub(r"\1\\", MARKUP.sub(r"\\\g<0>", text)).replace("$", "&#36;")


def for_rst(text: str) -> str:
    """A text on one line in reStructuredText: no markup."""
    return NO_WORD.sub(r"\\\g<0>", one_line(text))


def for_latex(text: str) -> str:
    """A text on one line in LaTeX, as a cell of a table."""
    return LATEX.sub(lambda found: OF_LATEX[found[0]], one_line(text))


def for_code(text: str) -> str:
    """A text as code in Markdown, outside tables: a command can be copied as it is."""
    text = for_terminal(text).replace("\n", " ")
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{space}{text}{space}{fence}"


def for_figure(text: str) -> str:
    """A text without mathematics: matplotlib would take what is between two dollar signs for a formula."""
    return for_terminal(text).replace("$", r"\$")


def for_csv(text: str) -> str:
    """A cell on one line, with an apostrophe before what a spreadsheet would take for a formula."""
    text = one_line(text)
    return f"'{text}" if BEGINS_FORMULA.match(text) else text


def from_csv(cell: str) -> str:
    """The text of a cell of `for_csv`."""
    return cell[1:] if cell.startswith("'") and BEGINS_FORMULA.match(cell) else cell
