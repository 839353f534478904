"""scikit-learn's own checks on the transformers of this package."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from skrep.compose import ConcatViews, PerView, SelectView, SplitViews
from skrep.views import Views


class Halves(SplitViews):
    """`SplitViews` into two views whatever the width, as the checks change it, and back.

    The checks compare outputs as matrices, which views with absent rows refuse to be.
    """

    def __init__(self, sections=(1, 1)):
        self.sections = sections

    def _resolve(self, n_features):
        first, second = np.array_split(np.arange(n_features), 2)
        return {"a": first, "b": second} if len(second) else {"a": first}

    def transform(self, X):
        views = super().transform(X)
        assert isinstance(views, Views)
        return self.inverse_transform(views)


CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{check.func.__name__}")
    for given in (
        ConcatViews(),
        SelectView(0),
        PerView(StandardScaler()),
        Halves(),
        PerView(PCA(1)),
    )
    for estimator, check in estimator_checks_generator(given)
    # That check compares outputs as arrays of a namespace; `PerView` returns a container.
    if not (isinstance(given, PerView) and check.func.__name__ == "check_array_api_input")
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_check(estimator, check):
    check(estimator)
