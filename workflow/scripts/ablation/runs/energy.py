"""The energy that a run takes on a GPU, by the counter of its driver (NVML).

In: the device. Out: joules, or None where there is no such counter: without a GPU, the package or the driver, on cards
before Volta, or where reading it is not allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import torch


class Reading(NamedTuple):
    """What the whole GPU took since its driver was loaded, and how many processes compute on it now."""

    joules: float
    processes: int


class EnergyMeter:
    """Adds up the GPU's energy from one sample to the next, in equal parts for the processes that share it."""

    def __init__(self, read: Callable[[], Reading] | None):
        self._read = read
        self._last = None if read is None else read()
        self.joules: float | None = None if read is None else 0.0

    @classmethod
    def of(cls, device: torch.device) -> EnergyMeter:
        """The meter of a device."""
        return cls(reader_of(device))

    def sample(self) -> None:
        """Take in what was used since the last sample; to be called often, since others come and go."""
        if self._read is None or self._last is None or self.joules is None:
            return
        now = self._read()
        self.joules += (now.joules - self._last.joules) / max(1, now.processes)
        self._last = now

    def state_dict(self) -> dict[str, float | None]:
        self.sample()
        return {"joules": self.joules}

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Add what an interrupted job took; where either has no counter, the sum is unknown."""
        if state["joules"] is None or self.joules is None:
            self.joules = None
        else:
            self.joules += state["joules"]


def reader_of(device: torch.device) -> Callable[[], Reading] | None:
    """A function that reads the counter of this GPU; None where it cannot be read."""
    if device.type != "cuda":
        return None
    try:
        nvml: Any = import_module("cuda.bindings.nvml")  # no machine without a GPU needs it
        nvml.init_v2()
        # By its identity, since CUDA_VISIBLE_DEVICES gives the GPUs of a job other numbers.
        handle = nvml.device_get_handle_by_uuid(f"GPU-{torch.cuda.get_device_properties(device).uuid}")

        def read() -> Reading:
            joules = nvml.device_get_total_energy_consumption(handle) / 1000
            return Reading(joules, len(nvml.device_get_compute_running_processes_v3(handle)))

        read()
    # NVML has an error of its own for each of its many reasons, and none of them is worth a run.
    except Exception:
        return None
    return read
