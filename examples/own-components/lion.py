"""The Lion optimizer (Chen et al., Symbolic Discovery of Optimization Algorithms, 2023), in plain torch."""

from collections.abc import Iterable

import torch
from torch import Tensor


class LionOptimizer(torch.optim.Optimizer):
    """p -= lr * (sign(b1 * m + (1 - b1) * g) + weight_decay * p); then m = b2 * m + (1 - b2) * g."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, betas: tuple[float, float], weight_decay: float):
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, parameter.grad, group)

    def update(self, parameter: Tensor, gradient: Tensor, group: dict) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum, (beta1, beta2) = state["momentum"], group["betas"]
        direction = momentum.mul(beta1).add_(gradient, alpha=1 - beta1).sign_()
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])
        momentum.mul_(beta2).add_(gradient, alpha=1 - beta2)
