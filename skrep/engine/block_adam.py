"""Adam that moves one block of parameters after the other, each at a fresh gradient."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["BlockAdam"]


class BlockAdam(torch.optim.Optimizer):
    """Alternating optimisation: every block of parameters in turn takes a step of its own.

    A block's gradient is taken after the blocks before it have moved, which costs an evaluation of
    the loss per block. A gradient that is sparse in its rows, such as that of per-sample codes,
    moves those rows and the memory of those rows only: what a batch does not hold stays put.

    Parameters
    ----------
    parameters : iterable of Parameter
        What is trained; all of them are in one of the blocks.
    lr : float
        Step length.
    blocks : callable
        Returns the blocks, each a pair of a list of parameters and what their step length is
        multiplied by.
    betas : tuple of float, default=(0.9, 0.999)
        Decay of the running mean of gradients and of their squares.
    eps : float, default=1e-8
        Keeps the division finite.
    weight_decay : float, default=0.0
        L2 penalty on what has dense gradients.

    Raises
    ------
    ValueError
        If the blocks are not a partition of the parameters.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        blocks: Callable[[], Sequence[tuple[Sequence[nn.Parameter], float]]],
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        groups: list[dict[str, Any]] = [
            {"params": list(block), "lr": lr * factor} for block, factor in blocks()
        ]
        wanted = sorted(id(p) for p in parameters)
        found = sorted(id(p) for group in groups for p in group["params"])
        if wanted != found:
            raise ValueError(
                f"Every parameter must be in exactly one block. Got {len(found)} in blocks for "
                f"{len(wanted)} parameters."
            )
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(groups, defaults)

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Move every block once.

        Parameters
        ----------
        closure : callable
            Clears the gradients, computes the loss and its gradients, and returns the loss.

        Returns
        -------
        Tensor
            The loss before the first block moved.
        """
        first = None
        every = [p for group in self.param_groups for p in group["params"]]
        try:
            for group in self.param_groups:
                block = {id(p) for p in group["params"]}
                for parameter in every:
                    parameter.requires_grad_(id(parameter) in block)
                with torch.enable_grad():
                    loss = closure()
                first = loss if first is None else first
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._move(parameter, group)
        finally:
            for parameter in every:
                parameter.requires_grad_(True)
        return first

    @torch.no_grad()
    def _move(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        gradient = parameter.grad
        state = self.state[parameter]
        if not state or state["mean"].shape != parameter.shape:
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
            state["steps"] = parameter.new_zeros(parameter.shape[:1] + (1,) * (parameter.ndim - 1))
        rows: Any = slice(None)
        if gradient.is_sparse:  # type: ignore[union-attr]
            gradient = gradient.coalesce()  # type: ignore[union-attr]
            rows, gradient = gradient.indices()[0], gradient.values()
        elif group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])  # type: ignore[union-attr]
        self._adam(parameter, state, rows, gradient, group)  # type: ignore[arg-type]

    @staticmethod
    def _adam(
        parameter: Tensor, state: dict[str, Tensor], rows: Any, gradient: Tensor, group: Any
    ) -> None:
        beta, beta_square = group["betas"]
        steps = state["steps"][rows] + 1.0
        mean = torch.lerp(state["mean"][rows], gradient, 1.0 - beta)
        square = torch.lerp(state["square"][rows], gradient.square(), 1.0 - beta_square)
        size = (square / (1.0 - beta_square**steps)).sqrt_().add_(group["eps"])
        step = mean / (1.0 - beta**steps) / size
        state["steps"][rows], state["mean"][rows], state["square"][rows] = steps, mean, square
        parameter[rows] = parameter[rows] - group["lr"] * step
