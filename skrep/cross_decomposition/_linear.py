"""Second moments of views, in reduced coordinates where features outnumber samples."""

import warnings
from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from skrep.cross_decomposition._reduced import ReducedView, reduce_wide
from skrep.utils.correlation import (
    CCASolution,
    ViewMoments,
    project,
    signs_of,
    solve_cca,
    whitener,
)
from skrep.utils.ridge import RidgeDecoder

__all__ = ["LinearViews", "Problem", "refuse_same", "warn_of_perfect"]

# Views of no more features than this go by them even where samples are fewer: it costs nothing,
# and the moments can be gone on with.
_NARROW = 512


class Problem(NamedTuple):
    """Views as the solver meets them.

    Attributes
    ----------
    moments : ViewMoments
        Of the coordinates.
    reduced : tuple of ReducedView or None
        Where the coordinates of a view come from; None for the view itself.
    widths : tuple of int
        Features of the views.
    """

    moments: ViewMoments
    reduced: tuple[ReducedView | None, ...]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, arrays: Sequence[Any], regularization: Sequence[Any]) -> "Problem":
        """Gather moments; views with more features than samples go by their samples."""
        reduced = tuple(
            reduce_wide(array, standardise=ridge == 0)
            if array.shape[1] > max(array.shape[0], _NARROW)
            else None
            for array, ridge in zip(arrays, regularization, strict=True)
        )
        inner = [
            array if view is None else view.coordinates
            for array, view in zip(arrays, reduced, strict=True)
        ]
        moments = ViewMoments([array.shape[1] for array in inner]).update(inner)
        # The coordinates of the samples are those of the fit: nothing of them is kept.
        kept = tuple(view and view._replace(coordinates=view.coordinates[:0]) for view in reduced)
        return cls(moments, kept, tuple(int(array.shape[1]) for array in arrays))

    @classmethod
    def streamed(cls, moments: ViewMoments) -> "Problem":
        """Return the problem of moments of the features themselves."""
        widths = tuple(part.stop - part.start for part in moments.slices)
        return cls(moments, (None,) * len(widths), widths)

    def solve(
        self, n_components: int, regularization: Sequence[Any], names: Sequence[str]
    ) -> CCASolution:
        """Return the CCA in coordinates."""
        found = solve_cca(
            self.moments, n_components, list(regularization), names=names, widths=self.widths
        )
        if self.reduced[0] is None:
            return found
        # The sign is a matter of features, not of coordinates.
        signs = signs_of(LinearViews(self, found).loadings()[0])
        return found._replace(weights=tuple(weights * signs for weights in found.weights))


class LinearViews:
    """What follows from the second moments: weights, loadings, decoding, imputation.

    Parameters
    ----------
    problem : Problem
        The moments.
    solution : CCASolution
        In the coordinates of the problem.
    """

    def __init__(self, problem: Problem, solution: CCASolution) -> None:
        self.problem = problem
        self.solution = solution

    def weights(self) -> list[np.ndarray]:
        """Return the weights of the features, (width, n_components) per view."""
        return [
            weights if view is None else (view.axes @ weights) / view.scale[:, None]
            for weights, view in zip(self.solution.weights, self.problem.reduced, strict=True)
        ]

    def means(self) -> list[np.ndarray]:
        """Return the means of the features, (width,) per view."""
        means = self.problem.moments.means
        return [
            mean.copy() if view is None else view.mean
            for mean, view in zip(means, self.problem.reduced, strict=True)
        ]

    def loadings(self) -> list[np.ndarray]:
        """Return correlations of features with the variates of their view; 0 if constant."""
        S, found = self.problem.moments.covariance(), []
        for i, part in enumerate(self.problem.moments.slices):
            covariance = self._to_features(i, S[part, part] @ self.solution.weights[i])
            spread = np.sqrt(self._variance(i))[:, None]
            loading = np.divide(
                covariance, spread, out=np.zeros_like(covariance), where=spread > 1e-300
            )
            found.append(np.clip(loading, -1.0, 1.0))
        return found

    def decoder(self, factors: np.ndarray) -> RidgeDecoder:
        """Return the linear expectation of the views given the mean of their codes.

        `factors` are multiplied onto the components of the codes.
        """
        stacked = np.vstack(self.solution.weights) * factors / len(self.problem.widths)
        cross = self.problem.moments.covariance() @ stacked
        root = whitener(stacked.T @ cross, 0.0, len(factors), np.zeros(len(factors)))
        gain = root @ root.T @ cross.T
        coefs, intercepts, spreads = [], [], []
        for i, (part, mean) in enumerate(
            zip(self.problem.moments.slices, self.means(), strict=True)
        ):
            coefs.append(self._to_features(i, gain[:, part].T).T)
            intercepts.append(mean)
            explained = self._to_features(i, cross[part] @ root)
            left = self._variance(i) - np.einsum("ij,ij->i", explained, explained)
            spreads.append(np.sqrt(np.maximum(left, 0.0)))
        return RidgeDecoder(tuple(coefs), tuple(intercepts), tuple(spreads))

    def expect(
        self, arrays: Sequence[Any], given: np.ndarray, wanted: np.ndarray
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return means of the wanted views given others, and standard deviations.

        Parameters
        ----------
        arrays : sequence of ndarray or CSR of shape (n_samples, width)
            All views; only given ones are read.
        given, wanted : ndarray of int
            Positions of views.

        Returns
        -------
        means : list of ndarray of shape (n_samples, width)
            Of the wanted views.
        stds : list of ndarray of shape (width,)
            What the given views leave open, on the data of the fit.
        """
        S, slices = self.problem.moments.covariance(), self.problem.moments.slices
        places = np.concatenate([np.arange(slices[i].start, slices[i].stop) for i in given])
        inner = S[np.ix_(places, places)]
        ridge = np.concatenate(
            [np.full(slices[i].stop - slices[i].start, self._ridge(i)) for i in given]
        )
        root = whitener(
            inner + np.diag(ridge),
            0.0,
            len(places),
            self.problem.moments.mean[places],
            self.problem.moments.precision,
        )
        coordinates = np.hstack([self._coordinates(i, arrays[i]) for i in given]) @ root
        means, stds = [], []
        for i in wanted:
            half = S[slices[i], places] @ root
            # Var(x) - 2 G Cov(given, x) + G Var(given) G' with the gain G of the ridge regression.
            doubled = 2 * np.eye(root.shape[1]) - root.T @ inner @ root
            means.append(self._to_features(i, half @ coordinates.T).T + self.means()[i])
            out = self._to_features(i, half)
            left = self._variance(i) - np.einsum("ij,ij->i", out @ doubled, out)
            stds.append(np.sqrt(np.maximum(left, 0.0)))
        return means, stds

    def _ridge(self, i: int) -> float:
        total = float(self.problem.moments.variance()[self.problem.moments.slices[i]].sum())
        return self.solution.regularization[i] * total / self.problem.widths[i]

    def _variance(self, i: int) -> np.ndarray:
        view, moments = self.problem.reduced[i], self.problem.moments
        return moments.variance()[moments.slices[i]] if view is None else view.variance

    def _to_features(self, i: int, columns: np.ndarray) -> np.ndarray:
        """Return covariances with features, from those with coordinates; one per row."""
        view = self.problem.reduced[i]
        if view is None:
            return columns
        scale = np.where(np.isfinite(view.scale), view.scale, 0.0)
        return (view.axes @ columns) * scale[:, None]

    def _coordinates(self, i: int, array: Any) -> np.ndarray:
        view = self.problem.reduced[i]
        if view is not None:
            return project(array, view.mean, view.axes / view.scale[:, None])
        dense = array.toarray() if sp.issparse(array) else array
        return np.asarray(dense - self.problem.moments.means[i])


def refuse_same(arrays: Sequence[Any], names: Sequence[str]) -> None:
    """Raise ValueError where two views hold the same values."""
    for i, j in combinations(range(len(arrays)), 2):
        if _equal(arrays[i], arrays[j]):
            raise ValueError(
                f"Views {names[i]!r} and {names[j]!r} are the same: all of their correlations "
                f"are 1 whatever they hold. Pass different views of the same samples."
            )


def _equal(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if a.shape != b.shape or sp.issparse(a) != sp.issparse(b):
        return False
    if sp.issparse(a):
        return a.nnz == b.nnz and (a != b).nnz == 0
    return all(np.array_equal(a[i : i + 1024], b[i : i + 1024]) for i in range(0, len(a), 1024))


def warn_of_perfect(
    solution: CCASolution, n_samples: int, names: Sequence[str], stacklevel: int
) -> None:
    """Warn where correlations are 1 because samples are few, not because views are alike."""
    ranks, ridges = solution.ranks, solution.regularization
    for i, j in combinations(range(len(ranks)), 2):
        excess = ranks[i] + ranks[j] - (n_samples - 1)
        if excess > 0 and ridges[i] == ridges[j] == 0:
            warnings.warn(
                f"Views {names[i]!r} and {names[j]!r} vary in {ranks[i]} and {ranks[j]} directions "
                f"on {n_samples} samples, so that at least {excess} of their correlations are 1 "
                f"whatever they hold. Set `regularization`, for example to 'auto'.",
                UserWarning,
                stacklevel=stacklevel,
            )
            return
