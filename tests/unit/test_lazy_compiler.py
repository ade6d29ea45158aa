"""torch's compiler is not loaded by training, and works where something asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
STEP = """\
import sys
import torch
from ablation.config.settings import RunSettings
from ablation.runs.lazy_compiler import load_compiler_lazily
from ablation.training.device import prepare_device
load_compiler_lazily()
prepare_device(RunSettings(), torch.device("cpu"))
layer = torch.nn.Linear(2, 1)
optimizer = torch.optim.Adam(layer.parameters())
layer(torch.ones(1, 2)).sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
"""
LOADED = "print('torch._dynamo.eval_frame' in sys.modules)\n"


@pytest.mark.parametrize(
    ("then", "printed"),
    [
        (LOADED, "False\n"),
        ("print(torch.compile(lambda x: 2 * x, backend='eager')(torch.ones(1)).item())\n" + LOADED, "2.0\nTrue\n"),
        ("import torch._dynamo.config\nprint(torch._dynamo.config.disable)\n" + LOADED, "False\nTrue\n"),
    ],
    ids=["training", "compiling", "importing"],
)
def test_the_compiler_is_loaded_once_it_is_asked_for(then, printed):
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, "-c", STEP + then]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == printed
