"""What only a GPU can show: captured steps are the eager ones, in each precision; what cannot be captured is told."""

import multiprocessing

import pytest
import torch

from ablation.config.settings import complete
from ablation.runs.energy import EnergyMeter
from ablation.training import loop
from ablation.training.data import Data, ImageSet
from ablation.training.device import prepare_device
from ablation.training.probes import Probe, objective_of_batch, optimizer_displacement
from ablation.training.steps import CapturedStep, CaptureError

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

CNN = {"name": "cnn", "filters": [16, 24, 32]}
VGG = {"name": "vgg_a", "width_multiplier": 0.125}
RUNS = {
    "adam": {"scheduler": "cosine"},
    "adam-l1": {"l1_lambda": 1e-4, "model": CNN | {"activation": "elu"}},
    "sgd": {"optimizer": "sgd", "loss": "mse", "grad_clip": None},
    "sign": {"optimizer": "custom_sign_sgd", "loss": {"name": "label_smoothing", "smoothing": 0.1}},
    "adamw-focal": {"optimizer": "adamw", "loss": "focal", "augmentation": "none"},
    "swa": {"averaging": {"name": "swa", "start": 2, "anneal_epochs": 1}},
    "ema": {"averaging": {"name": "ema", "decay": 0.9}, "scheduler": {"name": "warm_restarts", "period": 1}},
    "nesterov": {
        "optimizer": {"name": "sgd", "nesterov": True},
        "scheduler": {"name": "one_cycle", "warm_up": 0.5},
    },
    "resnet": {"model": {"name": "resnet", "width_multiplier": 0.25}, "augmentation": "rand_augment"},
    "vgg": {"model": VGG, "record_steps": True, "grad_clip": None},
    "vgg-dropout": {"model": {"name": "vgg_a_dropout", "width_multiplier": 0.125}, "record_steps": True},
}


def images(count, device):
    """Images of 4 classes told apart by their brightness, with noise."""
    generator = torch.Generator().manual_seed(count)
    labels = torch.arange(count) % 4
    noise = torch.randint(0, 60, (count, 3, 32, 32), generator=generator)
    return ImageSet((noise + 60 * labels[:, None, None, None]).to(torch.uint8).to(device), labels.to(device))


def trained(callback=None, **changes):
    """A training to its end, on 650 images: ten steps an epoch and a smaller one."""
    settings = complete({"model": CNN, "epochs": 3, "batch_size": 64, "deterministic": True} | changes)
    device = torch.device("cuda", 0)
    prepare_device(settings, device)
    train, test = images(650, device), images(200, device)
    training = loop.Training.start(settings, Data(train, test, test, 4, "test", "digest"), 0, device)
    data = Data(train, test, test, 4, "test", "digest")
    training.callback = callback
    loop.train(training, data, loop.Clock(device), lambda row: None)
    return training


def left(training):
    trace = [epoch.tolist() for epoch in training.trace.epochs] if training.trace else []
    weights = {name: each.cpu().numpy().tobytes() for name, each in training.model.state_dict().items()}
    return training.outcome.history, trace, weights


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("name", RUNS)
def test_captured_steps_leave_the_same_bits_as_eager_ones(name, precision):
    captured = trained(**RUNS[name], precision=precision)
    assert isinstance(captured._step, CapturedStep)
    assert captured._step.graph is not None
    assert left(captured) == left(trained(**RUNS[name], precision=precision, execution="eager"))


def test_precisions_round_differently_and_learn_alike():
    runs = {precision: trained(precision=precision).outcome for precision in ("fp32", "tf32", "bf16")}
    losses = [run.history[0]["train_loss"] for run in runs.values()]
    assert len(set(losses)) == 3
    assert losses == pytest.approx([losses[0]] * 3, rel=0.05)


@pytest.mark.parametrize("name", ["adam", "sign", "vgg-dropout"])
def test_probing_leaves_captured_training_bit_for_bit_unchanged(name):
    probe = Probe(4, (0.5, 2.0), loop.Clock(torch.device("cuda", 0)))
    assert left(trained(**RUNS[name])) == left(trained(probe, **RUNS[name]))
    assert len(probe.steps()) == 8
    assert all(0 <= shift.distance < 10 for step in probe.steps() for shift in step.shifts)


@pytest.mark.parametrize("name", ["adam", "sgd", "sign", "adamw-focal"])
def test_the_optimizers_step_is_where_the_captured_training_lands(name):
    found = []

    def callback(training, inputs, labels):
        weights = {key: each.detach().clone() for key, each in training.model.named_parameters()}
        if training.steps == 12:
            _, gradient = objective_of_batch(training, inputs, labels)(weights)
            found.append((weights, optimizer_displacement(training, weights, gradient)))
        if training.steps == 13:
            before, displacement = found[0]
            found.append([(weights[key] - before[key], displacement[key]) for key in weights])

    trained(callback, precision="fp32", **RUNS[name])
    moved, seen = (torch.cat([each.flatten() for each in part]) for part in zip(*found[1], strict=True))
    assert (moved - seen).norm() < 1e-3 * moved.norm()


def test_the_assessment_counts_as_on_a_processor():
    assessment = trained(**RUNS["adam"]).outcome.test
    scores = assessment.scores()
    assert assessment.confusion.sum().item() == 200
    assert len(scores.class_accuracy) == 4
    assert 0 <= scores.calibration_error <= 100


def test_the_energy_of_a_training_is_read_from_the_counter():
    meter = EnergyMeter.of(torch.device("cuda", 0))
    if meter.joules is None:
        pytest.skip("this GPU's driver does not tell its energy")
    trained(**RUNS["adam"])
    meter.sample()
    assert 1 < meter.joules < 100_000


def wait_for_the_host():
    """Train with a loss that does, in a process of its own, since a failed capture leaves it in no good state."""
    start = loop.Training.start.__func__

    def with_another_loss(*arguments):
        training = start(*arguments)
        criterion = training.criterion
        training.criterion = lambda logits, labels: criterion(logits, labels) * (labels.sum().item() > -1)
        return training

    loop.Training.start = classmethod(with_another_loss)
    trained(execution="eager")
    with pytest.raises(CaptureError, match="set execution: eager"):
        trained()


def test_a_loss_that_waits_for_the_host_is_refused_where_it_would_be_captured():
    child = multiprocessing.get_context("spawn").Process(target=wait_for_the_host)
    child.start()
    child.join(60)
    assert child.exitcode == 0
