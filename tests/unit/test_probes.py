"""Probes: right on losses whose landscape is known, and without a trace on the training that they look at."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

import probe as probe_script
import train as train_script
from ablation.config.catalog import built_in
from ablation.config.settings import complete, flat, merge, spec_json
from ablation.data.arrays import Description, digest_of, digest_of_all
from ablation.runs.records import check_files, read_probe, read_record
from ablation.runs.step_trace import read_steps
from ablation.training import loop
from ablation.training.data import Data, ImageSet
from ablation.training.probes import Probe, layers_of, look_around, objective_of_batch, optimizer_displacement, walk

CPU = torch.device("cpu")
NARROW = {"model": {"name": "vgg_a", "width_multiplier": 0.05}, "batch_size": 8, "epochs": 1}
CURVATURES = torch.tensor([1.0, 3.0, 10.0], dtype=torch.float64)
START = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)


def narrow(**changes):
    return complete(merge(NARROW, changes, built_in()))


def quadratic(weights, wanted=()):
    """Loss 1/2 sum c_i w_i^2, whose gradient is c_i w_i."""
    w = weights["w"]
    return (CURVATURES * w**2).sum() / 2, {"w": CURVATURES * w}


def downhill(loss_and_gradient, start, sizes):
    """The walk along the negative gradient by these step sizes, and the gradient at its start."""
    _, gradient = loss_and_gradient({"w": start})
    return walk(loss_and_gradient, {"w": start}, gradient, {"w": -gradient["w"]}, sizes), gradient["w"]


def test_a_quadratic_loss_gives_the_known_losses_gradient_distances_and_cosines():
    sizes = [0.05, 0.1, 0.2]
    seen, gradient = downhill(quadratic, START, sizes)
    assert gradient.tolist() == [2.0, -3.0, 5.0]
    assert seen["length"].item() == pytest.approx(38**0.5)
    for size, loss, distance, cosine in zip(
        sizes, seen["losses"], seen["gradient_distances"], seen["cosines"], strict=True
    ):
        assert loss.item() == pytest.approx((CURVATURES * (START - size * gradient) ** 2).sum().item() / 2)
        # The gradient is linear: along -g it changes by size * C g.
        assert distance.item() == pytest.approx(size * (CURVATURES * gradient).norm().item())
        there = gradient - size * CURVATURES * gradient
        assert cosine.item() == pytest.approx((there @ gradient / there.norm() / gradient.norm()).item())


def test_the_minimum_of_a_quadratic_is_found_at_one_over_its_curvature():
    def bowl(weights, wanted=()):
        return 4.0 * (weights["w"] ** 2).sum() / 2, {"w": 4.0 * weights["w"]}

    seen, _ = downhill(bowl, START, [0.125, 0.25, 0.5])
    loss = bowl({"w": START})[0].item()
    assert seen["losses"].tolist() == pytest.approx([loss / 4, 0.0, loss])
    # Beyond the minimum the gradient points back.
    assert seen["cosines"][[0, 2]].tolist() == pytest.approx([1.0, -1.0])


def test_smoothness_of_a_quadratic_is_its_largest_curvature_along_that_direction():
    steepest = torch.tensor([0.0, 0.0, 0.5], dtype=torch.float64)
    sizes = torch.tensor([0.01, 0.3])
    seen, _ = downhill(quadratic, steepest, sizes.tolist())
    assert (seen["gradient_distances"] / (sizes * seen["length"])).tolist() == pytest.approx([10.0, 10.0])


def images(count, seed):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % 4)


DATA = Data(images(40, 1), images(16, 2), images(16, 2), 4, "test", "digest")


def linear_training(*layers, **settings):
    """A linear model with mean squared error: loss |Xw - y|^2 / n, gradient 2 X'(Xw - y) / n; with SGD alone."""
    optimizer = {"name": "sgd", "momentum": 0.0, "weight_decay": 0.0, "learning_rate": 0.05}
    settings = narrow(optimizer=optimizer, grad_clip=None, **settings)
    training = loop.Training.start(settings, DATA, 0, CPU)
    training.model = nn.Sequential(*(layers or [nn.Linear(3, 1, bias=False)])).double()
    training.optimizer = settings.optimizer.build(training.model.parameters())
    training.criterion = lambda outputs, labels: ((outputs[:, 0] - labels) ** 2).mean()
    return training


def test_a_linear_model_gives_the_known_values():
    training = linear_training()
    generator = torch.Generator().manual_seed(0)
    inputs, labels = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((8, 3), (8,)))
    seen = look_around(training, inputs, labels, [0.1 / training.learning_rate])

    w = training.model[0].weight.detach()[0]
    gradient = 2 * inputs.T @ (inputs @ w - labels) / 8
    hessian = 2 * inputs.T @ inputs / 8
    assert seen["start"]["loss"].item() == pytest.approx(((inputs @ w - labels) ** 2).mean().item())
    assert seen["start"]["gradient_norm"].item() == pytest.approx(gradient.norm().item())
    path = seen["gradient"]
    assert path["losses"][0].item() == pytest.approx(((inputs @ (w - 0.1 * gradient) - labels) ** 2).mean().item())
    assert path["gradient_distances"][0].item() == pytest.approx(0.1 * (hessian @ gradient).norm().item())


def test_the_objective_is_the_loss_with_its_l1_penalty():
    training = linear_training(l1_lambda=0.5)
    inputs, labels = torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    loss, gradient = objective_of_batch(training, inputs, labels)(dict(training.model.named_parameters()))
    weight = training.model[0].weight.detach()
    assert loss.item() == pytest.approx(0.5 * weight.abs().sum().item())
    torch.testing.assert_close(gradient["0.weight"], 0.5 * weight.sign())


def test_the_covariate_shift_of_a_linear_network_is_the_known_one():
    """Two layers, v'Wx with mean squared error: the gradient of v is 2 E[(v'Wx - y) Wx], and W takes its step below."""
    training = linear_training(nn.Linear(3, 2, bias=False), nn.Linear(2, 1, bias=False))
    generator = torch.Generator().manual_seed(0)
    inputs, labels = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((8, 3), (8,)))
    seen = look_around(training, inputs, labels, [1.0])["shifts"]

    x, y = inputs.numpy(), labels.numpy()
    w, v = (layer.weight.detach().numpy() for layer in training.model)
    error = x @ w.T @ v[0] - y
    moved = w - 0.05 * 2 / 8 * np.outer(v[0], error @ x)
    before = 2 / 8 * error @ (x @ w.T)
    after = 2 / 8 * (x @ moved.T @ v[0] - y) @ (x @ moved.T)
    assert seen["distances"].tolist() == pytest.approx([np.linalg.norm(after - before) / np.linalg.norm(before)])
    assert seen["cosines"].tolist() == pytest.approx([after @ before / np.linalg.norm(after) / np.linalg.norm(before)])


def test_the_layers_of_a_network_are_its_matrices_and_kernels_with_what_follows():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    layers = layers_of(model)
    assert list(layers) == ["0", "4"]
    assert layers["0"].own == ("0.weight", "0.bias")
    assert layers["0"].all == ("0.weight", "0.bias", "1.weight", "1.bias")
    assert layers["4"].all == ("4.weight", "4.bias")


def test_a_normalisation_before_the_first_layer_moves_with_it():
    layers = layers_of(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)))
    assert layers["1"].all == ("0.weight", "0.bias", "1.weight", "1.bias")


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "custom_sign_sgd"])
def test_the_optimizers_step_is_where_the_training_lands(optimizer):
    """The displacement that a probe sees at the third step is the change that the step then makes."""
    found = []

    def callback(training, inputs, labels):
        weights = {name: each.detach().clone() for name, each in training.model.named_parameters()}
        if training.steps == 2:
            _, gradient = objective_of_batch(training, inputs, labels)(weights)
            found.append((weights, optimizer_displacement(training, weights, gradient)))
        if training.steps == 3:
            before, displacement = found[0]
            found.append({name: (weights[name] - before[name], displacement[name]) for name in weights})

    trained(narrow(optimizer=optimizer, grad_clip=0.5), callback)
    for moved, seen in found[1].values():
        torch.testing.assert_close(seen, moved, rtol=1e-3, atol=1e-6)


def trained(settings, callback=None):
    torch.set_num_threads(1)
    training = loop.Training.start(settings, DATA, 0, CPU)
    training.callback = callback
    outcome = loop.train(training, DATA, loop.Clock(CPU), lambda row: None)
    return training, outcome


@pytest.mark.parametrize(
    "choice",
    [
        {"optimizer": {"name": "sgd", "learning_rate": 0.1}},
        {"optimizer": "adam", "model": {"batch_norm": False}},
        {"optimizer": "custom_sign_sgd", "l1_lambda": 1e-4},
        {"optimizer": "adamw", "model": {"name": "vgg_a_dropout", "dropout": 0.5}, "scheduler": "plateau"},
        {
            "optimizer": "sgd",
            "model": {"name": "cnn", "filters": [3, 4, 5]},
            "augmentation": "flip_crop",
            "averaging": {"name": "swa", "start": 2},
        },
    ],
    ids=lambda choice: "-".join(map(str, flat(choice).values())),
)
def test_probing_leaves_training_bit_for_bit_unchanged(choice):
    settings = narrow(epochs=2, record_steps=True, **choice)
    probe = Probe(2, (0.5, 1.0, 4.0), loop.Clock(CPU))
    (plain, expected), (probed, found) = trained(settings), trained(settings, probe)

    assert [step.step for step in probe.steps()] == [2, 4, 6, 8, 10]
    assert found.history == expected.history
    assert all((a == b).all() for a, b in zip(plain.trace.epochs, probed.trace.epochs, strict=True))
    # Weights, batch-norm statistics and their counters.
    one, other = plain.model.state_dict(), probed.model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    moments = [
        [value for state in each.optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
        for each in (plain, probed)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*moments, strict=True))


def test_probing_leaves_the_random_state_alone():
    settings = narrow(model="vgg_a_dropout")
    states = []
    for callback in (None, Probe(1, (1.0,), loop.Clock(CPU))):
        training, _ = trained(settings, callback)
        states.append((torch.get_rng_state(), training.generator.get_state()))
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


def test_the_walk_starts_where_the_step_does():
    """The probe's loss and gradient norm are those that the step itself then records, dropout included."""
    settings = narrow(model="vgg_a_dropout", record_steps=True, grad_clip=None)
    probe = Probe(1, (1.0,), loop.Clock(CPU))
    training, _ = trained(settings, probe)
    recorded = training.trace.epochs[0]
    assert [step.loss for step in probe.steps()] == pytest.approx(recorded[:, 0].tolist(), rel=1e-5)
    assert [step.gradient_norm for step in probe.steps()] == pytest.approx(recorded[:, 1].tolist(), rel=1e-4)


def test_a_step_of_plain_sgd_lands_where_the_walk_looked():
    """With SGD, no momentum, clipping or decay, one learning rate along -g is the next weights: known twice."""
    optimizer = {"name": "sgd", "momentum": 0.0, "weight_decay": 0.0, "learning_rate": 0.05}
    settings = narrow(optimizer=optimizer, grad_clip=None)
    landed = []

    def callback(training, inputs, labels):
        if training.steps == 0:
            training.first = inputs, labels
            return
        if training.steps == 1:
            weights = dict(training.model.named_parameters())
            landed.append(objective_of_batch(training, *training.first)(weights)[0].item())

    trained(settings, callback)
    probe = Probe(1, (1.0,), loop.Clock(CPU))
    trained(settings, probe)
    for path in probe.steps()[0].walks.values():
        assert path.losses[0] == pytest.approx(landed[0], rel=1e-4)


def write_data(folder):
    folder.mkdir()
    arrays = {
        f"{name}_{kind}": getattr(each, kind).numpy()
        for name, each in (("train", DATA.train), ("test", DATA.test))
        for kind in ("images", "labels")
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    digests = {name: digest_of(array) for name, array in arrays.items()}
    description = Description(
        name="images",
        classes=tuple("abcd"),
        held_out_part="test",
        counts={"train": 40, "validation": 0, "test": 16},
        digest=digest_of_all(digests),
        arrays=digests,
    )
    (folder / "data.json").write_text(description.model_dump_json())


def test_both_scripts_train_the_same_run(tmp_path, monkeypatch):
    write_data(tmp_path / "data")
    spec = spec_json(narrow(epochs=2, record_steps=True))
    common = ["--study", "s", "--data", str(tmp_path / "data"), "--spec", spec, "--device", "cpu"]
    run, probed = tmp_path / "runs/vgg/seed3", tmp_path / "probes/vgg/seed3"
    monkeypatch.setattr(sys, "argv", ["train.py", "--run", str(run), *common])
    train_script.main()
    monkeypatch.setattr(
        sys, "argv", ["probe.py", "--run", str(probed), *common, "--every", "4", "--step-sizes", "0.5", "2"]
    )
    probe_script.main()

    record, steps = read_probe(probed / "probe.json"), read_steps(run, read_record(run / "metrics.json"))
    check_files(run, read_record(run / "metrics.json"))
    history = (run / "history.csv").read_text().splitlines()[1:]
    assert list(record.train_losses) == [float(line.split(",")[2]) for line in history]
    assert [step.step for step in record.steps] == [4, 8]
    assert [step.epoch for step in record.steps] == [1, 2]
    assert [step.loss for step in record.steps] == pytest.approx(steps["loss"][[3, 7]].tolist(), rel=1e-5)
    assert [shift.layer for shift in record.steps[0].shifts] == list(
        layers_of(narrow().model.build(DATA.image_shape, 4))
    )[1:]
    assert (record.variant, record.seed, record.step_sizes) == ("vgg", 3, (0.5, 2.0))
    assert record.seconds_per_probe > 0
    assert list(steps["step"]) == list(range(1, 11))
    assert list(steps["epoch"]) == [1] * 5 + [2] * 5
