"""scikit-learn's own checks, every one, with no expected failure."""

import warnings

import pytest
from registry import CASES
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator


def bare(case):
    """The row's class with its defaults, but few epochs."""
    estimator = type(case.make())(max_epochs=3)
    return estimator if case.adapter is None else case.adapter(estimator)


def checks():
    for case in CASES:
        for estimator, check in estimator_checks_generator(bare(case)):
            name = getattr(check, "func", check).__name__
            yield pytest.param(estimator, check, id=f"{case.name}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_stock_check(estimator, check):
    with warnings.catch_warnings():
        # scikit-learn's checks fit on data without structure and warn on purpose.
        warnings.simplefilter("ignore")
        check(clone(estimator))
