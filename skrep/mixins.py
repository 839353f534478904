"""What a fitted model can do beside `transform`, one behaviour each."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array, check_is_fitted

from skrep._views_arrays import dense
from skrep.engine.seeding import make_generator
from skrep.utils.random import seed_from
from skrep.utils.sklearn_private import get_output_config
from skrep.utils.tags import SkrepTags
from skrep.utils.validation import CheckedViews
from skrep.views import Views, as_views, is_multiview

__all__ = [
    "DensityMixin",
    "EnergyMixin",
    "GenerativeMixin",
    "LogPartition",
    "ReconstructionErrorMixin",
    "ReconstructionMixin",
]


class ReconstructionMixin(ABC):
    """`inverse_transform` and `reconstruct`, in the container and units that went in."""

    @abstractmethod
    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        """Return one array (n_samples, width) per view."""

    def inverse_transform(self, Z: Any) -> Any:
        """Return the data that codes stand for.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components), or several views
            Codes, as `transform` returns them. Of a model with one code per view `Views`, or the
            codes side by side; NaN rows, or None for a view, stand for absent ones.

        Returns
        -------
        ndarray of shape (n_samples, n_features), DataFrame or Views
            Expected data in the units of `fit`: `Views` when views went in. Under
            `set_output(transform="pandas")` a DataFrame with the columns of `fit`, with two column
            levels for views.

        Raises
        ------
        ValueError
            If `Z` has another number of columns than the codes.
        """
        check_is_fitted(self)
        coordinated = self._coordinated  # type: ignore[attr-defined]
        width = self._n_features_out  # type: ignore[attr-defined]
        joined = Z
        if coordinated and is_multiview(Z):
            Z = as_views(Z, name="Z")
            joined = _beside(Z, width // Z.n_views)
        index = getattr(Z, "index", None)
        codes = check_array(
            joined,
            dtype=(np.float32, np.float64),
            input_name="Z",
            ensure_all_finite="allow-nan" if coordinated else True,
        )
        if codes.shape[1] != width:
            hint = ", with None or NaN for the code of an absent view" if coordinated else ""
            raise ValueError(
                f"Z has {codes.shape[1]} columns, but {type(self).__name__} makes codes of "
                f"{width}. Pass what `transform` returned{hint}."
            )
        return self._contain(self._decode(codes), index)

    def reconstruct(self, X: Any) -> Any:
        """Return `inverse_transform(transform(X))`.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.

        Returns
        -------
        ndarray of shape (n_samples, n_features), DataFrame or Views
            As in `inverse_transform`.
        """
        check_is_fitted(self)
        checked = self._check(X)  # type: ignore[attr-defined]
        return self._contain(self._decode(self._encode(checked)), checked.index)  # type: ignore[attr-defined]

    def _contain(self, arrays: list[np.ndarray], index: Any) -> Any:
        names = getattr(self, "view_names_in_", None)
        as_frame = get_output_config(self) == "pandas"
        columns = getattr(self, "feature_names_in_", None)
        if not as_frame:
            return arrays[0] if names is None else Views(tuple(arrays), tuple(names))
        if names is None:
            return pd.DataFrame(arrays[0], index=index, columns=columns)
        return pd.DataFrame(
            np.hstack(arrays), index=index, columns=self._two_levels(tuple(names), columns)
        )

    def _two_levels(self, names: tuple[str, ...], columns: Any) -> pd.MultiIndex:
        widths = self.view_widths_in_  # type: ignore[attr-defined]
        pairs = []
        flat = iter(() if columns is None else columns)
        for name, width in zip(names, widths, strict=True):
            for i in range(width):
                given = next(flat, None)
                # Unnamed columns are called as in `Views.to_frame`.
                pairs.append((name, f"x{i}" if given is None else given.removeprefix(f"{name}__")))
        return pd.MultiIndex.from_tuples(pairs, names=("view", "feature"))

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare the behaviour."""
        tags: SkrepTags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.reconstruction = True
        return tags


def _beside(codes: Views, width: int) -> np.ndarray:
    """Return codes of several views side by side, NaN where absent; `width` for None."""
    kind = np.result_type(codes.dtype, np.float32)
    parts = []
    for array, present in zip(codes.arrays, codes.present.T, strict=True):
        part = np.array(dense(array), dtype=kind)
        if not part.shape[1]:
            part = np.empty((len(part), width), dtype=kind)
        part[~present] = np.nan
        parts.append(part)
    return np.hstack(parts)


class ReconstructionErrorMixin:
    """`score` by the error of the reconstruction."""

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the mean squared reconstruction error per feature; higher is better.

        Views count alike: the error of each is divided by the variance of that view in `fit`,
        and the mean over views is taken. The loss weights of a search do not move it. It cannot
        choose `n_components` or a corruption level: larger codes always reconstruct better.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.
        y : None
            Ignored.

        Returns
        -------
        float
            At most 0; in squared units of the input for one array, relative to the variance of
            the views for several.
        """
        check_is_fitted(self)
        checked = self._check(X)  # type: ignore[attr-defined]
        decoded = self._decode(self._encode(checked))  # type: ignore[attr-defined]
        errors = [
            _squared_error(array, out) for array, out in zip(checked.arrays, decoded, strict=True)
        ]
        if getattr(self, "view_names_in_", None) is not None:
            errors = list(np.divide(errors, self.module_.scaler.variances))  # type: ignore[attr-defined]
        return -float(np.mean(errors))


def _squared_error(array: Any, out: np.ndarray) -> float:
    total = 0.0
    for start in range(0, len(out), 4096):
        rows = array[start : start + 4096]
        rows = rows.toarray() if not isinstance(rows, np.ndarray) else rows
        difference = rows.astype(np.float64) - out[start : start + 4096]
        total += float(np.einsum("ij,ij->", difference, difference))
    return total / out.size


class DensityMixin(ABC):
    """`score_samples` and `score` of a model that assigns a probability to data."""

    @abstractmethod
    def _log_density(self, checked: CheckedViews) -> np.ndarray:
        """Return log-probability, or its bound, of validated views, (n_samples,)."""

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of `score_samples(X)`; higher is better.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.
        y : None
            Ignored.

        Returns
        -------
        float
            Nats per sample, in the units of the input. Comparable between models of the same
            data, `n_components` included; it does not move with `beta` as such.
        """
        check_is_fitted(self)
        return float(np.mean(self._log_density(self._check(X)), dtype=np.float64))  # type: ignore[attr-defined]

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare the behaviour."""
        tags: SkrepTags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.density = True
        return tags


class GenerativeMixin(ABC):
    """`sample` from the model."""

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """Draw new samples from the model.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        random_state : int, RandomState or None, default=None
            An integer makes the draw repeatable; None takes fresh entropy.

        Returns
        -------
        ndarray of shape (n_samples, n_features), DataFrame or Views
            In the container and units of `fit`, observation noise included.

        Raises
        ------
        ValueError
            If `n_samples` is not a positive integer.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, (int, np.integer)) or n_samples < 1:
            raise ValueError(f"`n_samples` must be a positive integer. Got {n_samples!r}.")
        generator = make_generator(seed_from(random_state))
        return self._contain(self._draw(int(n_samples), generator), None)  # type: ignore[attr-defined]

    @abstractmethod
    def _draw(self, n_samples: int, generator: Any) -> list[np.ndarray]:
        """Return one array (n_samples, width) per view."""

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare the behaviour."""
        tags: SkrepTags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.generative = True
        return tags


class LogPartition(NamedTuple):
    """Logarithm of a partition function.

    Attributes
    ----------
    value : float
        Nats, in the units of the input.
    standard_error : float
        Of an estimate, nats; 0 where the value is exact.
    """

    value: float
    standard_error: float


class EnergyMixin(ABC):
    """Free energy, Gibbs sampling, partition function and likelihood of an energy model."""

    @abstractmethod
    def _free_energy(self, checked: CheckedViews) -> np.ndarray:
        """Return the free energy of validated views, (n_samples,), float64."""

    @abstractmethod
    def _run_gibbs(self, checked: CheckedViews, n_steps: int, generator: Any) -> list[np.ndarray]:
        """Return one array (n_samples, width) per view, after `n_steps` from validated views."""

    @abstractmethod
    def _estimate_log_partition(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition:
        """Return log Z; the arguments are checked."""

    @abstractmethod
    def _words(self, checked: CheckedViews) -> np.ndarray | None:
        """Return how many words each row has, for models of counts; None for all others."""

    def free_energy(self, X: Any) -> np.ndarray:
        """Return the free energy of each sample: minus the log of its unnormalised probability.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats; lower is more probable. log p(x) = -free_energy(x) - log Z.

        Raises
        ------
        ValueError
            If a value is outside the domain of the visible units.
        """
        check_is_fitted(self)
        return self._free_energy(self._check_domain(self._check(X)))  # type: ignore[attr-defined]

    def gibbs(self, X: Any, n_steps: int = 1, random_state: Any = None) -> Any:
        """Return visible states after Gibbs steps that start at `X`.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.
        n_steps : int, default=1
            How many times all hidden and then all visible units are drawn.
        random_state : int, RandomState or None, default=None
            An integer makes the draws repeatable; None takes fresh entropy.

        Returns
        -------
        ndarray of shape (n_samples, n_features), DataFrame or Views
            In the container and units of `fit`.

        Raises
        ------
        ValueError
            If `n_steps` is not a positive integer.
        """
        check_is_fitted(self)
        _check_positive("n_steps", n_steps)
        checked = self._check_domain(self._check(X))  # type: ignore[attr-defined]
        generator = make_generator(seed_from(random_state))
        drawn = self._run_gibbs(checked, int(n_steps), generator)
        return self._contain(drawn, checked.index)  # type: ignore[attr-defined]

    def log_partition(
        self,
        method: str = "auto",
        *,
        n_chains: int = 100,
        n_temperatures: int = 1000,
        random_state: Any = None,
        n_words: int | None = None,
    ) -> LogPartition:
        """Return the logarithm of the partition function.

        Parameters
        ----------
        method : {"auto", "exact", "ais", "reverse_ais"}, default="auto"
            "exact" sums over the states of the smaller layer, at most 2 ** 20; "ais" is annealed
            importance sampling from a model without connections, which errs on the low side where
            it errs; "reverse_ais" goes the other way from long chains of the model and errs on
            the high side if these chains have found all of its modes. Where it comes out clearly
            below "ais", they have not, and it is to be discarded. "auto" is exact where that is
            possible, else "ais".
        n_chains : int, default=100
            Chains that are annealed.
        n_temperatures : int, default=1000
            Length of the ladder. More is more accurate and takes longer.
        random_state : int, RandomState or None, default=None
            An integer makes the estimate repeatable; None takes fresh entropy.
        n_words : int or None, default=None
            Words a row, for models of counts, whose partition function depends on it.

        Returns
        -------
        LogPartition
            Named tuple of `value` (nats, in the units of the input) and `standard_error` (nats; 0
            where exact).

        Raises
        ------
        ValueError
            If an exact sum would have too many states, which are named; if a number is not
            positive; if `n_words` is missing or does not apply.

        Warns
        -----
        UserWarning
            If so few chains carry the estimate that its standard error cannot be trusted.
        """
        check_is_fitted(self)
        methods = ("auto", "exact", "ais", "reverse_ais")
        if method not in methods:
            raise ValueError(f"`method` is one of {methods}. Got {method!r}.")
        _check_positive("n_chains", n_chains, least=2)
        _check_positive("n_temperatures", n_temperatures, least=2)
        seed = seed_from(random_state)
        return self._estimate_log_partition(method, n_chains, n_temperatures, seed, n_words)

    def log_likelihood(
        self,
        X: Any,
        method: str = "auto",
        *,
        n_chains: int = 100,
        n_temperatures: int = 1000,
        random_state: Any = None,
    ) -> np.ndarray:
        """Return the log-probability of each sample, with log Z as in `log_partition`.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.
        method : {"auto", "exact", "ais", "reverse_ais"}, default="auto"
            As in `log_partition`.
        n_chains : int, default=100
            As in `log_partition`.
        n_temperatures : int, default=1000
            As in `log_partition`.
        random_state : int, RandomState or None, default=None
            As in `log_partition`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats per sample in the units of the input. With "ais" it errs on the high side.
        """
        check_is_fitted(self)
        checked = self._check_domain(self._check(X))  # type: ignore[attr-defined]
        energies = self._free_energy(checked)
        words = self._words(checked)
        seed = seed_from(random_state)
        settings = {"n_chains": n_chains, "n_temperatures": n_temperatures, "random_state": seed}
        if words is None:
            return -energies - self.log_partition(method, **settings).value
        values, place = np.unique(words, return_inverse=True)
        logs = [self.log_partition(method, n_words=int(n), **settings).value for n in values]
        return -energies - np.asarray(logs)[place]

    def _check_domain(self, checked: CheckedViews) -> CheckedViews:
        """Return the views; a model with a domain raises for values outside it."""
        self._refuse_outside(checked)
        return checked

    @abstractmethod
    def _refuse_outside(self, checked: CheckedViews) -> None:
        """Raise ValueError for values outside the domain of the visible units."""


def _check_positive(name: str, value: Any, least: int = 1) -> None:
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"`{name}` must be an integer of at least {least}. Got {value!r}.")
