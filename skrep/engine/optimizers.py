"""Optimisers and learning-rate schedules by name."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, lr_scheduler

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "FusedAdamStep",
    "PlainStep",
    "lean_step",
    "make_optimizer",
    "make_schedule",
]

OPTIMIZERS: Final[dict[str, Callable[..., torch.optim.Optimizer]]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "lbfgs": torch.optim.LBFGS,
}


def make_optimizer(
    optimizer: str | Callable[..., torch.optim.Optimizer],
    parameters: Iterable[nn.Parameter],
    *,
    lr: float,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return an optimiser over `parameters`, fused into one kernel a step where torch offers it.

    Parameters
    ----------
    optimizer : str or callable
        A name in `OPTIMIZERS`, or a class or factory called with `(parameters, lr=...)`, which
        also gets `weight_decay` when that is not zero.
    parameters : iterable of Parameter
        What is trained.
    lr : float
        Step length.
    weight_decay : float, default=0.0
        L2 penalty (decoupled for "adamw").
    """
    parameters = list(parameters)
    factory = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    settings: dict[str, Any] = {"lr": lr}
    accepted = inspect.signature(factory).parameters
    # Also when it is 0: AdamW's own default is not.
    if weight_decay or (isinstance(optimizer, str) and "weight_decay" in accepted):
        settings["weight_decay"] = weight_decay
    if isinstance(optimizer, str) and "fused" in accepted and _can_fuse(parameters):
        return factory(parameters, fused=True, **settings)
    return factory(parameters, **settings)


def _can_fuse(parameters: list[nn.Parameter]) -> bool:
    return bool(parameters) and all(
        p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters
    )


class FusedAdamStep:
    """The step of a fused Adam without torch.optim's wrapper around it.

    The wrapper (profiling ranges, hooks, sorting parameters by device) costs more than the
    arithmetic of a small network. The optimiser stays the owner of its state, so checkpoints,
    schedules and `optimizer_.state_dict()` do not notice.

    Parameters
    ----------
    optimizer : torch.optim.Adam or torch.optim.AdamW
        With `fused=True` and one parameter group.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._kernel = torch._fused_adamw_ if isinstance(optimizer, AdamW) else torch._fused_adam_
        self._lists: tuple[list[Tensor], ...] | None = None
        self._steps: list[Tensor] = []

    @classmethod
    def fits(cls, optimizer: torch.optim.Optimizer) -> bool:
        """Return whether `optimizer` is one whose step is exactly the kernel's."""
        if type(optimizer) not in (Adam, AdamW) or len(optimizer.param_groups) != 1:
            return False
        group = optimizer.param_groups[0]
        return bool(group.get("fused")) and not (group["amsgrad"] or group["maximize"])

    def __call__(self) -> None:
        """Make one step with the gradients that lie on the parameters."""
        if self._lists is None:
            # torch's own first step builds the state.
            self._optimizer.step()
            self._lists = self._state_lists()
            return
        parameters, averages, squares = self._lists
        gradients = [p.grad for p in parameters]
        if any(g is None for g in gradients):  # frozen since: torch's own step passes over it
            self.settle()
            self._lists = None
            self._optimizer.step()
            return
        group = self._optimizer.param_groups[0]
        self._count += 1
        beta1, beta2 = group["betas"]
        self._kernel(
            parameters,
            cast("list[Tensor]", gradients),
            averages,
            squares,
            [],
            [self._count] * len(parameters),
            lr=float(group["lr"]),
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
            grad_scale=None,
            found_inf=None,
        )

    def settle(self) -> None:
        """Write the step count back to every parameter's state, where others look for it."""
        if self._lists is not None:
            for step in self._steps:
                step.copy_(self._count)

    def _state_lists(self) -> tuple[list[Tensor], ...] | None:
        parameters = self._optimizer.param_groups[0]["params"]
        if any(p.grad is None for p in parameters):
            return None  # not every parameter takes part: leave it to torch
        states = [self._optimizer.state[p] for p in parameters]
        self._steps = [state["step"] for state in states]
        if len({float(step) for step in self._steps}) != 1:
            return None  # some joined later: each has its own count
        # All count alike: one counter serves them between epochs.
        self._count = self._steps[0].clone()
        return (
            parameters,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
        )


class DescentStep:
    """The step of gradient descent without momentum, without torch.optim's wrapper around it.

    Parameters
    ----------
    optimizer : torch.optim.SGD
        With one parameter group.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._stepped = False

    @classmethod
    def fits(cls, optimizer: torch.optim.Optimizer) -> bool:
        """Return whether `optimizer` subtracts a multiple of the gradient and does nothing else."""
        if type(optimizer) is not SGD or len(optimizer.param_groups) != 1:
            return False
        group = optimizer.param_groups[0]
        return not (group["momentum"] or group["weight_decay"] or group["maximize"])

    def __call__(self) -> None:
        """Make one step with the gradients that lie on the parameters."""
        group = self._optimizer.param_groups[0]
        parameters = group["params"]
        gradients = [p.grad for p in parameters]
        if not self._stepped or any(g is None for g in gradients):
            # Schedules want to see the optimiser's own step once.
            self._optimizer.step()
            self._stepped = True
            return
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-float(group["lr"]))

    def rate(self) -> float:
        """Return the learning rate, for a step that the module makes by itself."""
        if not self._stepped:
            # Schedules want to see the optimiser's own step once; without gradients it is idle.
            self._optimizer.zero_grad()
            self._optimizer.step()
            self._stepped = True
        return float(self._optimizer.param_groups[0]["lr"])

    def settle(self) -> None:
        """Do nothing: there is no state."""


class PlainStep:
    """The optimiser's own step, where no cheaper one is exact."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def __call__(self) -> None:
        """Make one step."""
        self._optimizer.step()

    def settle(self) -> None:
        """Do nothing: the state is always the optimiser's."""


def lean_step(optimizer: torch.optim.Optimizer) -> FusedAdamStep | DescentStep | PlainStep:
    """Return the cheapest callable that makes the same step as `optimizer.step()`."""
    if FusedAdamStep.fits(optimizer):
        return FusedAdamStep(optimizer)
    return DescentStep(optimizer) if DescentStep.fits(optimizer) else PlainStep(optimizer)


def _linear(optimizer: torch.optim.Optimizer, n_steps: int) -> Any:
    return lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1.0 - step / n_steps))


def _cosine(optimizer: torch.optim.Optimizer, n_steps: int) -> Any:
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max=n_steps)


def _one_cycle(optimizer: torch.optim.Optimizer, n_steps: int) -> Any:
    peak = [group["lr"] for group in optimizer.param_groups]
    return lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=n_steps + 1)


SCHEDULES: Final[dict[str, Callable[[torch.optim.Optimizer, int], Any]]] = {
    "linear": _linear,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}


def make_schedule(
    schedule: str | Callable[..., Any] | None, optimizer: torch.optim.Optimizer, n_steps: int
) -> Any:
    """Return a torch scheduler stepped once a batch, or None.

    Parameters
    ----------
    schedule : str, callable or None
        A name in `SCHEDULES` or a callable `(optimizer, n_steps) -> scheduler`.
    optimizer : torch.optim.Optimizer
        Whose rates move.
    n_steps : int
        Steps in the whole fit.
    """
    if schedule is None:
        return None
    factory = SCHEDULES[schedule] if isinstance(schedule, str) else schedule
    return factory(optimizer, max(1, n_steps))
