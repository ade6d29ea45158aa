"""Tables as LaTeX: what `\\input` takes, with every text as it is."""

import re
import shutil
import subprocess

import pytest

from ablation.analysis.latex import latex_table

HOSTILE = r"100 % & $x_1$ #3 {a} ~ ^ \input{x} <b> é"
LINES = [
    {"": "Adam", "n": "3", "accuracy": "88.00 ± 1.00", "p": "–", "nothing": "–"},
    {"": HOSTILE, "n": "3", "accuracy": "70.00", "p": "< 0.001", "nothing": "–"},
]
DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,textcomp}
\begin{document}
%s
\end{document}
"""


def table():
    return latex_table(LINES, headers={"accuracy": "accuracy (%)"}, bold={(0, "accuracy")})


def test_it_is_a_tabular_with_the_rules_of_booktabs_and_without_empty_columns():
    lines = table().splitlines()
    assert lines[0] == r"\begin{tabular}{lrrr}"
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert lines[-1] == r"\end{tabular}"
    assert lines[2].split(" & ")[2] == r"accuracy (\%)"
    assert r"\textbf{88.00" in lines[4]


def test_no_text_is_a_command():
    text = table()
    assert not re.search(r"(?<!\\)[$#%_]", text.replace(r"$\pm$", ""))
    assert r"\input" not in text
    # Every unescaped ampersand is between two cells.
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {3}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here, so no table is compiled")
def test_it_compiles(tmp_path):
    (tmp_path / "a.tex").write_text(DOCUMENT % table())
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
