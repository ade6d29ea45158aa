"""Write the report as one page for a browser: with its figures inside, and with their names only.

Usage: python write_page.py --report results/report.md --output results/report.html results/report-without-figures.html
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ablation.analysis.page import page
from ablation.errors import errors_for_users
from ablation.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", required=True, type=Path, help="Markdown; its figures are beside it")
    parser.add_argument("--output", required=True, nargs=2, help="HTML to write, with and without figures")
    arguments = parser.parse_args()
    with errors_for_users():
        text, (whole, without_figures) = arguments.report.read_text(encoding="utf-8"), arguments.output
        write_text(whole, page(text, arguments.report.parent))
        write_text(without_figures, page(text, None))


if __name__ == "__main__":
    main()
