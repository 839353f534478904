"""Several views: the same answer from every container, and stock model selection."""

import numpy as np
import pandas as pd
import pytest
from registry import CASES, width_of_code
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import get_tags

from skrep import MissingViewError, PerView, Views

ROWS = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def fitted_and_views(case, seed):
    views = case.views(seed)
    return case.make().fit(views), views


@ROWS
def test_every_container_gives_the_same_codes(case, seed):
    fitted, views = fitted_and_views(case, seed)
    codes = fitted.transform(views)
    same = {
        "tuple": tuple(views.arrays),
        "dict": dict(zip(views.names, views.arrays, strict=True)),
        "frame": views.to_frame(),
        "sparse": Views(tuple(sparse.csr_array(a) for a in views.arrays), views.names),
        "reordered": views[list(views.names[::-1])],
    }
    for name, X in same.items():
        np.testing.assert_allclose(
            fitted.transform(X), codes, rtol=1e-4, atol=1e-5, err_msg=f"as {name}"
        )


@ROWS
def test_fit_takes_every_container(case, seed):
    views = case.views(seed)
    codes = case.make().fit(views).transform(views)
    for X in (tuple(views.arrays), dict(zip(views.names, views.arrays, strict=True))):
        np.testing.assert_allclose(case.make().fit(X).transform(X), codes, rtol=1e-4, atol=1e-5)


@ROWS
def test_views_come_back(case, seed):
    fitted, views = fitted_and_views(case, seed)
    if not get_tags(fitted).reconstruction:
        pytest.skip(f"{case.name} does not reconstruct")
    back = fitted.inverse_transform(fitted.transform(views))
    assert isinstance(back, Views)
    assert back.names == views.names
    assert back.widths == views.widths
    np.testing.assert_allclose(
        np.asarray(fitted.reconstruct(views)), np.asarray(back), rtol=1e-4, atol=1e-4
    )


@ROWS
def test_two_level_frames_keep_index_and_columns(case, seed):
    views = case.views(seed)
    frame = views.to_frame()
    frame.index = [f"sample{i}" for i in range(len(frame))]
    fitted = case.make().set_output(transform="pandas").fit(frame)
    codes = fitted.transform(frame)
    assert list(codes.index) == list(frame.index)
    assert list(codes.columns) == list(fitted.get_feature_names_out())
    back = fitted.inverse_transform(codes)
    assert isinstance(back, pd.DataFrame)
    assert list(back.index) == list(frame.index)
    assert [tuple(map(str, c)) for c in back.columns] == [tuple(map(str, c)) for c in frame.columns]


@ROWS
def test_wrong_width_names_the_view(case, seed):
    fitted, views = fitted_and_views(case, seed)
    first, second = views.arrays
    with pytest.raises(ValueError, match=rf"expecting .* \(view '{views.names[1]}'\)"):
        fitted.transform(Views((first, second[:, :-1]), views.names))


@ROWS
def test_absent_views_are_refused_by_name(case, seed):
    if get_tags(case.make()).absent_views:
        pytest.skip(f"{case.name} takes incomplete samples")
    views = case.views(seed)
    with pytest.raises(MissingViewError, match=rf"'{views.names[1]}' is absent for 7 of 120"):
        case.make().fit(with_holes(views))


def with_holes(views):
    """Return the views, the second one absent in the first seven rows."""
    holes = np.array(views.arrays[1], dtype=float)
    holes[:7] = np.nan
    return Views((views.arrays[0], holes), views.names)


@ROWS
def test_incomplete_samples_are_fitted_and_coded(case, seed):
    tags = get_tags(case.make())
    if not tags.absent_views:
        pytest.skip(f"{case.name} needs every view of every sample")
    views = with_holes(case.views(seed))
    fitted = case.make().fit(views)
    each = fitted.transform_each(views)
    assert each.names == views.names
    assert np.isnan(each.arrays[1][:7]).all()
    assert np.isfinite(each.arrays[1][7:]).all()
    alone = fitted.transform((views.arrays[0], None))
    first = alone.arrays[0] if tags.coordinated else alone
    np.testing.assert_allclose(first, each.arrays[0], rtol=1e-3, atol=1e-4)
    assert np.isfinite(first).all()


@ROWS
def test_imputation_fills_what_is_absent_and_nothing_else(case, seed):
    if not get_tags(case.make()).imputation:
        pytest.skip(f"{case.name} does not impute")
    views = case.views(seed)
    fitted = case.make().fit(views)
    holes = with_holes(views)
    filled = fitted.impute(holes)
    assert isinstance(filled, Views)
    assert np.isfinite(np.asarray(filled)).all()
    np.testing.assert_array_equal(filled.arrays[0], views.arrays[0])
    np.testing.assert_array_equal(filled.arrays[1][7:], views.arrays[1][7:])
    as_tuple = fitted.impute(tuple(holes.arrays))
    assert isinstance(as_tuple, tuple)
    np.testing.assert_allclose(as_tuple[1], filled.arrays[1], rtol=1e-4, atol=1e-5)
    frame = fitted.impute(holes.to_frame())
    assert list(frame.columns) == list(holes.to_frame().columns)
    with pytest.raises(ValueError, match="one array"):
        fitted.impute(views.arrays[0])


@ROWS
def test_draws_given_the_rest_keep_what_is_there(case, seed):
    if not get_tags(case.make()).conditional:
        pytest.skip(f"{case.name} draws no views given others")
    views = case.views(seed)
    fitted = case.make().fit(views)
    holes = with_holes(views)
    first, again = (fitted.sample_given(holes, 2, random_state=3) for _ in range(2))
    assert len(first) == 2
    for draw, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(np.asarray(draw), np.asarray(same))
        np.testing.assert_array_equal(draw.arrays[1][7:], views.arrays[1][7:])


@ROWS
def test_a_tuple_split_by_view_is_loud(case, seed):
    views = case.views(seed)
    arrays = tuple(views.arrays)
    left = train_test_split(arrays, random_state=0)[0]
    with pytest.raises(ValueError, match="split by view"):
        case.make().fit(left)
    search = GridSearchCV(case.make(), {"n_components": [2]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="split by view"):
        search.fit(arrays)


@ROWS
def test_three_views_split_by_view_are_loud_too(case, seed):
    views = case.views(seed).arrays
    arrays = (*views, views[0])
    search = GridSearchCV(case.make(), {"n_components": [2]}, cv=3, error_score="raise")
    with pytest.raises(ValueError, match="split by view"):
        search.fit(arrays)


@ROWS
def test_stock_search_without_labels(case, seed):
    views = case.views(seed)
    search = GridSearchCV(case.make(), {"n_components": [1, 3]}, cv=2, error_score="raise")
    search.fit(views)
    assert search.best_params_["n_components"] in (1, 3)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@ROWS
def test_stock_search_in_a_pipeline_with_labels(case, seed):
    views = case.views(seed)
    y = np.arange(len(views)) % 2
    pipeline = Pipeline([("code", case.make()), ("classify", LogisticRegression())])
    search = GridSearchCV(pipeline, {"code__n_components": [2, 3]}, cv=2, error_score="raise")
    assert search.fit(views, y).predict(views).shape == y.shape


@ROWS
def test_per_view_scaler_before_the_model(case, seed):
    from sklearn.preprocessing import MinMaxScaler

    views = case.views(seed)
    pipeline = make_pipeline(PerView(MinMaxScaler()), case.make()).fit(views)
    assert pipeline.transform(views).shape == (len(views), width_of_code(pipeline[-1]))
