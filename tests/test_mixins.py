"""What goes in comes back in the same container, from every kind of input."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skrep import VAE, Autoencoder, Views
from skrep.datasets import make_low_rank, make_multiview


@pytest.fixture(name="X", scope="module")
def low_rank(seed):
    return make_low_rank(80, 6, rank=2, random_state=seed)


@pytest.fixture(scope="module")
def views(seed):
    first, second = make_multiview(80, (5, 3), random_state=seed)
    return Views({"image": first, "text": second})


def small(seed, cls=Autoencoder, **parameters):
    settings = {"n_components": 2, "hidden_layer_sizes": (8,), "max_epochs": 2}
    return cls(**{**settings, "random_state": seed, **parameters})


def indexed(views):
    index = [f"s{i}" for i in range(len(views))]
    tables = {
        name: pd.DataFrame(
            array, index=index, columns=[f"{name[0]}{j}" for j in range(array.shape[1])]
        )
        for name, array in zip(views.names, views, strict=True)
    }
    return tables, index


# -- one array: what may hold it ------------------------------------------------------------


def test_every_kind_of_matrix_gives_the_same_fit(X, seed, tmp_path):
    X32 = X.astype(np.float32)
    codes = small(seed).fit(X32).transform(X32)
    mapped = np.memmap(tmp_path / "x", dtype=np.float32, mode="w+", shape=X.shape)
    mapped[:] = X32
    read_only = X32.copy()
    read_only.flags.writeable = False
    kinds = {
        "float64": X32.astype(np.float64),
        "Fortran order": np.asfortranarray(X32),
        "strided": np.repeat(X32, 2, axis=0)[::2],
        "memmap": mapped,
        "read-only": read_only,
        "CSR": sparse.csr_array(X32),
        "CSC": sparse.csc_matrix(X32),
        "list": X32.tolist(),
        "DataFrame": pd.DataFrame(X32),
    }
    for name, kind in kinds.items():
        model = small(seed).fit(kind)
        np.testing.assert_allclose(model.transform(kind), codes, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(model.score(kind), model.score(X32), rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float16", "object"])
def test_other_number_types_are_read_as_floats(dtype, seed):
    X = (np.random.default_rng(seed).random((60, 6)) < 0.5).astype(dtype)
    codes = small(seed).fit(X.astype(np.float32)).transform(X.astype(np.float32))
    model = small(seed).fit(X)
    np.testing.assert_allclose(model.transform(X), codes, atol=1e-5)
    assert model.transform(X).dtype == np.float32
    assert model.score(X) == pytest.approx(model.score(X.astype(np.float32)), rel=1e-6)


@pytest.mark.parametrize("dtype", ["int64", "bool", "float16"])
def test_other_number_types_in_views(dtype, seed):
    A = (np.random.default_rng(seed).random((60, 6)) < 0.5).astype(dtype)
    float_views = (A.astype(np.float32), A[:, :3].astype(np.float32))
    model = small(seed).fit((A, A[:, :3]))
    np.testing.assert_allclose(
        model.transform((A, A[:, :3])),
        small(seed).fit(float_views).transform(float_views),
        atol=1e-5,
    )


def test_inputs_are_not_changed(X, views, seed):
    before, copies = X.copy(), [a.copy() for a in views]
    small(seed).fit(X).score(X)
    small(seed, VAE).fit(views).score(views)
    np.testing.assert_array_equal(X, before)
    for array, copy in zip(views, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# -- several views --------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Autoencoder, VAE])
def test_every_container_of_views_gives_the_same_fit(views, cls, seed):
    tables, _ = indexed(views)
    kinds = {
        "tuple": tuple(views.arrays),
        "dict": dict(zip(views.names, views, strict=True)),
        "tables": Views(tables),
        "frame": Views(tables).to_frame(),
        "CSR": Views(
            {name: sparse.csr_array(a) for name, a in zip(views.names, views, strict=True)}
        ),
        "mixed": Views({"image": sparse.csr_array(views["image"]), "text": tables["text"]}),
    }
    model = small(seed, cls).fit(views)
    codes, score = model.transform(views), model.score(views)
    for name, kind in kinds.items():
        other = small(seed, cls).fit(kind)
        np.testing.assert_allclose(other.transform(kind), codes, atol=1e-5, err_msg=name)
        assert other.score(kind) == pytest.approx(score, rel=1e-4), name
        assert list(other.view_names_in_) == (
            ["view0", "view1"] if name == "tuple" else ["image", "text"]
        )
        assert other.n_features_in_ == 8


def test_the_order_of_names_does_not_matter(views, seed):
    model = small(seed).fit(views)
    turned = views[["text", "image"]]
    np.testing.assert_array_equal(model.transform(turned), model.transform(views))
    np.testing.assert_array_equal(
        model.transform({"text": views["text"], "image": views["image"]}), model.transform(views)
    )
    back = model.reconstruct(turned)
    assert back.names == ("image", "text")


def test_inverse_transform_gives_views(views, seed):
    model = small(seed).fit(views)
    back = model.inverse_transform(model.transform(views))
    assert isinstance(back, Views)
    assert (back.names, back.widths, len(back)) == (views.names, views.widths, 80)
    np.testing.assert_allclose(np.asarray(back), np.asarray(model.reconstruct(views)), atol=1e-5)
    one = model.inverse_transform(model.transform(views)[:1])
    assert len(one) == 1


@pytest.mark.parametrize("kind", ["tables", "frame"])
def test_pandas_output_keeps_index_and_columns(views, kind, seed):
    tables, index = indexed(views)
    data = Views(tables) if kind == "tables" else Views(tables).to_frame()
    model = small(seed, VAE).set_output(transform="pandas")
    codes = model.fit(data).transform(data)
    assert isinstance(codes, pd.DataFrame)
    assert list(codes.index) == index
    assert list(codes.columns) == list(model.get_feature_names_out()) == ["vae0", "vae1"]
    assert list(model.feature_names_in_[:2]) == ["image__i0", "image__i1"]
    for back in (model.inverse_transform(codes), model.reconstruct(data)):
        pd.testing.assert_index_equal(back.columns, Views(tables).to_frame().columns)
        assert list(back.index) == index
    drawn = model.sample(4, random_state=seed)
    assert drawn.columns.nlevels == 2
    assert list(drawn.index) == [0, 1, 2, 3]


def test_pandas_output_of_unnamed_columns_reads_like_to_frame(views, seed):
    model = small(seed).set_output(transform="pandas").fit(views)
    back = model.reconstruct(views)
    pd.testing.assert_index_equal(back.columns, views.to_frame().columns)
    # What comes back is what goes in.
    assert model.transform(back).shape == (80, 2)


def test_pandas_output_of_one_table(X, seed):
    table = pd.DataFrame(X, index=np.arange(80) + 5, columns=list("abcdef"))
    model = small(seed).set_output(transform="pandas").fit(table)
    codes = model.transform(table)
    assert list(codes.columns) == ["autoencoder0", "autoencoder1"]
    pd.testing.assert_index_equal(codes.index, table.index)
    for back in (model.inverse_transform(codes), model.reconstruct(table)):
        pd.testing.assert_index_equal(back.index, table.index)
        assert list(back.columns) == list("abcdef")
    assert isinstance(small(seed).fit(table).reconstruct(table), np.ndarray)


def test_partial_fit_on_views(views, seed):
    model = small(seed)
    for start in (0, 40):
        assert model.partial_fit(views[start : start + 40]) is model
    assert model.n_iter_ == len(model.history_) == len(model.loss_curve_) == 2
    assert list(model.history_["epoch"]) == [1, 2]
    assert model.reconstruct(views).names == views.names
    with pytest.raises(ValueError, match="X lacks 'text'"):
        model.partial_fit({"image": views["image"]})
    model.partial_fit(views[:1])
    centre = model.module_.scaler.centre
    np.testing.assert_allclose(centre[:5].numpy(), views["image"][:40].mean(axis=0), atol=1e-5)


def test_a_single_row(views, X, seed):
    model = small(seed, VAE).fit(views)
    whole, one = model.score_samples(views), model.score_samples(views[3:4])
    np.testing.assert_allclose(one, whole[3:4], rtol=1e-4)
    np.testing.assert_allclose(model.transform(views[3:4]), model.transform(views)[3:4], atol=1e-5)
    assert small(seed).fit(X).transform(X[:1]).shape == (1, 2)
