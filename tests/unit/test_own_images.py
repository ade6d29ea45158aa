"""The example of one's own images: what it draws, its network, and its study."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from ablation.config.catalog import catalog
from ablation.config.kinds import ImageShape
from ablation.config.loading import load_study

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/own-images"


@pytest.fixture(scope="module")
def shape_net():
    return catalog([str(EXAMPLE / "shape_net.py")])["model"]["shape_net"]


def test_it_draws_the_same_images_of_each_shape_every_time(tmp_path, monkeypatch):
    for folder in ("one", "other"):
        monkeypatch.setattr(sys, "argv", ["draw_images.py", str(tmp_path / folder)])
        runpy.run_path(str(EXAMPLE / "draw_images.py"), run_name="__main__")
    drawn = sorted(path.relative_to(tmp_path / "one") for path in tmp_path.glob("one/*/*/*.png"))
    assert len(drawn) == 4 * 250
    assert {path.parts[1] for path in drawn} == {"circle", "triangle", "square", "star"}
    for path in drawn[::100]:
        one, other = (Image.open(tmp_path / folder / path) for folder in ("one", "other"))
        assert one.size == (24, 24)
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("blur", [True, False])
@pytest.mark.parametrize("shape", [ImageShape(1, 24, 24), ImageShape(3, 9, 17)])
def test_the_network_takes_images_of_any_shape(shape_net, shape, blur):
    network = shape_net(widths=(4, 6), blur=blur).build(shape, classes=5)
    assert network(torch.zeros(2, *shape)).shape == (2, 5)


def test_a_blur_leaves_what_is_even_as_it_is_and_does_not_learn(shape_net):
    _, blur = shape_net().halving(3)
    assert not blur.weight.requires_grad
    inside = blur(torch.full((1, 3, 9, 9), 2.0))[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(inside, torch.full_like(inside, 2.0))


def test_every_row_but_the_first_changes_one_thing(monkeypatch):
    monkeypatch.chdir(ROOT)
    study = load_study(["examples/own-images/study.yaml"])
    assert list(study.matrix.settings) == [row.variant for row in study.tables["parts"].rows]
    assert not study.matrix.settings["whole-no-blur"].model.blur
