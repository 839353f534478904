"""Data with a planted structure, and the truth that made it."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from sklearn.utils import Bunch

from skrep.utils.random import seed_from
from skrep.views import Views

__all__ = ["make_bars", "make_low_rank", "make_multiview"]


def make_low_rank(
    n_samples: int = 500,
    n_features: int = 30,
    rank: int = 5,
    noise: float = 0.1,
    *,
    nonlinear: bool = False,
    random_state: Any = None,
    return_truth: bool = False,
) -> Any:
    """Make one matrix that a code of `rank` numbers explains up to noise.

    With standard normal codes Z and loadings W, a row is ``x = f(z) + noise * e``: f(z) is
    ``z @ W`` or, if `nonlinear`, ``1.2 * tanh(2 * z @ A) @ W`` with a random mixing matrix A of
    `rank` inputs and ``4 * rank`` outputs: a curved sheet of dimension `rank` that no plane of
    that dimension holds. Loadings are scaled so that a feature's signal has variance near 1.

    Parameters
    ----------
    n_samples : int, default=500
        Number of rows.
    n_features : int, default=30
        Number of columns.
    rank : int, default=5
        Size of the code; at most `n_features`.
    noise : float, default=0.1
        Standard deviation of the Gaussian noise, in units of a feature's signal.
    nonlinear : bool, default=False
        Bend the sheet, so that it needs more than `rank` linear components.
    random_state : int, RandomState or None, default=None
        An integer makes the data repeatable.
    return_truth : bool, default=False
        Return `(X, truth)` in place of X.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    truth : Bunch
        Only if `return_truth`: `codes` (n_samples, rank); `loadings` (rank, n_features), with
        4 * rank rows if `nonlinear`; `mixing` (rank, 4 * rank), None if linear; `signal`
        (n_samples, n_features), X without its noise; `noise`, the standard deviation.

    Raises
    ------
    ValueError
        If a size is below 1, `rank` exceeds `n_features`, or `noise` is negative.

    Examples
    --------
    >>> from skrep.datasets import make_low_rank
    >>> X, truth = make_low_rank(100, 8, rank=2, random_state=0, return_truth=True)
    >>> X.shape, truth.codes.shape
    ((100, 8), (100, 2))
    """
    _check_sizes(n_samples=n_samples, n_features=n_features, rank=rank)
    _check_noise(noise)
    if rank > n_features:
        raise ValueError(
            f"`rank={rank!r}` exceeds `n_features={n_features!r}`. Lower `rank` or make more "
            f"features."
        )
    rng = np.random.default_rng(seed_from(random_state))
    codes = rng.standard_normal((n_samples, rank))
    hidden, mixing = _bend(codes, rng) if nonlinear else (codes, None)
    loadings = rng.standard_normal((hidden.shape[1], n_features)) / np.sqrt(hidden.shape[1])
    signal = hidden @ loadings
    X = signal + noise * rng.standard_normal(signal.shape)
    if not return_truth:
        return X
    return X, Bunch(codes=codes, loadings=loadings, mixing=mixing, signal=signal, noise=noise)


def make_bars(
    n_samples: int = 500,
    side: int = 4,
    *,
    orientation: Literal["either", "both"] = "either",
    probability: float = 0.5,
    random_state: Any = None,
    return_truth: bool = False,
) -> Any:
    """Make binary images of bars, one per row.

    With ``orientation="either"`` a fair coin says whether an image has rows or columns, and each
    of its `side` lines is on with `probability`: the bars-and-stripes distribution, whose
    ``2 ** (side + 1) - 2`` patterns can be enumerated. With "both", all ``2 * side`` lines are
    drawn in every image and overlap: the bars problem, in which a good code has one unit a line.

    Parameters
    ----------
    n_samples : int, default=500
        Number of images.
    side : int, default=4
        Height and width, in pixels.
    orientation : {"either", "both"}, default="either"
        Whether rows and columns exclude each other.
    probability : float, default=0.5
        Chance that a line is on. ``1 / side`` is usual for "both".
    random_state : int, RandomState or None, default=None
        An integer makes the data repeatable.
    return_truth : bool, default=False
        Return `(X, truth)` in place of X.

    Returns
    -------
    X : ndarray of shape (n_samples, side * side)
        Zeros and ones, float64; ``X.reshape(-1, side, side)`` are the images.
    truth : Bunch
        Only if `return_truth`: `bars` (n_samples, 2 * side), which lines are on, rows first then
        columns (boolean).

    Raises
    ------
    ValueError
        If a size is below 1, `probability` is outside [0, 1], or `orientation` is unknown.

    References
    ----------
    .. [1] Földiák, P. "Forming sparse representations by local anti-Hebbian learning."
       Biological Cybernetics 64, 1990.

    Examples
    --------
    >>> from skrep.datasets import make_bars
    >>> make_bars(10, side=3, random_state=0).shape
    (10, 9)
    """
    _check_sizes(n_samples=n_samples, side=side)
    if orientation not in ("either", "both"):
        raise ValueError(f"`orientation` must be 'either' or 'both'. Got {orientation!r}.")
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"`probability` must lie in [0, 1]. Got {probability!r}.")
    rng = np.random.default_rng(seed_from(random_state))
    bars = rng.random((n_samples, 2 * side)) < probability
    if orientation == "either":
        upright = rng.random(n_samples) < 0.5
        bars[upright, :side] = False
        bars[~upright, side:] = False
    images = bars[:, :side, np.newaxis] | bars[:, np.newaxis, side:]
    X = images.reshape(n_samples, side * side).astype(np.float64)
    return (X, Bunch(bars=bars)) if return_truth else X


def make_multiview(
    n_samples: int = 500,
    n_features: Sequence[int] = (20, 30),
    *,
    n_shared: int = 3,
    n_private: int | Sequence[int] = 2,
    noise: float = 0.1,
    nonlinear: bool = False,
    random_state: Any = None,
    return_truth: bool = False,
) -> Any:
    """Make several views of the same samples, from a shared code and a private one per view.

    View v is ``f_v([s, p_v]) + noise * e_v`` with independent standard normal shared code s,
    private codes p_v and noise e_v; f_v is linear or bent as in `make_low_rank`. What the views
    say of each other is exactly s.

    Parameters
    ----------
    n_samples : int, default=500
        Number of samples.
    n_features : sequence of int, default=(20, 30)
        Width of each view, which also says how many there are.
    n_shared : int, default=3
        Size of the shared code.
    n_private : int or sequence of int, default=2
        Size of each view's private code; 0 for none.
    noise : float, default=0.1
        Standard deviation of the Gaussian noise, in units of a feature's signal.
    nonlinear : bool, default=False
        Bend each view's sheet.
    random_state : int, RandomState or None, default=None
        An integer makes the data repeatable.
    return_truth : bool, default=False
        Return `(X, truth)` in place of X.

    Returns
    -------
    X : Views
        Named "view0", "view1", …
    truth : Bunch
        Only if `return_truth`: `shared` (n_samples, n_shared) and, with one entry a view,
        `private` (n_samples, n_private), `loadings` (codes or bent codes, width; the shared ones
        come first if linear), `mixing` (None if linear) and `signal` (the view without noise);
        `noise`, the standard deviation.

    Raises
    ------
    ValueError
        If a size is below 1 (`n_private` below 0), the numbers of views differ, or `noise` is
        negative.

    Examples
    --------
    >>> from skrep.datasets import make_multiview
    >>> X = make_multiview(n_samples=200, random_state=0)
    >>> X.names, X.widths
    (('view0', 'view1'), (20, 30))
    """
    widths = tuple(n_features)
    private_sizes = (
        (n_private,) * len(widths) if isinstance(n_private, int | np.integer) else tuple(n_private)
    )
    _check_sizes(n_samples=n_samples, n_shared=n_shared, n_views=len(widths))
    _check_noise(noise)
    if len(private_sizes) != len(widths):
        raise ValueError(
            f"`n_private` has {len(private_sizes)} entries and `n_features` has {len(widths)}. "
            f"Give one per view, or one integer for all."
        )
    for width, private_size in zip(widths, private_sizes, strict=True):
        _check_sizes(n_features=width)
        _check_sizes(minimum=0, n_private=private_size)
    rng = np.random.default_rng(seed_from(random_state))
    shared = rng.standard_normal((n_samples, n_shared))
    truth = Bunch(shared=shared, private=[], loadings=[], mixing=[], signal=[], noise=noise)
    arrays = []
    for width, private_size in zip(widths, private_sizes, strict=True):
        private = rng.standard_normal((n_samples, private_size))
        codes = np.hstack([shared, private])
        hidden, mixing = _bend(codes, rng) if nonlinear else (codes, None)
        loadings = rng.standard_normal((hidden.shape[1], width)) / np.sqrt(hidden.shape[1])
        signal = hidden @ loadings
        arrays.append(signal + noise * rng.standard_normal(signal.shape))
        truth.private.append(private)
        truth.loadings.append(loadings)
        truth.mixing.append(mixing)
        truth.signal.append(signal)
    X = Views(tuple(arrays))
    return (X, truth) if return_truth else X


def _bend(codes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    size = codes.shape[1]
    mixing = rng.standard_normal((size, 4 * size)) / np.sqrt(size)
    # 2 and 1.2 put a unit of typical input into the bend of tanh and its output's variance near 1.
    return np.tanh(2.0 * codes @ mixing) * 1.2, mixing


def _check_sizes(*, minimum: int = 1, **sizes: Any) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < minimum:
            raise ValueError(f"`{name}` must be an integer, {minimum} or more. Got {size!r}.")


def _check_noise(noise: Any) -> None:
    if not 0.0 <= noise < np.inf:
        raise ValueError(f"`noise` must be a finite number, 0 or more. Got {noise!r}.")
