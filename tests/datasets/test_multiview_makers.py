import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import ndimage
from sklearn.model_selection import train_test_split

from skrep.datasets import (
    _image_views,
    drop_views,
    load_mfeat,
    make_halves,
    make_multiview,
    make_noisy_views,
    with_labels,
)
from skrep.views import Views


@pytest.fixture
def images(seed):
    return np.random.default_rng(seed).random((30, 48)).astype(np.float32)


def test_halves_are_the_columns_of_the_images(images):
    square = np.arange(5 * 36).reshape(5, 6, 6)
    for given in (square, square.reshape(5, 36)):
        left, right = make_halves(given)
        np.testing.assert_array_equal(left, square[:, :, :3].reshape(5, -1))
        np.testing.assert_array_equal(right, square[:, :, 3:].reshape(5, -1))
        assert left.dtype == square.dtype


def test_halves_of_other_shapes(images):
    odd = make_halves(images[:, :45], image_shape=(5, 9))
    np.testing.assert_array_equal(odd["right"].reshape(-1, 5, 5)[:, :, 0], images[:, 4:45:9])
    assert odd.widths == (20, 25)
    folded = images.reshape(-1, 3, 2, 8)
    for left, right in (make_halves(images, image_shape=[3, 2, 8]), make_halves(folded)):
        np.testing.assert_array_equal(left.reshape(-1, 3, 2, 4), folded[..., :4])
        np.testing.assert_array_equal(right.reshape(-1, 3, 2, 4), folded[..., 4:])


def test_halves_keep_tables_and_sparsity(images):
    expected = make_halves(images[:, :36])
    sparse = make_halves(sp.coo_matrix(images[:, :36]))
    np.testing.assert_array_equal(sparse["right"].toarray(), expected["right"])
    frame = pd.DataFrame(images[:, :36], index=[f"row {i}" for i in range(30)])
    halves = make_halves(frame)
    assert list(halves.index) == list(frame.index)
    assert list(halves["left"].columns[:4]) == [0, 1, 2, 6]


def test_noisy_views_rotate_like_scipy_and_take_other_images_of_the_class(seed):
    rng = np.random.default_rng(seed)
    images = rng.random((12, 2, 9, 6))
    y = np.array(["a", "b", "c"])[np.arange(12) % 3]
    X, truth = make_noisy_views(
        images, y, max_angle=np.pi, noise=0.0, random_state=seed, return_truth=True
    )
    centre = np.array([4.0, 2.5])
    for image, angle, found in zip(images, truth.angles, X["rotated"], strict=True):
        cosine, sine = np.cos(angle), np.sin(angle)
        # Rows point down: counter-clockwise on the screen, seen from the target.
        back = np.array([[cosine, sine], [-sine, cosine]])
        for channel, values in zip(image, found.reshape(2, 9, 6), strict=True):
            expected = ndimage.affine_transform(
                channel, back, centre - back @ centre, order=1, mode="grid-constant"
            )
            np.testing.assert_allclose(values, expected, atol=3e-6)
    flat = images.reshape(12, -1).astype(np.float32)
    np.testing.assert_array_equal(X["noisy"], flat[truth.partners])
    np.testing.assert_array_equal(y[truth.partners], y)
    assert np.all(truth.partners != np.arange(12))


def test_quarter_turn_is_counter_clockwise():
    image = np.array([[0.0, 0.25], [0.5, 0.75]], dtype=np.float32).reshape(1, 4)
    turned = _image_views._rotate(image, np.array([np.pi / 2]), (1, 2, 2))
    expected = np.rot90(image.reshape(2, 2))
    np.testing.assert_allclose(turned.reshape(2, 2), expected, atol=1e-6)


def test_noise_and_partners_have_the_stated_distribution(seed):
    n = 3000
    y = np.zeros(n, dtype=int)
    y[:3] = 1
    images = np.full((n, 16), 0.25)
    X, truth = make_noisy_views(images, y, noise=0.5, random_state=seed, return_truth=True)
    np.testing.assert_allclose(X["rotated"].max(), 0.25, rtol=1e-6)
    noise = X["noisy"] - 0.25
    assert noise.min() >= 0.0
    assert noise.max() <= 0.5 + 1e-6
    # Uniform on [0, 0.5]: deviation 0.5 / sqrt(12); 5 standard errors, false alarm 6e-7.
    assert abs(noise.mean() - 0.25) < 5 * 0.5 / np.sqrt(12 * noise.size)
    assert abs(truth.angles.mean()) < 5 * np.pi / 2 / np.sqrt(12 * n)
    assert np.abs(truth.angles).max() <= np.pi / 4
    assert set(truth.partners[:3]) <= {0, 1, 2}
    # Partner minus own place is uniform over the other places: 5 standard errors of a half.
    after = (truth.partners[3:] - np.arange(3, n)) % (n - 3)
    assert abs((after < (n - 3) / 2).mean() - 0.5) < 5 * np.sqrt(0.25 / n)
    clipped = make_noisy_views(images, y, noise=2.0, random_state=seed)["noisy"]
    assert clipped.max() == 1.0


def test_noisy_views_repeat_and_leave_inputs_and_blocks_alone(images, seed, monkeypatch):
    y = np.arange(30) % 4
    before, state = images.copy(), np.random.get_state()[1].copy()  # noqa: NPY002 - the caller's
    ask = {"image_shape": (6, 8), "random_state": seed}
    first = make_noisy_views(images, y, **ask)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    other = make_noisy_views(images, y, image_shape=(6, 8), random_state=seed + 1)
    assert not np.array_equal(first["rotated"], other["rotated"])
    monkeypatch.setattr(_image_views, "_BLOCK_PIXELS", 7 * 48)
    np.testing.assert_array_equal(make_noisy_views(images, y, **ask), first)
    np.testing.assert_array_equal(make_noisy_views(sp.csr_matrix(images), y, **ask), first)
    upright = make_noisy_views(images, y, max_angle=0, **ask)
    np.testing.assert_allclose(upright["rotated"], images, atol=1e-6)


def test_image_messages(images):
    y = np.arange(30) % 2
    squares = images[:, :36]
    with pytest.raises(ValueError, match=r"levels in \[0, 1\].*from 0 to 255 of dtype uint8. Div"):
        make_noisy_views(np.tile(np.uint8([0, 255, 7, 7]), (30, 1)), y)
    with pytest.raises(ValueError, match=r"Got values from -1 to -1 .*Rescale them"):
        make_noisy_views(-np.ones((30, 36)), y)
    with pytest.raises(ValueError, match=r"Got values from nan to nan"):
        make_noisy_views(np.full((30, 36), np.nan), y)
    with pytest.raises(ValueError, match="Class 7 has one image only"):
        make_noisy_views(squares, np.r_[y[:-1], 7])
    with pytest.raises(ValueError, match=r"one label per image, shape \(30,\). Got shape \(29,\)"):
        make_noisy_views(squares, y[:29])
    with pytest.raises(ValueError, match=r"`max_angle` must be a number, in radians.*Got 45"):
        make_noisy_views(squares, y, max_angle=45)
    with pytest.raises(ValueError, match=r"`noise` must be a number, finite, 0 or more. Got -0.1"):
        make_noisy_views(squares, y, noise=-0.1)
    with pytest.raises(ValueError, match=r"Rows of 48 pixels make no square image. Pass `image_sh"):
        make_halves(images)
    with pytest.raises(ValueError, match=r"makes 49 pixels, and the rows of `images` have 48"):
        make_halves(images, image_shape=(7, 7))
    with pytest.raises(ValueError, match=r"does not describe `images` of shape \(30, 6, 6\)"):
        make_halves(squares.reshape(-1, 6, 6), image_shape=(4, 9))
    with pytest.raises(ValueError, match=r"Got shape \(48,\)"):
        make_halves(images[0])
    for wrong in (36, (6.0, 6.0), (36,), (0, 36), (1, 1, 6, 6)):
        with pytest.raises(ValueError, match=r"`image_shape` must be .height, width. or"):
            make_halves(squares, image_shape=wrong)
    with pytest.raises(ValueError, match="An image of one column has no halves"):
        make_halves(images, image_shape=(48, 1))


@pytest.mark.parametrize("rate", [0.0, 0.29, 0.5, 2 / 3])
def test_dropped_share_is_exact_and_nobody_loses_everything(rate, seed):
    X = make_multiview(100, (2, 3, 4), random_state=seed)
    dropped = drop_views(X, rate, random_state=seed)
    assert (~dropped.present).sum(axis=0).tolist() == [int(rate * 100 + 1e-9)] * 3
    assert dropped.present.any(axis=1).all()
    assert dropped.names == X.names
    for new, old, present in zip(dropped, X, dropped.present.T, strict=True):
        np.testing.assert_array_equal(new[present], old[present])
        assert np.isnan(new[~present]).all()
    assert X.is_complete


def test_rates_by_name_repeat_with_a_seed(seed):
    X = make_multiview(80, (2, 3, 4), random_state=seed)
    ask = {"view0": 0.25, "view2": 1.0}
    first = drop_views(X, ask, random_state=seed)
    assert first.present.mean(axis=0).tolist() == [0.75, 1.0, 0.0]
    again, other = drop_views(X, ask, random_state=seed), drop_views(X, ask, random_state=seed + 1)
    np.testing.assert_array_equal(first.present, again.present)
    assert not np.array_equal(first.present, other.present)
    at_the_edge = drop_views(X, {"view0": 1.0, "view1": 0.5, "view2": 0.5}, random_state=seed)
    assert at_the_edge.present.sum(axis=1).tolist() == [1] * 80


def test_a_view_below_one_keeps_a_sample(seed):
    X = make_multiview(5, (2, 3), random_state=seed)
    assert drop_views(X, {"view0": 0.999}, random_state=seed).present[:, 0].sum() == 1


def test_every_pattern_is_as_likely_for_every_sample(seed):
    X = Views((np.ones((4, 1)), np.ones((4, 1))))
    n_draws = 1500
    present = np.array(
        [drop_views(X, 0.5, random_state=seed + draw).present for draw in range(n_draws)]
    )
    # At the edge each sample keeps one of its two views, a fair coin; 5 standard errors, 6e-7
    # for each of 4.
    share = present[:, :, 0].mean(axis=0)
    assert np.all(np.abs(share - 0.5) < 5 * np.sqrt(0.25 / n_draws))


def test_values_of_absent_rows_are_gone_whatever_the_kind(seed):
    n = 20
    frame = pd.DataFrame({"a": np.arange(n), "b": np.ones(n)}, index=range(100, 100 + n))
    X = Views(
        {
            "frame": frame,
            "csr": sp.csr_matrix(np.ones((n, 3))),
            "whole": np.ones((n, 2), dtype=np.int64),
            "text": [f"word {i}" for i in range(n)],
            "float32": np.ones((n, 2), dtype=np.float32),
        }
    )
    dropped = drop_views(X, 0.4, random_state=seed)
    assert (~dropped.present).sum(axis=0).tolist() == [8] * 5
    assert list(dropped.index) == list(frame.index)
    gone = dict(zip(X.names, ~dropped.present.T, strict=True))
    assert dropped["frame"][gone["frame"]].isna().to_numpy().all()
    assert dropped["csr"][np.flatnonzero(gone["csr"])].nnz == 0
    assert dropped["csr"].nnz == 12 * 3
    assert dropped["whole"].sum(axis=1).tolist() == (2 * ~gone["whole"]).tolist()
    assert [word is None for word in dropped["text"]] == gone["text"].tolist()
    assert dropped["float32"].dtype == np.float32
    assert X["csr"].nnz == 60
    test = train_test_split(dropped, random_state=seed)[1]
    assert test.present.any(axis=1).all()


def test_what_was_absent_stays_absent(seed):
    X = make_multiview(60, (2, 3, 4), random_state=seed)
    once = drop_views(X, 0.5, random_state=seed)
    twice = drop_views(once, 0.3, random_state=seed)
    assert not (twice.present & ~once.present).any()
    assert twice.present.any(axis=1).all()
    assert (once.present & ~twice.present).sum(axis=0).tolist() == [9] * 3


def test_chains_of_exchanges_find_the_only_solution(seed):
    # Sample i has views i and i + 1, so that only views 0 or 1 are there for sample 0, and so on.
    n_views = 6
    masks = np.eye(n_views, dtype=bool) | np.eye(n_views, k=1, dtype=bool)
    X = Views((np.ones((n_views, 1)),) * n_views, present=masks)
    # View 0 is gone, and of the others one each is left: sample i must keep view i + 1, the last
    # cannot, unless it keeps view 5.
    rates = {"view0": 1.0, **{f"view{i}": 0.5 for i in range(1, n_views - 1)}}
    dropped = drop_views(X, rates, random_state=seed)
    expected = np.eye(n_views, k=1, dtype=bool)
    expected[-1, -1] = True
    np.testing.assert_array_equal(dropped.present, expected)


def test_drop_messages(seed):
    X = make_multiview(12, (2, 3), random_state=seed)
    with pytest.raises(ValueError, match=r"`rate=0.6` would leave samples without any view: .*1/2"):
        drop_views(X, 0.6)
    for wrong in (-0.1, 1.5, np.nan, {"view0": 2.0}):
        with pytest.raises(ValueError, match=r"`rate` must lie in \[0, 1\]"):
            drop_views(X, wrong)
    with pytest.raises(ValueError, match="`rate` names the view 'text'; X has 'view0', 'view1'"):
        drop_views(X, {"text": 0.1})
    with pytest.raises(TypeError, match="must be `Views`"):
        drop_views(X["view0"], 0.1)
    half = np.where(np.arange(12)[:, np.newaxis] < 6, np.nan, 1.0)
    # Samples 0 to 5 have the second view only, and all of it is to go.
    with pytest.raises(ValueError, match=r"Sample [0-9]+ would lose every view, whichever are dr"):
        drop_views(Views((half, np.ones((12, 1)), half)), {"view1": 1.0}, random_state=seed)


def test_labels_become_a_one_hot_view(seed):
    X, y = load_mfeat(return_X_y=True)
    labelled = with_labels(X, y)
    assert labelled.names == (*X.names, "label")
    np.testing.assert_array_equal(labelled["label"], np.eye(10)[y])
    assert labelled.dtype == np.float32
    some = with_labels(X, y, 0.05, random_state=seed)
    np.testing.assert_array_equal(np.nansum(some["label"], axis=0), [10] * 10)
    known = some.present[:, -1]
    np.testing.assert_array_equal(some["label"][known].argmax(axis=1), y[known])
    assert np.isnan(some["label"][~known]).all()
    other = with_labels(X, y, 0.05, random_state=seed + 1)
    assert not np.array_equal(other.present, some.present)


def test_known_labels_are_stratified_to_the_asked_number(seed):
    y = np.repeat(["a", "b", "c"], [61, 33, 2])
    for rate, expected in ((0.25, [15, 8, 1]), (0.5, [31, 16, 1]), (0.01, [1, 1, 1])):
        counts = with_labels(np.ones((96, 2)), y, rate, random_state=seed)["label"]
        found = np.nansum(counts, axis=0)
        assert found.sum() == max(round(rate * 96), 3)
        np.testing.assert_allclose(found, expected, atol=1)


def test_unknown_labels_are_absent_and_one_matrix_is_one_view(seed):
    X = sp.csr_matrix(np.ones((6, 4)))
    views = with_labels(X, [0, 2, -1, 0, 2, -1], name="class")
    assert views.names == ("view0", "class")
    assert views.present[:, 1].tolist() == [True, True, False] * 2
    assert views["class"].shape == (6, 2)
    words = with_labels(X, np.array(["x", None, "y", "x", np.nan, "-1"], dtype=object))
    assert words.present[:, 1].tolist() == [True, False, True, True, False, True]
    incomplete = drop_views(make_multiview(6, (2, 3), random_state=seed), 0.5, random_state=seed)
    both = with_labels(incomplete, [0, 1, 0, 1, -1, -1])
    np.testing.assert_array_equal(both.present[:, :2], incomplete.present)


def test_labels_of_tables_are_tables(seed):
    frame, y = load_mfeat(return_X_y=True, as_frame=True)
    frame.index = [f"digit {i}" for i in range(2000)]
    views = with_labels(frame, y, 0.5, random_state=seed)
    assert list(views["label"].columns) == [str(i) for i in range(10)]
    assert list(views.index) == list(frame.index)
    assert views.column_names()[-1] == "label__9"


def test_label_messages():
    X, y = np.ones((4, 2)), [0, 1, 0, 1]
    with pytest.raises(ValueError, match=r"one label per sample, shape \(4,\). Got shape \(3,\)"):
        with_labels(X, y[:3])
    with pytest.raises(ValueError, match=r"at least two classes .* Got \[1\]; -1 stands for"):
        with_labels(X, [-1, 1, 1, -1])
    with pytest.raises(ValueError, match=r"must hold classes.*Got numbers such as 0.5"):
        with_labels(X, [0.5, 1.5, 0.5, 2.0])
    for rate in (0.0, 1.1, -0.5):
        with pytest.raises(ValueError, match=r"`rate` must lie in \(0, 1\]"):
            with_labels(X, y, rate)
    with pytest.raises(ValueError, match=r"X has a view 'label' already. Pass another `name`"):
        with_labels({"image": X, "label": X}, y)
    with pytest.raises(ValueError, match="Got a list holding 2 arrays"):
        with_labels([X, X], y)
