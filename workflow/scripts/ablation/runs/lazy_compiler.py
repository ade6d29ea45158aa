"""torch's compiler, loaded when something asks for it.

`torch.optim` imports it for the first optimizer, only to tell it what not to compile. That is a third of what a process
takes to start.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

NAME = "torch._dynamo"


class LazyCompiler(ModuleType):
    """Stands for the compiler until more is asked of it than `torch.optim` does."""

    @staticmethod
    def disable(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        return function

    @staticmethod
    def graph_break() -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if sys.modules[NAME] is self:
            del sys.modules[NAME]
            torch._dynamo = importlib.import_module(NAME)
        return getattr(sys.modules[NAME], name)


def load_compiler_lazily() -> None:
    """Leave the compiler out, where it is not loaded already."""
    if NAME not in sys.modules:
        torch._dynamo = sys.modules[NAME] = LazyCompiler(NAME)
