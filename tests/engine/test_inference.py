"""What a fit leaves behind: a module on the CPU, no data, and codes that chunks do not change."""

import copy
import gc
import io
import pickle
import weakref

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from skrep import VAE, Autoencoder, SparseAutoencoder, Trainer
from skrep.engine.data import ViewData
from skrep.engine.inference import apply_in_chunks, on_device


@pytest.fixture(name="X")
def make_data(seed):
    return np.random.default_rng(seed).random((60, 8)).astype(np.float32)


def model(seed, cls=Autoencoder, **settings):
    how = {"max_epochs": 3, "batch_size": 16, "hidden_layer_sizes": (4,), **settings}
    return cls(2, random_state=seed, **how)


@pytest.mark.parametrize("chunk_rows", [1, 7, 59, 60, 61, 4096])
@pytest.mark.parametrize("kind", ["float32", "float64", "csr", "read-only"])
def test_chunks_do_not_change_the_codes(chunk_rows, kind, X, seed):
    estimator = model(seed).fit(X)
    given = {
        "float32": X,
        "float64": X.astype(np.float64),
        "csr": sp.csr_array(X),
        "read-only": X.copy(),
    }[kind]
    if kind == "read-only":
        given.setflags(write=False)
    encode = estimator.module_.encode
    (whole,) = apply_in_chunks(encode, ViewData([X]), chunk_rows=len(X))
    (parts,) = apply_in_chunks(encode, ViewData([given]), chunk_rows=chunk_rows)
    # Products of another height may round the last bit otherwise.
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)
    assert parts.flags.writeable
    assert parts.dtype == np.float32


def test_functions_may_return_several_tensors(X):
    def two(batch):
        return batch.views[0] * 2, batch.views[0].sum(dim=1)

    doubled, sums = apply_in_chunks(two, ViewData([X]), chunk_rows=9)
    np.testing.assert_array_equal(doubled, X * 2)
    np.testing.assert_allclose(sums, X.sum(axis=1), rtol=1e-6)


class IdentityFactory:
    def __call__(self, n_in, n_out):
        return nn.Identity()


def test_codes_share_no_memory_with_the_input(X, seed):
    # An identity encoder hands its input through; the code must be the caller's own all the same.
    estimator = Autoencoder(
        8,
        encoder=IdentityFactory(),
        decoder=lambda n_in, n_out: nn.Linear(n_in, n_out),
        scaling=None,
        max_epochs=1,
        random_state=seed,
    ).fit(X)
    codes = estimator.transform(X)
    np.testing.assert_array_equal(codes, X)
    assert not np.shares_memory(codes, X)


@pytest.mark.parametrize("cls", [Autoencoder, SparseAutoencoder, VAE])
@pytest.mark.parametrize("kind", [np.float32, np.float64, "csr"])
def test_inputs_are_not_changed(cls, kind, X, seed):
    given = sp.csr_array(X) if kind == "csr" else X.astype(kind)
    before = given.copy()
    estimator = model(seed, cls).fit(given)
    codes = estimator.transform(given)
    codes_before = codes.copy()
    estimator.inverse_transform(codes)
    estimator.score(given)
    estimator.partial_fit(given)
    if kind == "csr":
        assert (given != before).nnz == 0
    else:
        np.testing.assert_array_equal(given, before)
    np.testing.assert_array_equal(codes, codes_before)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"trainer": Trainer(early_stopping=1), "max_epochs": 99},
        {"trainer": Trainer("lbfgs"), "batch_size": 60},
        {"trainer": Trainer(schedule="one_cycle", precision="float64")},
    ],
    ids=["plain", "early stopping", "lbfgs", "float64"],
)
def test_the_data_are_not_kept(settings, X, seed):
    given = X.copy()
    watched = weakref.ref(given)
    estimator = model(seed, **settings).fit(given)
    estimator.transform(given)
    del given
    gc.collect()
    assert watched() is None
    assert estimator.n_iter_ > 0


def test_partial_fit_does_not_keep_the_data(X, seed):
    given = X.copy()
    watched = weakref.ref(given)
    estimator = model(seed).partial_fit(given).partial_fit(given)
    del given
    gc.collect()
    assert watched() is None
    assert estimator.n_iter_ == 2


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_the_module_rests(how, X, seed):
    estimator = model(seed)
    getattr(estimator, how)(X)
    assert not any(part.training for part in estimator.module_.modules())
    for parameter in estimator.module_.parameters():
        assert parameter.device.type == "cpu"
        assert parameter.grad is None


def test_few_rows_stay_on_the_cpu(X, seed):
    estimator = model(seed).fit(X)
    module, device = on_device(estimator.module_, "auto", 1)
    assert module is estimator.module_
    assert device.type == "cpu"


# -- partial_fit ----------------------------------------------------------------------------


def test_the_optimisers_memory_is_kept_only_where_training_goes_on(X, seed):
    fitted = len(pickle.dumps(model(seed).fit(X)))
    passed = len(pickle.dumps(model(seed).partial_fit(X)))
    weights = sum(p.numel() for p in model(seed).fit(X).module_.parameters())
    # Adam's two averages, in float32.
    assert passed - fitted > 2 * 4 * weights


def by_passes(estimator, X, n_passes):
    for _ in range(n_passes):
        estimator.partial_fit(X)
    return estimator


def test_the_first_pass_is_a_fit_of_one_epoch(X, seed):
    one_pass = model(seed).partial_fit(X)
    one_epoch = model(seed, max_epochs=1).fit(X)
    np.testing.assert_array_equal(one_pass.transform(X), one_epoch.transform(X))


@pytest.mark.parametrize("settings", [{}, {"trainer": Trainer("rmsprop")}], ids=["adam", "rmsprop"])
def test_passes_over_one_batch_equal_epochs(settings, X, seed):
    # One batch holds all rows, so the order of the rows, which passes draw anew, cannot matter
    # beyond rounding: what is left is whether the optimiser goes on from its state.
    passes = by_passes(model(seed, batch_size=60, **settings), X, 5)
    epochs = model(seed, batch_size=60, max_epochs=5, **settings).fit(X)
    np.testing.assert_allclose(passes.loss_curve_, epochs.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(passes.transform(X), epochs.transform(X), rtol=1e-3, atol=1e-5)


def test_passes_over_several_batches_draw_other_orders(X, seed):
    # The same rows, and as much training, but not the same numbers as `fit`.
    passes = by_passes(model(seed), X, 3)
    epochs = model(seed, max_epochs=3).fit(X)
    assert not np.array_equal(passes.transform(X), epochs.transform(X))
    again = by_passes(model(seed), X, 3)
    np.testing.assert_array_equal(passes.transform(X), again.transform(X))


def test_the_state_goes_on_through_a_pickle(X, seed):
    whole = by_passes(model(seed), X, 4)
    half = pickle.loads(pickle.dumps(by_passes(model(seed), X, 2)))
    np.testing.assert_array_equal(by_passes(half, X, 2).transform(X), whole.transform(X))


def test_history_and_counts_grow(X, seed):
    estimator = model(seed)
    for n_passes in (1, 2, 3):
        estimator.partial_fit(X)
        assert estimator.n_iter_ == len(estimator.history_) == len(estimator.loss_curve_)
        assert estimator.history_["epoch"].tolist() == list(range(1, n_passes + 1))
    estimator.fit(X).partial_fit(X)
    assert estimator.history_["epoch"].tolist() == [1, 2, 3, 4]
    assert estimator.fit(X).n_iter_ == 3


def test_a_new_learning_rate_counts_from_the_next_pass(X, seed):
    estimator = model(seed).partial_fit(X).set_params(learning_rate=0.25).partial_fit(X)
    np.testing.assert_allclose(estimator.history_["learning_rate"], [1e-3, 0.25])


def test_a_pass_over_one_row(X, seed):
    estimator = model(seed).partial_fit(X).partial_fit(X[:1])
    assert estimator.n_iter_ == 2


def test_a_first_pass_that_fails_can_be_repeated(X, seed):
    estimator = model(seed, learning_rate=1e30)
    with pytest.raises(RuntimeError, match=r"non-finite|became"):
        by_passes(estimator, X, 9)
    estimator.set_params(learning_rate=1e-3)
    assert np.isfinite(estimator.fit(X).transform(X)).all()


def test_a_very_first_pass_that_fails_can_be_repeated(X, seed):
    estimator = model(seed, learning_rate=1e38, trainer=Trainer("sgd"))
    with pytest.raises(RuntimeError, match=r"non-finite|became"):
        estimator.partial_fit(X)
    estimator.set_params(learning_rate=1e-3).partial_fit(X)
    assert np.isfinite(estimator.transform(X)).all()


# -- travel ---------------------------------------------------------------------------------


def through_joblib(estimator):
    written = io.BytesIO()
    joblib.dump(estimator, written)
    written.seek(0)
    return joblib.load(written)


@pytest.mark.parametrize(
    "travel",
    [lambda e: pickle.loads(pickle.dumps(e)), through_joblib, copy.deepcopy],
    ids=["pickle", "joblib", "deepcopy"],
)
@pytest.mark.parametrize("cls", [Autoencoder, VAE])
def test_fitted_models_travel(travel, cls, X, seed, tmp_path):
    trainer = Trainer(early_stopping=1, schedule="cosine", checkpoint=tmp_path)
    estimator = model(seed, cls, trainer=trainer, max_epochs=50)
    estimator.fit(X)
    arrived = travel(estimator)
    np.testing.assert_array_equal(arrived.transform(X), estimator.transform(X))
    assert arrived.score(X) == estimator.score(X)
    assert arrived.history_.equals(estimator.history_)


def test_no_machinery_leaks_into_a_pickle(X, seed, tmp_path):
    trainer = Trainer(early_stopping=1, checkpoint=tmp_path)
    written = pickle.dumps(model(seed, trainer=trainer, verbose=0, max_epochs=50).fit(X))
    for name in (b"engine.net", b"engine.plan", b"engine.data", b"engine.checkpoint", b"skorch"):
        assert name not in written
    assert len(written) < 40_000  # the weights are about 500 bytes


def test_gradients_are_not_recorded_by_transform(X, seed):
    estimator = model(seed).fit(X)
    estimator.transform(X)
    assert torch.is_grad_enabled()
    assert all(p.requires_grad for p in estimator.module_.parameters())
