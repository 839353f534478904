"""The deep Boltzmann machine of several views, as an estimator."""

import numpy as np
import pytest
import torch
from sklearn.utils import get_tags

from skrep import DBM, MissingViewError, Pretraining, Views
from skrep.multimodal import MultimodalDBM
from skrep.nn.dbm import compose_layers, join_pathways
from skrep.nn.units import BernoulliUnits

KINDS = {"image": "bernoulli", "label": "categorical"}


def planted(seed, n=200):
    """Two binary factors that both views show, one as four noisy copies each, one as a class."""
    rng = np.random.default_rng(seed)
    factors = rng.random((n, 2)) < 0.5
    image = np.repeat(factors, 4, axis=1) ^ (rng.random((n, 8)) < 0.05)
    label = np.eye(4)[factors @ [1, 2]]
    return Views({"image": image.astype(np.float64), "label": label})


def with_holes(views, rate=0.25):
    """The last rows lack one view, taken in turn."""
    arrays = [np.array(a, dtype=float) for a in views.arrays]
    n = len(views)
    rows = np.arange(int((1 - rate) * n), n)
    for i, array in enumerate(arrays):
        array[rows[i :: len(arrays)]] = np.nan
    return Views(tuple(arrays), views.names)


def small(**parameters):
    settings = {
        "n_components": 4,
        "layer_sizes": {"image": (6,), "label": (4,)},
        "visible": KINDS,
        "max_epochs": 3,
        "random_state": 0,
    }
    return MultimodalDBM(**{**settings, **parameters})


@pytest.fixture(scope="module")
def trained():
    """A model that has learned the planted factors."""
    return small(
        n_components=6,
        layer_sizes={"image": (8,), "label": (6,)},
        pretrain=Pretraining("rbm", n_epochs=20, learning_rate=0.2),
        max_epochs=20,
        learning_rate=0.1,
    ).fit(planted(0))


# -- one view ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("visible", "pretrain"), [("bernoulli", "rbm"), ("gaussian", None)])
def test_one_array_is_a_dbm(visible, pretrain, seed):
    """The same seed gives the same weights, hence the same everything."""
    X = planted(seed, 40)["image"]
    settings = {"n_components": 3, "layer_sizes": (4, 3), "visible": visible, "max_epochs": 2}
    settings |= {"pretrain": pretrain, "random_state": seed}
    one, other = MultimodalDBM(**settings).fit(X), DBM(**settings).fit(X)
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))
    np.testing.assert_array_equal(one.reconstruct(X), other.reconstruct(X))
    np.testing.assert_array_equal(one.gibbs(X, 2, 0), other.gibbs(X, 2, 0))
    np.testing.assert_array_equal(one.loss_curve_, other.loss_curve_)
    with pytest.raises(ValueError, match="only be filled in where there are several"):
        one.impute(X)


# -- layers -----------------------------------------------------------------------------------


def test_joint_training_starts_from_the_layers(seed):
    model = small(
        layer_sizes={"image": (6, 5), "label": (4, 3)}, learning_rate=1e-12, max_epochs=2
    ).fit(planted(seed))
    image, label, top = model.layers_[:2], model.layers_[2:4], model.layers_[4]
    assert [(m.up, m.down) for m in (*image, *label, top)] == [
        *[(2, 1), (2, 2)] * 2,
        (1, 2),
    ]
    joined = [join_pathways(pair) for pair in zip(image, label, strict=True)]
    weights, biases = compose_layers([*joined, top])
    machine = model.module_.machine
    for found, expected in zip(machine.weights, weights, strict=True):
        torch.testing.assert_close(found.detach(), expected)
    torch.testing.assert_close(machine.biases[2].detach(), biases[2])
    history = model.pretrain_history_
    assert list(history["view"]) == ["image"] * 4 + ["label"] * 4 + [None] * 2
    assert list(history["layer"]) == [1, 1, 2, 2] * 2 + [3, 3]
    assert small(pretrain=None).fit(planted(seed)).layers_ == []


def test_no_connection_leaves_its_pathway(trained):
    first, top = trained.module_.machine.weights
    assert (first[:8, 8:] == 0).all()
    assert (first[8:, :8] == 0).all()
    assert (first[:8, :8] != 0).all()
    assert (top != 0).all()


def test_pre_training_lowers_the_first_loss(seed):
    views = planted(seed)
    pretrain = Pretraining("rbm", n_epochs=20, learning_rate=0.1)
    first = {
        name: small(pretrain=given, max_epochs=1).fit(views)
        for name, given in (("none", None), ("rbm", pretrain))
    }
    assert first["rbm"].loss_curve_[0] < first["none"].loss_curve_[0] - 1.0
    assert first["rbm"].score(views) > first["none"].score(views) + 1.0


def test_pathways_are_trained_on_rows_that_have_their_view(seed):
    """Rows without a view change nothing in its pathway; without complete rows all rows count."""
    views = planted(seed)
    holes = with_holes(views)
    rows = holes.present[:, 0]
    pretrain = Pretraining("rbm", n_epochs=2)
    model = small(pretrain=pretrain, max_epochs=1).fit(holes)
    alone = MultimodalDBM(4, layer_sizes=(6,), pretrain=pretrain, max_epochs=1, random_state=0).fit(
        np.asarray(views["image"])[rows]
    )
    torch.testing.assert_close(model.layers_[0].weight, alone.layers_[0].weight)
    never = with_holes(views, rate=1.0)
    assert np.isfinite(small(pretrain=pretrain).fit(never).score(views))


def test_the_joint_layer_hears_a_label(seed):
    """By itself a label is one variable, which teaches its pathway nothing."""
    views = planted(seed)
    pretrain = Pretraining("rbm", n_epochs=15, learning_rate=0.2)
    sizes = {"image": (8,), "label": (6,)}
    model = small(
        n_components=6, layer_sizes=sizes, pretrain=pretrain, max_epochs=1, learning_rate=1e-12
    ).fit(views)
    assert model.layers_[0].learns
    assert not model.layers_[1].learns
    assert model.layers_[2].learns
    found = model.impute({"image": views["image"], "label": None})["label"]
    assert (found.argmax(axis=1) == np.asarray(views["label"]).argmax(axis=1)).mean() > 0.8


# -- what is learned --------------------------------------------------------------------------


def log_joint(model, views):
    """log p of complete samples, by a sum over all hidden states and exact log Z, in float64."""
    machine = model.module_.machine
    x = torch.from_numpy(np.hstack([np.asarray(a) for a in views.arrays])).double()
    w1, w2 = (w.detach().double() for w in machine.weights)
    b0, b1, b2 = (b.detach().double() for b in machine.biases)
    top = BernoulliUnits((len(b2),)).states(0, 2 ** len(b2), b2)
    field = b1 + x @ w1.T
    inner = torch.nn.functional.softplus(field[:, None] + (top @ w2)[None]).sum(dim=2)
    total = x @ b0 + torch.logsumexp(inner + top @ b2, dim=1)
    return total.numpy() - model.log_partition().value


def test_score_is_below_the_exact_likelihood(trained):
    views = planted(1)
    bound, truth = trained.score_samples(views), log_joint(trained, views)
    assert (bound <= truth + 1e-4).all()
    assert bound.mean() > truth.mean() - 0.5
    assert trained.score(views) == pytest.approx(bound.mean())
    assert trained.log_partition().standard_error == 0.0
    np.testing.assert_allclose(trained.log_likelihood(views), bound, rtol=1e-5)


def test_annealing_agrees_with_the_sum(trained):
    """Two runs at 4 standard errors: false alarms below 2e-4."""
    exact = trained.log_partition("exact").value
    for method in ("ais", "reverse_ais"):
        found = trained.log_partition(method, n_temperatures=200, random_state=0)
        assert abs(found.value - exact) < 4 * found.standard_error


def test_better_than_independent_units(trained):
    views = planted(1)
    p = np.clip(np.asarray(views["image"]).mean(axis=0), 0.01, 0.99)
    X = np.asarray(views["image"])
    independent = (X * np.log(p) + (1 - X) * np.log(1 - p)).sum(axis=1).mean() - np.log(4)
    assert trained.score(views) > independent + 1.0


def test_each_view_is_imputed_from_the_other(trained):
    views = planted(1)
    image, label = (np.asarray(a) for a in views.arrays)
    found = trained.impute({"image": image, "label": None}, return_std=True)
    assert (found.values["label"].argmax(axis=1) == label.argmax(axis=1)).mean() > 0.85
    np.testing.assert_allclose(found.values["label"].sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(found.values["image"], image)
    assert (found.std["image"] == 0).all()
    assert ((found.std["label"] >= 0) & (found.std["label"] <= 0.5001)).all()
    back = trained.impute({"image": None, "label": label})["image"]
    assert ((back >= 0) & (back <= 1)).all()
    mean_error = np.square(image - image.mean(axis=0)).mean()
    assert np.square(back - image).mean() < 0.7 * mean_error


def test_imputation_is_the_exact_conditional_mean(trained):
    """Labels by enumeration; 100 kept steps of short chains: 0.06 off on average.

    Where two labels are about as probable, chains that hardly change over are further off.
    """
    image = np.asarray(planted(1)["image"])
    logs = np.stack(
        [
            log_joint(trained, Views({"image": image, "label": np.eye(4)[np.full(len(image), k)]}))
            for k in range(4)
        ],
        axis=1,
    )
    truth = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
    found = trained.impute({"image": image, "label": None})["label"]
    assert np.abs(found - truth).mean() < 0.06


def test_bound_of_incomplete_samples(trained):
    image = np.asarray(planted(1)["image"])
    logs = [
        log_joint(trained, Views({"image": image, "label": np.eye(4)[np.full(len(image), k)]}))
        for k in range(4)
    ]
    truth = np.logaddexp.reduce(logs, axis=0)
    found = trained.score_samples({"image": image, "label": None})
    assert (found <= truth + 1e-4).all()
    assert found.mean() > truth.mean() - 1.0


def test_codes_of_each_view_and_of_subsets(trained):
    holes = with_holes(planted(1))
    each = trained.transform_each(holes)
    assert each.names == ("image", "label")
    codes = trained.transform(holes)
    for i, name in enumerate(holes.names):
        only = holes.present[:, i] & ~holes.present[:, 1 - i]
        np.testing.assert_allclose(each[name][only], codes[only], rtol=1e-5)
        assert np.isnan(each[name][~holes.present[:, i]]).all()
    order = np.random.default_rng(0).permutation(len(holes))
    np.testing.assert_allclose(trained.transform(holes[order]), codes[order], rtol=1e-5)
    filled, alone = trained.impute(holes), trained.impute(holes[-3:])
    np.testing.assert_allclose(np.asarray(filled)[-3:], np.asarray(alone), rtol=1e-5)


def test_draws_given_a_view(trained):
    """240 draws against enumerated means of 4 classes at 4.5 standard errors: below 3e-5."""
    image = np.asarray(planted(1)["image"])[:1]
    every = Views({"image": np.repeat(image, 4, axis=0), "label": np.eye(4)})
    logs = log_joint(trained, every)
    p = np.exp(logs - np.logaddexp.reduce(logs))
    many = np.repeat(image, 240, axis=0)
    (drawn,) = trained.sample_given({"image": many, "label": None}, random_state=0)
    assert (drawn["label"].sum(axis=1) == 1).all()
    error = np.sqrt(p * (1 - p) / 240) + 1e-3
    assert (np.abs(drawn["label"].mean(axis=0) - p) < 4.5 * error).all()
    again, other = trained.sample_given({"image": many, "label": None}, 2, random_state=0)
    np.testing.assert_array_equal(again["label"], drawn["label"])
    assert (other["label"] != again["label"]).any()


def test_samples_and_gibbs_stay_in_their_domains(trained):
    drawn = trained.sample(20, 0)
    assert set(np.unique(drawn["image"])) <= {0.0, 1.0}
    assert (drawn["label"].sum(axis=1) == 1).all()
    moved = trained.gibbs(with_holes(planted(1)), 2, 0)
    assert (moved["label"].sum(axis=1) == 1).all()
    back = trained.inverse_transform(trained.transform(planted(1)))
    np.testing.assert_allclose(back["label"].sum(axis=1), 1.0, rtol=1e-5)


# -- kinds of units ---------------------------------------------------------------------------


def mixed(seed, n=80):
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 2, n)
    words = rng.multinomial(6, [0.6, 0.2, 0.2], n) * (topic == 0)[:, None]
    words = words + rng.multinomial(6, [0.1, 0.1, 0.8], n) * (topic == 1)[:, None]
    real = 5.0 + 4.0 * topic[:, None] + rng.normal(size=(n, 2))
    return Views({"words": words.astype(float), "real": real, "topic": np.eye(2)[topic]})


def test_real_views_and_word_counts(seed):
    views = mixed(seed)
    kinds = ("multinomial", "gaussian", "categorical")
    model = small(visible=kinds, layer_sizes=(3,), max_epochs=4).fit(with_holes(views))
    assert np.isfinite(model.score(views))
    known = {"words": views["words"], "real": None, "topic": None}
    real = model.impute(known, return_std=True)
    assert real.values["real"].mean() == pytest.approx(7, abs=1.5)
    assert real.std["real"].mean() == pytest.approx(np.asarray(views["real"]).std(), rel=0.4)
    words = model.impute({"words": None, "real": views["real"], "topic": None})["words"]
    np.testing.assert_allclose(words.sum(axis=1), 6.0, rtol=1e-5)
    drawn = model.sample_given({"words": None, "real": views["real"], "topic": None})[0]
    assert (drawn["words"].sum(axis=1) == 6).all()
    assert (model.sample(4, 0)["words"].sum(axis=1) == 6).all()
    np.testing.assert_allclose(model.reconstruct(views)["words"].sum(axis=1), 6.0, rtol=1e-5)
    assert model.log_partition(n_words=6).standard_error == 0.0
    one, two = (model.log_partition(n_words=n).value for n in (1, 6))
    assert two > one
    with pytest.raises(ValueError, match="a multinomial view needs it"):
        model.log_partition()


def test_partial_fit_goes_on(seed):
    views = planted(seed)
    model = small().partial_fit(views)
    assert len(model.pretrain_history_) == 3
    before = model.score(views)
    for _ in range(3):
        model.partial_fit(views)
    assert model.n_iter_ == 4
    assert model.score(views) != before


def test_tags():
    tags = get_tags(small())
    assert (tags.absent_views, tags.imputation, tags.conditional, tags.density) == (True,) * 4
    assert tags.generative
    assert tags.reconstruction


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"layer_sizes": {"image": (6,)}}, r"`layer_sizes` names \['image'\], but the views are"),
        ({"layer_sizes": ((6,), (4,), (3,))}, r"`layer_sizes` holds 3 values for 2 view"),
        ({"layer_sizes": ((6,), (4, 3))}, r"as many layers. Got \{'image': 1, 'label': 2\}"),
        ({"layer_sizes": ()}, r"of view 'image' must be one or more positive .* `MultimodalRBM`"),
        ({"layer_sizes": ((6,), (0,))}, r"of view 'label' must be .* Got \(0,\)"),
        ({"layer_sizes": {"image": (6,), "label": "x"}}, r"of view 'label' must be .* Got 'x'"),
        ({"layer_sizes": {"image": (6,), "label": 2.5}}, r"of view 'label' must be .* Got 2.5"),
        ({"visible": {"image": "bernoulli", "text": "x"}}, r"`visible` names \['image', 'text'\]"),
        ({"visible": ("bernoulli", "poisson")}, r"`visible` of view 'label' must be one of"),
        ({"visible": "categorical"}, r"one-hot rows .* view 'image'"),
        ({"visible": ("multinomial", "gaussian", "x")}, "`visible` holds 3 values for 2 view"),
        ({"pretrain": Pretraining("autoencoder")}, "must be of the kind 'rbm'"),
        ({"pretrain": "autoencoder"}, "'pretrain' parameter of MultimodalDBM"),
    ],
)
def test_bad_parameters(parameters, message, seed):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(planted(seed))


@pytest.mark.parametrize(
    "sizes", [5, (5,), [5], ((5,), (5,)), (5, (5,)), {"image": 5, "label": (5,)}]
)
def test_ways_to_say_the_sizes(sizes, seed):
    model = small(layer_sizes=sizes, pretrain=None, max_epochs=1).fit(planted(seed))
    assert model.module_.machine.weights[0].shape == (10, 12)


def test_bad_data(trained, seed):
    views = planted(seed)
    image, label = (np.array(a) for a in views.arrays)
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\].*view 'image'"):
        small().fit({"image": 3 * image, "label": label})
    holes = with_holes(views)
    both = {name: np.array(holes[name]) for name in holes.names}
    both["image"][7] = both["label"][7] = np.nan
    with pytest.raises(MissingViewError, match="7"):
        small().fit(both)
    with pytest.raises(MissingViewError, match="label"):
        small().fit({"image": image, "label": np.full_like(label, np.nan)})
    image[3, 2] = np.nan
    with pytest.raises(ValueError, match="view"):
        small().fit({"image": image, "label": label})
    with pytest.raises(ValueError, match="text"):
        trained.transform({"image": views["image"], "text": views["label"]})
    with pytest.raises(ValueError, match="`n_words` is the number of words of a row"):
        trained.log_partition(n_words=3)


def test_two_views_of_counts_have_no_log_partition(seed):
    rng = np.random.default_rng(seed)
    counts = {"a": rng.poisson(2, (30, 3)), "b": rng.poisson(2, (30, 3))}
    model = small(layer_sizes=(3,), visible="multinomial").fit(counts)
    assert model.transform(counts).shape == (30, 4)
    with pytest.raises(ValueError, match=r"offered for one view of word counts. Got 2"):
        model.score(counts)
    with pytest.raises(ValueError, match=r"offered for one view of word counts. Got 2"):
        model.log_partition(n_words=3)
