"""PerView: a scikit-learn transformer mapped over views."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skrep._views_arrays import take_rows
from skrep.compose._base import ViewsTransformer, framed, scatter_rows, split_matrix
from skrep.exceptions import MissingViewError
from skrep.utils.sklearn_private import HasMethods, fit_context
from skrep.views import Views, as_views, is_multiview, refuse_mis_split

__all__ = ["PerView"]

PASSTHROUGH = "passthrough"


def _all_invert(self: "PerView") -> bool:
    """Tell whether every transformer of ours has `inverse_transform`."""
    inner = vars(self).get("transformers_") or self._given()
    return all(t == PASSTHROUGH or hasattr(t, "inverse_transform") for t in inner.values())


class PerView(ViewsTransformer):
    """Map a transformer over views, on the samples that have them.

    Each view gets its own clone, which is fitted and applied on the rows present in that view;
    absent rows come back absent. So no scaler, imputer or PCA meets an absence or fills one in.

    Parameters
    ----------
    transformer : estimator or dict
        One transformer, cloned for each view, or a dict of view names and transformers. Views
        that the dict does not list, or maps to "passthrough", pass unchanged. The parameters of
        a dict are those of its transformers: ``rna__with_mean`` sets one of the transformer of
        view 'rna', ``rna`` replaces it.

    Attributes
    ----------
    transformers_ : dict
        Fitted transformer of each view by name, "passthrough" where there is none.
    view_names_in_ : tuple of str
        Names of the views seen at `fit`.
    n_features_in_ : int
        Features in all views together.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        ``view__column``, where the views have string columns.

    See Also
    --------
    sklearn.compose.ColumnTransformer : The same for columns of one table, joined to a matrix.

    Notes
    -----
    `fit_transform` calls the transformers' own, so that one which treats training data otherwise
    (scikit-learn's `TargetEncoder`) does so here.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skrep.compose import PerView
    >>> rng = np.random.default_rng(0)
    >>> views = {"rna": rng.normal(size=(9, 5)), "atac": rng.normal(size=(9, 4))}
    >>> PerView({"rna": PCA(2)}).fit_transform(views).widths
    (2, 4)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "transformer": [HasMethods(["fit", "transform"]), dict],
    }

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def _given(self) -> dict[str, Any]:
        """Return the parameter as a dict; a single transformer goes by the parameter's name."""
        if isinstance(self.transformer, Mapping):
            return dict(self.transformer)
        return {"transformer": self.transformer}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return the parameters of the transformers too.

        Returns
        -------
        params : dict
            For a dict also its transformers by view name, and ``view__parameter`` for each.
        """
        params: dict[str, Any] = super().get_params(deep=deep)
        if deep and isinstance(self.transformer, Mapping):
            for name, inner in self.transformer.items():
                params[name] = inner
                if inner != PASSTHROUGH:
                    nested = inner.get_params(deep=True)
                    params.update({f"{name}__{key}": value for key, value in nested.items()})
        return params

    def set_params(self, **params: Any) -> "PerView":
        """Set parameters, also of the transformers.

        Parameters
        ----------
        **params : dict
            ``transformer``, a view name, or ``view__parameter``.

        Returns
        -------
        self : PerView
            The transformer itself.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        if "transformer" in params:
            self.transformer = params.pop("transformer")
        if isinstance(self.transformer, Mapping):
            replaced = {name: params.pop(name) for name in list(params) if name in self.transformer}
            if replaced:
                # A new dict: the one that was passed may belong to someone else.
                self.transformer = {**self.transformer, **replaced}
            for key in list(params):
                name, _, rest = key.partition("__")
                if rest and name in self.transformer:
                    inner = self.transformer[name]
                    if inner == PASSTHROUGH:
                        raise ValueError(
                            f"Invalid parameter {key!r} for PerView: view {name!r} passes through "
                            "and has no parameters. Set its transformer first."
                        )
                    inner.set_params(**{rest: params.pop(key)})
        super().set_params(**params)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> "PerView":
        """Fit a clone of the transformer on the rows present in each view.

        Parameters
        ----------
        X : Views, tuple, dict, two-level DataFrame or array of shape (n_samples, n_features)
            The data; a matrix is one view, ``view0``.
        y : array-like of shape (n_samples,), default=None
            Passed to the transformers, the same rows as the view.

        Returns
        -------
        self : PerView
            The fitted transformer.

        Raises
        ------
        ValueError
            If the dict lists a view that X does not have.
        MissingViewError
            If a view to be transformed is absent for all samples.
        """
        self._fit(X, y, lambda inner, rows, target: inner.fit(rows, target).transform(rows[:1]))
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X: Any, y: Any = None) -> Views:
        """Fit and return the transformed views.

        Parameters
        ----------
        X : Views, tuple, dict, two-level DataFrame or array of shape (n_samples, n_features)
            The data; a matrix is one view, ``view0``.
        y : array-like of shape (n_samples,), default=None
            Passed to the transformers, the same rows as the view.

        Returns
        -------
        views : Views
            What `transform` returns, by the transformers' own `fit_transform`.
        """
        views, outputs = self._fit(X, y, _fit_transform)
        return self._assemble(views, outputs)

    def _fit(self, X: Any, y: Any, run: Any) -> tuple[Views, dict[str, Any]]:
        views = self._record(X)
        if y is not None:
            check_consistent_length(views, y)
        self.transformers_ = self._clones(views.names)
        outputs = {}
        self._templates = {}
        for name, inner in self.transformers_.items():
            if inner == PASSTHROUGH:
                continue
            rows, mask = _present(views, name)
            if not mask.any():
                raise MissingViewError(
                    f"{type(inner).__name__} cannot be fitted on view {name!r}, which is absent "
                    f'for all {len(mask)} samples. Leave it out, or map it to "passthrough".'
                )
            target = y if y is None or mask.all() else np.asarray(y)[mask]
            outputs[name] = _checked(run(inner, rows, target), name, inner)
            # No row of it: kind, width and columns for when the view is wholly absent.
            self._templates[name] = take_rows(outputs[name], slice(0, 0))
        return views, outputs

    def _clones(self, names: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(self.transformer, Mapping):
            return {name: clone(self.transformer) for name in names}
        unknown = [name for name in self.transformer if name not in names]
        if unknown:
            raise ValueError(
                f"`transformer` lists the views {unknown}, but X has {list(names)}. Name views "
                "that X has."
            )
        for name, inner in self.transformer.items():
            if name == "transformer" or "__" in name:
                raise ValueError(
                    f"A view named {name!r} cannot have parameters of its own here. Rename it: "
                    "not 'transformer', and without '__'."
                )
            if inner != PASSTHROUGH and not _is_transformer(inner):
                raise TypeError(
                    f"`transformer[{name!r}]` must be an estimator with `fit` and `transform`, or "
                    f"'passthrough'. Got {inner!r}."
                )
        given = {name: self.transformer.get(name, PASSTHROUGH) for name in names}
        return {n: t if t == PASSTHROUGH else clone(t) for n, t in given.items()}

    def transform(self, X: Any) -> Views:
        """Transform each view.

        Parameters
        ----------
        X : Views, tuple, dict, two-level DataFrame or array of shape (n_samples, n_features)
            The data, with the views seen at `fit`.

        Returns
        -------
        views : Views
            With the names and index of X. Absent rows are NaN, in CSR empty; `present` is that
            of X. Views are DataFrames where a transformer gives them or
            ``set_output(transform="pandas")`` is set.
        """
        views = self._match(X)
        outputs = {}
        for name, inner in self.transformers_.items():
            rows, mask = _present(views, name)
            if inner != PASSTHROUGH and mask.any():
                outputs[name] = _checked(inner.transform(rows), name, inner)
        return self._assemble(views, outputs)

    def _assemble(self, views: Views, outputs: dict[str, Any]) -> Views:
        """Put the rows that were transformed back among the absent ones."""
        arrays = []
        for name, array in zip(views.names, views.arrays, strict=True):
            if self.transformers_[name] != PASSTHROUGH:
                mask = views.present[:, views.names.index(name)]
                array = scatter_rows(outputs.get(name, self._templates[name]), mask)
            columns = self._columns_out(name) if self._gives_frames() else None
            arrays.append(framed(array, columns, views.index))
        return views.with_arrays(arrays)

    def _columns_out(self, name: str) -> Any:
        i = self.view_names_in_.index(name)
        inner = self.transformers_[name]
        if inner == PASSTHROUGH:
            return self._labels_in()[i]
        if not hasattr(inner, "get_feature_names_out"):
            # scikit-learn reads the last words of this message.
            raise AttributeError(
                f"The transformer of view {name!r}, {type(inner).__name__}, does not provide "
                "get_feature_names_out."
            )
        return inner.get_feature_names_out()

    @available_if(_all_invert)
    def inverse_transform(self, X: Any) -> Views:
        """Undo `transform` in each view.

        It is there if every transformer has `inverse_transform`.

        Parameters
        ----------
        X : Views, tuple, dict, two-level DataFrame or matrix
            Transformed views, or the same side by side.

        Returns
        -------
        views : Views
            With the widths of the data that were fitted; absent rows are NaN. Views are
            DataFrames with the columns of `fit` where X's are, or with pandas output.
        """
        check_is_fitted(self)
        refuse_mis_split(X)
        names = self.view_names_in_
        if is_multiview(X):
            views = as_views(X, names=names)
        else:
            views = split_matrix(X, self._widths_out(), names)
        if set(views.names) != set(names):
            raise ValueError(
                f"PerView was fitted on the views {list(names)} and got {list(views.names)}."
            )
        views = views[list(names)]
        arrays = [self._invert(views, i) for i in range(len(names))]
        return views.with_arrays(arrays)

    def _invert(self, views: Views, i: int) -> Any:
        name = self.view_names_in_[i]
        rows, mask = _present(views, name)
        given = views.arrays[i]
        out = given
        if self.transformers_[name] != PASSTHROUGH:
            if mask.any():
                inner = self.transformers_[name]
                out = _checked(inner.inverse_transform(rows), name, inner)
            else:
                out = np.empty((0, self._widths[i]))
            out = scatter_rows(out, mask)
        wanted = self._gives_frames() or isinstance(given, pd.DataFrame)
        return framed(out, self._labels_in()[i] if wanted else None, views.index)

    def _widths_out(self) -> list[int]:
        widths = zip(self.view_names_in_, self._widths, strict=True)
        templates = self._templates
        return [templates[n].shape[1] if n in templates else width for n, width in widths]

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the columns of all views, as one matrix has them.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features_in_,), default=None
            Checked against what `fit` saw; the transformers name their own output.

        Returns
        -------
        names : ndarray of str
            ``view__column``.
        """
        self._names_in(input_features)
        flat = [f"{name}__{c}" for name in self.view_names_in_ for c in self._columns_out(name)]
        return np.asarray(flat, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = [get_tags(t) for t in self._given().values() if t != PASSTHROUGH]
        # What a matrix may hold is up to the transformers; absent rows never reach them.
        tags.input_tags.sparse = all(t.input_tags.sparse for t in inner)
        tags.input_tags.allow_nan = all(t.input_tags.allow_nan for t in inner)
        tags.input_tags.string = any(t.input_tags.string for t in inner)
        tags.target_tags.required = any(t.target_tags.required for t in inner)
        return tags


def _is_transformer(value: Any) -> bool:
    return all(callable(getattr(value, method, None)) for method in ("fit", "transform"))


def _fit_transform(inner: Any, rows: Any, target: Any) -> Any:
    if hasattr(inner, "fit_transform"):
        return inner.fit_transform(rows, target)
    return inner.fit(rows, target).transform(rows)


def _present(views: Views, name: str) -> tuple[Any, Any]:
    """Return the rows present in a view and the mask that says which they are."""
    mask = views.present[:, views.names.index(name)]
    array = views[name]
    return (array if mask.all() else take_rows(array, np.flatnonzero(mask))), mask


def _checked(output: Any, name: str, inner: Any) -> Any:
    if sparse.issparse(output):
        return output.tocsr()
    # A list is what text vectorizers give back for the way from counts to words.
    if not isinstance(output, (pd.DataFrame, list)):
        output = np.asarray(output)
    if isinstance(output, list) or output.ndim != 2:
        got = "a list" if isinstance(output, list) else f"an array of shape {output.shape}"
        raise ValueError(
            f"{type(inner).__name__} gave {got} for view {name!r}; a view is an array with two "
            "dimensions, (n_samples, n_features)."
        )
    return output
