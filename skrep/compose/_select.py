"""SelectView: one view out of several."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from skrep._views_frames import frame_of
from skrep.compose._base import ViewsTransformer, with_nan
from skrep.exceptions import MissingViewError
from skrep.utils.sklearn_private import Interval, fit_context

__all__ = ["SelectView"]


class SelectView(ViewsTransformer):
    """Pick one view as an ordinary array.

    Use it as a first step to run a single-view model on one of several views, the baseline that
    a multi-view model has to beat.

    Parameters
    ----------
    view : str or int, default=0
        Name or position of the view.

    Attributes
    ----------
    view_names_in_ : tuple of str
        Names of the views seen at `fit`.
    n_features_in_ : int
        Features in all views together.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        ``view__column``, where the views have string columns.

    See Also
    --------
    ConcatViews : All views side by side.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.compose import SelectView
    >>> views = {"image": np.ones((6, 4)), "text": np.zeros((6, 3))}
    >>> SelectView("text").fit_transform(views).shape
    (6, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "view": [str, Interval(Integral, None, None, closed="neither")],
    }

    def __init__(self, view: str | int = 0) -> None:
        self.view = view

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "SelectView":
        """Check that the view is there.

        Parameters
        ----------
        X : Views, tuple, dict, two-level DataFrame or array of shape (n_samples, n_features)
            The data.
        y : None
            Ignored.

        Returns
        -------
        self : SelectView
            The fitted transformer.

        Raises
        ------
        ValueError
            If no view has this name or position.
        """
        views = self._record(X)
        names = views.names
        known = self.view in names if isinstance(self.view, str) else self.view in _both_ways(names)
        if not known:
            raise ValueError(
                f"`view={self.view!r}` is none of the views {list(names)}. Pass a name or a "
                f"position from 0 to {len(names) - 1}."
            )
        self._selected = self.view if isinstance(self.view, str) else names[self.view]
        return self

    def transform(self, X: Any) -> Any:
        """Return the view.

        Parameters
        ----------
        X : Views, tuple, dict, two-level DataFrame or array of shape (n_samples, n_features)
            The data.

        Returns
        -------
        array : ndarray, CSR or DataFrame of shape (n_samples, n_features of the view)
            Absent rows are NaN. Raw strings come as an array of shape (n_samples,).

        Raises
        ------
        MissingViewError
            If the view is CSR and absent for some samples, which CSR cannot say.
        """
        views = self._match(X)
        i = views.names.index(self._selected)
        array, present = views.arrays[i], views.present[:, i]
        if views.widths[i] == 0:
            array = np.full((len(views), self._widths[i]), np.nan)
        if sparse.issparse(array):
            if not present.all():
                raise MissingViewError(
                    f"View {self._selected!r} is CSR and absent for {int((~present).sum())} of "
                    f"{len(present)} samples, which a CSR matrix cannot say. Drop those samples, "
                    "or make the view dense."
                )
            return array
        if array.ndim == 1:
            return array
        if self._gives_frames():
            columns = self.get_feature_names_out()
            return frame_of(array, columns=columns, present=present, index=views.index)
        return with_nan(array, present)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the columns of the view.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features_in_,), default=None
            Names of all columns that go in, where they are not known from `fit`.

        Returns
        -------
        names : ndarray of str of shape (n_features of the view,)
            ``view__column``; unnamed columns are x0, x1, ...
        """
        names = self._names_in(input_features)
        i = self.view_names_in_.index(self._selected)
        start = sum(self._widths[:i])
        return names[start : start + self._widths[i]]


def _both_ways(names: tuple[str, ...]) -> range:
    return range(-len(names), len(names))
