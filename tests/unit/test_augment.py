"""Batched augmentation: image by image the same as torchvision's flip and crop, and the same distribution."""

from collections import Counter

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as reference

from ablation.components.augmentations import FlipCrop, NoAugmentation, RandAugment
from ablation.components.flip_crop import FlipThenCrop, Unchanged
from ablation.config.settings import RunSettings
from ablation.training import augment
from ablation.training.augment import normalise, plan_epoch, training_batches
from ablation.training.data import ImageSet

CPU = torch.device("cpu")
FLIP_CROP, RAND_AUGMENT = FlipCrop().build(), RandAugment().build()


def some_images(count, channels=3, height=32, width=32):
    shape = (count, channels, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("padding", "shape"),
    [(4, (3, 32, 32)), (2, (1, 16, 16)), (1, (3, 8, 20)), (0, (3, 8, 8))],
    ids=["study", "grey", "rectangular", "no-padding"],
)
def test_every_flip_and_offset_is_flip_then_crop_of_torchvision(padding, shape):
    offsets = torch.arange(2 * padding + 1)
    choices = torch.cartesian_prod(torch.arange(2), offsets, offsets)
    flip, top, left = choices.T
    images = some_images(1, *shape).expand(len(choices), -1, -1, -1)
    ours = FlipThenCrop(0.5, padding)(images, flip.bool(), top, left)
    for image, (mirrored, row, column) in zip(ours, choices.tolist(), strict=True):
        expected = reference.hflip(images[0]) if mirrored else images[0]
        expected = reference.crop(reference.pad(expected, [padding] * 4, fill=0), row, column, *shape[1:])
        assert torch.equal(image, expected)


def test_each_image_of_a_batch_keeps_its_own_augmentation():
    images = some_images(3)
    flip, top, left = torch.tensor([True, False, True]), torch.tensor([0, 4, 8]), torch.tensor([8, 4, 0])
    together = FLIP_CROP(images, flip, top, left)
    for index in range(3):
        alone = FLIP_CROP(*(each[index : index + 1] for each in (images, flip, top, left)))
        assert torch.equal(together[index], alone[0])


def test_flips_and_offsets_are_uniform_and_independent():
    count = 162 * 400
    plan = plan_epoch(count, FLIP_CROP, torch.Generator().manual_seed(5), CPU)
    seen = Counter(zip(*(each.tolist() for each in plan.drawn), strict=True))
    assert set(seen) == {(flip, top, left) for flip in (False, True) for top in range(9) for left in range(9)}
    chi_square = sum((times - 400) ** 2 / 400 for times in seen.values())
    # 161 degrees of freedom: mean 161, standard deviation 18. The seed is fixed, so this cannot fail by chance.
    assert chi_square < 161 + 4 * 18


def unmoved(count):
    """Neither flip nor crop."""
    return torch.zeros(count, dtype=torch.bool), *torch.full((2, count), 4)


def torchvision_choices(seed, operations):
    """What torchvision's transform draws of torch's own random numbers: an operation, and a sign where it has one."""
    torch.manual_seed(seed)
    for _ in range(operations):
        drawn = int(torch.randint(14, ()))
        signed = list(v2.RandAugment._AUGMENTATION_SPACE.values())[drawn][1]
        yield 2 * drawn + (signed and torch.rand(()).item() <= 0.5)


@pytest.mark.parametrize(
    ("operations", "magnitude", "shape"), [(2, 9, (3, 32, 32)), (1, 30, (1, 16, 16)), (3, 5, (3, 12, 20))]
)
def test_images_together_are_each_augmented_as_by_torchvision_s_rand_augment(operations, magnitude, shape):
    count, reference = 200, v2.RandAugment(operations, magnitude)
    images = some_images(count, *shape)
    choices = torch.tensor([list(torchvision_choices(seed, operations)) for seed in range(count)])
    assert set(choices.flatten().tolist()) >= {0, *range(2, 20), 20, 22, 24, 26}
    ours = RandAugment(operations=operations, magnitude=magnitude).build()(images, *unmoved(count), choices)
    for seed, (image, augmented) in enumerate(zip(images, ours, strict=True)):
        torch.manual_seed(seed)
        assert torch.equal(augmented, reference(image)), seed


def test_rand_augment_flips_and_crops_first():
    images, drawn = some_images(50), RAND_AUGMENT.draw(50, torch.Generator().manual_seed(5))
    flipped = FLIP_CROP(images, *drawn[:3])
    assert torch.equal(RAND_AUGMENT(images, *drawn), RAND_AUGMENT(flipped, *unmoved(50), drawn[3]))


def test_rand_augment_draws_every_operation_equally_often_and_independently():
    *_, choices = plan_epoch(28**2 * 100, RAND_AUGMENT, torch.Generator().manual_seed(5), CPU).drawn
    seen = torch.bincount(choices[:, 0] * 28 + choices[:, 1], minlength=28**2)
    # 783 degrees of freedom: mean 783, standard deviation 40. The seed is fixed, so this cannot fail by chance.
    assert ((seen - 100) ** 2 / 100).sum().item() < 783 + 4 * 40


def test_probability_of_the_flip_and_padding_are_those_of_the_settings():
    flip, top, left = FlipCrop(flip=0.1, padding=1).build().draw(20_000, torch.Generator().manual_seed(5))
    assert flip.float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert set(top.tolist()) == set(left.tolist()) == {0, 1, 2}


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order():
    generator = torch.Generator().manual_seed(6)
    first, second = (plan_epoch(100, FLIP_CROP, generator, CPU).order for _ in range(2))
    assert sorted(first.tolist()) == list(range(100))
    assert not torch.equal(first, second)


def test_batches_hold_the_planned_images_and_the_last_is_smaller():
    images = ImageSet(some_images(10), torch.arange(10))
    augmentation = NoAugmentation().build()
    plan = plan_epoch(10, augmentation, torch.Generator().manual_seed(7), CPU)
    settings = RunSettings(batch_size=4)
    batches = list(training_batches(images, plan, augmentation, settings))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == plan.order.tolist()
    assert torch.equal(batches[0][0], normalise(images.images[plan.order[:4]], settings))


def test_augmented_batches_hold_each_image_with_what_was_drawn_for_it():
    images, settings = ImageSet(some_images(10), torch.arange(10)), RunSettings(batch_size=4)
    plan = plan_epoch(10, FLIP_CROP, torch.Generator().manual_seed(7), CPU)
    batches = list(training_batches(images, plan, FLIP_CROP, settings))
    expected = normalise(FLIP_CROP(images.images[plan.order], *plan.drawn), settings)
    assert torch.equal(torch.cat([inputs for inputs, _ in batches]), expected)
    later = list(training_batches(images, plan, FLIP_CROP, settings, start=1))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(later, batches[1:], strict=True))


@pytest.mark.parametrize("augmentation", [FLIP_CROP, RAND_AUGMENT], ids=["flip_crop", "rand_augment"])
@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_batches_prepared_together_are_those_prepared_one_by_one(augmentation, start, monkeypatch):
    images, settings = ImageSet(some_images(14), torch.arange(14)), RunSettings(batch_size=4)
    plan = plan_epoch(14, augmentation, torch.Generator().manual_seed(7), CPU)
    one_by_one = list(training_batches(images, plan, augmentation, settings, start))
    monkeypatch.setitem(augment.BATCHES_AT_ONCE, "cpu", 3)
    together = list(training_batches(images, plan, augmentation, settings, start))
    assert len(together) == len(one_by_one) == 4 - start
    for ours, expected in zip(together, one_by_one, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))


def test_augmented_batches_differ_from_plain_ones():
    images = ImageSet(some_images(8), torch.arange(8))
    none, flip_crop = Unchanged(), FLIP_CROP
    plans = [plan_epoch(8, each, torch.Generator().manual_seed(7), CPU) for each in (none, flip_crop)]
    plain, augmented = (
        next(training_batches(images, plan, each, RunSettings()))[0]
        for plan, each in zip(plans, (none, flip_crop), strict=True)
    )
    assert not torch.equal(plain, augmented)
    assert torch.equal(plain, normalise(images.images[plans[0].order], RunSettings()))


def test_a_seed_brings_the_images_in_the_same_order_with_and_without_augmentation():
    generators = [torch.Generator().manual_seed(7) for _ in range(2)]
    for _ in range(3):  # epochs
        none, flip_crop = (
            plan_epoch(50, each, generator, CPU)
            for each, generator in zip((Unchanged(), FLIP_CROP), generators, strict=True)
        )
        assert torch.equal(none.order, flip_crop.order)


def test_normalise_is_to_tensor_then_normalize():
    images, settings = some_images(4), RunSettings()
    expected = reference.normalize(reference.to_dtype(images, torch.float32, scale=True), settings.mean, settings.std)
    torch.testing.assert_close(normalise(images, settings), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_mean_and_std_are_for_all_channels(channels):
    images, settings = some_images(4, channels), RunSettings(mean=(0.5,), std=(0.25,))
    torch.testing.assert_close(normalise(images, settings), (images / 255 - 0.5) / 0.25, rtol=0, atol=2e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seed_alone_decides_the_plan(seed):
    one, other = (plan_epoch(50, FLIP_CROP, torch.Generator().manual_seed(seed), CPU) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip((one.order, *one.drawn), (other.order, *other.drawn), strict=True))
