"""Say in what two runs differ: settings, code, environment, data and result, and the first epoch in which they part.

python workflow/scripts/diff.py results/runs/adam/seed0 results/runs/sgd/seed0
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ablation.config.texts import shown
from ablation.errors import errors_for_users
from ablation.escaping import for_terminal
from ablation.overview.comparison import Comparison, compare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=2, type=Path, metavar="RUN", help="the folder of a run")
    arguments = parser.parse_args()
    with errors_for_users():
        found = compare(*arguments.runs)
    print(for_terminal(text_of(found)))


def text_of(found: Comparison) -> str:
    """A section a kind, with a line a difference."""
    lines = []
    for name, changed in found.sections():
        lines.append(f"{name.capitalize()}: {'' if changed else 'the same'}".rstrip())
        lines += [f"  {key}: {_shown(one)} → {_shown(other)}" for key, (one, other) in changed.items()]
    files = ", ".join(found.files)
    lines.append(f"Files that differ: {files}" if files else "Files: the same")
    if found.parting is not None:
        lines.append(f"The histories part in epoch {found.parting.epoch}: {', '.join(found.parting.columns)}")
    return "\n".join([*lines, "The second run repeats the first bit for bit." if found.repeats else ""]).rstrip()


def _shown(value: Any) -> str:
    return f"{value:.8g}" if isinstance(value, float) else shown(value) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    main()
