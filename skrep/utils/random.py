"""From `random_state` to the one integer that a fit draws everything from."""

from numbers import Integral
from typing import Any

import numpy as np

__all__ = ["seed_from"]

_MAX_SEED = 2**31 - 1


def seed_from(random_state: Any) -> int:
    """Turn `random_state` into an integer without touching NumPy's global generator.

    Parameters
    ----------
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        An integer is returned as it is. A generator is drawn from once, so a second call differs.
        None takes fresh entropy from the operating system (scikit-learn would draw from NumPy's
        global generator, which belongs to the caller).

    Returns
    -------
    int
        In [0, 2**31 - 1).

    Raises
    ------
    ValueError
        If `random_state` is none of these, or a negative integer.

    Examples
    --------
    >>> seed_from(7)
    7
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0]) % _MAX_SEED
    if isinstance(random_state, Integral) and 0 <= int(random_state) < 2**32:
        return int(random_state)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(_MAX_SEED))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(_MAX_SEED))
    raise ValueError(
        f"`random_state` must be None, an integer in [0, 2**32 - 1], a numpy RandomState or a "
        f"numpy Generator. Got {random_state!r}."
    )
