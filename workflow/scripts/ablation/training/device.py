"""How the device computes a run: precision, deterministic algorithms, and the stream of a GPU's work.

These are switches of the whole process, so a process trains one run at a time.
"""

from __future__ import annotations

import os

import torch

from ablation.config.settings import RunSettings


class PrecisionError(ValueError):
    """The device computes no faster in the precision that the settings ask for."""


def prepare_device(settings: RunSettings, device: torch.device) -> None:
    """Set the switches as the settings say."""
    rounding = "ieee" if settings.precision == "fp32" else "tf32"
    torch.backends.cuda.matmul.fp32_precision = rounding
    torch.backends.cudnn.conv.fp32_precision = rounding  # type: ignore[attr-defined]
    # Only where that changes something: torch loads its compiler for it, which takes as long as torch itself.
    if settings.deterministic != torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(settings.deterministic, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        # cuBLAS repeats its sums only with workspaces of its own, set before its first call.
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.cuda.set_device(device.index or 0)
        # CUDA graphs cannot be captured on the default stream, and work on two streams would have to be synchronised.
        if torch.cuda.current_stream() == torch.cuda.default_stream():
            torch.cuda.set_stream(torch.cuda.Stream())


def check_precision(settings: RunSettings, device: torch.device) -> None:
    """Refuse bf16 where it costs time.

    Raises:
        PrecisionError: the device has no instructions for it.
    """
    if settings.precision == "bf16" and not has_bfloat16(device):
        kind = "GPU" if device.type == "cuda" else "processor"
        raise PrecisionError(
            f"precision: bf16 is slower than float32 on this {kind}, which has no instructions for it; "
            "set precision: tf32, which on a processor is float32"
        )


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 numbers itself."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool({"avx512_bf16", "amx_bf16"} & {name for name, has in torch.cpu.get_capabilities().items() if has})


def autocast(settings: RunSettings, device: torch.device) -> torch.autocast:
    """Where the network and the loss are computed: with bf16, matrix products and convolutions take bfloat16 numbers;
    weights, sums and losses stay in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16")
