"""What a model has to beat: simple codes of the same size, also of samples that lack views."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metaestimators import available_if

from skrep.compose import PairedEstimator, PerView
from skrep.metrics._inputs import labels_of, matrix_of
from skrep.views import Views, as_views, is_multiview

__all__ = [
    "BASELINES",
    "BestPresentView",
    "CompleteRows",
    "MeanFilled",
    "is_classes",
    "make_baselines",
    "mean_filler",
]

# scikit-learn's CCA iterates for minutes where views are wider.
_WIDEST_FOR_CCA: Final = 1000
# Of the probe that ranks views.
_PROBE_FOLDS: Final = 3


def mean_filler() -> SimpleImputer:
    """Return what puts the training mean where a view is absent, 0 where no sample has it."""
    return SimpleImputer(keep_empty_features=True)


class MeanFilled(TransformerMixin, BaseEstimator):
    """A transformer of one matrix on views side by side, what is absent at its training mean."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None) -> "MeanFilled":
        """Learn the means from the samples that have the view, then fit a clone."""
        self.imputer_ = mean_filler()
        filled = self.imputer_.fit_transform(matrix_of(X, absent=True))
        self.estimator_ = clone(self.estimator).fit(filled)
        return self

    def transform(self, X: Any) -> Any:
        """Code views side by side."""
        return self.estimator_.transform(self._fill(X))

    @available_if(lambda self: callable(getattr(self.estimator, "inverse_transform", None)))
    def inverse_transform(self, Z: Any) -> Any:
        """Decode to views side by side."""
        return self.estimator_.inverse_transform(Z)

    @available_if(lambda self: callable(getattr(self.estimator, "score_samples", None)))
    def score_samples(self, X: Any) -> Any:
        """Return the log-probability of views side by side."""
        return self.estimator_.score_samples(self._fill(X))

    def _fill(self, X: Any) -> np.ndarray:
        return self.imputer_.transform(matrix_of(X, absent=True))


class CompleteRows(TransformerMixin, BaseEstimator):
    """A model of complete samples: what lacks a view is left out in training.

    `n_dropped_` of the `n_given_` training samples were.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None) -> "CompleteRows":
        """Fit a clone on the complete samples."""
        views = as_views(X)
        complete = views.present.all(axis=1)
        self.n_given_, self.n_dropped_ = len(views), int((~complete).sum())
        if not complete.any():
            raise ValueError("no training sample has all views.")
        self.estimator_ = clone(self.estimator).fit(views[complete])
        return self

    def transform(self, X: Any) -> Any:
        """Code complete samples."""
        if not as_views(X).is_complete:
            raise ValueError("it codes complete samples only.")
        return self.estimator_.transform(X)

    @available_if(lambda self: callable(getattr(self.estimator, "inverse_transform", None)))
    def inverse_transform(self, Z: Any) -> Any:
        """Decode codes of complete samples."""
        return self.estimator_.inverse_transform(Z)


class BestPresentView(TransformerMixin, BaseEstimator):
    """PCA of the best view that a sample has.

    Views are ranked on the training samples: by a linear probe on their PCA codes where there are
    classes, else by how much of all views a linear map of the code predicts. The code is that of
    the best view; where a sample lacks it, a ridge regression from the next best view it has,
    fitted on the training samples that have both, gives the code.
    """

    def __init__(self, n_components: int, *, random_state: Any = None) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "BestPresentView":
        """Fit a PCA per view, rank the views and relate the others to the best."""
        views = as_views(X)
        classes = np.asarray(y) if is_classes(y) else None
        self.pcas_, codes, merits = {}, {}, {}
        # One row has no variance, so a view of fewer than two samples is as good as absent.
        for i in np.flatnonzero(views.present.sum(axis=0) >= 2).tolist():
            rows = np.flatnonzero(views.present[:, i])
            block = matrix_of(views[[views.names[i]]][rows])
            size = min(self.n_components, *block.shape)
            self.pcas_[i] = PCA(size, random_state=self.random_state).fit(block)
            codes[i] = self.pcas_[i].transform(block)
            merits[i] = _merit(codes[i], views[rows], None if classes is None else classes[rows])
        if not merits:
            raise ValueError("no view is there in two training samples or more.")
        self.order_ = sorted(merits, key=lambda i: -merits[i])
        best = self.order_[0]
        self.maps_ = {}
        for i in self.order_[1:]:
            both = views.present[:, i] & views.present[:, best]
            if both.any():
                source, target = (codes[j][both[views.present[:, j]]] for j in (i, best))
                self.maps_[i] = make_pipeline(StandardScaler(), Ridge(1.0)).fit(source, target)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the best view's code or the guess of it; zeros where a sample has neither."""
        views = as_views(X)
        best = self.order_[0]
        code = np.zeros((len(views), self.pcas_[best].n_components_))
        open_rows = np.ones(len(views), dtype=bool)
        for i in self.order_:
            rows = np.flatnonzero(open_rows & views.present[:, i])
            if len(rows) and (i == best or i in self.maps_):
                own = self.pcas_[i].transform(matrix_of(views[[views.names[i]]][rows]))
                code[rows] = own if i == best else self.maps_[i].predict(own).reshape(len(rows), -1)
                open_rows[rows] = False
        return code


def is_classes(y: Any) -> bool:
    """Return whether `y` holds classes."""
    try:
        labels_of(y, "compare")
    except ValueError:
        return False
    return True


def _merit(code: np.ndarray, views: Views, y: Any) -> float:
    if y is not None:
        counts = np.unique(y, return_counts=True)[1]
        if (counts >= _PROBE_FOLDS).sum() < 2:
            return 0.0
        # A class of fewer rows than folds tells nothing here, and scikit-learn warns of it.
        common = np.isin(y, np.unique(y)[counts >= _PROBE_FOLDS])
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        return float(cross_val_score(probe, code[common], y[common], cv=_PROBE_FOLDS).mean())
    complete = views.present.all(axis=1)
    if complete.sum() < 3:
        return float(code.var(axis=0).sum())
    target = StandardScaler().fit_transform(matrix_of(views[complete]))
    return float(Ridge(1.0).fit(code[complete], target).score(code[complete], target))


# -- by name ----------------------------------------------------------------------------------


def _pca(X: Any, size: int) -> Any:
    pca = PCA(min(size, *X.shape))
    # The same on complete samples, and views can be hidden from it to see what it fills in.
    return MeanFilled(pca) if isinstance(X, Views) else pca


def _factor_analysis(X: Any, size: int) -> Any:
    return FactorAnalysis(min(size, X.shape[1]))


def _pca_per_view(X: Any, size: int) -> Any:
    # As even as it goes; every view gets one number, and none more than it has columns.
    sizes = np.ones(X.n_views, dtype=int)
    while sizes.sum() < size and (sizes < X.widths).any():
        room = np.flatnonzero(sizes < X.widths)
        sizes[room[np.argmin(sizes[room])]] += 1
    return PerView({name: PCA(int(k)) for name, k in zip(X.names, sizes, strict=True)})


def _cca(X: Any, size: int) -> Any:
    return PairedEstimator(CCA(min(max(size // 2, 1), *X.widths), max_iter=2000))


def _filled_pca(X: Any, size: int) -> Any:
    return MeanFilled(PCA(min(size, *X.shape)))


def _best_view(X: Any, size: int) -> Any:
    return BestPresentView(size)


def _complete_cca(X: Any, size: int) -> Any:
    return CompleteRows(_cca(X, size))


Maker = Callable[[Any, int], Any]
# Name -> (label, maker) for complete data and for samples that may lack views.
BASELINES: Final[dict[str, tuple[str, Maker]]] = {
    "pca": ("PCA", _pca),
    "factor_analysis": ("FactorAnalysis", _factor_analysis),
    "pca_per_view": ("PCA per view", _pca_per_view),
    "cca": ("CCA (scikit-learn)", _cca),
}
_INCOMPLETE: Final[dict[str, tuple[str, Maker]]] = {
    "pca": ("mean-filled PCA", _filled_pca),
    "best_view": ("best present view", _best_view),
    "cca": ("CCA (scikit-learn) on complete rows", _complete_cca),
}


def make_baselines(names: Any, X: Any, taken: Sequence[str]) -> dict[str, Callable[[int], Any]]:
    """Return a maker `(code size) -> estimator` for each baseline that was asked for.

    Parameters
    ----------
    names : "auto", str, iterable of str or None
        "auto" is all that apply to `X`.
    X : array, CSR, DataFrame or Views
        The data.
    taken : sequence of str
        Names of the estimators that are compared: a baseline of the same name is left out.

    Raises
    ------
    ValueError
        If a name is unknown, or a baseline that was named does not apply to `X`.
    """
    if names is None:
        return {}
    views = as_views(X) if is_multiview(X) else None
    incomplete = views is not None and not views.is_complete
    known = _INCOMPLETE if incomplete else BASELINES
    auto = isinstance(names, str) and names == "auto"
    asked = list(known) if auto else [names] if isinstance(names, str) else list(names)
    makers: dict[str, Callable[[int], Any]] = {}
    for name in asked:
        if name not in known:
            raise ValueError(_unknown(name, incomplete, list(known)))
        reason = _why_not(name, views)
        if reason and not auto:
            raise ValueError(f"The baseline {name!r} does not apply: {reason}. Leave it out.")
        label, maker = known[name]
        if not reason and label not in taken:
            makers[label] = _bound(maker, X if views is None else views)
    return makers


def _bound(maker: Maker, X: Any) -> Callable[[int], Any]:
    return lambda size: maker(X, size)


def _unknown(name: Any, incomplete: bool, known: list[str]) -> str:
    kind = "samples that lack views" if incomplete else "complete samples"
    return (
        f"Unknown baseline {name!r}. For {kind} there are {', '.join(map(repr, known))}; 'auto' "
        f"takes all that apply, None takes none."
    )


def _why_not(name: str, views: Views | None) -> str:
    if name not in ("pca_per_view", "cca", "best_view"):
        return ""
    if views is None or views.n_views < 2:
        return "X is a single view"
    if name == "cca" and views.n_views != 2:
        return f"scikit-learn's CCA relates two views, and X has {views.n_views}"
    if name == "cca" and max(views.widths) > _WIDEST_FOR_CCA:
        return f"a view of {max(views.widths)} columns takes scikit-learn's CCA too long"
    return ""
