"""The faster of two exact float32 matrix products, for the time of a fit.

On some CPUs torch's default library reaches half the speed of oneDNN. oneDNN may in turn round to
bfloat16 on other CPUs, so it is used only where a comparison of products shows that it is exact.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import nn

__all__ = ["fast_matmul", "pays_off"]

# Below this many multiply-adds a product gets slower by the switch, not faster.
_MIN_MULTIPLY_ADDS = 1_000_000
_MAX_RELATIVE_ERROR = 1e-6

_condition = threading.Condition()
_thread = threading.local()
_state: dict[str, Any] = {"fast": None, "users": 0, "before": None}


# torch >= 2.9 has a switch for oneDNN's products alone; before it, one for all back ends.
_PER_BACKEND = getattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision", None)


def _backend() -> Any:
    return getattr(torch.backends.mkldnn, "matmul", None)


def _get() -> str:
    if _PER_BACKEND is None:
        return torch.get_float32_matmul_precision()
    return str(_backend().fp32_precision)


def _set(value: str) -> None:
    if _PER_BACKEND is None:
        torch.set_float32_matmul_precision(value)
    else:
        _backend().fp32_precision = value


_FAST = "medium" if _PER_BACKEND is None else "bf16"


def _product_error() -> float:
    generator = torch.Generator().manual_seed(0)
    left = torch.rand(256, 384, generator=generator) - 0.5
    right = torch.rand(384, 256, generator=generator) - 0.5
    exact = left.double() @ right.double()
    return float(((left @ right).double() - exact).norm() / exact.norm())


@lru_cache(maxsize=1)
def is_exact() -> bool:
    """Return whether the fast product is as exact as float32 is (one small test per process)."""
    if not torch.backends.mkldnn.is_available():
        return False
    with _switched(True):
        return _product_error() <= _MAX_RELATIVE_ERROR


@contextmanager
def _switched(fast: bool) -> Iterator[None]:
    # A fit inside a fit (a callback that fits, say) stays on the path of the outer one: waiting
    # for it would be waiting for itself.
    if getattr(_thread, "switched", False):
        yield
        return
    # The switch is process-wide: fits that agree share it, fits that differ take turns.
    with _condition:
        _condition.wait_for(lambda: _state["users"] == 0 or _state["fast"] == fast)
        if _state["users"] == 0:
            _state.update(fast=fast, before=_get())
            if fast:
                _set(_FAST)
        _state["users"] += 1
    _thread.switched = True
    try:
        yield
    finally:
        _thread.switched = False
        with _condition:
            _state["users"] -= 1
            if _state["users"] == 0:
                if fast:
                    _set(_state["before"])
                _condition.notify_all()


def pays_off(module: nn.Module, batch_size: int, device: torch.device) -> bool:
    """Return whether `module`'s products are large enough, and the fast path exact, on a CPU.

    Decided by sizes and one error test, never by a clock, so that one seed gives one result.
    """
    # First of all: inside another fit the test could not switch.
    exact = is_exact()
    if device.type != "cpu":
        return False
    sizes = [p.numel() for p in module.parameters() if p.ndim == 2 and p.dtype == torch.float32]
    largest = batch_size * max(sizes, default=0)
    return exact and largest >= _MIN_MULTIPLY_ADDS


@contextmanager
def fast_matmul(enabled: bool) -> Iterator[None]:
    """Use the fast product inside the block, or the default one.

    Parameters
    ----------
    enabled : bool
        What `pays_off` said. Blocks that ask for different paths wait for each other.
    """
    with _switched(enabled):
        yield
