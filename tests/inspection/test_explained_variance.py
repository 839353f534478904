import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib import pyplot as plt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cross_decomposition import PLSCanonical
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics import explained_variance_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import CCA, MultimodalVAE, Views
from skrep.compose import ConcatViews, PairedEstimator, PerView, SplitViews
from skrep.datasets import drop_views, make_low_rank, make_multiview
from skrep.inspection import ExplainedVarianceDisplay, explained_variance
from skrep.metrics import reconstruction_r2


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def X(seed):  # noqa: N802
    return make_low_rank(120, 9, rank=4, random_state=seed) + 50.0


@pytest.fixture(scope="module")
def views(seed):
    return make_multiview(150, random_state=seed)


def weighted(truth, found):
    return explained_variance_score(truth, found, multioutput="variance_weighted")


class Square(TransformerMixin, BaseEstimator):
    """A code that decodes to something off by a constant."""

    def __init__(self, shift=0.0, width=3):
        self.shift = shift
        self.width = width

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.asarray(X)[:, : self.width]

    def inverse_transform(self, Z):
        wide = np.zeros((len(Z), self.n_features_in_))
        wide[:, : self.width] = Z**2
        return wide + self.shift


def test_pca_gives_its_own_ratios(X):
    pca = PCA(4).fit(X)
    table = explained_variance(pca, X)
    np.testing.assert_allclose(table["X"].iloc[:4], pca.explained_variance_ratio_, rtol=1e-9)
    assert table.loc["total", "X"] == pytest.approx(reconstruction_r2(pca, X), rel=1e-12)
    assert table.index.tolist() == [0, 1, 2, 3, "total"]
    assert table.attrs["decoder"] == "inverse_transform"
    assert table["X"].dtype == float


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, sp.csr_matrix, np.float32])
def test_containers_give_the_same(X, container):
    pca = PCA(2).fit(X)
    wanted = explained_variance(pca, X)
    given = container(X)
    if isinstance(given, pd.DataFrame):
        given.columns = [f"f{i}" for i in range(9)]
        pca = PCA(2).fit(given)
    np.testing.assert_allclose(explained_variance(pca, given), wanted, rtol=1e-4)


def test_a_nonlinear_decoder_is_measured_as_written(X):
    X = X - 50.0
    model = Square(shift=3.0).fit(X)
    table = explained_variance(model, X)
    mean = X[:, :3].mean(axis=0)
    for j in range(3):
        code = np.tile(mean, (len(X), 1))
        code[:, j] = X[:, j]
        assert table.loc[j, "X"] == pytest.approx(weighted(X, model.inverse_transform(code)))
    whole = model.inverse_transform(X[:, :3])
    wanted = r2_score(X, whole, multioutput="variance_weighted")
    assert table.loc["total", "X"] == pytest.approx(wanted)


def test_an_offset_moves_the_total_alone(X):
    X = X - 50.0
    plain, moved = (explained_variance(Square(s).fit(X), X)["X"] for s in (0.0, 5.0))
    np.testing.assert_allclose(plain.iloc[:3], moved.iloc[:3])
    assert moved["total"] < plain["total"]


def test_a_component_that_does_nothing_has_exactly_nothing(X):
    class Idle(Square):
        def inverse_transform(self, Z):
            return super().inverse_transform(Z * [1.0, 0.0, 1.0])

    assert explained_variance(Idle().fit(X), X).loc[1, "X"] == pytest.approx(0.0, abs=1e-12)


def test_no_decoder_is_a_regression(X):
    model = FactorAnalysis(2).fit(X)
    table = explained_variance(model, X)
    Z = model.transform(X)
    for row, code in ((0, Z[:, :1]), (1, Z[:, 1:]), ("total", Z)):
        wanted = weighted(X, LinearRegression().fit(code, X).predict(code))
        assert table.loc[row, "X"] == pytest.approx(wanted, rel=1e-8)
    assert table.attrs["decoder"] == "linear regression"


def test_linear_on_request_equals_pca(X):
    pca = PCA(3).fit(X)
    linear = explained_variance(pca, X, decoder="linear")
    np.testing.assert_allclose(linear, explained_variance(pca, X), rtol=1e-8)


def test_per_feature(X):
    X[:, 4] = 2.5
    frame = pd.DataFrame(X, columns=list("abcdefghi"))
    pca = PCA(2).fit(frame)
    table = explained_variance(pca, frame, per_feature=True)
    assert table.columns.tolist() == [("X", c) for c in "abcdefghi"]
    assert table["X", "e"].isna().all()
    back = pca.inverse_transform(pca.transform(frame))
    for i, name in enumerate("abcd"):
        assert table.loc["total", ("X", name)] == pytest.approx(r2_score(X[:, i], back[:, i]))
    # Weighted by their variances the features give the view again.
    pooled = np.average(
        table.drop(columns=[("X", "e")]), axis=1, weights=X.var(axis=0)[[*range(4), *range(5, 9)]]
    )
    np.testing.assert_allclose(pooled, explained_variance(pca, frame)["X"])


def test_a_code_of_several_views(views):
    model = make_pipeline(PerView(StandardScaler()), ConcatViews(), PCA(3)).fit(views)
    table = explained_variance(model, views)
    assert table.columns.tolist() == list(views.names)
    back = model.inverse_transform(model.transform(views))
    for name in views.names:
        wanted = r2_score(views[name], back[name], multioutput="variance_weighted")
        assert table.loc["total", name] == pytest.approx(wanted)
    # PCA on Views reads one matrix, and gives one back.
    together = explained_variance(PCA(3).fit(views), views)
    sizes = [np.var(views[n], axis=0).sum() for n in views.names]
    ratios = PCA(3).fit(np.asarray(views)).explained_variance_ratio_
    np.testing.assert_allclose(np.average(together, axis=1, weights=sizes)[:3], ratios)


def test_cca_tells_what_its_loadings_say(views):
    model = CCA(2).fit(views)
    table = explained_variance(model, views)
    for view, name in enumerate(views.names):
        variances = np.var(views[name], axis=0)
        # The regression of a view on its own variate explains its squared loadings.
        wanted = np.average(model.loadings_[view] ** 2, axis=0, weights=variances)
        np.testing.assert_allclose(table[name].iloc[:2], wanted, rtol=1e-6)
    linear = explained_variance(model, views, decoder="linear")
    np.testing.assert_allclose(table, linear, rtol=1e-6)
    assert model.set_output(transform="pandas") is model
    np.testing.assert_allclose(explained_variance(model, views), table)


def test_one_code_per_view_of_other_kinds(views):
    names = views.names
    pair = PairedEstimator(PLSCanonical(2)).fit(views)
    assert explained_variance(pair, views).shape == (3, 2)
    apart = PerView({names[0]: PCA(3), names[1]: PCA(2)}).fit(views)
    table = explained_variance(apart, views)
    assert np.isnan(table.loc[2, names[1]])
    ratios = PCA(2).fit(views[1]).explained_variance_ratio_
    np.testing.assert_allclose(table[names[1]].iloc[:2], ratios)
    matrix = np.asarray(views)
    split = make_pipeline(SplitViews(list(views.widths)), CCA(2)).fit(matrix)
    table = explained_variance(split, matrix)
    assert table.loc["total", "X"] == pytest.approx(reconstruction_r2(split, matrix))


def test_only_present_rows_count(views):
    model = MultimodalVAE(2, hidden_layer_sizes=(), max_epochs=2, random_state=0).fit(views)
    fewer = drop_views(views, 0.4, random_state=0)
    table = explained_variance(model, fewer)
    codes = np.asarray(model.transform(fewer), dtype=float)
    for view, name in enumerate(views.names):
        rows = fewer.present[:, view]
        one = np.tile(codes.mean(axis=0), (len(codes), 1))
        one[:, 0] = codes[:, 0]
        wanted = weighted(views[name][rows], model.inverse_transform(one)[name][rows])
        assert table.loc[0, name] == pytest.approx(wanted, rel=1e-4)
    linear = explained_variance(model, fewer, decoder="linear")
    rows = fewer.present[:, 0]
    fitted = LinearRegression().fit(codes[rows], views[0][rows]).predict(codes[rows])
    assert linear.loc["total", views.names[0]] == pytest.approx(weighted(views[0][rows], fitted))


def test_blocks_change_nothing(X, monkeypatch):
    pca = PCA(3).fit(X)
    wanted = explained_variance(pca, X)
    monkeypatch.setattr("skrep.inspection._coded._BLOCK_ROWS", 7)
    np.testing.assert_allclose(explained_variance(pca, X), wanted, rtol=1e-10)
    linear = explained_variance(pca, X, decoder="linear")
    np.testing.assert_allclose(linear, wanted, rtol=1e-8)


class Wide(Square):
    def inverse_transform(self, Z):
        return np.zeros((len(Z), 2))


class Holes(Square):
    def transform(self, X):
        return np.full((len(X), 2), np.nan)


@pytest.mark.parametrize(
    ("model", "change", "options", "error", "match"),
    [
        (PCA(2), None, {"decoder": "deep"}, ValueError, "`decoder` must be 'auto' or 'linear'"),
        (PCA(2), lambda X: np.ones_like(X), {}, ValueError, "constant over the 120 rows"),
        (Wide(), None, {}, ValueError, r"returned arrays of shapes \[\(120, 2\)\]"),
        (Holes(), None, {}, ValueError, "with NaN or infinity in it"),
        (LinearRegression(), None, {}, TypeError, "needs the method `transform`"),
    ],
)
def test_errors(X, model, change, options, error, match):
    model.fit(X, X[:, 0])
    with pytest.raises(error, match=match):
        explained_variance(model, X if change is None else change(X), **options)


def test_a_hole_in_a_row_is_named(X):
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match="Row 3 of view 'X' holds NaN"):
        explained_variance(Square(width=1).fit(X), X)


def test_text_is_refused(X):
    class Lengths(Square):
        def transform(self, X):
            return np.array([[len(text)] for text in X["b"]], dtype=float)

    views = Views({"a": X, "b": np.array(["word"] * 60 + ["words"] * 60, dtype=object)})
    with pytest.raises(ValueError, match="View 'b' must hold numbers"):
        explained_variance(Lengths().fit(X), views, decoder="linear")


def test_not_fitted(X):
    with pytest.raises(NotFittedError):
        explained_variance(PCA(2), X)


# -- the display --------------------------------------------------------------------------------


def test_the_picture_shows_the_table(views):
    model = CCA(2).fit(views)
    display = ExplainedVarianceDisplay.from_estimator(model, views)
    table = explained_variance(model, views)
    pd.testing.assert_frame_equal(display.table, table)
    np.testing.assert_allclose(display.image_.get_array(), 100 * table.iloc[:2])
    assert [t.get_text() for t in display.texts_] == [
        f"{100 * v:.1f}" for v in table.iloc[:2].to_numpy().ravel()
    ]
    np.testing.assert_allclose([b.get_height() for b in display.bars_], 100 * table.loc["total"])
    ticks = [t.get_text() for t in display.axes_[1].get_xticklabels()]
    assert ticks == list(views.names)


def test_plot_again_and_elsewhere(views):
    display = ExplainedVarianceDisplay.from_estimator(CCA(2).fit(views), views)
    before, image = display.table.copy(), display.image_.get_array().copy()
    figure, (left, right) = plt.subplots(1, 2)
    assert display.plot(left) is display
    assert display.figure_ is figure
    np.testing.assert_array_equal(display.image_.get_array(), image)
    display.plot(np.array(plt.subplots(2, 1)[1]))
    pd.testing.assert_frame_equal(display.table, before)
    with pytest.raises(ValueError, match="draws in 2 axes"):
        display.plot([left, right, left])


def test_many_components_and_gaps(seed):
    shares = np.random.default_rng(seed).random((36, 2)) / 36
    shares[3, 1] = np.nan
    display = ExplainedVarianceDisplay(table=pd.DataFrame(shares, columns=["a", "b"])).plot()
    assert display.texts_ == []
    table = pd.DataFrame([[0.2, np.nan], [-0.1, 0.1], [0.3, 0.1]], columns=["a", "b"])
    texts = ExplainedVarianceDisplay(table=table).plot().texts_
    assert [t.get_text() for t in texts] == ["20.0", "–", "\N{MINUS SIGN}10.0", "10.0"]
    display.figure_.canvas.draw()
