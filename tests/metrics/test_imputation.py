import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer

from skrep import CCA, Views
from skrep.datasets import drop_views, make_multiview
from skrep.metrics import imputation_r2, reconstruction_r2


class Constant(BaseEstimator):
    """Fills in what it was told, and keeps what it was shown."""

    def __init__(self, fill):
        self.fill = fill
        self.seen = []

    def impute(self, X):
        self.seen.append(X)
        filled = [
            np.where(has[:, None], array, value)
            for array, has, value in zip(X.arrays, X.present.T, self.fill, strict=True)
        ]
        return Views(tuple(filled), X.names)


@pytest.fixture
def views(seed):
    return make_multiview(60, (3, 4), n_shared=2, random_state=seed)


def test_perfect_mean_and_zero_fills_have_known_scores(views):
    a, b = (np.asarray(array, dtype=float) for array in views.arrays)

    class Knows(Constant):
        def impute(self, X):
            return views

    assert imputation_r2(Knows(()), views) == 1.0
    assert imputation_r2(Constant((a.mean(axis=0), b.mean(axis=0))), views) == pytest.approx(0.0)
    shares = [1 - (x**2).sum() / ((x - x.mean(axis=0)) ** 2).sum() for x in (a, b)]
    assert imputation_r2(Constant((0.0, 0.0)), views) == pytest.approx(np.mean(shares))


def test_only_what_is_known_and_can_be_told_from_the_rest_is_hidden(views, seed):
    model = Constant((0.0, 0.0))
    incomplete = drop_views(views, 0.4, random_state=seed)
    score = imputation_r2(model, incomplete)
    complete = incomplete.present.all(axis=1)
    assert [len(seen) for seen in model.seen] == [complete.sum()] * 2
    np.testing.assert_array_equal(model.seen[0].present, [[False, True]] * complete.sum())
    assert score == pytest.approx(imputation_r2(Constant((0.0, 0.0)), views[complete]))


def test_views_of_another_order_are_matched_by_name(views):
    class Turned(Constant):
        def impute(self, X):
            return views[["view1", "view0"]]

    assert imputation_r2(Turned(()), views) == 1.0


def test_a_view_is_predicted_from_what_both_share(seed):
    views = make_multiview(400, (6, 6), n_shared=2, n_private=0, noise=0.05, random_state=seed)
    model = CCA(2, regularization=1e-4).fit(views[:300])
    assert imputation_r2(model, views[300:]) > 0.97


def test_codes_of_incomplete_samples_are_decoded_where_nothing_imputes(views):
    class Filled(PCA):
        def transform(self, X):
            matrix = np.hstack(
                [np.where(h[:, None], x, 0.0) for x, h in zip(X.arrays, X.present.T, strict=True)]
            )
            return super().transform(matrix)

    matrix = np.asarray(views, dtype=float)
    pca = Filled(2).fit(matrix)
    hidden = matrix * [0, 0, 0, 1, 1, 1, 1]
    back = PCA(2).fit(matrix).inverse_transform(PCA(2).fit(matrix).transform(hidden))[:, :3]
    truth = matrix[:, :3]
    expected = 1 - ((truth - back) ** 2).sum() / ((truth - truth.mean(axis=0)) ** 2).sum()
    only = Views({"view0": views[0], "view1": views[1]})
    both = imputation_r2(pca, only)
    hidden = matrix * [1, 1, 1, 0, 0, 0, 0]
    back = pca.inverse_transform(PCA(2).fit(matrix).transform(hidden))[:, 3:]
    truth = matrix[:, 3:]
    other = 1 - ((truth - back) ** 2).sum() / ((truth - truth.mean(axis=0)) ** 2).sum()
    assert both == pytest.approx((expected + other) / 2)


def test_reconstruction_leaves_out_what_is_absent(views, seed):
    incomplete = drop_views(views, 0.4, random_state=seed)

    class Zero(FunctionTransformer):
        def inverse_transform(self, Z):
            return np.zeros((len(Z), 7))

    known = np.hstack(
        [
            np.where(h[:, None], x, np.nan)
            for x, h in zip(incomplete.arrays, incomplete.present.T, strict=True)
        ]
    )
    total = np.nansum((known - np.nanmean(known, axis=0)) ** 2)
    expected = 1 - np.nansum(known**2) / total
    assert reconstruction_r2(Zero().fit(incomplete), incomplete) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("model", "X", "error", "message"),
    [
        (Constant(()), np.zeros((5, 2)), ValueError, "hides one view and fills it in from the oth"),
        (Constant(()), Views((np.zeros((5, 2)),)), ValueError, "Pass `Views` of two or more"),
        (BaseEstimator(), "views", TypeError, "needs `impute` or `inverse_transform`, and"),
        (Constant((0.0, 0.0)), "constant", ValueError, "found nothing to hide: no sample has two"),
    ],
)
def test_messages(model, X, error, message, views):
    if isinstance(X, str):
        X = views if X == "views" else Views((np.ones((5, 2)), np.ones((5, 3))))
    with pytest.raises(error, match=message):
        imputation_r2(model, X)
