"""Linear canonical correlation analysis of two or more views."""

from itertools import combinations
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrep._base_networks import per_view
from skrep._base_views import CoordinatedMixin, ImputeMixin
from skrep.base import ClosedFormEstimator
from skrep.cross_decomposition._linear import (
    LinearViews,
    Problem,
    refuse_same,
    warn_of_perfect,
)
from skrep.cross_decomposition._permutation import PermutationTest, permute
from skrep.mixins import ReconstructionMixin
from skrep.utils.correlation import ViewMoments, project
from skrep.utils.sklearn_private import Interval, StrOptions, fit_context
from skrep.utils.validation import CheckedViews

__all__ = ["CCA"]


class CCA(CoordinatedMixin, ImputeMixin, ReconstructionMixin, ClosedFormEstimator):
    r"""Canonical correlation analysis: the directions of several views that correlate most.

    The linear model to try first on two or more tables of the same samples. With covariances
    :math:`S_{ij}` between views it solves, component after component,

    .. math:: \max_w \sum_{i \ne j} w_i^\top S_{ij} w_j \quad\text{subject to}\quad
        \sum_i w_i^\top (S_{ii} + \lambda_i \bar s_i I) w_i = 1

    where :math:`\bar s_i` is the mean variance of a feature of view i. For two views that is
    Hotelling's problem [1]_ and the maxima are the canonical correlations; for more it is
    Kettenring's MAXVAR [2]_, a generalised eigenproblem. Codes have unit variance.

    Parameters
    ----------
    n_components : int, default=2
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    regularization : float, "auto", dict or tuple, default=0.0
        Ridge :math:`\lambda`, at least 0, relative to the mean variance of a view's features, so
        that it means the same in any unit: 0.1 adds a tenth of that variance to every feature.
        More trusts small samples less and moves towards partial least squares. 0 is exact, and
        the units of single features then play no role; with a ridge they do, so standardise
        features of unlike units first. "auto" takes the oracle approximating shrinkage of each
        view [3]_. One for all views, a dict by view name, or a tuple by position.
    weight_by_correlation : bool, default=False
        Whether codes are multiplied by their canonical correlation, so that in distances between
        codes of different views the components count by how far they can be trusted. For
        retrieval.

    Attributes
    ----------
    weights_ : list of ndarray of shape (width, n_components)
        One per view: `(view - mean) @ weights` has unit variance on the data of the fit, divided
        by n - 1.
    means_ : list of ndarray of shape (width,)
        Of the features of each view.
    correlations_ : ndarray of shape (n_components,)
        Correlations between the codes of two views on the data of the fit, averaged over pairs
        of views. In the order of what is maximised, so falling where there are two views and no
        ridge.
    loadings_ : list of ndarray of shape (width, n_components)
        Correlations of the features of each view with its codes; 0 for constant features.
    regularization_ : tuple of float
        The ridge of each view, chosen where "auto" was asked for.
    ranks_ : tuple of int
        Directions in which each view varies; the lowest is the most that `n_components` can be.
    n_samples_seen_ : int
        Samples of the fit.
    decoder_ : RidgeDecoder
        Linear expectation of the views given the mean of their codes.
    n_features_in_ : int
        Number of features of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them, as `view__column`.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views.

    See Also
    --------
    skrep.compose.SplitViews : Makes views of one matrix inside a Pipeline.

    Notes
    -----
    Cost: O(n_samples * n_features^2) for covariances, gathered block by block with float64 sums,
    and O(n_features^3) for the solution. A view with more features than samples, and than 512,
    costs O(n_samples^2 * n_features) instead: it is solved in the coordinates of its samples, with
    the same result. CSR is never made dense as a whole. Memory: one block and n_features^2 numbers.

    Directions that are copies of others or constant, up to rounding, are left out. In large
    float32 data products are rounded to float32 inside a block, and directions below 1e-5 of the
    largest standardised variance count as rounding; float64 data go down to 1e-10.

    Where the ranks of two views add up to more than the samples, some correlations are 1 whatever
    the views hold: a warning says so, and a ridge is the remedy.

    `partial_fit` adds to the covariances and solves again, so that parts give what the whole
    would. The sign of a component is such that the largest loading of the first view is positive.
    `impute` is the ridge regression of an absent view on the views that are there, with the same
    ridge.

    References
    ----------
    .. [1] Hotelling, H. "Relations between two sets of variates." Biometrika 28, 1936.
    .. [2] Kettenring, J. R. "Canonical analysis of several sets of variables." Biometrika 58,
       1971.
    .. [3] Chen, Y. et al. "Shrinkage algorithms for MMSE covariance estimation." IEEE
       Transactions on Signal Processing 58, 2010.
    .. [4] Winkler, A. M. et al. "Permutation inference for canonical correlation analysis."
       NeuroImage 220, 2020.

    Examples
    --------
    >>> from skrep.cross_decomposition import CCA
    >>> from skrep.datasets import make_multiview
    >>> views = make_multiview(200, random_state=0)
    >>> model = CCA(2).fit(views)
    >>> model.transform(views).widths
    (2, 2)
    >>> bool(model.correlations_[0] > model.correlations_[1])
    True
    """

    _min_views: ClassVar[int] = 2
    _coordinated: ClassVar[bool] = True
    _encodes_absent: ClassVar[bool] = True

    weights_: list[np.ndarray]
    means_: list[np.ndarray]
    correlations_: np.ndarray
    loadings_: list[np.ndarray]
    view_names_in_: np.ndarray

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "regularization": [
            Interval(Real, 0, None, closed="left"),
            StrOptions({"auto"}),
            dict,
            tuple,
        ],
        "weight_by_correlation": ["boolean"],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        regularization: (
            float
            | Literal["auto"]
            | dict[str, float | Literal["auto"]]
            | tuple[float | Literal["auto"], ...]
        ) = 0.0,
        weight_by_correlation: bool = False,
    ) -> None:
        self.n_components = n_components
        self.regularization = regularization
        self.weight_by_correlation = weight_by_correlation

    def _fit_views(self, checked: CheckedViews, y: Any) -> None:
        if checked.n_samples < 2:
            raise ValueError(
                f"Found views with {checked.n_samples} sample(s) while a minimum of 2 is required "
                f"by {type(self).__name__}."
            )
        ridges = self._ridges(checked)
        refuse_same(checked.arrays, checked.names)
        self._learn(Problem.of(checked.arrays, ridges), ridges, checked.names, stacklevel=6)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> "CCA":
        """Count more samples in, and solve again.

        Parameters
        ----------
        X : several views
            As in `fit`. Chunks give what all of them at once would; the first must have more
            samples than there are components.
        y : None
            Ignored.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            As in `fit`; or after a `fit` that kept no covariances of features because they
            outnumbered the samples.
        """
        first = not self.__sklearn_is_fitted__()
        checked = self._check_for_fit(X, reset=first, min_samples=2 if first else 1)
        ridges = self._ridges(checked)
        if first:
            refuse_same(checked.arrays, checked.names)
            moments = ViewMoments([array.shape[1] for array in checked.arrays])
        else:
            problem = self._linear.problem
            if any(view is not None for view in problem.reduced):
                raise ValueError(
                    "This model was fitted on more features than samples, and kept no covariances "
                    "of features to go on with. Start with `partial_fit`, or call `fit` on all "
                    "samples."
                )
            moments = problem.moments.copy()
        problem = Problem.streamed(moments.update(checked.arrays))
        self._learn(problem, ridges, checked.names, stacklevel=5)
        self._fitted = True
        return self

    def _ridges(self, checked: CheckedViews) -> list[Any]:
        """Return the ridge asked for, one per view."""
        found = per_view(self.regularization, checked.names, "regularization")
        for name, ridge in zip(checked.names, found, strict=True):
            is_number = isinstance(ridge, Real) and not isinstance(ridge, bool)
            is_number = is_number and 0 <= float(ridge) < np.inf
            if not is_number and not (isinstance(ridge, str) and ridge == "auto"):
                raise ValueError(
                    f"`regularization` must be a number of at least 0, or 'auto'. Got {ridge!r} "
                    f"for view {name!r}."
                )
        return found

    def _learn(
        self, problem: Problem, ridges: list[Any], names: tuple[str, ...], *, stacklevel: int
    ) -> None:
        solution = problem.solve(self.n_components, ridges, names)
        warn_of_perfect(solution, problem.moments.n_samples, names, stacklevel)
        self._linear = LinearViews(problem, solution)
        self.weights_, self.means_ = self._linear.weights(), self._linear.means()
        self.correlations_ = solution.correlations
        self.loadings_ = self._linear.loadings()
        self.regularization_, self.ranks_ = solution.regularization, solution.ranks
        self.n_samples_seen_ = problem.moments.n_samples
        # Of the fit: the parameter may have been set since, for the next one.
        self._factors = (
            self.correlations_ if self.weight_by_correlation else np.ones(self.n_components)
        )
        self.decoder_ = self._linear.decoder(self._factors)

    @property
    def _n_features_out(self) -> int:
        return len(self._factors) * len(self.view_names_in_)

    def _encode(self, checked: CheckedViews) -> np.ndarray:
        present = checked.present
        dtype = _float_of(checked)
        parts = []
        for i, (array, mean, weights) in enumerate(
            zip(checked.arrays, self.means_, self.weights_, strict=True)
        ):
            codes = project(array, mean, weights) * self._factors
            if present is not None:
                codes[~present[:, i]] = np.nan
            parts.append(codes.astype(dtype, copy=False))
        return np.hstack(parts)

    def _expect(
        self, checked: CheckedViews, with_std: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        n = checked.n_samples
        means = [np.zeros((n, len(mean))) for mean in self.means_]
        stds = [np.zeros((n, len(mean))) for mean in self.means_]
        present = np.ones((n, len(means)), dtype=bool)
        present = present if checked.present is None else checked.present
        patterns, which = np.unique(present, axis=0, return_inverse=True)
        for p, pattern in enumerate(patterns):
            rows = np.flatnonzero(which.ravel() == p)
            wanted = np.flatnonzero(~pattern)
            given = np.flatnonzero(pattern)
            some = [array[rows] for array in checked.arrays]
            for i, mean, std in zip(wanted, *self._linear.expect(some, given, wanted), strict=True):
                means[i][rows], stds[i][rows] = mean, std
        return means, stds

    def score(self, X: Any, y: Any = None) -> float:
        """Return the correlations between codes on `X`, summed over components.

        Averaged over pairs of views; higher is better. On held-out data it chooses
        `regularization`; it cannot choose `n_components`, since every component adds to it.

        Parameters
        ----------
        X : several views
            As in `transform`. Of a pair of views the samples count that have both.
        y : None
            Ignored.

        Returns
        -------
        float
            Between -n_components and n_components.
        """
        check_is_fitted(self)
        checked = self._check(X)
        codes = [
            project(array, mean, weights)
            for array, mean, weights in zip(checked.arrays, self.means_, self.weights_, strict=True)
        ]
        total = []
        for i, j in combinations(range(len(codes)), 2):
            rows = np.ones(checked.n_samples, dtype=bool)
            if checked.present is not None:
                rows = checked.present[:, i] & checked.present[:, j]
            total.append(_correlations(codes[i][rows], codes[j][rows]).sum())
        return float(np.mean(total))

    def permutation_test(
        self, X: Any, *, n_permutations: int = 200, level: float = 0.05, random_state: Any = None
    ) -> PermutationTest:
        r"""Test how many components are real.

        The samples of all views but the first are permuted, which leaves nothing in common. For
        component k the statistic is :math:`-\log \Lambda_k = -\sum_{j \ge k} \log(1 - r_j^2)`
        with the canonical correlations r in all directions of the views; for more than two views,
        minus the log-determinant of the correlations of all their variates. Half of it is the
        total correlation, in nats, of Gaussian views. Earlier components are taken out of every
        view before permuting (Winkler et al., 2020).

        Parameters
        ----------
        X : several views
            As in `fit`: the model is fitted again on them, with its parameters.
        n_permutations : int, default=200
            More give finer p-values; the smallest is 1 / (n_permutations + 1).
        level : float, default=0.05
            Share of data without anything in common in which a component is called real.
        random_state : int, RandomState or None, default=None
            An integer makes the p-values repeatable; None takes fresh entropy. No global
            generator is touched either way.

        Returns
        -------
        PermutationTest
            A named tuple (p_values, statistics, n_real).

        Raises
        ------
        ValueError
            If a sample is incomplete, samples are too few for a test without a ridge, or an
            argument is out of range.
        """
        check_is_fitted(self)
        if not isinstance(n_permutations, Integral) or n_permutations < 1:
            raise ValueError(
                f"`n_permutations` must be an integer of at least 1. Got {n_permutations!r}."
            )
        if not isinstance(level, Real) or not 0 < float(level) < 1:
            raise ValueError(f"`level` must lie between 0 and 1. Got {level!r}.")
        checked = self._check(X)
        if checked.present is not None:
            raise ValueError(
                "A permutation test needs every view of every sample. Drop incomplete samples, "
                "for example with `views[views.present.all(axis=1)]`."
            )
        return permute(
            checked.arrays,
            checked.names,
            len(self._factors),
            self._ridges(checked),
            n_permutations=int(n_permutations),
            level=float(level),
            random_state=random_state,
        )


def _float_of(checked: CheckedViews) -> np.dtype:
    """Return float32 where no view that is there is wider."""
    kinds = {
        array.dtype
        for i, array in enumerate(checked.arrays)
        if checked.present is None or checked.present[:, i].any()
    }
    return np.dtype(np.float32 if kinds == {np.dtype(np.float32)} else np.float64)


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the correlation of equal columns; 0 where one is constant."""
    if len(a) < 2:
        return np.zeros(a.shape[1])
    a, b = _centred(a), _centred(b)
    size = np.sqrt(np.einsum("ij,ij->j", a, a) * np.einsum("ij,ij->j", b, b))
    product = np.einsum("ij,ij->j", a, b)
    return np.asarray(np.divide(product, size, out=np.zeros_like(size), where=size > 0))


def _centred(codes: np.ndarray) -> np.ndarray:
    """Return codes less their mean; zeros where all that is left is rounding."""
    left = codes - codes.mean(axis=0)
    return np.where(np.abs(left).max(axis=0) > 1e-12 * np.abs(codes).max(axis=0), left, 0.0)
