"""Which batch sizes are told to be odd for a number of training images."""

import pytest

from ablation.config.settings import batch_problem, complete


@pytest.mark.parametrize(
    ("size", "images", "told"),
    [
        (128, 50_000, ""),
        (128, 128, ""),
        (128, 127, "is more than the 127 training images"),
        (128, 128 + 16, ""),
        (128, 128 + 15, "has 15 of 128 images"),
        (125, 5000, ""),
        (32, 33, "with batch_size 22 it would have 11"),
        (2, 3, ""),
        (40, 5 * 40 + 1, "with batch_size 36 it would have 21"),
    ],
)
def test_sizes(size, images, told):
    problem = batch_problem(complete({"batch_size": size}), images)
    assert told in problem
    assert bool(told) == bool(problem)
