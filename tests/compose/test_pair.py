"""`PairedEstimator`: scikit-learn's cross decompositions on `Views`."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cross_decomposition import CCA, PLSSVD, PLSCanonical
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import MissingViewError, PerView, Views
from skrep.compose import PairedEstimator
from skrep.datasets import make_multiview


class OneCode(BaseEstimator):
    """Takes two views and gives one code."""

    def fit(self, X, Y):
        return self

    def transform(self, X, Y):
        return X


@pytest.fixture
def views(seed):
    return make_multiview(80, random_state=seed)


@pytest.mark.parametrize(
    "inner", [CCA(2, max_iter=5000), PLSCanonical(2), PLSSVD(2)], ids=lambda e: type(e).__name__
)
def test_codes_are_the_inner_estimators(views, inner):
    first, second = views.arrays
    expected = inner.fit(first, second).transform(first, second)
    codes = PairedEstimator(inner).fit_transform(views)
    assert isinstance(codes, Views)
    assert codes.names == views.names
    for ours, theirs in zip(codes.arrays, expected, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_inverse_transform_of_views_and_of_one_matrix(views):
    model = PairedEstimator(PLSCanonical(3)).fit(views)
    codes = model.transform(views)
    back = model.inverse_transform(codes)
    assert back.names == views.names
    assert back.widths == views.widths
    again = model.inverse_transform(np.asarray(codes))
    np.testing.assert_allclose(np.asarray(again), np.asarray(back))
    swapped = model.inverse_transform(codes[list(views.names[::-1])])
    np.testing.assert_array_equal(np.asarray(swapped), np.asarray(back))
    with pytest.raises(ValueError, match=r"two codes of one size .* shape \(80, 3\)"):
        model.inverse_transform(np.zeros((80, 3)))
    with pytest.raises(ValueError, match=r"Z holds codes of \['a', 'b'\]"):
        model.inverse_transform(Views(codes.arrays, ("a", "b")))


def test_in_a_stock_search_and_pipeline(views):
    def mean_correlation(estimator, X, y=None):
        first, second = estimator.transform(X)
        return float(np.corrcoef(first[:, 0], second[:, 0])[0, 1])

    pipeline = make_pipeline(PerView(StandardScaler()), PairedEstimator(PLSCanonical(1)))
    search = GridSearchCV(
        pipeline,
        {"pairedestimator__estimator__n_components": [1, 2]},
        scoring=mean_correlation,
        cv=2,
        error_score="raise",
    ).fit(views)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert cross_val_score(pipeline, views, scoring=mean_correlation, cv=2).shape == (2,)


def test_frames_out_are_named_by_view(views):
    frame = views.to_frame()
    frame.index = [f"s{i}" for i in range(len(frame))]
    model = PairedEstimator(PLSCanonical(2)).fit(frame)
    codes = model.transform(frame)
    assert list(codes.index) == list(model.inverse_transform(codes).index) == list(frame.index)
    model.set_output(transform="pandas")
    first, _ = model.transform(frame)
    assert isinstance(first, pd.DataFrame)
    assert list(first.index) == list(frame.index)
    assert list(first.columns) == [f"{views.names[0]}__plscanonical{i}" for i in range(2)]
    assert len(model.get_feature_names_out()) == 4


def test_bad_input(views):
    model = PairedEstimator(CCA(1))
    three = Views((*views.arrays, views.arrays[0]), ("a", "b", "c"))
    with pytest.raises(ValueError, match=r"CCA relates two views\. Got 3"):
        model.fit(three)
    with pytest.raises(ValueError, match=r"CCA relates two views\. Got 1"):
        model.fit(views.arrays[0])
    holes = np.array(views.arrays[1], dtype=float)
    holes[:5] = np.nan
    with pytest.raises(MissingViewError, match="absent for 5 of 80"):
        model.fit((views.arrays[0], holes))
    with pytest.raises(TypeError, match="one code per view as a pair"):
        PairedEstimator(OneCode()).fit(views).transform(views)
