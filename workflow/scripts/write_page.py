"""Write the report as one page for a browser, with its figures inside.

Usage: python write_page.py --report results/report.md --output results/report.html
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
    parser.add_argument("--output", required=True, help="HTML to write")
    arguments = parser.parse_args()
    with errors_for_users():
        text = arguments.report.read_text(encoding="utf-8")
        write_text(arguments.output, page(text, arguments.report.parent))


if __name__ == "__main__":
    main()
