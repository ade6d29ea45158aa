"""The example of own components: its formulas, its network, and that the README shows what is in it."""

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import Parameter

from ablation.config.catalog import catalog
from ablation.config.kinds import ImageShape
from ablation.config.loading import load_study

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/own-components"


@pytest.fixture(scope="module")
def own():
    """The classes of the example by name."""
    known = catalog([str(EXAMPLE / "my_components.py")])
    assert str(EXAMPLE) in sys.path
    return {name: choice for choices in known.values() for name, choice in choices.items()}


def test_lion_is_the_formula(own):
    generator = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(5, generator=generator), torch.randn(4, 5, generator=generator)
    parameter = Parameter(start.clone())
    optimizer = own["lion"](learning_rate=0.1, beta1=0.8, beta2=0.95, weight_decay=0.2).build([parameter])
    expected, momentum = start, torch.zeros(5)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
        expected = expected - 0.1 * (torch.sign(0.8 * momentum + 0.2 * gradient) + 0.2 * expected)
        momentum = 0.95 * momentum + 0.05 * gradient
    torch.testing.assert_close(parameter.detach(), expected)


def test_poly_is_the_formula(own):
    logits, labels = torch.randn(8, 3, generator=torch.Generator().manual_seed(1)), torch.arange(8) % 3
    probability = logits.softmax(1)[torch.arange(8), labels]
    expected = (-probability.log() + 2 * (1 - probability)).mean()
    torch.testing.assert_close(own["poly"](epsilon=2.0).build()(logits, labels), expected)


@pytest.mark.parametrize("shape", [ImageShape(1, 16, 16), ImageShape(3, 32, 32), ImageShape(3, 5, 9)])
def test_the_residual_network_takes_images_of_any_shape(own, shape):
    network = own["residual"](widths=(4, 6, 8)).build(shape, classes=7)
    assert network(torch.zeros(2, *shape)).shape == (2, 7)


def test_the_study_changes_one_component_at_a_time(monkeypatch):
    monkeypatch.chdir(ROOT)
    study = load_study(["examples/own-components/study.yaml"])
    assert list(study.matrix.settings) == [row.variant for row in study.tables["changes"].rows]
    assert study.matrix.settings["baseline-residual"].model.display_name == "Residual"


def test_the_readme_shows_the_example():
    snippet = (ROOT / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    lines = [line for line in snippet.splitlines() if line.strip() not in ("", "...")]
    assert len(lines) > 5
    assert set(lines) <= set((EXAMPLE / "my_components.py").read_text().splitlines())
