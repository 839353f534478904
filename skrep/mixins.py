"""What a fitted model can do beside `transform`, one behaviour each."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array, check_is_fitted

from skrep.engine.seeding import make_generator
from skrep.utils.random import seed_from
from skrep.utils.sklearn_private import get_output_config
from skrep.utils.tags import SkrepTags
from skrep.utils.validation import CheckedViews
from skrep.views import Views

__all__ = ["DensityMixin", "GenerativeMixin", "ReconstructionErrorMixin", "ReconstructionMixin"]


class ReconstructionMixin(ABC):
    """`inverse_transform` and `reconstruct`, in the container and units that went in."""

    @abstractmethod
    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        """Return one array (n_samples, width) per view."""

    def inverse_transform(self, Z: Any) -> Any:
        """Return the data that codes stand for.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        ndarray of shape (n_samples, n_features), DataFrame or Views
            Expected data in the units of `fit`: `Views` when views went in. Under
            `set_output(transform="pandas")` a DataFrame with the columns of `fit`, with two column
            levels for views.

        Raises
        ------
        ValueError
            If `Z` has not `n_components` columns.
        """
        check_is_fitted(self)
        codes = check_array(Z, dtype=(np.float32, np.float64), input_name="Z")
        width = self._n_features_out  # type: ignore[attr-defined]
        if codes.shape[1] != width:
            raise ValueError(
                f"Z has {codes.shape[1]} columns, but {type(self).__name__} makes codes of "
                f"{width}. Pass what `transform` returned."
            )
        return self._contain(self._decode(codes), getattr(Z, "index", None))

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
