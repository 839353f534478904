"""Applying a fitted module to data: chunk by chunk, into one array."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skrep.engine.data import ViewData
from skrep.engine.device import resolve_device
from skrep.nn.module import Batch

__all__ = ["apply_in_chunks", "on_device"]

# Chunks of this many rows beat one huge pass on a CPU and bound the memory.
CHUNK_ROWS = 4096
_WORTH_MOVING = 4 * CHUNK_ROWS
_CPU = torch.device("cpu")


def on_device(module: nn.Module, device: str, n_rows: int) -> tuple[nn.Module, torch.device]:
    """Return the module where it should work: itself on the CPU, or a copy on a GPU.

    The fitted module stays on the CPU, so that a pickle loads anywhere; few rows stay there too.
    """
    if n_rows < _WORTH_MOVING:
        return module, _CPU
    resolved = resolve_device(device)
    if resolved.type == "cpu":
        return module, _CPU
    return copy.deepcopy(module).to(resolved), resolved


def apply_in_chunks(
    function: Callable[[Batch], Tensor | Sequence[Tensor]],
    data: ViewData,
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> list[np.ndarray]:
    """Call `function` on successive chunks of `data` and join what it returns.

    Parameters
    ----------
    function : callable
        Takes a `Batch` and returns one tensor, or several, whose first axis is the rows.
    data : ViewData
        What it is applied to.
    chunk_rows : int, default=4096
        Rows a call.

    Returns
    -------
    list of ndarray
        One per tensor returned, first axis n_samples.
    """
    results: list[np.ndarray] = []
    n = data.n_samples
    with torch.inference_mode():
        for start in range(0, n, chunk_rows):
            stop = min(start + chunk_rows, n)
            parts: Any = function(data.batch(slice(start, stop)))
            parts = [parts] if isinstance(parts, Tensor) else list(parts)
            arrays = [part.cpu().numpy() for part in parts]
            if stop - start == n:
                return [_of_its_own(array, data) for array in arrays]
            if not results:
                results = [np.empty((n, *a.shape[1:]), dtype=a.dtype) for a in arrays]
            for whole, part in zip(results, arrays, strict=True):
                whole[start:stop] = part
    return results


def _of_its_own(array: np.ndarray, data: ViewData) -> np.ndarray:
    # A network may hand its input through; the caller's array must not change with the result.
    sources = (source for source in data.X if isinstance(source, np.ndarray))
    return array.copy() if any(np.may_share_memory(array, s) for s in sources) else array
