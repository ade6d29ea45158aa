"""Batched augmentation: image by image the same as torchvision's flip and crop, and the same distribution."""

from collections import Counter

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from ablation.settings import RunSettings
from ablation.training.augment import PADDING, flip_then_crop, normalise, plan_epoch, training_batches
from ablation.training.data import ImageSet

CPU = torch.device("cpu")


def some_images(count):
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_every_flip_and_offset_is_flip_then_crop_of_torchvision():
    choices = torch.cartesian_prod(torch.arange(2), torch.arange(9), torch.arange(9))
    flip, top, left = choices.T
    images = some_images(1).expand(len(choices), -1, -1, -1)
    ours = flip_then_crop(images, flip.bool(), top, left)
    for image, (mirrored, row, column) in zip(ours, choices.tolist(), strict=True):
        expected = reference.hflip(images[0]) if mirrored else images[0]
        expected = reference.crop(reference.pad(expected, [PADDING] * 4, fill=0), row, column, 32, 32)
        assert torch.equal(image, expected)


def test_each_image_of_a_batch_keeps_its_own_augmentation():
    images = some_images(3)
    flip, top, left = torch.tensor([True, False, True]), torch.tensor([0, 4, 8]), torch.tensor([8, 4, 0])
    together = flip_then_crop(images, flip, top, left)
    for index in range(3):
        alone = flip_then_crop(*(each[index : index + 1] for each in (images, flip, top, left)))
        assert torch.equal(together[index], alone[0])


def test_flips_and_offsets_are_uniform_and_independent():
    count = 162 * 400
    plan = plan_epoch(count, torch.Generator().manual_seed(5), CPU)
    seen = Counter(zip(plan.flip.tolist(), plan.top.tolist(), plan.left.tolist(), strict=True))
    assert set(seen) == {(flip, top, left) for flip in (False, True) for top in range(9) for left in range(9)}
    chi_square = sum((times - 400) ** 2 / 400 for times in seen.values())
    # 161 degrees of freedom: mean 161, standard deviation 18. The seed is fixed, so this cannot fail by chance.
    assert chi_square < 161 + 4 * 18


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order():
    generator = torch.Generator().manual_seed(6)
    first, second = (plan_epoch(100, generator, CPU).order for _ in range(2))
    assert sorted(first.tolist()) == list(range(100))
    assert not torch.equal(first, second)


def test_batches_hold_the_planned_images_and_the_last_is_smaller():
    images = ImageSet(some_images(10), torch.arange(10))
    plan = plan_epoch(10, torch.Generator().manual_seed(7), CPU)
    settings = RunSettings(batch_size=4, augmentation="none")
    batches = list(training_batches(images, plan, settings))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == plan.order.tolist()
    assert torch.equal(batches[0][0], normalise(images.images[plan.order[:4]], settings))


def test_augmented_batches_differ_from_plain_ones():
    images = ImageSet(some_images(8), torch.arange(8))
    plan = plan_epoch(8, torch.Generator().manual_seed(7), CPU)
    plain, augmented = (
        next(training_batches(images, plan, RunSettings(augmentation=name)))[0] for name in ("none", "flip_crop")
    )
    assert not torch.equal(plain, augmented)


def test_normalise_is_to_tensor_then_normalize():
    images, settings = some_images(4), RunSettings()
    expected = reference.normalize(reference.to_dtype(images, torch.float32, scale=True), settings.mean, settings.std)
    torch.testing.assert_close(normalise(images, settings), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seed_alone_decides_the_plan(seed):
    one, other = (plan_epoch(50, torch.Generator().manual_seed(seed), CPU) for _ in range(2))
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("order", "flip", "top", "left"))
