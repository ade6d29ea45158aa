"""Precision: what it changes without a GPU, and where it is refused. What a GPU does is in tests/gpu."""

import pytest
import torch

from ablation.config.settings import complete
from ablation.training import loop
from ablation.training.data import Data, ImageSet
from ablation.training.device import PrecisionError, check_precision, prepare_device
from ablation.training.steps import capturable, hyperparameters

CPU = torch.device("cpu")


def trained(precision):
    """A training of two epochs on 40 images."""
    settings = complete(
        {"model": {"name": "cnn", "filters": [4, 4, 4]}, "epochs": 2, "batch_size": 8, "precision": precision}
    )
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=generator)
    data = Data(*[ImageSet(images, torch.arange(40) % 4)] * 3, 4, "test", "digest")
    prepare_device(settings, CPU)
    training = loop.Training.start(settings, data, 0, CPU)
    loop.train(training, data, loop.Clock(CPU), lambda row: None)
    return training


def weights(training):
    return {name: each.numpy().tobytes() for name, each in training.model.state_dict().items()}


def test_without_a_gpu_tf32_is_fp32():
    assert weights(trained("tf32")) == weights(trained("fp32"))


def test_bf16_computes_differently_and_keeps_weights_in_float32():
    rounded, exact = trained("bf16"), trained("fp32")
    assert weights(rounded) != weights(exact)
    assert {each.dtype for each in rounded.model.parameters()} == {torch.float32}
    losses = [training.outcome.history[-1]["train_loss"] for training in (rounded, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


@pytest.mark.parametrize(
    ("precision", "instructions", "refused"),
    [
        ("bf16", {"avx2": True, "avx512_bf16": False}, True),
        ("bf16", {"architecture": "aarch64"}, True),
        ("bf16", {"avx512_bf16": True}, False),
        ("bf16", {"avx512_bf16": False, "amx_bf16": True}, False),
        ("tf32", {"avx2": True}, False),
    ],
)
def test_bf16_is_refused_on_a_processor_without_instructions_for_it(precision, instructions, refused, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    settings = complete({"precision": precision})
    if refused:
        with pytest.raises(PrecisionError, match="set precision: tf32"):
            check_precision(settings, CPU)
    else:
        check_precision(settings, CPU)


def test_a_step_is_captured_again_when_the_optimizer_is_set_differently():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    captured_for = hyperparameters(optimizer)
    assert hyperparameters(optimizer) == captured_for
    optimizer.param_groups[0]["lr"] = 0.01
    assert hyperparameters(optimizer) != captured_for


def test_an_optimizer_is_capturable_only_while_a_step_is_captured():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
    with capturable(optimizer):
        assert optimizer.param_groups[0]["capturable"] is True
    assert optimizer.param_groups[0]["capturable"] is False
