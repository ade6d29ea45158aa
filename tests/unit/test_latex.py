"""Tables as LaTeX: they hold what the tables say, in the rules of booktabs, and compile."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.analysis.claims import judged
from ablation.analysis.latex import latex_table
from ablation.analysis.report_claims import claims_latex
from ablation.analysis.report_comparisons import comparison_latex
from ablation.analysis.runs import load_runs
from ablation.analysis.tables import comparison
from ablation.config.study import Study
from ablation.escaping import for_latex

HOSTILE = r"=cmd() \input{/etc/passwd} $x^2$ %& #1 _a ~b {c} \\ [d] * ± − – → β × <e> | \"q\" `t` 'u' ^^M é"
DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs, textcomp}
\begin{document}
%s
\end{document}
"""


@pytest.fixture
def tables(study_with: Callable[..., Study], finish: Callable[..., object]) -> dict[str, str]:
    """LaTeX of a comparison and of claims, whose texts are hostile."""
    rows = [{"variant": "adam", "label": HOSTILE, "reported": 88.42}, {"variant": "sgd", "label": "SGD"}]
    claims = {"a": {"says": HOSTILE, "kind": "greater", "table": "one", "rows": ["adam", "sgd"]}}
    study = study_with(tables={"one": {"title": HOSTILE, "rows": rows}}, claims=claims)
    for seed in study.seeds:
        finish("adam", seed, best=88.0 + seed)
        finish("sgd", seed, best=70.0 + seed)
    runs = load_runs(study)
    return {
        "comparison": comparison_latex(study, "one", comparison(study, study.tables["one"], runs)),
        "claims": claims_latex(judged(study, runs, {})),
    }


def cells(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]


def test_a_comparison_has_its_rows_between_the_rules_and_the_best_in_bold(tables: dict[str, str]) -> None:
    lines = tables["comparison"].splitlines()
    assert lines[0].startswith(r"\begin{tabular}{l")
    assert [lines[1], lines[3], lines[-2], lines[-1]] == [r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"]
    header, adam, sgd = (cells(line) for line in (lines[2], *lines[4:6]))
    assert len(header) == len(adam) == len(sgd) == len(re.search(r"\{([lr]+)\}", lines[0])[1])
    found = dict(zip(header, adam, strict=True))
    assert found[""] == rf"\textbf{{{for_latex(HOSTILE)}}}"
    assert found["accuracy"] == r"\textbf{89.00 $\pm$ 1.00}"
    assert (found["reference"], found["to the baseline"]) == ("88.42", "baseline")
    assert dict(zip(header, sgd, strict=True))["accuracy"] == r"71.00 $\pm$ 1.00"


def test_claims_are_a_table_too(tables: dict[str, str]) -> None:
    lines = tables["claims"].splitlines()
    assert cells(lines[2])[:2] == ["claim", "verdict"]
    assert cells(lines[4])[:2] == [for_latex(HOSTILE), "supported"]


def test_columns_without_anything_are_left_out() -> None:
    lines = latex_table([{"": "a", "n": "1", "p": "–"}, {"": "b", "n": "2", "p": "–"}]).splitlines()
    assert lines[0] == r"\begin{tabular}{lr}"
    assert cells(lines[2]) == ["", "n"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("5 % & #1 $x_1$", r"5 \% \& \#1 \$x\_1\$"),
        ("[a]* ~ ^", r"{[}a]{*} \textasciitilde{} \textasciicircum{}"),
        ("1 ± 2 − 3 → β", r"1 $\pm$ 2 $-$ 3 $\to$ $\beta$"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_reads_nothing_into_a_text(text: str, escaped: str) -> None:
    assert for_latex(text) == escaped


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", ["comparison", "claims"])
def test_it_compiles(tables: dict[str, str], name: str, tmp_path: Path) -> None:
    (tmp_path / "table.tex").write_text(DOCUMENT % tables[name])
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert (tmp_path / "table.pdf").stat().st_size > 1000
