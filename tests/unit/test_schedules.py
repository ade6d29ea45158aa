"""Learning rates per epoch against closed formulas, and weight averaging against a plain mean."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from ablation.components.averagings import EMA, SWA, NoAveraging
from ablation.components.optimizers import SGD
from ablation.components.schedulers import Cosine, NoScheduler, OneCycle, Plateau, Step, WarmRestarts
from ablation.config.loading import load_study
from ablation.config.settings import RunSettings
from ablation.training.schedules import Schedule

ROOT = Path(__file__).parents[2]


def learning_rates(scheduler, losses, learning_rate=1.0, **settings):
    """The rate that each epoch trains with, given the held-out loss at each epoch's end."""
    settings = RunSettings(scheduler=scheduler, optimizer=SGD(learning_rate=learning_rate), **settings)
    model = nn.Linear(1, 1)
    optimizer = settings.optimizer.build(model.parameters())
    schedule = Schedule(settings, model, optimizer)
    rates = []
    for epoch, loss in enumerate(losses, start=1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.end_epoch(epoch, loss)
    return rates


def test_none_keeps_the_rate():
    assert learning_rates(NoScheduler(), [1.0] * 4, learning_rate=0.1) == [0.1] * 4


def test_step():
    assert learning_rates(Step(step_size=2, gamma=0.1), [1.0] * 5) == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_cosine_ends_at_the_minimum_after_the_last_epoch():
    expected = [0.2 + 0.8 * (1 + math.cos(math.pi * epoch / 8)) / 2 for epoch in range(8)]
    assert learning_rates(Cosine(min_learning_rate=0.2), [1.0] * 8, epochs=8) == pytest.approx(expected)


def half_cosine(start, end, share):
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def test_warm_restarts_begin_again_after_each_period():
    scheduler = WarmRestarts(period=2, period_factor=2, min_learning_rate=0.2)
    expected = [half_cosine(1, 0.2, epoch / period) for period in (2, 4, 8) for epoch in range(period)]
    assert learning_rates(scheduler, [1.0] * 9, epochs=9) == pytest.approx(expected[:9])


def test_one_cycle_rises_for_its_warm_up_and_falls_until_the_last_epoch():
    scheduler = OneCycle(warm_up=0.5, first_divisor=10, last_divisor=5)
    expected = [half_cosine(0.1, 1, epoch / 4) for epoch in range(5)]
    expected += [half_cosine(1, 0.02, epoch / 5) for epoch in range(1, 6)]
    assert learning_rates(scheduler, [1.0] * 10, epochs=10) == pytest.approx(expected)


def test_one_cycle_leaves_the_momentum_as_it_is():
    optimizer = SGD(momentum=0.7).build(nn.Linear(1, 1).parameters())
    OneCycle().build(optimizer, 10)
    assert optimizer.param_groups[0]["momentum"] == 0.7


def test_plateau_is_torch_s_where_only_patience_and_factor_are_set():
    # 0.99985 is more than 0.01 % below 1.0, and 0.9998 less than that below it.
    scheduler = Plateau(patience=0, factor=0.5)
    assert learning_rates(scheduler, [1.0, 0.99985, 0.9998, 0.9998, 0.9998]) == [1.0, 1.0, 1.0, 0.5, 0.25]


def test_plateau_goes_no_lower_than_its_minimum():
    scheduler = Plateau(patience=0, factor=0.1, min_learning_rate=0.05)
    assert learning_rates(scheduler, [1.0] * 5) == pytest.approx([1.0, 1.0, 0.1, 0.05, 0.05])


def test_plateau_waits_for_patience_then_cools_down_for_two_epochs():
    scheduler = Plateau(patience=1, factor=0.5, threshold=0.001, cooldown=2)
    # 0.9995 is less than 0.1 % below 1.0: no improvement. Epochs 2 and 3 are bad, so the rate falls after 3; 4 and 5
    # are the cooldown; 6 and 7 are bad again.
    losses = [1.0, 0.9995, 0.9995, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert learning_rates(scheduler, losses) == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25]


def test_plateau_goes_on_while_the_loss_falls_by_more_than_the_threshold():
    scheduler = Plateau(patience=0, factor=0.5)
    assert learning_rates(scheduler, [1.0, 0.998, 0.996, 0.994]) == [1.0] * 4


def test_plateau_takes_threshold_and_cooldown_of_the_settings():
    scheduler = Plateau(patience=0, factor=0.5, threshold=0.01, cooldown=0)
    assert learning_rates(scheduler, [1.0, 0.998, 0.996, 0.994]) == [1.0, 1.0, 0.5, 0.25]


def test_swa_anneals_linearly_from_where_cosine_stood():
    average = SWA(start=5, learning_rate=2.0, anneal_epochs=4)
    at_start = (1 + math.cos(math.pi * 4 / 10)) / 2
    before = [(1 + math.cos(math.pi * epoch / 10)) / 2 for epoch in range(5)]
    after = [at_start + (2.0 - at_start) * min(1, step / 4) for step in range(1, 6)]
    rates = learning_rates(Cosine(min_learning_rate=0.0), [1.0] * 10, epochs=10, averaging=average)
    assert rates == pytest.approx(before + after)


def test_swa_averages_the_weights_from_its_start_on():
    settings = RunSettings(scheduler=NoScheduler(), epochs=5, averaging=SWA(start=3, learning_rate=0.1))
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = Schedule(settings, model, optimizer)
    for epoch in range(1, 6):
        nn.init.constant_(model.weight, float(epoch))
        optimizer.step()
        schedule.end_epoch(epoch, 1.0)
    assert schedule.average.finish([]).weight.item() == pytest.approx((3 + 4 + 5) / 3)


@pytest.mark.parametrize("variant", ["swa", "swa-sound"])
def test_the_study_s_swa_averages_the_last_20_epochs_as_its_authors_do(variant):
    settings = load_study([ROOT / "config/config.yaml"]).matrix.settings[variant]
    model = nn.Linear(1, 1)
    optimizer = settings.optimizer.build(model.parameters())
    schedule = Schedule(settings, model, optimizer)
    for epoch in range(1, settings.epochs + 1):
        nn.init.constant_(model.weight, float(epoch))
        optimizer.step()
        schedule.end_epoch(epoch, 1.0)
    assert schedule.average.finish([]).weight.item() == pytest.approx(sum(range(81, 101)) / 20)


def test_ema_is_the_mean_of_the_weights_after_each_step_the_later_counting_more():
    model = nn.Linear(1, 1)
    average, seen = EMA(decay=0.8).build(model, SGD().build(model.parameters())), [3.0, -1.0, 4.0, 1.0, -5.0]
    for steps, weight in enumerate(seen, start=1):
        nn.init.constant_(model.weight, weight)
        average.end_step()
        counts = [0.8 ** (steps - step) for step in range(1, steps + 1)]
        expected = sum(count * each for count, each in zip(counts, seen, strict=False)) / sum(counts)
        assert average.finish([]).weight.item() == pytest.approx(expected, rel=1e-6)
    assert model.weight.item() == -5.0


def test_ema_leaves_the_learning_rate_to_the_scheduler():
    rates = [learning_rates(Cosine(), [1.0] * 5, epochs=5, averaging=each) for each in (EMA(), NoAveraging())]
    assert rates[0] == rates[1]


@pytest.mark.parametrize("averaging", [SWA(), EMA()], ids=lambda averaging: averaging.name)
def test_batch_norm_statistics_of_an_average_are_recomputed(averaging):
    model = nn.Sequential(nn.BatchNorm1d(1))
    schedule = Schedule(RunSettings(averaging=averaging), model, torch.optim.SGD(model.parameters(), lr=0.1))
    schedule.end_step()
    averaged = schedule.average.finish([torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])])
    assert averaged[0].running_mean.item() == pytest.approx(4.0)
    assert averaged[0].running_var.item() == pytest.approx(2.0)
    assert model[0].running_mean.item() == 0.0
