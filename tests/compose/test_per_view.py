"""PerView maps a transformer over views, on the rows that are present."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skrep.compose import ConcatViews, PerView
from skrep.exceptions import MissingViewError
from skrep.utils.sklearn_private import InvalidParameterError
from skrep.views import Views

N = 20


@pytest.fixture
def arrays(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(2.0, 3.0, size=(N, 4)), rng.normal(size=(N, 3))


@pytest.fixture
def views(arrays):
    return Views(arrays, names=("rna", "atac"))


@pytest.fixture
def gappy(arrays):
    rna, atac = (array.copy() for array in arrays)
    rna[[1, 5]] = np.nan
    atac[0] = np.nan
    return Views((rna, atac), names=("rna", "atac"))


def test_each_view_gets_its_own_clone(views, arrays):
    scaler = StandardScaler()
    per_view = PerView(scaler)
    out = per_view.fit_transform(views)
    assert out.names == views.names
    for ours, array in zip(out, arrays, strict=True):
        np.testing.assert_allclose(ours, StandardScaler().fit_transform(array))
    assert "mean_" not in vars(scaler)
    assert list(per_view.transformers_) == ["rna", "atac"]
    assert per_view.transformers_["rna"].mean_.shape == (4,)
    assert per_view.view_names_in_ == ("rna", "atac")
    assert per_view.n_features_in_ == 7
    for ours, again in zip(out, per_view.transform(views), strict=True):
        np.testing.assert_array_equal(ours, again)


def test_views_not_listed_pass_through(views):
    for transformer in ({"rna": PCA(2)}, {"rna": PCA(2), "atac": "passthrough"}):
        out = PerView(transformer).fit_transform(views)
        assert out.widths == (2, 3)
        np.testing.assert_array_equal(out["atac"], views["atac"])


def test_absent_rows_are_never_met_and_come_back_nan(gappy, arrays):
    per_view = PerView(PCA(2)).fit(gappy)
    out = per_view.transform(gappy)
    np.testing.assert_array_equal(out.present, gappy.present)
    assert np.isnan(out["rna"][[1, 5]]).all()
    here = gappy.present[:, 0]
    expected = PCA(2).fit(arrays[0][here]).transform(arrays[0][here])
    np.testing.assert_allclose(out["rna"][here], expected)
    np.testing.assert_allclose(per_view.fit_transform(gappy)["rna"][here], expected)


def test_an_imputer_fills_gaps_and_erases_no_absence(gappy):
    rna = gappy["rna"].copy()
    rna[3, 0] = np.nan
    out = PerView(SimpleImputer()).fit_transform({"rna": rna, "atac": gappy["atac"]})
    assert np.isfinite(out["rna"][3]).all()
    np.testing.assert_array_equal(out.present, gappy.present)


def test_integers_become_floats_only_where_a_row_is_absent():
    counts = np.arange(8).reshape(4, 2)
    mask = np.array([[True, True], [True, False], [True, True], [True, True]])
    out = PerView(FunctionTransformer()).fit_transform(Views((counts, counts), present=mask))
    assert out[0].dtype == counts.dtype
    assert out[1].dtype == np.float64
    assert np.isnan(out[1][1]).all()
    half = PerView(FunctionTransformer()).fit_transform(
        Views((counts, counts.astype(np.float32)), present=mask)
    )
    assert half[1].dtype == np.float32


def test_csr_stays_csr_and_keeps_its_mask():
    counts = sparse.random(6, 5, density=0.5, format="csr", random_state=0)
    mask = np.ones((6, 2), dtype=bool)
    mask[[0, 3], 0] = False
    views = Views((counts, np.ones((6, 1))), present=mask)
    out = PerView(StandardScaler(with_mean=False)).fit_transform(views)
    assert out[0].format == "csr"
    np.testing.assert_array_equal(out.present, mask)
    assert out[0][[0, 3]].nnz == 0
    here = mask[:, 0]
    expected = StandardScaler(with_mean=False).fit_transform(counts[here])
    np.testing.assert_allclose(out[0].toarray()[here], expected.toarray())


def test_y_reaches_the_transformers_row_by_row(gappy, arrays, seed):
    y = np.arange(N) % 2
    rna = gappy["rna"].copy()
    rna[:, 2] += 100 * y  # only column 2 tells the classes apart
    per_view = PerView({"rna": SelectKBest(k=1)})
    per_view.fit({"rna": rna, "atac": arrays[1]}, y)
    assert per_view.transformers_["rna"].get_support().tolist() == [False, False, True, False]
    out = clone(per_view).fit_transform({"rna": rna, "atac": arrays[1]}, pd.Series(y))
    np.testing.assert_array_equal(out["rna"][:, 0], rna[:, 2])


def test_fit_transform_is_the_transformers_own(gappy):
    class Marked(FunctionTransformer):
        def fit_transform(self, X, y=None):
            self.fit(X, y)
            return np.full(X.shape, 7.0)

    out = PerView({"rna": Marked()}).fit_transform(gappy)
    assert (out["rna"][gappy.present[:, 0]] == 7.0).all()
    np.testing.assert_array_equal(
        PerView({"rna": Marked()}).fit(gappy).transform(gappy)[0], gappy[0]
    )


def test_raw_strings_reach_a_vectorizer(arrays):
    documents = np.array(["red fish", "blue fish", None, "red"] * 5, dtype=object)
    views = Views({"image": arrays[0], "text": documents})
    per_view = PerView({"text": TfidfVectorizer()})
    out = per_view.fit_transform(views)
    assert out["text"].shape == (N, 3)
    assert out.present[:4, 1].tolist() == [True, True, False, True]
    here = views.present[:, 1]
    expected = TfidfVectorizer().fit_transform(documents[here]).toarray()
    np.testing.assert_allclose(out["text"].toarray()[here], expected)
    assert per_view.get_feature_names_out()[-3:].tolist() == [
        "text__blue",
        "text__fish",
        "text__red",
    ]
    # Counts do not lead back to documents, which the vectorizer's own list is no way around.
    with pytest.raises(ValueError, match="TfidfVectorizer gave a list for view 'text'"):
        per_view.inverse_transform(out)


def test_order_of_named_views_does_not_matter(views):
    per_view = PerView(StandardScaler()).fit(views)
    swapped = per_view.transform(views[["atac", "rna"]])
    assert swapped.names == ("rna", "atac")
    np.testing.assert_array_equal(swapped["rna"], per_view.transform(views)["rna"])
    # A tuple has no names of its own, so it is read by position.
    assert per_view.transform(tuple(views)).names == ("rna", "atac")


def test_a_view_that_is_wholly_absent_keeps_its_width(views, arrays):
    per_view = PerView({"rna": PCA(2)}).fit(views)
    out = per_view.transform({"rna": None, "atac": arrays[1]})
    assert out["rna"].shape == (N, 2)
    assert not out.present[:, 0].any()
    back = per_view.inverse_transform(out)
    assert back["rna"].shape == (N, 4)
    assert not back.present[:, 0].any()


def test_inverse_transform(gappy, arrays):
    per_view = PerView({"rna": StandardScaler()})
    out = per_view.fit_transform(gappy)
    back = per_view.inverse_transform(out)
    np.testing.assert_allclose(back["rna"], gappy["rna"])
    np.testing.assert_array_equal(back["atac"], gappy["atac"])
    np.testing.assert_array_equal(back.present, gappy.present)


def test_inverse_transform_takes_the_one_matrix(views, arrays):
    pipe = make_pipeline(PerView({"rna": PCA(2), "atac": StandardScaler()}), PCA())
    back = pipe.inverse_transform(pipe.fit_transform(views))
    np.testing.assert_allclose(back["atac"], arrays[1])
    assert back.widths == (4, 3)
    with pytest.raises(ValueError, match="X has 6 features, but the views"):
        pipe[0].inverse_transform(np.ones((2, 6)))


def test_inverse_transform_is_there_only_if_all_have_it(views):
    assert hasattr(PerView(StandardScaler()), "inverse_transform")
    assert not hasattr(PerView(KMeans(2)), "inverse_transform")
    assert not hasattr(PerView({"rna": StandardScaler(), "atac": KMeans(2)}), "inverse_transform")
    assert hasattr(PerView({"rna": StandardScaler(), "atac": "passthrough"}), "inverse_transform")
    with pytest.raises(ValueError, match=r"fitted on the views \['rna', 'atac'\] and got"):
        PerView(PCA()).fit(views).inverse_transform({"a": np.ones((2, 4)), "b": np.ones((2, 3))})


# Parameters


def test_parameters_nest_by_view_name():
    per_view = PerView({"rna": StandardScaler(), "atac": "passthrough"})
    params = per_view.get_params()
    assert params["rna"] is per_view.transformer["rna"]
    assert params["rna__with_mean"] is True
    assert params["atac"] == "passthrough"
    assert list(per_view.get_params(deep=False)) == ["transformer"]
    assert per_view.set_params(rna__with_mean=False) is per_view
    assert per_view.transformer["rna"].with_mean is False
    pipe = Pipeline([("perview", per_view)]).set_params(perview__rna__with_mean=True)
    assert pipe.get_params()["perview__rna__with_mean"] is True


def test_setting_a_view_leaves_the_given_dict_alone():
    given = {"rna": StandardScaler(), "atac": PCA(1)}
    per_view = PerView(given).set_params(rna=PCA(1), rna__n_components=2)
    assert isinstance(given["rna"], StandardScaler)
    assert per_view.transformer["rna"].n_components == 2


def test_parameters_of_a_single_transformer():
    per_view = PerView(StandardScaler())
    assert per_view.get_params()["transformer__with_mean"] is True
    assert per_view.set_params(transformer__with_mean=False).transformer.with_mean is False
    per_view.set_params(transformer={"rna": PCA()}, rna__n_components=3)
    assert per_view.get_params()["rna__n_components"] == 3


@pytest.mark.parametrize("name", ["sound", "sound__x", "atac__x", "rna__sound"])
def test_unknown_parameters(name):
    per_view = PerView({"rna": StandardScaler(), "atac": "passthrough"})
    with pytest.raises(ValueError, match="Invalid parameter"):
        per_view.set_params(**{name: 1})


def test_clones_are_independent_and_unfitted(views):
    per_view = PerView({"rna": PCA(2)}).fit(views)
    copy = clone(per_view).set_params(rna__n_components=1)
    assert per_view.transformer["rna"].n_components == 2
    assert copy.transformer["rna"] is not per_view.transformer["rna"]
    assert not hasattr(copy, "transformers_")
    back = pickle.loads(pickle.dumps(per_view))
    np.testing.assert_array_equal(back.transform(views)["rna"], per_view.transform(views)["rna"])


# Frames


@pytest.fixture
def framed(arrays):
    index = pd.Index([f"p{i}" for i in range(N)], name="patient")
    return Views(
        {
            "rna": pd.DataFrame(arrays[0], columns=list("abcd"), index=index),
            "atac": pd.DataFrame(arrays[1], columns=list("abc"), index=index),
        }
    )


def test_the_index_survives_transformers_that_return_arrays(framed):
    out = PerView(PCA(2)).fit_transform(framed)
    assert isinstance(out["rna"], np.ndarray)
    assert out.index.equals(framed.index)


def test_pandas_output(framed):
    mask = np.ones((N, 2), dtype=bool)
    mask[4, 0] = False
    framed = Views(framed, present=mask)
    per_view = PerView({"rna": PCA(2)}).set_output(transform="pandas")
    for out in (per_view.fit_transform(framed), per_view.transform(framed)):
        assert out["rna"].columns.tolist() == ["pca0", "pca1"]
        assert out["rna"].isna().sum().tolist() == [1, 1]
        assert out["atac"].columns.tolist() == ["a", "b", "c"]
        assert out.index.equals(framed.index)
        np.testing.assert_array_equal(out.present, mask)
    names = ["rna__pca0", "rna__pca1", "atac__a", "atac__b", "atac__c"]
    assert per_view.get_feature_names_out().tolist() == names == out.column_names()
    per_view = PerView(StandardScaler()).set_output(transform="pandas")
    back = per_view.inverse_transform(per_view.fit_transform(framed))
    pd.testing.assert_frame_equal(back.to_frame(), framed.to_frame())


@pytest.mark.parametrize("names", [("rna", "atac"), None])
def test_the_global_setting_does_not_flatten_views(arrays, names):
    with sklearn.config_context(transform_output="pandas"):
        out = make_pipeline(PerView(PCA(2)), PerView(StandardScaler())).fit_transform(
            Views(arrays, names)
        )
    assert isinstance(out, Views)
    assert out[0].columns.tolist() == ["pca0", "pca1"]


def test_a_transformer_may_return_frames_by_itself(framed):
    scaler = StandardScaler().set_output(transform="pandas")
    rna = framed["rna"].copy()
    rna.iloc[2] = np.nan
    out = PerView(scaler).fit_transform({"rna": rna, "atac": framed["atac"]})
    assert out["rna"].columns.tolist() == list("abcd")
    assert out["rna"].index.equals(framed.index)
    assert out["rna"].iloc[2].isna().all()


def test_feature_names_need_those_of_the_transformers(views):
    class Bare(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.fitted_ = True
            return self

        def transform(self, X):
            return X

    per_view = PerView(Bare()).fit(views)
    with pytest.raises(
        AttributeError, match="view 'rna', Bare, does not provide get_feature_names_out"
    ):
        per_view.get_feature_names_out()
    with pytest.raises(ValueError, match="input_features should have length equal to"):
        PerView(PCA()).fit(views).get_feature_names_out(["a"])


def test_sparse_output_of_encoders(views):
    words = np.array([["a"], ["b"]] * (N // 2), dtype=object)
    pipe = make_pipeline(PerView({"word": OneHotEncoder()}), ConcatViews())
    out = pipe.fit_transform({"rna": views["rna"], "word": words})
    assert out.shape == (N, 6)
    assert pipe.get_feature_names_out()[-2:].tolist() == ["word__x0_a", "word__x0_b"]


# Refusals


def test_refusals_at_fit(views, arrays):
    with pytest.raises(InvalidParameterError, match="'transformer' parameter of PerView must be"):
        PerView(3).fit(views)
    with pytest.raises(
        ValueError, match=r"lists the views \['sound'\], but X has \['rna', 'atac'\]"
    ):
        PerView({"sound": PCA()}).fit(views)
    with pytest.raises(TypeError, match=r"`transformer\['rna'\]` must be an estimator.*Got 'drop'"):
        PerView({"rna": "drop"}).fit(views)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        PerView(PCA()).fit(views, np.ones(3))
    with pytest.raises(
        MissingViewError, match=r"PCA cannot be fitted on view 'rna'.*all 20 samples"
    ):
        PerView(PCA()).fit({"rna": None, "atac": arrays[1]})
    with pytest.raises(ValueError, match="A view named 'a__b' cannot have parameters"):
        PerView({"a__b": PCA()}).fit({"a__b": arrays[0]})
    with pytest.raises(ValueError, match=r"FunctionTransformer gave an array of shape \(20,\)"):
        PerView(FunctionTransformer(np.ravel)).fit_transform({"one": arrays[0][:, :1]})


def test_refusals_at_transform(views, framed, arrays):
    with pytest.raises(sklearn.exceptions.NotFittedError):
        PerView(PCA()).transform(views)
    fitted = PerView(PCA()).fit(views)
    with pytest.raises(
        ValueError, match=r"fitted on the views \['rna', 'atac'\] and got \['rna'\]"
    ):
        fitted.transform(views[["rna"]])
    with pytest.raises(
        ValueError, match=r"X has 3 features, but PerView is expecting 4.*view 'rna'"
    ):
        fitted.transform((arrays[0][:, :3], arrays[1]))
    fitted = PerView(PCA()).fit(framed)
    renamed = dict(zip(framed.names, framed, strict=True))
    renamed["rna"] = renamed["rna"].rename(columns={"a": "z"})
    with pytest.raises(
        ValueError, match=r"feature names should match.*view 'rna'.*\['z'\] were not"
    ):
        fitted.transform(renamed)
    renamed["rna"] = framed["rna"][list("bacd")]
    with pytest.raises(ValueError, match=r"view 'rna' do not: they are in another order"):
        fitted.transform(renamed)


def test_nothing_given_is_changed(arrays):
    before = [array.copy() for array in arrays]
    PerView(StandardScaler()).fit_transform(arrays)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)
