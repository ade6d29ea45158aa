"""The reference's CustomSignSGD as a torch optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import Parameter


class SignSGD(torch.optim.Optimizer):
    """Sign of the decayed gradient, then momentum (study, section 2).

    g += weight_decay * p; buffer = momentum * buffer + (1 - momentum) * sign(g); p -= lr * buffer
    """

    def __init__(self, params: Iterable[Parameter], lr: float, momentum: float = 0.9, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Parameter, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["buffer"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        direction = parameter.grad.add(parameter, alpha=group["weight_decay"]).sign_()
        state["buffer"].mul_(group["momentum"]).add_(direction, alpha=1 - group["momentum"])
        parameter.add_(state["buffer"], alpha=-group["lr"])
