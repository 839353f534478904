"""Trade time for memory: forget what a gradient needs, and compute it again when it is due.

`torch.utils.checkpoint` does the same; its first call loads torch's compiler, which takes seconds.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["recomputed"]


def recomputed(
    function: Callable[..., tuple[Tensor, ...]],
    inputs: Sequence[Tensor],
    weights: Sequence[Tensor] = (),
    *,
    draws: bool = False,
) -> tuple[Tensor, ...]:
    """Return `function(*inputs)` without keeping what lies between inputs and outputs.

    Parameters
    ----------
    function : callable
        Takes the inputs and returns a tuple of tensors. It is called a second time in the backward
        pass, with the same inputs.
    inputs : sequence of Tensor
        What it is called with.
    weights : sequence of Tensor, default=()
        Tensors that the function uses besides its inputs and that need a gradient.
    draws : bool, default=False
        Whether it draws from torch's global generators, which must then give the same values in
        both calls.

    Returns
    -------
    tuple of Tensor
        Equal to what the function returns, with the same gradients of first order.

    Examples
    --------
    >>> x = torch.ones(3, requires_grad=True)
    >>> recomputed(lambda x: (x.exp().sum(),), (x,))[0].requires_grad
    True
    """
    state = _Conditions(inputs[0].device, draws)
    found: tuple[Tensor, ...] = _Recomputed.apply(  # type: ignore[no-untyped-call]
        function, state, len(inputs), *inputs, *weights
    )
    return found


class _Conditions:
    """What has to be the same in both calls besides the arguments."""

    def __init__(self, device: torch.device, draws: bool) -> None:
        self.device = device
        self.autocast = torch.is_autocast_enabled(device.type)
        self.dtype = torch.get_autocast_dtype(device.type)
        self.devices = [device] if draws and device.type == "cuda" else []
        self.states = [torch.get_rng_state()] if draws else []
        self.states += [torch.cuda.get_rng_state(d) for d in self.devices]

    def restored(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Any:
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.autocast):
            if not self.states:
                return function(*inputs)
            with torch.random.fork_rng(devices=self.devices):
                torch.set_rng_state(self.states[0])
                for device, state in zip(self.devices, self.states[1:], strict=True):
                    torch.cuda.set_rng_state(state, device)
                return function(*inputs)


class _Recomputed(torch.autograd.Function):
    """Call forward without a graph; call again with one in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, function: Callable[..., Any], state: _Conditions, n_inputs: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.function, ctx.state, ctx.n_inputs = function, state, n_inputs
        ctx.save_for_backward(*tensors)
        outputs: tuple[Tensor, ...] = function(*tensors[:n_inputs])
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        inputs = [t.detach().requires_grad_(t.requires_grad) for t in tensors[: ctx.n_inputs]]
        with torch.enable_grad():
            outputs = ctx.state.restored(ctx.function, inputs)
        sought = [t for t in (*inputs, *tensors[ctx.n_inputs :]) if t.requires_grad]
        found = iter(torch.autograd.grad(outputs, sought, slopes, allow_unused=True))
        given = (*inputs, *tensors[ctx.n_inputs :])
        return (None, None, None, *(next(found) if t.requires_grad else None for t in given))
