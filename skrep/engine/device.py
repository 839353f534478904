"""Where the arithmetic happens."""

import torch

__all__ = ["free_bytes", "resolve_device"]


def resolve_device(device: str | torch.device) -> torch.device:
    """Turn `device` into a torch device.

    Parameters
    ----------
    device : str or torch.device
        "auto" takes CUDA, then Apple's MPS, then the CPU; anything else is torch's own notation.

    Raises
    ------
    ValueError
        If torch does not know the device or it is not there.
    """
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"`device` must be 'auto' or a torch device such as 'cpu' or 'cuda:0'. Got {device!r}."
        ) from error
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"`device={str(device)!r}` asks for a CUDA device, and torch sees "
            f"{torch.cuda.device_count()}. Pass 'auto' to take what is there."
        )
    if resolved.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(
            f"`device={str(device)!r}` asks for Apple's MPS, which torch does not see. Pass "
            f"'auto' to take what is there."
        )
    return resolved


def free_bytes(device: torch.device) -> int:
    """Return how many bytes may be used for data on `device` (half of what is free)."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] // 2)
    return 2**62
