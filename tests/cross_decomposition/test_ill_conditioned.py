"""Data on which correlations are hard to compute: never a NaN, and words where nothing is there."""

import re
import warnings

import numpy as np
import pytest

from skrep import Views
from skrep.cross_decomposition import CCA, DCCA, DCCAE, RBMCCA

TINY = {"n_components": 2, "max_epochs": 3, "random_state": 0}
NETS = {**TINY, "hidden_layer_sizes": (4,), "batch_size": 12}
MACHINES = {**TINY, "n_hidden": 4, "batch_size": 12}
MODELS = {
    "CCA": lambda: CCA(2),
    "CCA auto": lambda: CCA(2, regularization="auto"),
    "DCCA": lambda: DCCA(**NETS),
    "DCCA without ridge": lambda: DCCA(**NETS, regularization=0.0),
    "DCCA features": lambda: DCCA(**NETS, scaling="feature", weight_by_correlation=True),
    "DCCA linear": lambda: DCCA(**{**NETS, "hidden_layer_sizes": ()}, regularization=0.0),
    "DCCA squared": lambda: DCCA(**NETS, objective="squared_correlation"),
    "DCCA eckart_young": lambda: DCCA(**NETS, objective="eckart_young"),
    "DCCAE": lambda: DCCAE(**NETS),
    "RBMCCA gaussian": lambda: RBMCCA(**MACHINES, visible="gaussian", learning_rate=0.01),
    "RBMCCA bernoulli": lambda: RBMCCA(**MACHINES),
}
# What may be said instead of a fit, and about what.
WORDS = (
    r"is constant",
    r"are the same",
    r"`n_components=2` exceeds",
    r"too little for float32",
    r"vary by less than a ten-millionth",
    r"All features of X are constant",
    r"is the same for all samples",
)


def copies(x, rng):
    return np.hstack([x, x[:, :1], x[:, :1], 3.0 * x[:, -1:]])


def constants(x, rng):
    x = np.hstack([x, np.zeros((len(x), 2)), np.full((len(x), 1), 1e8)])
    return x if rng.random() < 0.8 else np.full_like(x, 7.0)


def wide(x, rng):
    return np.hstack([x, x @ rng.normal(size=(x.shape[1], 40)) + rng.normal(size=(len(x), 40))])


def scales(x, rng):
    return x * 10.0 ** rng.uniform(-6, 6, x.shape[1])


def one_scale(x, rng):
    return x * 10.0 ** rng.uniform(-12, 12)


def far(x, rng):
    return x + 10.0 ** rng.uniform(0, 7)


def rank_one(x, rng):
    return x[:, :1] @ rng.normal(size=(1, x.shape[1]))


def rare(x, rng):
    return np.where(np.abs(x) > np.quantile(np.abs(x), 0.95), x, 0.0)


DEFECTS = (copies, constants, wide, scales, one_scale, far, rank_one, rare)


def ill_conditioned(seed):
    """Return two views with up to three defects each, some of which correlate perfectly."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 40))
    shared = rng.normal(size=(n, 2))
    views = []
    for width in rng.integers(2, 8, size=2):
        noise = 0.0 if seed % 4 == 0 else 1.0  # correlations of 1
        x = shared @ rng.normal(size=(2, width)) + noise * rng.normal(size=(n, width))
        for defect in rng.permutation(len(DEFECTS))[: rng.integers(1, 4)]:
            x = DEFECTS[defect](x, rng)
        views.append(x.astype(np.float32 if seed % 3 == 0 else np.float64))
    return Views(tuple(views))


def in_unit_interval(views):
    spread = [np.ptp(x, axis=0) for x in views.arrays]
    return Views(
        tuple(
            np.clip((x - x.min(axis=0)) / np.where(s > 0, s, 1.0), 0.0, 1.0)
            for x, s in zip(views.arrays, spread, strict=True)
        )
    )


def fit_or_words(name, seed):
    """Return a fitted model and its data, or None where the fit said why not."""
    X = ill_conditioned(seed)
    X = in_unit_interval(X) if name == "RBMCCA bernoulli" else X
    with warnings.catch_warnings():
        # Few samples of many features are warned of: that is the point of those data.
        warnings.filterwarnings("ignore", category=UserWarning, message=".*correlations.*")
        try:
            return MODELS[name]().fit(X), X
        except ValueError as error:
            said = str(error)
    assert re.search("|".join(WORDS), said), said
    return None


def everything_finite(model, X):
    codes = model.transform(X)
    found = {
        "codes": np.asarray(codes),
        "correlations": model.correlations_,
        "score": model.score(X),
        "decoded": np.asarray(model.inverse_transform(codes)),
        "imputed": np.asarray(model.impute((X[0], None))[1]),
        "spread": np.asarray(model.impute((X[0], None), return_std=True).std[1]),
    }
    if not isinstance(model, CCA):
        found["loss"] = model.loss_curve_
    return [name for name, values in found.items() if not np.isfinite(values).all()]


@pytest.mark.parametrize("name", MODELS)
def test_never_a_nan(name):
    fitted = [fit_or_words(name, seed) for seed in range(24)]
    assert sum(pair is not None for pair in fitted) >= 10
    for seed, pair in enumerate(fitted):
        assert pair is None or everything_finite(*pair) == [], seed


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_never_a_nan_in_two_hundred_seeds(name):
    for seed in range(200):
        pair = fit_or_words(name, seed)
        assert pair is None or everything_finite(*pair) == [], seed
