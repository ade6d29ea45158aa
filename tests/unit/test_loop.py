"""The training loop on small synthetic images: it learns, is seeded, may diverge, and keeps its golden trace."""

import json
import math
from pathlib import Path

import pytest
import torch

from ablation.config.catalog import built_in
from ablation.config.settings import complete, flat, merge
from ablation.runs.directory import save_weights
from ablation.training import loop, steps
from ablation.training.data import Data, ImageSet

GOLDEN = Path(__file__).with_name("golden_loss_trace.json")
CPU = torch.device("cpu")
THIN = {"model": {"filters": [4, 6, 8]}, "epochs": 2, "batch_size": 16, "augmentation": "flip_crop"}


def thin(**changes):
    return complete(merge(THIN, changes, built_in()))


def striped_images(count, seed, shape=(3, 32, 32)):
    """Images of 4 classes told apart by their brightness, with noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 4
    noise = torch.randint(0, 60, (count, *shape), generator=generator)
    return ImageSet((noise + 60 * labels[:, None, None, None]).to(torch.uint8), labels)


def small_data(validation=False, shape=(3, 32, 32)):
    train, test = striped_images(64, 1, shape), striped_images(24, 2, shape)
    if not validation:
        return Data(train, test, test, 4, "test", "digest")
    return Data(train, striped_images(12, 3, shape), test, 4, "validation", "digest")


def run(settings, seed=0, data=None):
    torch.set_num_threads(1)
    data = data or small_data()
    training = loop.Training.start(settings, data, seed, CPU)
    return training, loop.train(training, data, loop.Clock(CPU), lambda row: None)


def test_it_learns():
    _, outcome = run(thin(epochs=12, model={"dropout": 0.0}, optimizer={"learning_rate": 0.01}))
    assert outcome.best.held_out_accuracy > 90
    assert outcome.history[-1]["train_loss"] < outcome.history[0]["train_loss"] / 2


@pytest.mark.parametrize(
    "model",
    [
        {"name": "cnn", "dropout": 0.0},
        {"name": "vgg_a_light", "width_multiplier": 0.5},
        {"name": "resnet", "stages": [8, 16], "blocks": 1},
    ],
    ids=lambda model: model["name"],
)
def test_it_learns_from_small_grey_images(model):
    grey = {"augmentation": {"padding": 2}, "mean": [0.5], "std": [0.5]}
    settings = thin(epochs=12, model=model, optimizer={"learning_rate": 0.01}, **grey)
    _, outcome = run(settings, data=small_data(shape=(1, 16, 16)))
    assert outcome.best.held_out_accuracy > 90


def test_the_seed_decides_everything():
    (one, first), (other, second) = (run(thin()) for _ in range(2))
    assert first.history == second.history
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True))
    assert run(thin(), seed=1)[1].history != first.history


@pytest.mark.parametrize(
    "choice",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "scheduler": "cosine"},
        {"optimizer": "custom_sign_sgd", "scheduler": "none"},
        {"optimizer": "adamw", "scheduler": "plateau"},
        {"loss": "label_smoothing", "model": {"activation": "relu"}},
        {"loss": "focal", "model": {"activation": "elu", "batch_norm": False}},
        {"loss": "mse", "l1_lambda": 1e-4, "grad_clip": None},
        {"averaging": {"name": "swa", "start": 2}},
        {"averaging": {"name": "ema", "decay": 0.7}, "scheduler": {"name": "warm_restarts", "period": 1}},
        {"model": {"name": "resnet", "width_multiplier": 0.0625, "blocks": 1}, "augmentation": "rand_augment"},
        {
            "optimizer": {"name": "sgd", "learning_rate": 0.05, "nesterov": True},
            "scheduler": {"name": "one_cycle", "warm_up": 0.6},
        },
    ],
    ids=lambda choice: "-".join(map(str, flat(choice).values())),
)
def test_golden_loss_trace(choice):
    """A refactoring must reproduce these losses; after a wanted change, run this file as a script to rewrite them."""
    trace = golden_trace(choice)
    golden = json.loads(GOLDEN.read_text())[json.dumps(choice)]
    assert trace == pytest.approx(golden, rel=1e-3)


def golden_trace(choice):
    _, outcome = run(thin(**choice))
    averaged = [outcome.averaged.held_out_loss] if outcome.averaged else []
    return [row[key] for row in outcome.history for key in ("train_loss", "held_out_loss")] + averaged


def test_divergence_is_a_result_and_keeps_the_epochs_before_it():
    optimizer = {"name": "sgd", "learning_rate": 1e6}
    settings = thin(optimizer=optimizer, grad_clip=None, model={"batch_norm": False}, loss="mse")
    _, outcome = run(settings)
    assert outcome.diverged
    assert not math.isfinite(outcome.history[-1]["train_loss"])
    assert len(outcome.history) == 1
    assert outcome.best is None
    assert outcome.best_weights is None


def test_best_is_the_first_epoch_with_the_highest_held_out_accuracy():
    _, outcome = run(thin(epochs=6))
    accuracies = [row["held_out_accuracy"] for row in outcome.history]
    assert outcome.best.held_out_accuracy == max(accuracies)
    assert outcome.best.epoch == accuracies.index(max(accuracies)) + 1
    assert outcome.last.epoch == 6


def test_best_weights_give_the_best_accuracy_when_loaded_again(tmp_path):
    data = small_data()
    training, outcome = run(thin(epochs=6), data=data)
    save_weights(tmp_path / "best.pth", outcome.best_weights)
    training.model.load_state_dict(torch.load(tmp_path / "best.pth", weights_only=True))
    assert loop.evaluate(training.model, data.held_out, training)[1] == outcome.best.held_out_accuracy


def test_a_validation_split_chooses_and_the_test_images_judge():
    data = small_data(validation=True)
    training, outcome = run(thin(epochs=6), data=data)
    training.model.load_state_dict(outcome.best_weights)
    assert outcome.best.held_out_accuracy == max(row["held_out_accuracy"] for row in outcome.history)
    assert outcome.best.test_accuracy == loop.evaluate(training.model, data.test, training)[1]


@pytest.mark.parametrize("averaging", [{"name": "swa", "start": 4}, {"name": "ema", "decay": 0.9}])
def test_averaged_weights_are_scored_with_their_own_batch_norm_statistics(averaging):
    data = small_data()
    training, outcome = run(thin(epochs=6, averaging=averaging), data=data)
    training.model.load_state_dict(outcome.averaged_weights)
    assert loop.evaluate(training.model, data.held_out, training)[1] == outcome.averaged.held_out_accuracy
    assert outcome.averaged.held_out_loss != outcome.last.held_out_loss


def gradient_norm_after(settings, loss_scale):
    data = small_data()
    training = loop.Training.start(settings, data, 0, CPU)
    inputs, labels = next(training.remaining_batches(data.train))
    steps.update(training, training.criterion(training.model(inputs), labels) * loss_scale)
    return torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in training.model.parameters()])).item()


def test_gradient_clipping_bounds_the_norm():
    assert gradient_norm_after(thin(grad_clip=0.5), 100) == pytest.approx(0.5, rel=1e-3)
    assert gradient_norm_after(thin(grad_clip=None), 100) > 1


def test_l1_adds_the_sign_of_every_parameter_to_its_gradient():
    data, gradients = small_data(), []
    for l1_lambda in (0.0, 0.01):
        training = loop.Training.start(thin(l1_lambda=l1_lambda, grad_clip=None), data, 0, CPU)
        before = torch.cat([p.detach().flatten().clone() for p in training.model.parameters()])
        assert steps.l1_norm(training.model.parameters()).item() == pytest.approx(before.abs().sum().item(), rel=1e-5)
        inputs, labels = next(training.remaining_batches(data.train))
        steps.update(training, training.criterion(training.model(inputs), labels))
        gradients.append(torch.cat([p.grad.flatten() for p in training.model.parameters()]))
    torch.testing.assert_close(gradients[1] - gradients[0], 0.01 * before.sign(), rtol=0, atol=1e-5)


def test_totals_weigh_batches_by_their_size():
    running = loop.RunningAverages(CPU)
    running.add(torch.tensor(1.0), torch.eye(3), torch.tensor([0, 1, 2]))
    running.add(torch.tensor(5.0), torch.eye(3)[:1], torch.tensor([2]))
    assert running.means() == (2.0, 75.0)


if __name__ == "__main__":
    choices = test_golden_loss_trace.pytestmark[0].args[1]
    GOLDEN.write_text(json.dumps({json.dumps(choice): golden_trace(choice) for choice in choices}, indent=1) + "\n")
