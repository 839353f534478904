"""What the trained models of the family have in common: what follows the networks, and checks."""

from collections.abc import Sequence
from itertools import combinations
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.utils.validation import check_is_fitted

from skrep._base_networks import per_view, view_variances
from skrep._base_views import CoordinatedMixin, ImputeMixin, mean_code
from skrep.base import ModuleSpec
from skrep.cross_decomposition._linear import refuse_same
from skrep.engine.data import ViewData
from skrep.engine.inference import apply_in_chunks
from skrep.engine.matmul import fast_matmul, pays_off
from skrep.mixins import ReconstructionMixin
from skrep.nn.dcca import DCCAModule
from skrep.utils.correlation import cca_of_arrays
from skrep.utils.ridge import fit_ridge
from skrep.utils.validation import CheckedViews

__all__ = [
    "NetworkDecoder",
    "TrainedCorrelationMixin",
    "check_regularization",
    "fewest_rows",
    "refuse_constant",
]

# Rows on which the spread of imputed values is measured.
_SPREAD_ROWS = 2_000


class NetworkDecoder:
    """Decoders of a module in the place of a regression.

    Parameters
    ----------
    module : DCCAModule
        With decoders; fitted.
    """

    def __init__(self, module: DCCAModule) -> None:
        self._module = module

    def predict(self, codes: np.ndarray) -> list[np.ndarray]:
        """Return one array (n_samples, width) per view."""
        dtype = next(self._module.parameters()).dtype
        return apply_in_chunks(self._module.decode_batch, ViewData((codes,), dtype=dtype))


class TrainedCorrelationMixin(CoordinatedMixin, ReconstructionMixin, ImputeMixin):
    """A linear CCA of what the networks return, a decoder, `score` and `impute`."""

    correlations_: np.ndarray
    decoder_: Any
    _own_decoders: bool
    _imputed_std: list[np.ndarray]

    # -- the end of a fit -------------------------------------------------------------------

    def _conclude(self, checked: CheckedViews) -> None:
        estimator: Any = self
        names, module = checked.names, estimator.module_
        if checked.n_samples < fewest_rows(len(names), estimator._code_size):
            # A pass over few rows moves networks, and says nothing of correlations.
            return
        # As many products as a third of an epoch: on the path that the training took.
        fast = estimator._dtype == torch.float32 and pays_off(
            module, estimator.batch_size, torch.device("cpu")
        )
        with fast_matmul(fast):
            outputs = estimator._apply("network_codes", checked)
        silent = [name for name, z in zip(names, outputs, strict=True) if _is_rounding(z)]
        if silent:
            raise ValueError(
                f"What the network of view {silent[0]!r} returns is the same for all samples, so "
                f"nothing can correlate with it. Change `learning_rate`, look for features of that "
                f"view that dwarf all others and scale them, for example with "
                f"`PerView(StandardScaler())`, or pass samples in which that view varies."
            )
        ridges = check_regularization(estimator.regularization, names)
        solution = cca_of_arrays(outputs, estimator._code_size, ridges, names=names, fill=True)
        self.correlations_ = solution.correlations
        weights = list(solution.weights)
        if estimator.weight_by_correlation:
            weights = [w * np.clip(solution.correlations, 0.0, 1.0) for w in weights]
        for into, mean, weight in zip(module.maps, solution.means, weights, strict=True):
            into.set(torch.from_numpy(mean), torch.from_numpy(weight))
        codes = np.hstack(
            [
                ((z - mean) @ weight).astype(z.dtype)
                for z, mean, weight in zip(outputs, solution.means, weights, strict=True)
            ]
        )
        self._own_decoders = module.decoders is not None
        if self._own_decoders:
            self.decoder_ = NetworkDecoder(module)
        else:
            self.decoder_ = fit_ridge(mean_code(codes, len(names)), checked.arrays)
        self._measure_spread(codes, checked)

    def _measure_spread(self, codes: np.ndarray, checked: CheckedViews) -> None:
        """Note how far each view is from what the codes of all others say of it."""
        n_views = len(checked.names)
        step = -(-checked.n_samples // _SPREAD_ROWS)
        codes = codes[::step]
        width = codes.shape[1] // n_views
        self._imputed_std = []
        for i, array in enumerate(checked.arrays):
            others = codes.copy()
            others[:, i * width : (i + 1) * width] = np.nan
            rows = array[::step].toarray() if sp.issparse(array) else array[::step]
            error = rows - self._decode_present(others)[i]
            self._imputed_std.append(np.sqrt(np.mean(np.square(error), axis=0, dtype=np.float64)))

    # -- absent views -----------------------------------------------------------------------

    def _decode_present(self, codes: np.ndarray) -> list[np.ndarray]:
        """Return the views expected given the codes that are there; codes side by side."""
        n_views = len(self.view_names_in_)  # type: ignore[attr-defined]
        width = codes.shape[1] // n_views
        n_present = (~np.isnan(codes[:, ::width])).sum(axis=1, keepdims=True)
        # What an absent code is expected to be, given the mean of m that correlate by r, is that
        # mean times m r / (1 + (m - 1) r).
        r = np.clip(self.correlations_, 0.0, 1.0)
        share = n_present * r / (1.0 + (n_present - 1) * r)
        if not self._own_decoders:
            # A regression takes the mean of the codes of all views, a network the absent one.
            share = (n_present + (n_views - n_present) * share) / n_views
        joint = mean_code(codes, n_views)
        return self._decode_joint((joint * share).astype(codes.dtype, copy=False))

    def _expect(
        self, checked: CheckedViews, with_std: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        means = self._decode_present(self._encode(checked))  # type: ignore[attr-defined]
        if not with_std:
            return means, None
        return means, [
            np.broadcast_to(std, mean.shape)
            for std, mean in zip(self._imputed_std, means, strict=True)
        ]

    # -- score ------------------------------------------------------------------------------

    def score(self, X: Any, y: Any = None) -> float:
        """Return the canonical correlations on `X`, summed over components; higher is better.

        The correlation of each component between the codes of two views is taken on `X`, summed
        over components and averaged over pairs of views. It cannot choose `n_components`: more
        components can only add to it.

        Parameters
        ----------
        X : several views
            As in `transform`.
        y : None
            Ignored.

        Returns
        -------
        float
            At most `n_components`. A component that is constant on `X` counts 0.
        """
        check_is_fitted(self)
        checked = self._check(X)  # type: ignore[attr-defined]
        codes = np.split(self._encode(checked), len(checked.names), axis=1)  # type: ignore[attr-defined]
        return float(np.mean([_total_correlation(a, b) for a, b in combinations(codes, 2)]))

    # -- checks -----------------------------------------------------------------------------

    def _check_parameters(self, checked: CheckedViews) -> None:
        check_regularization(self.regularization, checked.names)  # type: ignore[attr-defined]
        refuse_same(checked.arrays, checked.names)
        super()._check_parameters(checked)  # type: ignore[misc]


def fewest_rows(n_views: int, n_components: int) -> int:
    """Return the least number of rows in which codes do not correlate perfectly by necessity."""
    return n_views * n_components + 2


def check_regularization(regularization: Any, names: Sequence[str]) -> list[float]:
    """Return the ridge of each view.

    Raises
    ------
    ValueError
        If there is not one finite number of at least 0 for each view.
    """
    found = per_view(regularization, names, "regularization")
    for name, ridge in zip(names, found, strict=True):
        is_number = isinstance(ridge, Real) and not isinstance(ridge, bool)
        if not (is_number and 0 <= float(ridge) < np.inf):
            raise ValueError(
                f"`regularization` of view {name!r} must be a finite number, at least 0: the "
                f"ridge relative to the mean variance. Got {ridge!r}."
            )
    return [float(ridge) for ridge in found]


def refuse_constant(spec: ModuleSpec) -> None:
    """Raise for a view in which nothing varies, or which float32 cannot hold.

    Raises
    ------
    ValueError
        Nothing can correlate with it.
    """
    for name, moments in zip(spec.names, spec.moments, strict=True):
        # What overflows is infinite or NaN, and no constant.
        if (np.sqrt(moments.variance) <= 1e-7 * np.abs(moments.mean)).all():
            raise ValueError(
                f"View {name!r} is constant, up to the rounding of float32, so nothing in it can "
                f"correlate with another view. Leave it out, or centre its features first."
            )
    view_variances(spec)


def _is_rounding(outputs: np.ndarray) -> bool:
    """Tell whether what a network returns differs between samples by rounding errors alone."""
    spread = np.ptp(outputs, axis=0).max()
    return bool(spread <= 32 * np.finfo(outputs.dtype).eps * np.abs(outputs).max())


def _total_correlation(a: np.ndarray, b: np.ndarray) -> float:
    both = ~(np.isnan(a).any(axis=1) | np.isnan(b).any(axis=1))
    left, right = (z[both].astype(np.float64) for z in (a, b))
    if not len(left):
        return 0.0
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    size = np.sqrt(np.square(left).sum(axis=0) * np.square(right).sum(axis=0))
    found = (left * right).sum(axis=0)
    return float(np.divide(found, size, out=np.zeros_like(found), where=size > 0).sum())
