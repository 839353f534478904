import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from skrep import CCA, Views
from skrep.datasets import drop_views, make_low_rank, make_multiview
from skrep.inspection import feature_correlations


@pytest.fixture
def X(seed):  # noqa: N802
    return make_low_rank(80, 6, rank=3, random_state=seed)


@pytest.fixture(scope="module")
def views(seed):
    return make_multiview(90, random_state=seed)


def as_dict(table, component):
    part = table[table["component"] == component]
    return dict(zip(part["feature"], part["correlation"], strict=True))


def test_numbers_are_those_of_corrcoef(X, monkeypatch):
    monkeypatch.setattr("skrep.inspection._coded._BLOCK_ROWS", 9)
    pca = PCA(2).fit(X)
    table = feature_correlations(pca, X, n_top=None)
    Z = pca.transform(X)
    for j in range(2):
        found = as_dict(table, j)
        for i in range(6):
            wanted = np.corrcoef(Z[:, j], X[:, i])[0, 1]
            assert found[f"x{i}"] == pytest.approx(wanted, abs=1e-12)


def test_order_and_number(views):
    table = feature_correlations(CCA(2).fit(views), views, n_top=3)
    assert list(table.columns) == ["component", "view", "feature", "correlation"]
    assert list(table.index) == list(range(12))
    assert table["component"].is_monotonic_increasing
    for _, part in table.groupby("component"):
        assert part["correlation"].abs().is_monotonic_decreasing
        assert part["view"].value_counts().to_dict() == dict.fromkeys(views.names, 3)


def test_loadings_of_cca(views):
    model = CCA(2).fit(views)
    table = feature_correlations(model, views, n_top=None, view="view1", component=-1)
    assert set(table["view"]) == {"view1"}
    assert set(table["component"]) == {1}
    found = as_dict(table, 1)
    wanted = {f"x{i}": r for i, r in enumerate(model.loadings_[1][:, 1])}
    assert found == pytest.approx(wanted, abs=1e-10)


def test_absent_rows_are_left_out(views):
    model = CCA(1).fit(views)
    fewer = drop_views(views, 0.3, random_state=0)
    found = as_dict(feature_correlations(model, fewer, n_top=None, view=0), 0)
    rows = fewer.present[:, 0]
    code = np.asarray(model.transform(views)[0])[rows, 0]
    for i in range(views.widths[0]):
        wanted = np.corrcoef(code, views[0][rows, i])[0, 1]
        assert found[f"x{i}"] == pytest.approx(wanted, abs=1e-10)


def test_names_of_the_data_then_of_the_fit(X, views):
    frame = pd.DataFrame(X, columns=[f"gene{i}" for i in range(6)])
    pca = PCA(1).fit(frame)
    with_names = feature_correlations(pca, frame)
    assert all(name.startswith("gene") for name in with_names["feature"])
    a, b = (pd.DataFrame(v).add_prefix(p) for v, p in zip(views, ("rna", "atac"), strict=True))
    model = CCA(1).fit({"rna": a, "atac": b})
    # In another order, and without names.
    table = feature_correlations(model, Views({"atac": b.to_numpy(), "rna": a.to_numpy()}))
    assert table.groupby("view")["feature"].apply(lambda s: s.str.startswith(s.name).all()).all()


def test_constant_and_sparse(X):
    X[:, 2] = 0.1
    X[:, 0] *= 1e6
    pca = PCA(2).fit(X)
    found = as_dict(feature_correlations(pca, X), 0)
    assert found["x2"] == 0.0
    sparse = as_dict(feature_correlations(pca, sp.csr_matrix(X)), 0)
    assert sparse == pytest.approx(found)


def test_a_constant_component_goes_with_nothing(X):
    pca = PCA(2).fit(X)
    pca.components_[1] = 0.0
    table = feature_correlations(pca, X)
    assert (table.loc[table["component"] == 1, "correlation"] == 0.0).all()
    assert np.isfinite(table["correlation"]).all()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_top": 0}, "`n_top` must be a positive integer or None. Got 0"),
        ({"n_top": 2.5}, "`n_top` must be a positive integer"),
        ({"component": 2}, "`component` holds positions of components, of which there are 2"),
        ({"view": "rna"}, "`view` is one of 'X'"),
    ],
)
def test_errors(X, options, match):
    with pytest.raises(ValueError, match=match):
        feature_correlations(PCA(2).fit(X), X, **options)


def test_too_few_rows_and_no_transform(X, views):
    with pytest.raises(ValueError, match="A correlation needs two samples or more, and 1 of 1"):
        feature_correlations(PCA(2).fit(X), X[:1])
    with pytest.raises(TypeError, match="needs the method `transform`"):
        feature_correlations(LinearRegression().fit(X, X), X)
