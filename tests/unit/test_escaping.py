"""A text is shown as the text that it is, whatever would read more into it."""

import os
import subprocess

import pytest

from ablation.escaping import for_code, for_csv, for_figure, for_markdown, for_shell, for_terminal, from_csv, one_line

HOSTILE = "=cmd() | <b>x</b> [a](b) ![c](d) `code` $x$ *e* _f_ # \\ &lt; \x1b[31m \u202e\udcff 'q' \"d\"\n漢"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone\x07", r"\x1b[2Jgone\x07"),
        ("over\rwritten", r"over\rwritten"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb\u2066", r"a\u202eb\u2066"),
        ("\udcff.png", r"\udcff.png"),
        ("two\n\tlines of é 漢 👩\u200d💻", "two\n\tlines of é 漢 👩\u200d💻"),
    ],
)
def test_a_terminal_gets_nothing_that_moves_its_cursor(text, shown):
    assert for_terminal(text) == shown


def test_one_line_has_single_spaces():
    assert one_line(" a\n\n b\r\n\tc\u2028d\x1b ") == r"a b c d\x1b"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("two\nlines", "two lines"),
        ("*x*_y_~z~", r"\*x\*\_y\_\~z\~"),
        ("<b>&lt;&#60; R&D a & b", r"&lt;b\>&amp;lt;&amp;\#60; R&amp;D a & b"),
        ("[a](javascript:b) ![c](d)", r"\[a\](javascript:b) !\[c\](d)"),
        ("`code` \\", r"\`code\` \\"),
        ("$x$ $(touch pwned)", "&#36;x&#36; &#36;(touch pwned)"),
        ("# C #", r"\# C \#"),
        ("> said", r"\> said"),
        ("- item", r"\- item"),
        ("+", r"\+"),
        ("---", r"\---"),
        ("1. item", r"1\. item"),
        ("2)", r"2\)"),
        ("0.5", "0.5"),
        ("-5 °C, +3", "-5 °C, +3"),
        ("\x1b[31m", r"\\x1b\[31m"),
        ("é 漢", "é 漢"),
    ],
)
def test_markdown_has_no_markup_of_a_text(text, escaped):
    assert for_markdown(text) == escaped


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a  b", "`a  b`"),
        ("a `b` ``", "``` a `b` `` ```"),
        (" a ", "`  a  `"),
        ("two\nlines\x1b", r"`two lines\x1b`"),
        ("<b> | $x$ \\", r"`<b> | $x$ \`"),
    ],
)
def test_code_ends_where_its_text_does(text, code):
    assert for_code(text) == code


@pytest.mark.parametrize(
    "argument", [HOSTILE, "$(touch pwned); rm -rf ~ & `ls`", "it's", "", "-rf", "a\n\tb\\x41", "é 漢"]
)
def test_a_shell_makes_the_same_arguments_of_a_command_on_one_line(argument):
    command = for_shell("printf", r"%s\0", argument, "last")
    assert command == one_line(command)
    result = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert result.stdout == b"".join(os.fsencode(each) + b"\0" for each in (argument, "last"))


def test_a_figure_has_no_formula():
    assert for_figure("$x^2$\x1b") == r"\$x^2\$\x1b"


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "=cmd", "'=cmd()", "''+", "\t=x", "-"])
def test_a_cell_is_no_formula_and_reads_back_as_its_text(text):
    assert for_csv(text).startswith("'")
    assert from_csv(for_csv(text)) == one_line(text)


@pytest.mark.parametrize("text", ["Adam", "1e-3", "'quoted'", "a=b", "", "0.5", " 漢"])
def test_other_cells_are_as_they_are(text):
    assert for_csv(text) == one_line(text)
    assert from_csv(text) == text


def test_the_text_on_one_line_is_all_that_a_cell_loses():
    assert from_csv(for_csv(HOSTILE)) == one_line(HOSTILE)
