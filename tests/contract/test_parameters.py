"""Parameters survive, constructors do nothing, fit returns self and spares the caller's things."""

import inspect

import numpy as np
import pytest
import torch
from registry import CASES, width_of_code
from sklearn.base import clone

from skrep.utils.sklearn_private import InvalidParameterError

ROWS = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@ROWS
def test_every_parameter_survives_set_clone_and_fit(case, seed):
    estimator = case.make()
    before = estimator.get_params(deep=False)
    rebuilt = clone(type(estimator)().set_params(**before))
    after = rebuilt.fit(case.data(seed)).get_params(deep=False)
    assert set(after) == set(inspect.signature(type(estimator)).parameters)
    assert {k: repr(v) for k, v in after.items()} == {k: repr(v) for k, v in before.items()}


@ROWS
def test_constructor_touches_no_generator_and_makes_no_module(case):
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    estimator = case.make()
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert set(vars(estimator)) == set(estimator.get_params(deep=False))


@ROWS
def test_fit_partial_fit_and_set_params_return_self(case, seed):
    estimator, X = case.make(), case.data(seed)
    assert estimator.fit(X) is estimator
    assert estimator.partial_fit(X) is estimator
    assert estimator.set_params(verbose=0) is estimator


@ROWS
def test_illegal_values_are_named(case, seed):
    for name in case.make()._parameter_constraints:
        estimator = case.make().set_params(**{name: object()})
        with pytest.raises((InvalidParameterError, TypeError, ValueError), match=f"'{name}'"):
            estimator.fit(case.data(seed))


@ROWS
def test_constraints_cover_the_signature(case):
    estimator = case.make()
    assert set(estimator._parameter_constraints) == set(estimator.get_params(deep=False))


@ROWS
def test_trainer_settings_nest_also_from_none(case):
    estimator = case.make()
    assert estimator.trainer is None
    assert estimator.set_params(trainer__weight_decay=0.5).trainer.weight_decay == 0.5


@ROWS
def test_a_parameter_set_after_fit_waits_for_the_next_fit(case, seed):
    X = case.data(seed)
    fitted, other = case.make().fit(X), case.make().fit(X)
    other.set_params(n_components=fitted.n_components + 2)
    assert np.array_equal(other.transform(X), fitted.transform(X))
    assert list(other.get_feature_names_out()) == list(fitted.get_feature_names_out())
    assert np.array_equal(other.reconstruct(X), fitted.reconstruct(X))
    assert np.array_equal(other.inverse_transform(other.transform(X)), other.reconstruct(X))
    assert other.score(X) == fitted.score(X)
    n_codes = width_of_code(fitted) // fitted.n_components
    assert other.fit(X).transform(X).shape[1] == n_codes * (fitted.n_components + 2)


@ROWS
def test_precision_may_change_between_two_passes(case, seed):
    X = case.data(seed)
    estimator = case.make().partial_fit(X)
    estimator.set_params(trainer__precision="float64").partial_fit(X)
    assert estimator.transform(X).dtype == np.float64
    estimator.set_params(trainer__precision="float32").partial_fit(X)
    assert estimator.transform(X).dtype == np.float32
    assert np.isfinite(estimator.score(X))
