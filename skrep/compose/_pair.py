"""PairedEstimator: an estimator of the `fit(X, Y)` kind, such as scikit-learn's CCA, on `Views`."""

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skrep._views_arrays import dense
from skrep.compose._base import ViewsTransformer, framed
from skrep.exceptions import MissingViewError
from skrep.utils.sklearn_private import HasMethods, fit_context
from skrep.views import Views, as_views, is_multiview

__all__ = ["PairedEstimator"]


class PairedEstimator(ViewsTransformer):
    """Let an estimator that takes its two views as `fit(X, Y)` take `Views` instead.

    scikit-learn's `CCA`, `PLSCanonical` and `PLSSVD` take the second view where others take
    labels, so no splitter, Pipeline or search can hand it on. Here both travel as one `Views`:
    the baselines stand beside skrep's models in `compare` and in any search.

    Parameters
    ----------
    estimator : estimator
        With `fit(X, Y)` and `transform(X, Y)` that returns a pair. Not changed.

    Attributes
    ----------
    estimator_ : estimator
        The fitted clone.
    view_names_in_ : tuple of str
        Names of the two views.
    n_features_in_ : int
        Features in both views together.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        ``view__column``, where the views have string columns.

    See Also
    --------
    skrep.CCA : Two or more views, fast, with imputation.
    sklearn.cross_decomposition.CCA : What it was made for.

    Examples
    --------
    >>> from sklearn.cross_decomposition import PLSCanonical
    >>> from skrep.compose import PairedEstimator
    >>> from skrep.datasets import make_multiview
    >>> views = make_multiview(100, random_state=0)
    >>> codes = PairedEstimator(PLSCanonical(n_components=2)).fit(views).transform(views)
    >>> codes.names == views.names, codes.widths
    (True, (2, 2))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "transform"])],
    }

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> "PairedEstimator":
        """Fit a clone of the estimator on the two views.

        Parameters
        ----------
        X : Views, tuple, dict or two-level DataFrame
            Two views.
        y : None
            Ignored: the second view takes its place.

        Returns
        -------
        self : PairedEstimator
            The fitted transformer.

        Raises
        ------
        ValueError
            If there are not two views.
        MissingViewError
            If a view of a sample is absent.
        """
        n_views = as_views(X).n_views if is_multiview(X) else 1
        if n_views != 2:
            raise ValueError(
                f"{type(self.estimator).__name__} relates two views. Got {n_views}. Pick two with "
                f"`views[['a', 'b']]`, make them of a matrix with `SplitViews`, or use "
                f"`skrep.CCA`, which takes any number."
            )
        views = self._record(X)
        self.estimator_ = clone(self.estimator).fit(*self._matrices(views))
        return self

    def transform(self, X: Any) -> Views:
        """Return the code of each view.

        Parameters
        ----------
        X : Views, tuple, dict or two-level DataFrame
            The two views of `fit`.

        Returns
        -------
        Views
            One array (n_samples, n_components) per view, under the names of the views.

        Raises
        ------
        TypeError
            If the estimator returns no pair.
        """
        views = self._match(X)
        made = self.estimator_.transform(*self._matrices(views))
        if not isinstance(made, tuple) or len(made) != 2:
            raise TypeError(
                f"{type(self.estimator).__name__}.transform must return one code per view as a "
                f"pair. Got {type(made).__name__}."
            )
        self._code_widths = tuple(int(code.shape[1]) for code in made)
        if self._gives_frames():
            columns = np.split(self.get_feature_names_out(), [self._code_widths[0]])
            made = tuple(framed(c, n, views.index) for c, n in zip(made, columns, strict=True))
        return Views(tuple(made), views.names)._with_index(views.index)

    def inverse_transform(self, Z: Any) -> Views:
        """Return the views that codes stand for, where the estimator can.

        Parameters
        ----------
        Z : Views, tuple, dict or array of shape (n_samples, 2 * n_components)
            Codes, as `transform` returns them, or side by side.

        Returns
        -------
        Views
            In the names and units of `fit`.

        Raises
        ------
        AttributeError
            If the estimator has no `inverse_transform`.
        ValueError
            If `Z` has an odd number of columns, or codes of other views.
        """
        check_is_fitted(self)
        index = getattr(Z, "index", None)
        if is_multiview(Z):
            codes = as_views(Z, name="Z", names=self.view_names_in_)
            if set(codes.names) != set(self.view_names_in_):
                raise ValueError(
                    f"{type(self).__name__} was fitted on the views {list(self.view_names_in_)}, "
                    f"and Z holds codes of {list(codes.names)}. Pass what `transform` returned."
                )
            first, second = (dense(codes[name]) for name in self.view_names_in_)
            index = codes.index
        else:
            matrix = np.asarray(Z)
            if matrix.ndim != 2 or matrix.shape[1] % 2:
                raise ValueError(
                    f"Z must be two codes of one size side by side. Got the shape {matrix.shape}."
                )
            first, second = np.split(matrix, 2, axis=1)
        back = self.estimator_.inverse_transform(first, second)
        return Views(back, self.view_names_in_)._with_index(index)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the codes side by side: view, two underscores, class, number.

        Parameters
        ----------
        input_features : None, default=None
            Not used.

        Returns
        -------
        ndarray of str of shape (2 * n_components,)
            Such as `image__cca0`.
        """
        check_is_fitted(self)
        prefix = type(self.estimator).__name__.lower()
        widths = vars(self).get("_code_widths")
        if widths is None:
            widths = (self.estimator_.n_components,) * 2
        return np.asarray(
            [
                f"{name}__{prefix}{i}"
                for name, width in zip(self.view_names_in_, widths, strict=True)
                for i in range(width)
            ],
            dtype=object,
        )

    def _matrices(self, views: Views) -> list[Any]:
        if not views.is_complete:
            absent = (~views.present).sum(axis=0)
            worst = int(absent.argmax())
            raise MissingViewError(
                f"{type(self.estimator).__name__} needs both views of every sample; "
                f"{views.names[worst]!r} is absent for {absent[worst]} of {len(views)}. Drop "
                f"those samples with `views[views.present.all(axis=1)]`."
            )
        return [array if isinstance(array, pd.DataFrame) else dense(array) for array in views]

    def __sklearn_tags__(self) -> Any:
        """Declare what both views together may be."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = False
        tags.input_tags.allow_nan = False
        return tags
