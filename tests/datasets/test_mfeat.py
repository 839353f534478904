import numpy as np
import pandas as pd
import pytest

from skrep.datasets import load_mfeat
from skrep.views import Views


@pytest.fixture(scope="module")
def digits():
    return load_mfeat()


def test_views_have_the_documented_names_and_widths(digits):
    assert digits.data.names == ("fou", "fac", "kar", "pix", "zer", "mor") == digits.view_names
    assert digits.data.widths == (76, 216, 64, 240, 47, 6)
    assert digits.data.shape == (2000, 649)
    assert digits.data.dtype == np.float32
    assert np.isfinite(np.asarray(digits.data)).all()
    assert digits.frame is None


def test_rows_are_sorted_by_class_as_documented(digits):
    np.testing.assert_array_equal(digits.target, np.repeat(np.arange(10), 200))
    assert digits.target_names == list("0123456789")
    assert "sorted by class" in load_mfeat.__doc__


def test_pixels_are_the_counts_the_description_says(digits):
    pixels = digits.data["pix"]
    assert set(np.unique(pixels)) == set(range(7))
    # A zero has an empty middle and dark sides: the image is 16 rows of 15, not 15 rows of 16.
    zero = pixels[:200].mean(axis=0).reshape(16, 15)
    assert zero[6:10, 6:9].mean() < 1.0 < zero[6:10, 1:4].mean()


def test_source_and_licence_travel_with_the_data(digits):
    for part in ("CC BY 4.0", "10.24432/C5HC70", "van Breukelen"):
        assert part in digits.DESCR


def test_data_and_target_alone(digits):
    X, y = load_mfeat(return_X_y=True)
    assert isinstance(X, Views)
    np.testing.assert_array_equal(np.asarray(X), np.asarray(digits.data))
    np.testing.assert_array_equal(y, digits.target)


def test_as_frame_gives_two_column_levels_and_comes_back_as_views(digits):
    framed = load_mfeat(as_frame=True)
    assert framed.data.columns.nlevels == 2
    assert framed.frame.shape == (2000, 650)
    assert isinstance(framed.target, pd.Series)
    pd.testing.assert_series_equal(
        framed.frame["target", "digit"], framed.target, check_names=False
    )
    back = Views.from_frame(framed.data)
    assert back.names == digits.data.names
    np.testing.assert_array_equal(np.asarray(back), np.asarray(digits.data))
    X, y = load_mfeat(return_X_y=True, as_frame=True)
    assert isinstance(X, pd.DataFrame)
    assert isinstance(y, pd.Series)
