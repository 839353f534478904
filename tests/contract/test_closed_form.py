"""What holds for models that are computed: the contract without epochs and history."""

import copy
import gc
import inspect
import io
import pickle
import warnings
import weakref

import joblib
import numpy as np
import pytest
import torch
from registry import CLOSED, as_dtype
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

from skrep import Views
from skrep.utils.sklearn_private import InvalidParameterError

ROWS = pytest.mark.parametrize("case", CLOSED, ids=lambda case: repr(case.make()))
# Small data and loads beyond the capacity are on purpose here.
pytestmark = pytest.mark.filterwarnings("ignore:.*are a load of")


def checks():
    for case in CLOSED:
        estimator = clone(case.make())
        made = estimator if case.adapter is None else case.adapter(estimator)
        for checked, check in estimator_checks_generator(made):
            name = getattr(check, "func", check).__name__
            yield pytest.param(checked, check, id=f"{estimator!r}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_stock_check(estimator, check):
    with warnings.catch_warnings():
        # scikit-learn's checks fit on data without structure and warn on purpose.
        warnings.simplefilter("ignore")
        check(clone(estimator))


@ROWS
def test_parameters_survive_and_constructors_do_nothing(case, seed):
    before_numpy, before_torch = np.random.get_state()[1].copy(), torch.get_rng_state()
    estimator = case.make()
    assert np.array_equal(np.random.get_state()[1], before_numpy)
    assert torch.equal(torch.get_rng_state(), before_torch)
    before = estimator.get_params()
    assert set(vars(estimator)) == set(before)
    assert set(estimator._parameter_constraints) == set(before)
    fitted = clone(type(estimator)().set_params(**before)).fit(case.data(seed))
    assert set(fitted.get_params()) == set(inspect.signature(type(estimator)).parameters)
    assert repr(fitted.get_params()) == repr(before)
    assert fitted.partial_fit(case.data(seed)) is fitted


@ROWS
def test_illegal_values_are_named(case, seed):
    for name in case.make()._parameter_constraints:
        estimator = case.make().set_params(**{name: object()})
        with pytest.raises(InvalidParameterError, match=f"'{name}'"):
            estimator.fit(case.data(seed))


@ROWS
def test_global_generators_do_not_move(case, seed):
    X = case.data(seed)
    before_numpy, before_torch = np.random.get_state()[1].copy(), torch.get_rng_state()
    estimator = case.make()
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=None)
    fitted = estimator.fit(X)
    fitted.transform(X)
    assert type(fitted.score(X)) is float
    assert np.array_equal(np.random.get_state()[1], before_numpy)
    assert torch.equal(torch.get_rng_state(), before_torch)


@ROWS
def test_transform_does_not_depend_on_company_and_repeats(case, seed):
    X = case.data(seed)
    fitted, again = case.make().fit(X), case.make().fit(X)
    whole = fitted.transform(X)
    np.testing.assert_array_equal(again.transform(X), whole)
    order = np.random.default_rng(seed).permutation(len(X))
    np.testing.assert_allclose(fitted.transform(X[order]), whole[order], atol=1e-9)
    single = np.vstack([fitted.transform(X[i : i + 1]) for i in range(10)])
    np.testing.assert_allclose(single, whole[:10], atol=1e-9)


@ROWS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inputs_are_left_alone_and_floats_come_back(case, dtype, seed):
    X = as_dtype(case.data(seed), dtype)
    kept = np.array(X)
    fitted = case.make().fit(X)
    assert fitted.transform(X).dtype == dtype
    np.testing.assert_array_equal(X, kept)
    watched = weakref.ref(X)
    del X
    gc.collect()
    assert watched() is None


@ROWS
def test_travel(case, seed):
    X = case.data(seed)
    fitted = case.make().fit(X)
    buffer = io.BytesIO()
    joblib.dump(fitted, buffer)
    buffer.seek(0)
    copies = [pickle.loads(pickle.dumps(fitted)), joblib.load(buffer), copy.deepcopy(fitted)]
    for other in copies:
        np.testing.assert_array_equal(other.transform(X), fitted.transform(X))


@ROWS
def test_views_in_every_container_and_back(case, seed):
    views = case.views(seed)
    fitted = case.make().fit(views)
    codes = fitted.transform(views)
    for X in (
        tuple(views.arrays),
        dict(zip(views.names, views.arrays, strict=True)),
        views.to_frame(),
        Views(tuple(sparse.csr_array(a) for a in views.arrays), views.names),
        views[list(views.names[::-1])],
    ):
        np.testing.assert_allclose(fitted.transform(X), codes, atol=1e-9)
    back = fitted.inverse_transform(codes)
    assert isinstance(back, Views)
    assert (back.names, back.widths) == (views.names, views.widths)
    search = GridSearchCV(case.make(), case.grid, cv=2, error_score="raise")
    assert np.isfinite(search.fit(views).cv_results_["mean_test_score"]).all()
