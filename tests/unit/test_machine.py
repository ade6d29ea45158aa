"""A GPU is known by its device file."""

import pytest

from ablation.cluster.machine import has_gpu


@pytest.mark.parametrize(
    ("files", "expected"),
    [(["nvidia0", "nvidiactl"], True), (["dxg"], True), (["nvidiactl", "null"], False), ([], False)],
)
def test_has_gpu(tmp_path, files, expected):
    for name in files:
        (tmp_path / name).touch()
    assert has_gpu(tmp_path) is expected
