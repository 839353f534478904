"""Denoising and sparse autoencoders: what the noise and the penalties do."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import (
    Autoencoder,
    Corruption,
    DenoisingAutoencoder,
    SparseAutoencoder,
    Sparsity,
    Trainer,
)
from skrep.datasets import make_low_rank


@pytest.fixture(name="X", scope="module")
def low_rank(seed):
    return make_low_rank(400, 20, rank=3, noise=0.05, random_state=seed)


def settings(seed, **more):
    base = {"n_components": 5, "hidden_layer_sizes": (32,), "max_epochs": 5}
    return {**base, "random_state": seed, **more}


# -- denoising ------------------------------------------------------------------------------


def test_denoising_comes_closer_to_the_clean_sample(X, seed):
    rng = np.random.default_rng(seed)
    train, test = X[:300], X[300:]
    spoiled = np.where(rng.random(test.shape) < 0.3, 0.0, test)
    more = settings(seed, n_components=8, max_epochs=60)
    denoising = DenoisingAutoencoder(corruption=Corruption("masking", level=0.3), **more).fit(train)
    plain = Autoencoder(**more).fit(train)

    def error(array):
        return ((array - test) ** 2).mean()

    assert error(denoising.reconstruct(spoiled)) < error(spoiled) / 2
    assert error(denoising.reconstruct(spoiled)) < error(plain.reconstruct(spoiled))


def spoil(model, X, seed):
    """Apply the fitted corruption in working units and go back to the caller's."""
    module = model.module_
    working = module.scaler.join((torch.as_tensor(X, dtype=torch.float32),))
    spoiled = module.corruptor(working, torch.Generator().manual_seed(seed))
    return module.scaler.split(spoiled)[0].numpy(), working.numpy(), spoiled.numpy()


@pytest.mark.parametrize("scaling", ["view", "feature", None])
def test_masking_puts_the_callers_zero(X, scaling, seed):
    X = X + 10
    model = DenoisingAutoencoder(
        corruption=Corruption("masking", level=0.3), scaling=scaling, **settings(seed, max_epochs=1)
    ).fit(X)
    spoiled, _, _ = spoil(model, X, seed)
    masked = np.abs(spoiled) < 1e-4
    np.testing.assert_allclose(spoiled[~masked], X[~masked], rtol=1e-4)
    # 8000 entries: five standard errors, 6e-7.
    assert abs(masked.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / X.size)


def test_salt_and_pepper_uses_the_extremes_of_each_feature(X, seed):
    X = X * np.arange(1, 21) + 3
    model = DenoisingAutoencoder(
        corruption=Corruption("salt_and_pepper", level=0.5), **settings(seed, max_epochs=1)
    ).fit(X)
    spoiled, _, _ = spoil(model, X, seed)
    changed = ~np.isclose(spoiled, X, rtol=1e-4, atol=1e-4)
    low = np.isclose(spoiled, X.min(axis=0), rtol=1e-3, atol=1e-3)
    high = np.isclose(spoiled, X.max(axis=0), rtol=1e-3, atol=1e-3)
    assert (low | high)[changed].all()
    # About 4000 spoiled entries, half of each: five standard errors, 6e-7.
    n = changed.sum()
    assert abs(low[changed].mean() - 0.5) < 5 * np.sqrt(0.25 / n)


def test_gaussian_noise_is_in_units_of_the_scaled_data(X, seed):
    model = DenoisingAutoencoder(
        corruption=Corruption("gaussian", level=0.4), **settings(seed, max_epochs=1)
    ).fit(100 * X)
    _, working, spoiled = spoil(model, 100 * X, seed)
    noise = spoiled - working
    # Five standard errors of a standard deviation from 8000 draws.
    assert abs(noise.std() - 0.4) < 5 * 0.4 / np.sqrt(2 * X.size)


def test_without_noise_it_is_the_plain_autoencoder(X, seed):
    none = DenoisingAutoencoder(corruption=Corruption("gaussian", level=0.0), **settings(seed)).fit(
        X
    )
    plain = Autoencoder(**settings(seed)).fit(X)
    np.testing.assert_allclose(none.transform(X), plain.transform(X), atol=1e-5)


def test_sparse_and_mapped_data_have_extremes_too(X, seed, tmp_path):
    from scipy import sparse

    model = DenoisingAutoencoder(corruption="salt_and_pepper", **settings(seed, max_epochs=1))
    X = np.where(X > 0.5, X, 0.0)
    low = clone(model).fit(X).module_.corruptor.low
    stored = np.memmap(tmp_path / "x", dtype=np.float64, mode="w+", shape=X.shape)
    stored[:] = X
    for other in (sparse.csr_array(X), sparse.csr_matrix(X), stored):
        torch.testing.assert_close(clone(model).fit(other).module_.corruptor.low, low)


def test_transform_is_without_noise(X, seed):
    model = DenoisingAutoencoder(**settings(seed)).fit(X)
    np.testing.assert_array_equal(model.transform(X), model.transform(X))


# -- sparse ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [1, 3, None])
def test_top_k_keeps_exactly_k(X, target, seed):
    model = SparseAutoencoder(
        sparsity=Sparsity("top_k", target=target), **settings(seed, n_components=12)
    ).fit(X)
    kept = (model.transform(X) != 0).sum(axis=1)
    assert set(kept) == {target or 3}


def test_kl_draws_mean_activations_to_the_rate(X, seed):
    more = settings(seed, n_components=12, max_epochs=60, learning_rate=1e-2, batch_size=400)
    free = SparseAutoencoder(sparsity=Sparsity("kl", weight=0.0, target=0.2), **more).fit(X)
    held = SparseAutoencoder(sparsity=Sparsity("kl", weight=1.0, target=0.2), **more).fit(X)
    distance = [np.abs(m.transform(X).mean(axis=0) - 0.2).mean() for m in (free, held)]
    assert distance[1] < 0.05
    assert distance[1] < distance[0] / 2
    codes = held.transform(X)
    assert codes.min() > 0
    assert codes.max() < 1


def test_a_larger_l1_weight_leaves_fewer_active_codes(X, seed):
    more = settings(seed, n_components=16, max_epochs=40, learning_rate=5e-3)
    sizes = []
    for weight in (0.0, 0.02, 0.3):
        model = SparseAutoencoder(sparsity=Sparsity("l1", weight=weight), **more).fit(X)
        codes = model.transform(X)
        assert codes.min() >= 0
        sizes.append(((codes > 1e-3).mean(), codes.sum(axis=1).mean()))
    active, total = np.transpose(sizes)
    assert active[0] > active[2]
    assert total[0] > total[1] > total[2]


def test_score_has_no_penalty_in_it(X, seed):
    more = settings(seed, max_epochs=1, learning_rate=1e-12)
    light, heavy = (
        SparseAutoencoder(sparsity=Sparsity("l1", weight=w), **more).fit(X) for w in (0.0, 10.0)
    )
    assert light.score(X) == pytest.approx(heavy.score(X), rel=1e-6)
    assert light.loss_curve_[0] < heavy.loss_curve_[0]


def test_the_history_names_the_parts(X, seed):
    history = SparseAutoencoder(**settings(seed)).fit(X).history_
    total = history["reconstruction"] + history["sparsity"]
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)
    assert "sparsity" not in SparseAutoencoder(sparsity="top_k", **settings(seed)).fit(X).history_


@pytest.mark.parametrize("sparsity", ["l1", "kl", "top_k"])
def test_tied_weights_of_a_sparse_model(X, sparsity, seed):
    more = settings(seed, max_epochs=10)
    model = SparseAutoencoder(sparsity=sparsity, decoder="tied", **more).fit(X)
    assert model.loss_curve_[-1] < model.loss_curve_[0]


# -- parameter objects from outside ---------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        (DenoisingAutoencoder(corruption="masking"), "corruption__level", 0.1),
        (SparseAutoencoder(sparsity="kl"), "sparsity__target", 0.2),
        (Autoencoder(), "trainer__weight_decay", 0.1),
    ],
)
def test_nested_parameters_from_a_name_or_none(model, key, value):
    outer = key.partition("__")[0]
    before = getattr(model, outer)
    assert model.set_params(**{key: value}) is model
    made = getattr(model, outer)
    assert model.get_params()[key] == value
    assert before is None or made.kind == before
    copy = clone(model)
    assert copy.get_params()[key] == value
    assert getattr(copy, outer) is not made


def test_a_new_object_and_its_parameter_together():
    model = DenoisingAutoencoder()
    model.set_params(corruption=Corruption("masking"), corruption__level=0.7)
    assert (model.corruption.kind, model.corruption.level) == ("masking", 0.7)


def test_unknown_nested_parameter():
    with pytest.raises(ValueError, match="Invalid parameter 'strength' for estimator Corruption"):
        DenoisingAutoencoder().set_params(corruption__strength=1)


def test_grid_search_over_a_corruption_level(X, seed):
    model = DenoisingAutoencoder(corruption="masking", **settings(seed, max_epochs=2))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model),
        {"denoisingautoencoder__corruption__level": [0.1, 0.4]},
        cv=2,
        error_score="raise",
    ).fit(X)
    assert search.best_params_["denoisingautoencoder__corruption__level"] in (0.1, 0.4)
    assert model.corruption == "masking"
    trainer = GridSearchCV(model, {"trainer__weight_decay": [0.0, 1e-3]}, cv=2).fit(X)
    assert isinstance(trainer.best_estimator_.trainer, Trainer)


@pytest.mark.parametrize(
    ("model", "outer", "inner", "made"),
    [
        (DenoisingAutoencoder(), {"corruption": "masking"}, {"corruption__level": 0.1}, Corruption),
        (SparseAutoencoder(), {"sparsity": "l1"}, {"sparsity__weight": 0.1}, Sparsity),
        (DenoisingAutoencoder(), {"trainer": None}, {"trainer__weight_decay": 0.1}, Trainer),
    ],
)
def test_a_name_and_what_is_nested_in_it_can_be_set_at_once(model, outer, inner, made):
    for params in ({**outer, **inner}, {**inner, **outer}):
        new = clone(model).set_params(**params)
        ((name, value),) = outer.items()
        assert isinstance(getattr(new, name), made)
        assert value in (None, getattr(new, name).get_params().get("kind"))
        assert next(iter(inner.values())) in getattr(new, name).get_params().values()


def test_a_stock_search_over_kinds_and_levels(seed):
    X = make_low_rank(60, 6, rank=2, random_state=seed)
    model = DenoisingAutoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=seed)
    grid = {"corruption": ["gaussian", "masking"], "corruption__level": [0.1, 0.2]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.corruption.level == search.best_params_["corruption__level"]
