"""How a script ends where something is wrong that its user can fix: in one sentence. Nothing slow to load."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def errors_for_users(*refusals: type[Exception]) -> Iterator[None]:
    """End with status 1 and a sentence where a file cannot be read or written, or what was given is refused.

    A refusal is a `ValueError`, or one of `refusals`.
    """
    refused: tuple[type[Exception], ...] = (ValueError, *refusals)
    try:
        yield
    except OSError as error:
        sys.exit(f"error: {fault_of_file(error)}. Once that is fixed, run the same command again")
    except refused as error:
        sys.exit(f"error: {error}")


def fault_of_file(error: OSError) -> str:
    """`results/report.md cannot be read or written: No space left on device`."""
    return f"{error.filename or 'a file'} cannot be read or written: {error.strerror or error}"
