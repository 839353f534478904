"""Randomness that never moves the caller's generators."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["draws_from_global_rng", "forked_rng", "make_generator"]

# torch has one global generator per process: threads that build modules take turns.
_LOCK = threading.RLock()


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator of our own on `device`, seeded with `seed`."""
    generator = torch.Generator(device=device)
    generator.manual_seed(seed)
    return generator


@contextmanager
def forked_rng(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global generators inside the block and put them back afterwards.

    Parameters
    ----------
    seed : int
        What the block starts from.
    device : torch.device or str, default="cpu"
        A CUDA device's generator is saved and restored too.

    Notes
    -----
    The lock is process-wide and re-entrant, so blocks in different threads take turns.
    """
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    with _LOCK, torch.random.fork_rng(devices=devices):
        # torch.manual_seed would also seed devices that were not saved.
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield


def draws_from_global_rng(module: nn.Module) -> bool:
    """Return whether training `module` may draw from torch's global generator.

    Dropout does, and so may any class that is neither torch's nor ours.
    """
    return any(
        type(part).__name__.endswith(("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "RReLU"))
        or bool(getattr(part, "dropout", 0.0))
        or not type(part).__module__.startswith(("torch.nn.", "skrep."))
        for part in module.modules()
    )
