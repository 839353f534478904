"""Classifiers and regressors on top of an embedding: scikit-learn's own checks, every one."""

import warnings

import pytest
from registry import HEADS, head_classes
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator


def checks():
    for case in HEADS:
        for estimator, check in estimator_checks_generator(case.make()):
            name = getattr(check, "func", check).__name__
            yield pytest.param(estimator, check, id=f"{case.name}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_stock_check(estimator, check):
    with warnings.catch_warnings():
        # scikit-learn's checks fit on data without structure and warn on purpose.
        warnings.simplefilter("ignore")
        check(clone(estimator))


def test_every_head_has_a_row():
    assert {case.name for case in HEADS} == set(head_classes())
