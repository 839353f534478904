"""One row per estimator: everything in `tests/contract` is run for every row.

A new estimator is a new row; one without a row fails `test_registry.py` by name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from adapters import OnHalves
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

import skrep
from skrep.base import RepresentationEstimator
from skrep.datasets import make_low_rank, make_multiview

__all__ = [
    "CASES",
    "CLOSED",
    "HEADS",
    "Case",
    "as_dtype",
    "estimator_classes",
    "head_classes",
    "narrower",
    "width_of_code",
]


FLOATS = (np.float64, np.float32)


@dataclass(frozen=True)
class Case:
    """What the contract tests need to know of an estimator.

    Attributes
    ----------
    make : callable
        Returns an unfitted estimator that fits the data below in about a tenth of a second.
    data : callable
        `seed -> ndarray`, data with structure to find; `Views` for a model that needs several.
    views : callable
        `seed -> Views`, the same for several views.
    adapter : callable or None
        Wraps the estimator for scikit-learn's stock checks, where it needs two views or data in
        a domain. None runs it bare.
    grid : dict
        What a stock search may try, for models without `n_components`.
    """

    make: Callable[[], Any]
    data: Callable[[int], np.ndarray] = field(
        default=lambda seed: make_low_rank(120, 12, rank=3, noise=0.1, random_state=seed)
    )
    views: Callable[[int], Any] = field(default=lambda seed: make_multiview(120, random_state=seed))
    adapter: Callable[[Any], Any] | None = None
    grid: dict[str, list[Any]] = field(default_factory=lambda: {"n_components": [1, 2]})

    @property
    def name(self) -> str:
        """Class name, the id of the row."""
        return type(self.make()).__name__


class InDomain(TransformerMixin, BaseEstimator):
    """Squash whatever comes in into [0, 1), zeros staying zeros, before the estimator sees it.

    scikit-learn's stock checks feed real numbers, which a model of binary data rightly refuses.
    """

    def __init__(self, estimator: Any = None, *, threshold: float | None = None) -> None:
        self.estimator = estimator
        self.threshold = threshold

    def _squashed(self, X: Any, reset: bool) -> Any:
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=reset)
        size = abs(X)
        if issparse(size):
            size.data = self._scaled(size.data)
            return size
        return self._scaled(size)

    def _scaled(self, size: np.ndarray) -> np.ndarray:
        if self.threshold is not None:
            return (size > self.threshold).astype(size.dtype)
        return size / (1.0 + size)

    def fit(self, X: Any, y: Any = None) -> "InDomain":
        self.estimator_ = clone(self.estimator).fit(self._squashed(X, True))
        return self

    def transform(self, X: Any) -> Any:
        check_is_fitted(self)
        return self.estimator_.transform(self._squashed(X, False))

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        check_is_fitted(self)
        return self.estimator_.get_feature_names_out()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.transformer_tags = inner.transformer_tags
        return tags


def as_dtype(X: Any, dtype: Any) -> Any:
    """Return a fresh copy of `X`, one array or `Views`, in another dtype."""
    if isinstance(X, skrep.Views):
        return skrep.Views(tuple(np.array(a, dtype=dtype) for a in X.arrays), X.names)
    return np.array(X, dtype=dtype)


def narrower(X: Any) -> Any:
    """Return `X`, one array or `Views`, without its first column."""
    if isinstance(X, skrep.Views):
        return skrep.Views((X.arrays[0][:, 1:], *X.arrays[1:]), X.names)
    return X[:, 1:]


def width_of_code(fitted: Any) -> int:
    """Return how many columns the codes have, those of all views side by side."""
    return len(fitted.get_feature_names_out())


def _in_domain(estimator: Any) -> InDomain:
    return InDomain(estimator.set_params(random_state=0))


def _two_values(estimator: Any) -> InDomain:
    return InDomain(estimator.set_params(random_state=0), threshold=1.0)


def _binary(seed: int) -> np.ndarray:
    return (make_low_rank(120, 12, rank=3, noise=0.1, random_state=seed) > 0).astype(np.float64)


def _binary_views(seed: int) -> Any:
    views = make_multiview(120, random_state=seed)
    return skrep.Views(tuple((a > 0).astype(np.float64) for a in views.arrays), views.names)


def _rbm(**parameters: Any) -> Callable[[], Any]:
    settings = {"n_components": 3, "max_epochs": 4, "random_state": 0, **parameters}
    return lambda: skrep.RBM(**settings)


def _deep(cls: type, **parameters: Any) -> Callable[[], Any]:
    settings = {"n_components": 3, "layer_sizes": (6,), "max_epochs": 4, "batch_size": 20}
    settings |= {"learning_rate": 0.1, "random_state": 0, **parameters}
    settings["pretrain"] = skrep.Pretraining("rbm", n_epochs=3)
    return lambda: cls(**settings)


def _pair(seed: int) -> Any:
    return make_multiview(120, random_state=seed)


def _on_halves(**parameters: Any) -> Callable[[Any], OnHalves]:
    """Return an adapter for models that need two views, with few components for narrow data."""
    settings = {"n_components": 1, "random_state": 0, **parameters}
    return lambda estimator: OnHalves(estimator.set_params(**settings))


def _small(cls: type, **parameters: Any) -> Callable[[], Any]:
    settings = {"n_components": 3, "max_epochs": 4, "batch_size": 32, "random_state": 0}
    settings |= {"hidden_layer_sizes": (16,), **parameters}
    return lambda: cls(**settings)


def _rbm_cca() -> Callable[[], Any]:
    return lambda: skrep.RBMCCA(
        3,
        visible="gaussian",
        n_hidden=16,
        learning_rate=0.02,
        batch_size=30,
        max_epochs=4,
        random_state=0,
    )


def _ae2net() -> Callable[[], Any]:
    return lambda: skrep.AE2Net(
        3,
        n_inner_components=6,
        degradation_layer_sizes=(5,),
        max_epochs=4,
        batch_size=32,
        random_state=0,
    )


CASES = [
    Case(_small(skrep.Autoencoder)),
    Case(_small(skrep.DenoisingAutoencoder)),
    Case(_small(skrep.SparseAutoencoder)),
    Case(_small(skrep.VAE)),
    Case(_small(skrep.DeepAutoencoder, learning_rate=0.01)),
    Case(_deep(skrep.DBN), _binary, _binary_views, _in_domain),
    Case(_deep(skrep.DBM), _binary, _binary_views, _in_domain),
    Case(_rbm(learning_rate=0.3), _binary, _binary_views, _in_domain),
    Case(
        lambda: skrep.BoltzmannMachine(
            n_components=3, mask="bipartite", max_epochs=4, batch_size=32, random_state=0
        ),
        _binary,
        _binary_views,
        _two_values,
    ),
    Case(
        _rbm(visible="gaussian", hidden="gaussian", learning_rate=0.02),
        adapter=lambda rbm: rbm.set_params(visible="gaussian", learning_rate=0.02),
    ),
    Case(
        lambda: skrep.MultimodalRBM(3, max_epochs=4, learning_rate=0.3, random_state=0),
        _binary,
        _binary_views,
        _in_domain,
    ),
    Case(
        lambda: skrep.MultimodalRBM(
            3, visible="gaussian", max_epochs=4, learning_rate=0.02, random_state=0
        ),
        adapter=lambda rbm: rbm.set_params(visible="gaussian", learning_rate=0.02),
    ),
    Case(_deep(skrep.MultimodalDBM), _binary, _binary_views, _in_domain),
    Case(_small(skrep.MultimodalAutoencoder)),
    Case(_small(skrep.MultimodalVAE)),
    Case(_small(skrep.MultimodalVAE, experts="mixture_of_products")),
    Case(_small(skrep.JMVAE)),
    Case(_small(skrep.CLIP), _pair, _pair, _on_halves()),
    Case(_small(skrep.DCCA, batch_size=60), _pair, _pair, _on_halves()),
    Case(_small(skrep.DCCAE, batch_size=60), _pair, _pair, _on_halves()),
    Case(
        _rbm_cca(),
        _pair,
        _pair,
        _on_halves(visible="gaussian", learning_rate=0.02, n_hidden=16),
    ),
    Case(_ae2net(), _pair, _pair, _on_halves(n_inner_components=4)),
]


# Models that are computed, not trained: no epochs, no history. Theirs is `test_closed_form.py`.
CLOSED = [
    Case(
        lambda: skrep.HopfieldNetwork(random_state=0),
        _binary,
        _binary_views,
        _two_values,
        {"max_sweeps": [5, 10]},
    ),
    # Bare it would be refused: after `fit` NaN is not an error here but an unknown unit.
    Case(
        lambda: skrep.HopfieldNetwork("modern", random_state=0),
        adapter=_in_domain,
        grid={"max_sweeps": [5, 10]},
    ),
    Case(lambda: skrep.CCA(1, regularization=0.1), _pair, _pair, OnHalves),
]

# Classifiers and regressors on top of an embedding: their `fit` needs labels, so the contract of
# the transformers above does not apply. Theirs is scikit-learn's, and `test_heads.py`.
HEADS = [
    Case(lambda: skrep.FineTunedClassifier(_small(skrep.Autoencoder)(), max_epochs=10)),
    Case(lambda: skrep.FineTunedRegressor(skrep.Autoencoder(max_epochs=3), max_epochs=10)),
]


def _public(is_head: bool) -> dict[str, type]:
    found = {name: getattr(skrep, name) for name in skrep.__all__}
    return {
        name: cls
        for name, cls in found.items()
        if isinstance(cls, type)
        and issubclass(cls, RepresentationEstimator)
        and issubclass(cls, ClassifierMixin | RegressorMixin) is is_head
    }


def estimator_classes() -> dict[str, type]:
    """Return every public estimator that `skrep` lists, heads apart."""
    return _public(False)


def head_classes() -> dict[str, type]:
    """Return every public classifier and regressor that `skrep` lists."""
    return _public(True)
