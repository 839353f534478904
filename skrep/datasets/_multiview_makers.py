"""Incomplete and partly labelled samples, made of complete ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skrep.utils.random import seed_from
from skrep.views import Views, as_views, is_multiview, refuse_mis_split

__all__ = ["drop_views", "with_labels"]


def drop_views(
    X: Any, rate: float | Mapping[str, float] = 0.5, *, random_state: Any = None
) -> Views:
    """Make views absent at random, and leave every sample at least one.

    Each view is dropped from a set of samples of exactly the size that `rate` says, drawn
    uniformly, one view independently of the others. A sample that lost all of its views then
    gets one of them back, drawn uniformly, in exchange with a sample drawn uniformly among those
    that have this view and another, which loses it (where none has, further samples take part in
    the exchange). What is absent depends on no value, so nothing can be learned from an absence
    (missing completely at random), and the shares stay exact.

    Parameters
    ----------
    X : Views, tuple of at least 2 arrays, dict or DataFrame with two column levels
        Samples; some views may be absent already.
    rate : float or dict of str to float, default=0.5
        Share, in [0, 1], of the samples having a view that lose it, rounded down to whole
        samples: one number for every view, or one per name (others keep all). Below 1 a view
        keeps at least one sample; at 1 it is wholly absent. Every sample can keep a view only if
        the rates of complete views sum to at most n_views - 1.
    random_state : int, RandomState or None, default=None
        An integer makes the result repeatable.

    Returns
    -------
    Views
        With the same names and index. The values of an absent row are gone: NaN in float arrays
        and DataFrames, None for strings, 0 in integers and CSR, where `present` tells them from
        zeros that were there.

    Raises
    ------
    ValueError
        If a rate is outside [0, 1], a name is unknown, or so much is dropped that a sample would
        lose every view.

    See Also
    --------
    with_labels : Add labels, known for some samples only, as a view.

    Examples
    --------
    >>> from skrep.datasets import drop_views, make_multiview
    >>> X = drop_views(make_multiview(100, random_state=0), 0.3, random_state=0)
    >>> X.present.mean(axis=0).tolist(), X.present.any(axis=1).all().item()
    ([0.7, 0.7], True)
    """
    views = as_views(X)
    had = views.present
    counts = _counts_to_drop(views, rate)
    spare = int(had.sum()) - int(had.any(axis=1).sum())
    if sum(counts) > spare:
        raise ValueError(
            f"`rate={rate!r}` would leave samples without any view: it drops {sum(counts)} of "
            f"{int(had.sum())} entries (sample, view), of which at most {spare} can go. With "
            f"{views.n_views} complete views the rates may sum to {views.n_views - 1}, one rate "
            f"for all may be {views.n_views - 1}/{views.n_views}."
        )
    rng = np.random.default_rng(seed_from(random_state))
    present = had.copy()
    for view, count in enumerate(counts):
        present[rng.permutation(np.flatnonzero(had[:, view]))[:count], view] = False
    _give_back(present, had, rng)
    arrays = [
        _blank(array, had[:, view] & ~present[:, view]) for view, array in enumerate(views.arrays)
    ]
    return Views(views.with_arrays(arrays), present=present)


def with_labels(
    X: Any, y: Any, rate: float = 1.0, *, random_state: Any = None, name: str = "label"
) -> Views:
    """Add the labels to the views of `X`, as a one-hot view that some samples lack.

    Parameters
    ----------
    X : array-like, CSR matrix, DataFrame, or views in any of their forms
        Samples. One matrix becomes the view "view0".
    y : array-like of shape (n_samples,)
        Class labels, integers or strings. -1 or a missing value stands for a label that is not
        known, as in `sklearn.semi_supervised`: that sample lacks the new view.
    rate : float, default=1.0
        Share of the known labels to keep, in (0, 1]; the others become absent. Kept labels are
        drawn without replacement and stratified: each class keeps its share, rounded so that all
        together keep ``round(rate * n_known)``, and at least one.
    random_state : int, RandomState or None, default=None
        An integer makes the choice repeatable.
    name : str, default="label"
        Name of the new view.

    Returns
    -------
    Views
        Those of X, then `name` of shape (n_samples, n_classes), float32, one column per class in
        sorted order; rows of unknown labels are NaN. If a view of X is a DataFrame, the new one
        is too, with its index and the classes, as strings, for columns.

    Raises
    ------
    ValueError
        If `y` does not hold one label per sample, holds fewer than two classes, `rate` is not in
        (0, 1], or X has a view of that name.

    See Also
    --------
    drop_views : Make any views absent at random.

    Examples
    --------
    >>> from skrep.datasets import load_mfeat, with_labels
    >>> digits = load_mfeat()
    >>> X = with_labels(digits.data[["pix"]], digits.target, 0.1, random_state=0)
    >>> X.names, X.widths, X.present.sum(axis=0).tolist()
    (('pix', 'label'), (240, 10), [2000, 200])
    """
    refuse_mis_split(X)
    views = as_views(X) if is_multiview(X) else Views((X,))
    if name in views.names:
        raise ValueError(
            f"X has a view {name!r} already. Pass another `name`, or leave that view out."
        )
    if not 0.0 < rate <= 1.0:
        raise ValueError(
            f"`rate` must lie in (0, 1]: each class keeps at least one label. Got {rate!r}."
        )
    classes, codes = _classes_of(y, len(views))
    rng = np.random.default_rng(seed_from(random_state))
    kept = _stratified(codes, rate, rng)
    one_hot: Any = np.full((len(views), len(classes)), np.nan, dtype=np.float32)
    one_hot[kept] = np.eye(len(classes), dtype=np.float32)[codes[kept]]
    if views.index is not None:
        columns = [str(label) for label in classes]
        one_hot = pd.DataFrame(one_hot, index=views.index, columns=columns)
    known = np.zeros(len(views), dtype=bool)
    known[kept] = True
    return Views(
        (*views.arrays, one_hot),
        (*views.names, name),
        np.column_stack([views.present, known]),
    )


def _counts_to_drop(views: Views, rate: Any) -> list[int]:
    if isinstance(rate, Mapping):
        unknown = [name for name in rate if name not in views.names]
        if unknown:
            raise ValueError(
                f"`rate` names the view {unknown[0]!r}; X has {', '.join(map(repr, views.names))}."
            )
        rates = [rate.get(name, 0.0) for name in views.names]
    else:
        rates = [rate] * views.n_views
    for share in rates:
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"`rate` must lie in [0, 1], or be a dict of such. Got {rate!r}.")
    # 0.29 * 100 is a hair below 29.
    return [
        int(share * count + 1e-9) if share < 1.0 else int(count)
        for share, count in zip(rates, views.present.sum(axis=0), strict=True)
    ]


def _give_back(present: np.ndarray, had: np.ndarray, rng: np.random.Generator) -> None:
    """Trade views, in place, until no sample that had a view lacks all; totals stay."""
    n_views = had.shape[1]
    while len(empty := np.flatnonzero(had.any(axis=1) & ~present.any(axis=1))):
        wish = np.where(had[empty], rng.random((len(empty), n_views)), -1.0).argmax(axis=1)
        traded = sum(_trade(present, empty[wish == view], view, rng) for view in range(n_views))
        if not traded and not _trade_in_turn(present, had, empty[0], rng):
            its_own = np.flatnonzero(had[empty[0]]).tolist()
            raise ValueError(
                f"Sample {empty[0]} would lose every view, whichever are dropped: too few of those "
                f"it has are kept. Lower `rate` for its views, at {its_own}."
            )


def _trade(present: np.ndarray, empty: np.ndarray, view: int, rng: np.random.Generator) -> int:
    donors = np.flatnonzero(present[:, view] & (present.sum(axis=1) > 1))
    count = min(len(empty), len(donors))
    present[rng.permutation(empty)[:count], view] = True
    present[rng.permutation(donors)[:count], view] = False
    return count


def _trade_in_turn(
    present: np.ndarray, had: np.ndarray, row: int, rng: np.random.Generator
) -> bool:
    """Give `row` a view that a sample with no other holds, which takes one in turn, and so on.

    The search is breadth first over views. Where it fails, the samples that have only views it
    met outnumber what is kept of these views, so that no other choice would do either.
    """
    alone = present.sum(axis=1) == 1
    paths: dict[int, list[tuple[int, int]]] = {}
    queue = [(int(view), [(row, int(view))]) for view in rng.permutation(np.flatnonzero(had[row]))]
    for view, path in queue:  # grows while it is read
        if view in paths:
            continue
        paths[view] = path
        donors = np.flatnonzero(present[:, view] & ~alone)
        if len(donors):
            givers = [taker for taker, _ in path[1:]] + [int(rng.choice(donors))]
            for (taker, taken), giver in zip(path, givers, strict=True):
                present[taker, taken], present[giver, taken] = True, False
            return True
        holders = np.flatnonzero(present[:, view] & alone)
        for other in rng.permutation(had.shape[1]):
            takers = holders[had[holders, other]]
            if other not in paths and len(takers):
                queue.append((int(other), [*path, (int(rng.choice(takers)), int(other))]))
    return False


def _blank(array: Any, gone: np.ndarray) -> Any:
    if not gone.any():
        return array
    if sp.issparse(array):
        array = array.copy()
        array.data[np.repeat(gone, np.diff(array.indptr))] = 0
        array.eliminate_zeros()
        return array
    if isinstance(array, pd.DataFrame):
        return array.mask(np.broadcast_to(gone[:, np.newaxis], array.shape))
    text = array.dtype.kind in "OSU"
    array = array.astype(object) if text else array.copy()
    array[gone] = None if text else np.nan if array.dtype.kind in "fc" else 0
    return array


def _classes_of(y: Any, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes and, per sample, the number of its class or -1."""
    y = np.asarray(y)
    if y.shape != (n_samples,):
        raise ValueError(
            f"`y` must hold one label per sample, shape ({n_samples},). Got shape {y.shape}."
        )
    known = ~np.asarray(pd.isna(y))
    known &= np.array([label != -1 for label in y.tolist()], dtype=bool)
    classes, codes = np.unique(y[known], return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"`y` must hold at least two classes among its known labels. Got {classes.tolist()!r}; "
            f"-1 stands for a label that is not known."
        )
    if classes.dtype.kind == "f" and not np.array_equal(classes, np.rint(classes)):
        raise ValueError(
            f"`y` must hold classes, integers or strings. Got numbers such as "
            f"{float(classes[0])!r}; bin them, or pass them as a view of their own."
        )
    numbers = np.full(n_samples, -1)
    numbers[known] = codes
    return classes, numbers


def _stratified(codes: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Return rows of known labels, a share `rate` of each class."""
    sizes = np.bincount(codes[codes >= 0])
    exact = rate * sizes
    counts = np.maximum(np.floor(exact + 1e-9).astype(int), 1)
    # Largest remainders get the labels that rounding down left over; chance decides between equals.
    left_over = max(round(rate * int(sizes.sum())) - int(counts.sum()), 0)
    remainders = np.where(counts > exact, -1.0, exact - counts)
    first = np.lexsort((rng.random(len(sizes)), -remainders))
    counts[first[:left_over]] += 1
    rows = [
        rng.permutation(np.flatnonzero(codes == label))[:count]
        for label, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(rows))
