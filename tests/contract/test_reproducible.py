"""Randomness is owned, results do not depend on company, inputs stay as they were."""

import gc
import weakref

import numpy as np
import pytest
import torch
from registry import CASES, as_dtype
from sklearn.utils import get_tags

ROWS = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@ROWS
def test_global_generators_do_not_move(case, seed):
    X = case.data(seed)
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    fitted = case.make().set_params(random_state=None).fit(X)
    fitted.transform(X)
    fitted.score(X)
    if get_tags(fitted).generative:
        fitted.sample(3)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)


@ROWS
def test_one_seed_one_result_another_seed_another(case, seed):
    X = case.data(seed)
    first, again = (case.make().set_params(random_state=7).fit(X) for _ in range(2))
    other = case.make().set_params(random_state=8).fit(X)
    np.testing.assert_array_equal(first.transform(X), again.transform(X))
    np.testing.assert_array_equal(first.loss_curve_, again.loss_curve_)
    assert not np.array_equal(first.transform(X), other.transform(X))


@ROWS
def test_transform_does_not_depend_on_batch_or_order(case, seed):
    X = case.data(seed)
    fitted = case.make().fit(X)
    whole = fitted.transform(X)
    single = np.vstack([fitted.transform(X[i : i + 1]) for i in range(10)])
    sevens = np.vstack([fitted.transform(X[i : i + 7]) for i in range(0, len(X), 7)])
    order = np.random.default_rng(seed).permutation(len(X))
    # float32 sums in another order differ by a few units in the last place of the largest term.
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(single, whole[:10], **close)
    np.testing.assert_allclose(sevens, whole, **close)
    np.testing.assert_allclose(fitted.transform(X[order]), whole[order], **close)
    np.testing.assert_array_equal(fitted.transform(X), whole)


@ROWS
def test_score_samples_does_not_depend_on_company(case, seed):
    X = case.data(seed)
    fitted = case.make().fit(X)
    if not get_tags(fitted).density:
        pytest.skip(f"{case.name} is not a density")
    whole = fitted.score_samples(X)
    np.testing.assert_allclose(fitted.score_samples(X[5:9]), whole[5:9], rtol=1e-4, atol=1e-4)
    assert fitted.score(X) == pytest.approx(whole.mean(), rel=1e-6)


@ROWS
def test_score_is_one_float(case, seed):
    X = case.data(seed)
    assert type(case.make().fit(X).score(X)) is float


@ROWS
def test_inputs_are_neither_changed_nor_kept(case, seed):
    X = as_dtype(case.data(seed), np.float32)
    kept = np.array(X)
    fitted = case.make().fit(X)
    fitted.transform(X)
    fitted.score(X)
    np.testing.assert_array_equal(X, kept)
    watched = weakref.ref(X)
    del X
    gc.collect()
    assert watched() is None


@ROWS
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_networks_return_float32_whatever_comes_in(case, dtype, seed):
    X = as_dtype(case.data(seed), dtype)
    fitted = case.make().fit(X)
    assert fitted.transform(X).dtype == np.float32
    assert get_tags(fitted).transformer_tags.preserves_dtype == ["float32"]


@ROWS
def test_float64_on_request(case, seed):
    X = case.data(seed)
    fitted = case.make().set_params(trainer__precision="float64").fit(X)
    assert fitted.transform(X).dtype == np.float64
    assert get_tags(fitted).transformer_tags.preserves_dtype == ["float64"]
