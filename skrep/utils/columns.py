"""Where views stand that lie side by side."""

from collections.abc import Sequence
from itertools import accumulate

__all__ = ["column_slices"]


def column_slices(widths: Sequence[int]) -> list[slice]:
    """Return the columns of each part of a matrix whose parts have these widths.

    Parameters
    ----------
    widths : sequence of int
        Columns of each part, from the left.

    Returns
    -------
    list of slice

    Examples
    --------
    >>> column_slices([2, 3])
    [slice(0, 2, None), slice(2, 5, None)]
    """
    ends = [int(end) for end in accumulate(widths)]
    return [slice(end - int(width), end) for end, width in zip(ends, widths, strict=True)]
