"""Bad input: every kind is refused with a message that says what to do."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import NotFittedError
from torch import nn

from skrep import (
    VAE,
    Autoencoder,
    Corruption,
    DenoisingAutoencoder,
    Likelihood,
    MissingViewError,
    SparseAutoencoder,
    Sparsity,
    Trainer,
    Views,
    Warmup,
)
from skrep.nn import MLP, conv_encoder

CLASSES = [Autoencoder, DenoisingAutoencoder, SparseAutoencoder, VAE]
EACH = pytest.mark.parametrize("cls", CLASSES)
SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 1, "random_state": 0}


def small(cls=Autoencoder, **parameters):
    return cls(**{"n_components": 2, **SMALL, **parameters})


def matrix(n=20, d=5, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def with_value(value, row=3, column=2):
    X = matrix()
    X[row, column] = value
    return X


def two_views():
    return Views({"image": matrix(20, 5), "text": matrix(20, 3, 1)})


@pytest.fixture(scope="module")
def on_matrix():
    return small().fit(matrix())


@pytest.fixture(scope="module")
def on_views():
    return small(VAE).fit(two_views())


# -- one array ------------------------------------------------------------------------------

ONE_ARRAY = {
    "no samples": (np.empty((0, 5)), r"0 sample\(s\) \(shape=\(0, 5\)\)"),
    "no features": (np.empty((5, 0)), r"0 feature\(s\) \(shape=\(5, 0\)\)"),
    "one sample": (matrix(1), r"1 sample\(s\) .* minimum of 2"),
    "1-D": (np.arange(6.0), "Expected 2D array, got 1D array"),
    "0-D": (np.float64(3.0), "Expected 2D array, got scalar array"),
    "3-D": (np.zeros((6, 4, 4)), r"X\.reshape\(len\(X\), -1\)`; `skrep\.nn\.conv_encoder"),
    "4-D": (np.zeros((6, 1, 4, 4)), r"shape \(6, 1, 4, 4\).* every sample is a row, images too"),
    "NaN": (with_value(np.nan), "Input X contains NaN"),
    "NaN in float32": (with_value(np.nan).astype(np.float32), "Input X contains NaN"),
    "infinity": (with_value(np.inf), "Input X contains infinity"),
    "both infinities": (
        np.where(np.arange(5) < 2, [np.inf, -np.inf, 0, 0, 0], matrix()),
        "Input X contains infinity",
    ),
    "CSR with NaN": (sparse.csr_array(with_value(np.nan)), "Input X contains NaN"),
    "strings": (np.array([["a", "b"], ["c", "d"]]), "could not convert string|is not compatible"),
    "complex": (matrix() + 1j, "Complex data not supported"),
    "object column": (
        pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
        "could not convert string to float: 'x'",
    ),
    "objects": (np.array([[1.0, {}], [2.0, {}]], dtype=object), "must be a string or a real"),
    "rows of unequal length": ([[1.0, 2.0], [3.0]], "inhomogeneous"),
    "all constant": (np.full((20, 3), 4.0), "All features of X are constant.*rows are samples"),
    "all constant, inexact": (np.full((20, 3), 0.1), "All features of X are constant"),
}


@EACH
@pytest.mark.parametrize("case", ONE_ARRAY)
def test_one_array(cls, case):
    X, message = ONE_ARRAY[case]
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        small(cls).fit(X)


@pytest.mark.parametrize("case", ["NaN", "infinity", "both infinities", "no samples", "complex"])
@pytest.mark.parametrize("method", ["transform", "score", "reconstruct"])
def test_one_array_after_fit(on_matrix, case, method):
    X, message = ONE_ARRAY[case]
    with pytest.raises(ValueError, match=message):
        getattr(on_matrix, method)(X)


@EACH
def test_some_constant_features_are_fine(cls):
    X = np.hstack([matrix(), np.full((20, 2), 3.0)])
    assert np.isfinite(small(cls).fit(X).transform(X)).all()


def test_a_width_other_than_in_fit(on_matrix):
    for width in (4, 6):
        message = f"X has {width} features, but Autoencoder is expecting 5 features"
        for X in (matrix(3, width), sparse.csr_array(matrix(3, width))):
            with pytest.raises(ValueError, match=message):
                on_matrix.transform(X)


def test_renamed_and_reordered_columns():
    table = pd.DataFrame(matrix(), columns=list("abcde"))
    model = small().fit(table)
    with pytest.raises(ValueError, match="unseen at fit time"):
        model.transform(table.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.transform(table[list("edcba")])


def test_overflowing_sums_of_finite_values_pass(on_matrix):
    X = np.full((2, 5), np.finfo(np.float32).max / 2, dtype=np.float32)
    assert on_matrix.transform(X).shape == (2, 2)


# -- several views --------------------------------------------------------------------------


def part_nan():
    arrays = [np.array(a) for a in two_views()]
    arrays[1][4, 1] = np.nan
    return arrays


SEVERAL = {
    "array partly NaN": (
        {"image": part_nan()[0], "text": part_nan()[1]},
        r"'text' is NaN in part of row 4.*all NaN.*`PerView\(SimpleImputer\(\)\)`",
    ),
    "DataFrame partly NaN": (
        {"image": pd.DataFrame(part_nan()[0]), "text": pd.DataFrame(part_nan()[1])},
        "'text' is NaN in part of row 4",
    ),
    "infinity": ((matrix(), with_value(np.inf)), "View 'view1': Input.* contains infinity"),
    "both infinities": (
        (matrix(), ONE_ARRAY["both infinities"][0]),
        "View 'view1': Input.* contains infinity",
    ),
    "rows differ": (
        {"image": matrix(20), "text": matrix(18)},
        "the same samples: 'image' has 20 rows, 'text' has 18 rows",
    ),
    "3-D": (
        (matrix(), np.zeros((20, 2, 2))),
        r"'view1' has 3 dimension.*X\.reshape\(len\(X\), -1\)",
    ),
    "strings": ((matrix(), np.array([["a"]] * 20)), "View 'view1'"),
    "raw text": ({"a": matrix(), "b": np.array(["word"] * 20)}, "(?i)view 'b'"),
    "complex": ((matrix(), matrix() + 1j), "View 'view1'.*Complex data not supported"),
    "one sample": ((matrix(1), matrix(1)), r"1 sample\(s\) while a minimum of 2"),
    "no samples": ((matrix(0), matrix(0)), r"0 sample\(s\) while a minimum of 2"),
    "indexes differ": (
        (pd.DataFrame(matrix()), pd.DataFrame(matrix(), index=range(1, 21))),
        r"`Views\.align",
    ),
    "all constant": ((np.ones((20, 2)), np.zeros((20, 3))), "All features of X are constant"),
    "no views": ({}, "at least one view. Got 0"),
}


@EACH
@pytest.mark.parametrize("case", SEVERAL)
def test_several_views(cls, case):
    X, message = SEVERAL[case]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        small(cls).fit(X)


@EACH
@pytest.mark.parametrize("absent", ["rows", "None"])
def test_an_absent_view_where_none_may_be(cls, absent):
    text = np.array(two_views()["text"])
    text[[2, 5, 7]] = np.nan
    X = {"image": matrix(), "text": text if absent == "rows" else None}
    count = 3 if absent == "rows" else 20
    message = f"{cls.__name__} needs every view of every sample; 'text' is absent for {count} of 20"
    with pytest.raises(MissingViewError, match=message):
        small(cls).fit(X)
    model = small(cls).fit(two_views())
    for method in ("transform", "score", "reconstruct"):
        with pytest.raises(MissingViewError, match=message):
            getattr(model, method)(X)


def test_absent_by_the_mask_only():
    views = two_views()
    present = np.ones((20, 2), dtype=bool)
    present[3, 0] = False
    with pytest.raises(MissingViewError, match="'image' is absent for 1 of 20"):
        small().fit(Views(views, present=present))


def test_unknown_and_lacking_views(on_views):
    views = two_views()
    with pytest.raises(
        ValueError, match="'image', 'text'; X lacks 'text' and has the unknown 'sound'"
    ):
        on_views.transform({"image": views["image"], "sound": views["text"]})
    with pytest.raises(ValueError, match=r"X lacks 'text'\.$"):
        on_views.transform({"image": views["image"]})
    with pytest.raises(ValueError, match="X has the unknown 'sound'"):
        on_views.transform({**dict(zip(views.names, views, strict=True)), "sound": matrix()})


def test_a_wrong_width_names_the_view(on_views):
    message = r"X has 4 features, but VAE is expecting 3 features as input \(view 'text'\)"
    with pytest.raises(ValueError, match=message):
        on_views.transform({"image": matrix(), "text": matrix(20, 4)})


def test_one_array_for_views_and_views_for_one_array(on_views, on_matrix):
    with pytest.raises(
        ValueError, match="X is one array, but VAE was fitted on the views 'image', 'text'"
    ):
        on_views.transform(matrix(20, 8))
    with pytest.raises(
        ValueError, match="X holds the views 'image', 'text', but Autoencoder was fitted on one"
    ):
        on_matrix.transform(two_views())


@EACH
@pytest.mark.parametrize(
    "trap", [lambda a: [a, a], lambda a: [a], lambda a: (a,), lambda a: ([a], a)]
)
def test_the_tuple_trap(cls, trap):
    with pytest.raises(ValueError, match=r"split by view\. Pass `Views\(\(a, b\)\)`"):
        small(cls).fit(trap(matrix()))


def test_columns_of_a_two_level_frame():
    frame = two_views().to_frame()
    model = small().fit(frame)
    renamed = frame.rename(columns={"x1": "z"}, level=1)
    with pytest.raises(ValueError, match=r"match those that were passed.*'image__z'.*'image__x1'"):
        model.transform(renamed)
    swapped = frame[[*frame.columns[1::-1], *frame.columns[2:]]]
    with pytest.raises(ValueError, match="columns stand in another order"):
        model.transform(swapped)


def test_numbered_columns_of_a_two_level_frame():
    labels = pd.MultiIndex.from_tuples([("a", 0), ("a", 1), ("b", 0), ("b", 7)])
    frame = pd.DataFrame(matrix(20, 4), columns=labels)
    model = small().fit(frame)
    assert not hasattr(model, "feature_names_in_")
    with pytest.raises(ValueError, match="columns stand in another order"):
        model.transform(frame[[("a", 1), ("a", 0), ("b", 0), ("b", 7)]])
    with pytest.raises(ValueError, match=r"Unknown: 'b__8'. Missing: 'b__7'"):
        model.transform(frame.rename(columns={7: 8}, level=1))
    # The order of the views is theirs, and arrays have no names to compare.
    turned = model.transform(frame[[("b", 0), ("b", 7), ("a", 0), ("a", 1)]])
    np.testing.assert_array_equal(turned, model.transform(frame))
    arrays = {"a": frame["a"].to_numpy(), "b": frame["b"].to_numpy()}
    np.testing.assert_array_equal(model.transform(arrays), turned)


def test_a_refit_forgets_the_views():
    model = small().fit(two_views().to_frame())
    model.fit(matrix())
    assert not hasattr(model, "view_names_in_")
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 5
    model.fit(two_views())
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 8


# -- parameters -----------------------------------------------------------------------------

ILLEGAL = {
    "n_components": [0, -1, 2.5, "two", None],
    "hidden_layer_sizes": [None, 0, 3.5],
    "activation": ["sigmoidal", None, 3],
    "encoder": ["conv", 3],
    "decoder": ["tie", 3],
    "max_epochs": [0, 1.5, None],
    "batch_size": [0, -3, 1.5],
    "learning_rate": [0, -1.0, "fast", np.inf],
    "device": [3, None],
    "random_state": [-1, "seed", 1.5],
    "verbose": ["loud", -1],
    "trainer": ["adam", {}, Trainer],
}


@EACH
@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_parameters(cls, name):
    for value in ILLEGAL[name]:
        message = f"The '{name}' parameter of {cls.__name__} must be .*Got .* instead"
        with pytest.raises(ValueError, match=f"(?s){message}"):
            small(cls, **{name: value}).fit(matrix())
        with pytest.raises(ValueError, match=f"(?s){message}"):
            small(cls, **{name: value}).partial_fit(matrix())


OWN = [
    (Autoencoder, "view_weights", ["even", None, [1, 2]]),
    (Autoencoder, "output_activation", ["sigmoidal", None]),
    (Autoencoder, "scaling", ["column", 3]),
    (DenoisingAutoencoder, "corruption", ["dropout", None, 0.3]),
    (SparseAutoencoder, "sparsity", ["l2", None, 0.3]),
    (VAE, "likelihood", ["normal", None, ["gaussian"]]),
    (VAE, "beta", [-1, "big", None]),
    (VAE, "n_importance_samples", [0, 1.5]),
]


@pytest.mark.parametrize(
    ("cls", "name", "values"), OWN, ids=lambda v: v if isinstance(v, str) else ""
)
def test_illegal_own_parameters(cls, name, values):
    for value in values:
        with pytest.raises(ValueError, match=f"The '{name}' parameter of {cls.__name__} must be"):
            small(cls, **{name: value}).fit(matrix())


OBJECTS = [
    (DenoisingAutoencoder, {"corruption": Corruption("dust")}, "'kind' parameter of Corruption"),
    (DenoisingAutoencoder, {"corruption": Corruption(level=-1)}, "'level' parameter of Corruption"),
    (
        DenoisingAutoencoder,
        {"corruption": Corruption("masking", level=1.5)},
        r"`level=1\.5` of Corruption\('masking'\) is the share",
    ),
    (SparseAutoencoder, {"sparsity": Sparsity("few")}, "'kind' parameter of Sparsity"),
    (SparseAutoencoder, {"sparsity": Sparsity(weight=-1)}, "'weight' parameter of Sparsity"),
    (SparseAutoencoder, {"sparsity": Sparsity("kl", target=1.0)}, r"mean activation.*\(0, 1\)"),
    (SparseAutoencoder, {"sparsity": Sparsity("kl", target=0)}, "'target' parameter of Sparsity"),
    (
        SparseAutoencoder,
        {"sparsity": Sparsity("top_k", target=3)},
        r"`target=3` of Sparsity\('top_k'\).*from 1 to n_components=2",
    ),
    (SparseAutoencoder, {"sparsity": Sparsity("top_k", target=1.5)}, "number of codes kept"),
    (VAE, {"likelihood": Likelihood("normal")}, "'kind' parameter of Likelihood"),
    (VAE, {"likelihood": Likelihood(variance=0)}, "'variance' parameter of Likelihood"),
    (VAE, {"likelihood": Likelihood(variance="row")}, "'variance' parameter of Likelihood"),
    (VAE, {"likelihood": Likelihood(scaling="row")}, "'scaling' parameter of Likelihood"),
    (VAE, {"beta": Warmup(-1.0)}, "'value' parameter of Warmup"),
    (VAE, {"beta": Warmup(n_epochs=-1)}, "'n_epochs' parameter of Warmup"),
    (VAE, {"likelihood": ("gaussian", "gaussian")}, r"holds 2 values for 1 view\(s\)"),
    (VAE, {"likelihood": {"image": "gaussian"}}, "`likelihood` names.*'image'.*'view0'"),
    (Autoencoder, {"trainer": Trainer(optimizer="sdg")}, "'optimizer' parameter of Trainer"),
    (Autoencoder, {"trainer": Trainer(weight_decay=-1)}, "'weight_decay' parameter of Trainer"),
    (Autoencoder, {"hidden_layer_sizes": (0,)}, "`hidden_layer_sizes` must hold positive integers"),
    (Autoencoder, {"hidden_layer_sizes": (2.5,)}, "`hidden_layer_sizes` must hold positive"),
    (Autoencoder, {"device": "abacus"}, "`device` must be 'auto' or a torch device.*'abacus'"),
]


@pytest.mark.parametrize(("cls", "parameters", "message"), OBJECTS)
def test_illegal_settings(cls, parameters, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        small(cls, **parameters).fit(matrix())


def test_a_setting_per_view_that_is_none():
    with pytest.raises(TypeError, match=r"A likelihood is one of 'gaussian'.*Got 3"):
        small(VAE, likelihood={"image": 3, "text": "gaussian"}).fit(two_views())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"image": 1}, r"`view_weights` names \['image'\], but the views are \['image', 'text'\]"),
        ({"image": 1, 2: 1}, "`view_weights` names"),
        ({"image": 1, "text": -1}, "finite numbers, not negative and not all 0"),
        ({"image": 0, "text": 0}, "not all 0"),
        ({"image": 1, "text": "much"}, "finite numbers"),
        ({"image": 1, "text": np.nan}, "finite numbers"),
    ],
)
def test_view_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        small(view_weights=weights).fit(two_views())


@EACH
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_module_where_a_factory_belongs(cls, name):
    message = f"`{name}` must be a factory .*instance Linear.*every clone would share"
    with pytest.raises(TypeError, match=message):
        small(cls, **{name: nn.Linear(5, 2)}).fit(matrix())


@EACH
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_factory_of_the_wrong_width(cls, name):
    def factory(n_in, n_out):
        return nn.Linear(n_in, n_out + 1)

    with pytest.raises(ValueError, match=f"`{name}` was called with n_in=.* it returned the shape"):
        small(cls, **{name: factory}).fit(matrix())


def test_a_factory_that_returns_no_module():
    with pytest.raises(TypeError, match=r"`encoder` must return a torch.nn.Module. Got str"):
        small(encoder=lambda n_in, n_out: "network").fit(matrix())


def test_images_of_another_shape():
    with pytest.raises(ValueError, match="describes rows of 1 \\* 4 \\* 4 = 16 values"):
        small(encoder=conv_encoder((4, 4)), decoder=MLP(())).fit(matrix())


# -- domains --------------------------------------------------------------------------------

DOMAINS = [
    (
        Autoencoder,
        {"output_activation": "logistic"},
        matrix(),
        r"output_activation='logistic'.*\[0, 1\]",
    ),
    (
        Autoencoder,
        {"output_activation": "softmax"},
        matrix(),
        r"output_activation='softmax'.*\[0, 1\]",
    ),
    (
        VAE,
        {"likelihood": "bernoulli"},
        matrix(),
        r"likelihood='bernoulli'.*\[0, 1\].*row 0, column",
    ),
    (VAE, {"likelihood": "categorical"}, np.ones((5, 3)), "likelihood='categorical'.*one-hot"),
    (VAE, {"likelihood": "categorical"}, np.full((5, 2), 0.5), "likelihood='categorical'.*one-hot"),
    (VAE, {"likelihood": "poisson"}, -np.eye(4), r"likelihood='poisson'.*counts \(0, 1, 2"),
    (VAE, {"likelihood": "poisson"}, np.eye(4) / 2, r"likelihood='poisson'.*counts"),
]


@pytest.mark.parametrize(("cls", "parameters", "X", "message"), DOMAINS)
def test_data_outside_the_domain(cls, parameters, X, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        small(cls, **parameters).fit(X)


def test_a_domain_names_the_view():
    views = {"ok": np.eye(20), "bad": matrix()}
    with pytest.raises(ValueError, match="of view 'bad' is"):
        small(VAE, likelihood="bernoulli").fit(views)
    with pytest.raises(ValueError, match="of view 'bad' is"):
        small(output_activation="logistic").fit(views)


def test_softmax_over_several_views():
    views = {"a": np.eye(6), "b": np.eye(6)[::-1]}
    with pytest.raises(ValueError, match=r"fits one view of one-hot rows. Got 2 views"):
        small(output_activation="softmax").fit(views)


def test_data_outside_the_domain_after_fit():
    model = small(VAE, likelihood="poisson").fit(np.eye(5))
    with pytest.raises(ValueError, match=r"likelihood='poisson'.*counts"):
        model.score_samples(-np.eye(5))


# -- methods --------------------------------------------------------------------------------

METHODS = {
    "transform": lambda m: m.transform(matrix()),
    "inverse_transform": lambda m: m.inverse_transform(matrix(20, 2)),
    "reconstruct": lambda m: m.reconstruct(matrix()),
    "score": lambda m: m.score(matrix()),
    "get_feature_names_out": lambda m: m.get_feature_names_out(),
}
DENSITY = {
    "sample": lambda m: m.sample(3),
    "score_samples": lambda m: m.score_samples(matrix()),
    "posterior": lambda m: m.posterior(matrix()),
}


@EACH
@pytest.mark.parametrize("method", METHODS)
def test_unfitted(cls, method):
    if method == "get_feature_names_out":
        return  # scikit-learn needs only the number of codes, which is a parameter here
    with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted yet"):
        METHODS[method](small(cls))


@pytest.mark.parametrize("method", DENSITY)
def test_unfitted_density(method):
    with pytest.raises(NotFittedError, match="This VAE instance is not fitted yet"):
        DENSITY[method](small(VAE))


def test_codes_of_the_wrong_width(on_matrix, on_views):
    for model in (on_matrix, on_views):
        with pytest.raises(ValueError, match=r"Z has 3 columns, but .* makes codes of 2"):
            model.inverse_transform(matrix(4, 3))
    with pytest.raises(ValueError, match="Z contains NaN"):
        on_matrix.inverse_transform(with_value(np.nan)[:, 1:3])
    with pytest.raises(ValueError, match="Expected 2D array"):
        on_matrix.inverse_transform(np.zeros(2))


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "many", None])
def test_sample_of_nothing(on_views, n_samples):
    with pytest.raises(ValueError, match="`n_samples` must be a positive integer"):
        on_views.sample(n_samples)


@pytest.mark.parametrize("n_draws", [0, -1, 2.5, None])
def test_score_samples_of_no_draws(on_views, n_draws):
    with pytest.raises(ValueError, match="`n_importance_samples` must be a positive integer"):
        on_views.score_samples(two_views(), n_importance_samples=n_draws)


def test_sample_with_a_bad_seed(on_views):
    with pytest.raises(ValueError, match="`random_state` must be None, an integer"):
        on_views.sample(2, random_state="now")


# -- numbers that float32 cannot hold, and kinds of input ------------------------------------


@EACH
@pytest.mark.parametrize("size", [1e39, 1e100, 1e300])
def test_values_beyond_float32(cls, size):
    X = matrix() * 0.1
    X[:, 3] *= size
    with pytest.raises(ValueError, match=r"X holds values near or above 1e\+37, in column 3"):
        small(cls).fit(X)


@EACH
@pytest.mark.parametrize("size", [1e-40, 1e-60])
def test_a_spread_below_float32(cls, size):
    with pytest.raises(ValueError, match=r"too little for float32\. Multiply it by a constant"):
        small(cls).fit(matrix() * size)
    with pytest.raises(ValueError, match="View 'b' varies by"):
        small(cls).fit({"a": matrix(), "b": matrix() * size})


@EACH
def test_a_spread_that_float32_rounds_away(cls):
    with pytest.raises(ValueError, match="less than a ten-millionth of their mean"):
        small(cls).fit(matrix() + 1e8)


@EACH
def test_a_large_constant_column_does_not_hide_the_others(cls):
    X = np.c_[matrix(), np.full(20, 1.7e9)]  # a time stamp
    alone, beside = small(cls).fit(X[:, :5]), small(cls).fit(X)
    assert beside.transform(X).shape == (20, 2)
    # Five of six features carry the same error; the sixth is reconstructed to float32's rounding.
    error = np.square(beside.reconstruct(X) - X)[:, :5].mean()
    assert error < 2 * np.square(alone.reconstruct(X[:, :5]) - X[:, :5]).mean()


def test_missing_values_of_pandas_name_the_view_and_row():
    table = pd.DataFrame({"a": range(20), "b": pd.array([1, None] * 10, dtype="Int64")})
    with pytest.raises(ValueError, match="View 'table' is NaN in part of row 1"):
        small().fit({"table": table, "other": matrix()})


def test_dates_in_a_view_are_named():
    table = pd.DataFrame({"a": range(20), "when": pd.Timestamp("2020-02-29")})
    with pytest.raises(ValueError, match="View 'table': "):
        small().fit({"table": table, "other": matrix()})


def test_tensors_of_any_kind_are_taken():
    X = matrix().astype(np.float32)
    codes = small().fit(X).transform(X)
    tensor = torch.from_numpy(X.copy()).requires_grad_()
    assert np.array_equal(small().fit(tensor).transform(tensor), codes)
    assert small().fit(tensor.bfloat16()).transform(tensor.bfloat16()).shape == (20, 2)
    assert small().fit((tensor.bfloat16(), X)).n_features_in_ == 10


def test_a_setting_per_view_has_no_single_number_inside():
    model = VAE(likelihood={"a": "gaussian", "b": "poisson"})
    with pytest.raises(ValueError, match="`likelihood__variance` can be set where one"):
        model.set_params(likelihood__variance=1.0)
