"""The multimodal RBM against sums over the states of tiny machines."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from skrep import RBM, Gradient, Trainer, Views
from skrep.exceptions import MissingViewError
from skrep.multimodal import MultimodalRBM
from skrep.nn import multimodal_inference
from skrep.nn.label_conditional import redraw_label_
from skrep.nn.module import Batch

UNITS = {"bits": "bernoulli", "label": "categorical", "other": "bernoulli"}
WIDTHS = {"bits": 3, "label": 3, "other": 2}


def states_of(units=UNITS, widths=WIDTHS):
    """Every state of the discrete views, by view."""
    each = [
        np.eye(widths[name])
        if kind == "categorical"
        else np.array(list(itertools.product([0.0, 1.0], repeat=widths[name])))
        for name, kind in units.items()
    ]
    index = np.array(list(itertools.product(*[range(len(one)) for one in each])))
    return {name: each[i][index[:, i]] for i, name in enumerate(units)}


def planted(seed, n=200):
    """A class shows in all views."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    bits = np.where(rng.random((n, 3)) < 0.1, 1 - np.eye(3)[y], np.eye(3)[y])
    other = np.where(rng.random((n, 2)) < 0.1, 1 - np.eye(3)[y][:, :2], np.eye(3)[y][:, :2])
    return {"bits": bits, "label": np.eye(3)[y], "other": other}


def small(**parameters):
    settings = {"n_components": 4, "visible": UNITS, "learning_rate": 0.05, "max_epochs": 3}
    return MultimodalRBM(**{**settings, "random_state": 0, **parameters})


def tiny(seed, scale=1.0, units=UNITS, data=None, **parameters):
    """A fitted model whose weights are then drawn."""
    data = planted(seed) if data is None else data
    model = small(visible=units, max_epochs=1, **parameters).fit(data)
    generator = torch.Generator().manual_seed(seed + 1)
    machine = model.module_.machine
    with torch.no_grad():
        for p in (machine.weight, machine.visible_bias, machine.hidden_bias):
            p.normal_(0.0, scale, generator=generator)
    return model


def log_joint(model, states):
    """Log p of every state, from the documented energy and the public weights."""
    x = np.hstack(list(states.values()))
    H = np.array(list(itertools.product([0.0, 1.0], repeat=len(model.intercept_hidden_))))
    w, a, b = model.components_, model.intercept_visible_, model.intercept_hidden_
    energy = -(x @ a)[:, None] - H @ b - x @ w.T @ H.T
    weights = np.logaddexp.reduce(-energy.astype(float), axis=1)
    return weights - np.logaddexp.reduce(weights), np.logaddexp.reduce(weights)


def given(states, log_p, known):
    """Probabilities of the states that agree with what is known, 0 elsewhere."""
    agree = np.all([(states[k] == v).all(axis=1) for k, v in known.items()], axis=0)
    p = np.where(agree, np.exp(log_p), 0.0)
    return p / p.sum(), np.log(p.sum())


def with_absent(known, n=1):
    return {k: np.repeat(known[k][None], n, 0) if k in known else None for k in UNITS}


KNOWN = [
    {"bits": np.array([1.0, 0.0, 1.0]), "other": np.array([0.0, 1.0])},  # only the label is absent
    {"label": np.array([0.0, 1.0, 0.0])},
    {"other": np.array([1.0, 1.0])},
]


# -- probabilities ------------------------------------------------------------------------------


def test_joint_probabilities(seed):
    model, states = tiny(seed), states_of()
    log_p, log_z = log_joint(model, states)
    np.testing.assert_allclose(model.log_likelihood(states), log_p, atol=1e-4)
    exact = model.log_partition()
    assert exact.value == pytest.approx(log_z, abs=1e-4)
    assert exact.standard_error == 0
    found = model.log_partition("ais", n_temperatures=300, random_state=seed)
    assert found.value == pytest.approx(log_z, abs=4 * found.standard_error + 1e-4)


@pytest.mark.parametrize("known", KNOWN)
def test_marginal_probabilities(known, seed):
    model, states = tiny(seed), states_of()
    log_p, _ = log_joint(model, states)
    _, log_mass = given(states, log_p, known)
    assert model.log_likelihood(with_absent(known))[0] == pytest.approx(log_mass, abs=1e-4)


@pytest.mark.parametrize("view", ["label", "bits"])
def test_conditional_probabilities(view, seed):
    model, states = tiny(seed), states_of()
    log_p, _ = log_joint(model, states)
    rows = {name: values[::5] for name, values in states.items()}
    expected = [
        log_p[5 * i] - given(states, log_p, {k: v[i] for k, v in rows.items() if k != view})[1]
        for i in range(len(rows["bits"]))
    ]
    np.testing.assert_allclose(model.conditional_log_likelihood(rows, view), expected, atol=1e-4)


@pytest.mark.parametrize("known", KNOWN)
def test_imputation_is_the_conditional_mean(known, seed):
    model, states = tiny(seed), states_of()
    p, _ = given(states, log_joint(model, states)[0], known)
    found = model.impute(with_absent(known), return_std=True)
    for name in set(UNITS) - set(known):
        mean = p @ states[name]
        np.testing.assert_allclose(found.values[name][0], mean, atol=1e-4)
        std = np.sqrt(p @ states[name] ** 2 - mean**2)
        np.testing.assert_allclose(found.std[name][0], std, atol=1e-3)
    for name, value in known.items():
        np.testing.assert_array_equal(found.values[name][0], value)


@pytest.mark.parametrize("known", KNOWN)
def test_imputation_by_a_chain_is_the_conditional_mean(known, seed, monkeypatch):
    """Chains of 30 seeds average to it within 4.5 standard errors: 8 numbers, 1 alarm in 10^4."""
    model, states = tiny(seed), states_of()
    p, _ = given(states, log_joint(model, states)[0], known)
    monkeypatch.setattr(multimodal_inference, "MAX_SUMMED", 0)
    draws = []
    for noise in range(30):
        model._noise_seed = noise
        draws.append(model.impute(with_absent(known)))
    for name in set(UNITS) - set(known):
        values = np.array([one[name][0] for one in draws])
        error = values.std(axis=0) / np.sqrt(len(values))
        assert (np.abs(values.mean(axis=0) - p @ states[name]) < 4.5 * error + 1e-3).all()


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("known", KNOWN)
def test_draws_given_the_rest(known, exact, seed, monkeypatch):
    """Frequencies of 4,000 draws within 4.5 standard errors: at most 24 states, 1 in 6,000."""
    model, states, n = tiny(seed), states_of(), 4000
    p, _ = given(states, log_joint(model, states)[0], known)
    if not exact:
        monkeypatch.setattr(multimodal_inference, "MAX_SUMMED", 0)
    drawn = model.sample_given(with_absent(known, n), random_state=seed)[0]
    every, rows = np.hstack(list(states.values())), np.asarray(drawn)
    share = (rows[:, None] == every).all(axis=2).mean(axis=0)
    assert share.sum() == pytest.approx(1)
    error = np.sqrt(p * (1 - p) / n)
    assert (np.abs(share - p) < 4.5 * error + 1e-3).all()


def test_codes_are_expected_hidden_units(seed):
    model, states = tiny(seed), states_of()
    log_p, _ = log_joint(model, states)
    whole = model.transform(states)
    for known in KNOWN:
        p, _ = given(states, log_p, known)
        np.testing.assert_allclose(model.transform(with_absent(known))[0], p @ whole, atol=1e-4)
    each = model.transform_each({k: v[:2] for k, v in states.items()})
    alone = model.transform({"bits": states["bits"][:2], "label": None, "other": None})
    np.testing.assert_allclose(each["bits"], alone, atol=1e-5)


def test_mean_field_codes_are_a_fixed_point(seed, monkeypatch):
    """With weak connections they are close to the exact ones, and alone or in company alike."""
    model = tiny(seed, scale=0.2)
    X = planted(seed, 50)
    X["label"] = None
    X["other"][10:] = np.nan
    exact = model.transform(X)
    monkeypatch.setattr(multimodal_inference, "MAX_SUMMED", 0)
    found = model.transform(X)
    assert 0 < np.abs(found - exact).max() < 0.02
    alone = model.transform({k: None if v is None else v[7:8] for k, v in X.items()})
    np.testing.assert_allclose(alone, found[7:8], atol=1e-5)


def test_real_view_given_the_rest_by_quadrature(seed):
    rng = np.random.default_rng(seed)
    data = {
        "real": 5.0 + 3.0 * rng.normal(size=(100, 1)),
        "label": np.eye(2)[rng.integers(0, 2, 100)],
    }
    units = {"real": "gaussian", "label": "categorical"}
    model = tiny(seed, scale=0.7, units=units, data=data)
    grid = np.linspace(-60, 70, 8001)[:, None]
    logs = np.array(
        [
            model.log_likelihood({"real": grid, "label": np.tile(row, (8001, 1))})
            for row in np.eye(2)
        ]
    )
    step = grid[1, 0] - grid[0, 0]
    assert np.exp(logs).sum() * step == pytest.approx(1, abs=1e-3)
    missing = {"real": None, "label": np.eye(2)}
    np.testing.assert_allclose(
        model.log_likelihood(missing), np.log(np.exp(logs).sum(axis=1) * step), atol=1e-3
    )
    p = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    found = model.impute(missing, return_std=True)
    mean = p @ grid
    np.testing.assert_allclose(found.values["real"], mean, rtol=1e-3)
    std = np.sqrt(p @ grid**2 - mean**2)
    np.testing.assert_allclose(found.std["real"], std, rtol=1e-3)
    joint = model.conditional_log_likelihood(
        {"real": grid[::100], "label": np.eye(2)[[0] * 81]}, "real"
    )
    np.testing.assert_allclose(joint, np.log(p[0, ::100] / step), atol=1e-2)
    assert model.variance_.shape == (3,)
    assert np.isnan(model.variance_[1:]).all()


def test_words_of_one_view(seed):
    rng = np.random.default_rng(seed)
    data = {
        "words": rng.poisson(1.0, (100, 3)).astype(float),
        "label": np.eye(2)[rng.integers(0, 2, 100)],
    }
    units = {"words": "multinomial", "label": "categorical"}
    model = tiny(seed, units=units, data=data)
    every = np.array([w for w in itertools.product(range(4), repeat=3) if sum(w) == 3], dtype=float)
    logs = [model.log_likelihood({"words": every, "label": np.tile(r, (10, 1))}) for r in np.eye(2)]
    assert np.exp(logs).sum() == pytest.approx(1, abs=1e-3)
    ais = model.log_partition("ais", n_words=3, random_state=seed)
    assert ais.value == pytest.approx(
        model.log_partition(n_words=3).value, abs=4 * ais.standard_error + 1e-3
    )
    filled = model.impute({"words": None, "label": np.eye(2)})["words"]
    assert filled.sum(axis=1) == pytest.approx(np.rint(data["words"].sum(axis=1).mean()), rel=1e-4)
    drawn = model.sample_given({"words": None, "label": np.eye(2)}, random_state=0)[0]["words"]
    assert (np.asarray(drawn) == np.rint(drawn)).all()
    with pytest.raises(ValueError, match="`n_words` is the number of words"):
        model.log_partition()
    with pytest.raises(ValueError, match="word counts, whose conditional is not offered"):
        model.conditional_log_likelihood(data, "words")
    two = small(visible="multinomial").fit({"a": data["words"], "b": data["words"]})
    for call in (
        lambda: two.log_partition(n_words=3),
        lambda: two.log_likelihood({"a": every, "b": every}),
    ):
        with pytest.raises(ValueError, match=r"offered for one view of word counts\. Got 2"):
            call()
    assert np.isfinite(two.score({"a": every, "b": every}))


# -- training -----------------------------------------------------------------------------------


def batch_of(data, absent=()):
    views = tuple(torch.from_numpy(v).float() for v in data.values())
    present = torch.ones(len(views[0]), len(views), dtype=torch.bool)
    for name in absent:
        present[:, list(data).index(name)] = False
    views = tuple(v * present[:, i, None] for i, v in enumerate(views))
    return Batch(views, present if absent else None)


def slopes(module, value):
    module.zero_grad()
    value.backward()
    return {name: p.grad.clone() for name, p in module.named_parameters()}


@pytest.mark.parametrize("persistent", [True, False])
def test_gradient_is_that_of_the_free_energies(persistent, seed):
    """Mean F(data) - mean F(samples), the samples being those that the step has drawn."""
    rng = np.random.default_rng(seed)
    data = {
        **planted(seed, 40),
        "real": rng.normal(size=(40, 2)),
        "words": rng.poisson(1.0, (40, 3)).astype(float),
    }
    units = {**UNITS, "real": "gaussian", "words": "multinomial"}
    model = tiny(
        seed,
        0.3,
        units,
        data,
        gradient="plain",
        persistent=persistent,
        n_gibbs_steps=2,
        batch_size=7,
    )
    module = model.module_.train()
    batch = batch_of(data)
    module.accumulate_gradients(batch, torch.Generator().manual_seed(seed))
    filled = {name: p.grad.clone() for name, p in module.named_parameters()}
    work = module.machine.contrast.scratch[40]
    samples = module.machine.to_views(work.samples.detach())
    samples = tuple(s.detach() for s in samples)
    loss = module.free_energy_of(batch).mean() - module.free_energy_of(Batch(samples)).mean()
    for name, expected in slopes(module, loss).items():
        own = filled[name]
        if name.endswith("log_variance"):
            expected = torch.where(
                torch.arange(len(own)).ge(8) & torch.arange(len(own)).lt(10), expected, 0.0
            )
        torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("absent", [("label",), ("bits",), ("label", "other")])
def test_gradient_of_incomplete_samples(absent, seed):
    """Completed by draws, they have the slope of the free energy of what is present.

    The mean over 30,000 rows, within 5 standard errors and a hundredth for the chain's length:
    some 40 numbers, one false alarm in 10^5.
    """
    model = tiny(seed, scale=0.5)
    module, n = model.module_, 30_000
    row = {name: np.repeat(values[:1], n, 0) for name, values in planted(seed).items()}
    batch = batch_of(row, absent)
    expected = slopes(
        module,
        module.free_energy_of(
            Batch(*(tuple(v[:1] for v in batch.views), batch.present[:1]))
        ).mean(),
    )
    with torch.no_grad():
        x = module._completed(batch, torch.Generator().manual_seed(seed))
    for i, name in enumerate(UNITS):
        if name not in absent:
            torch.testing.assert_close(module.machine.scaler.split(x)[i], batch.views[i])
    rows = slopes(module, module.machine.free_energy(x).mean())
    spread = module.machine.hidden_field(x).sigmoid().std(dim=0).max() / n**0.5
    for name, value in rows.items():
        assert (value - expected[name]).abs().max() < 5 * (spread + 0.5 / n**0.5) + 0.01


def test_label_is_drawn_from_its_exact_conditional(seed):
    """Frequencies of 20,000 draws, 5 standard errors: a false alarm in 10^6 runs."""
    model, n = tiny(seed), 20_000
    machine, states = model.module_.machine, states_of()
    known = KNOWN[0]
    p, _ = given(states, log_joint(model, states)[0], known)
    x = torch.tensor(np.hstack([known["bits"], [1, 0, 0], known["other"]])).float().repeat(n, 1)
    assert machine.settings.label == (3, 6)
    with torch.no_grad():
        field = machine.hidden_field(x)
        redraw_label_(machine, x, field, (3, 6), torch.Generator().manual_seed(seed))
        torch.testing.assert_close(field, machine.hidden_field(x), atol=1e-4, rtol=1e-4)
    expected = p @ states["label"]
    error = np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(x[:, 3:6].mean(dim=0).numpy() - expected) < 5 * error).all()


@pytest.mark.parametrize("kind", ["centred", "plain"])
def test_rates_of_views(kind, seed):
    """The same draws move a view so many times as far."""
    data = planted(seed)
    settings = {"gradient": kind, "max_epochs": 1, "batch_size": 200, "learning_rate": 0.01}
    plain = small(**settings).fit(data)
    fast = small(view_rates={"label": 3.0}, **settings).fit(data)
    start = small(**{**settings, "learning_rate": 1e-12}).fit(data)
    moved = [m.components_ - start.components_ for m in (plain, fast)]
    np.testing.assert_allclose(moved[1][:, 3:6], 3 * moved[0][:, 3:6], atol=1e-6)
    np.testing.assert_allclose(
        np.delete(moved[1], range(3, 6), 1), np.delete(moved[0], range(3, 6), 1), atol=1e-7
    )


def test_learns_from_incomplete_samples(seed):
    """With half of the labels and a third of each other view absent, the class is found."""
    data, rng = planted(seed, 600), np.random.default_rng(seed)
    views = Views(data)
    present = rng.random((600, 3)) < [0.7, 0.5, 0.7]
    present[~present.any(axis=1), 0] = True
    partial = Views(views.arrays, views.names, present)
    model = small(max_epochs=25, batch_size=20, learning_rate=0.3).fit(partial)
    test = planted(seed + 1, 300)
    found = model.impute({**test, "label": None})["label"]
    assert (found.argmax(axis=1) == test["label"].argmax(axis=1)).mean() > 0.85
    start = small(max_epochs=1, learning_rate=1e-9).fit(partial)
    assert model.log_likelihood(partial).mean() > start.log_likelihood(partial).mean() + 0.2
    assert model.score(partial) > start.score(partial)
    model.partial_fit({**test, "label": None})
    assert model.n_iter_ == 26


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "parameters",
    [
        {"gradient": Gradient(momentum=0.5)},
        {"gradient": Gradient(n_chains=7, n_temperatures=2)},
        {"gradient": Gradient(averaging=0.01), "view_rates": (1, 5, 1)},
        {"trainer": Trainer(early_stopping=5)},
        {"persistent": False, "sparsity": "kl", "n_gibbs_steps": 2},
    ],
)
def test_every_option_trains_on_incomplete_samples(parameters, seed):
    data = planted(seed)
    data["label"][::2] = np.nan
    model = small(**parameters).fit(data)
    assert np.isfinite(model.loss_curve_).all()
    assert np.isfinite(model.score(data))


# -- one view, containers -----------------------------------------------------------------------


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "categorical"])
def test_one_view_is_an_rbm(visible, seed):
    X = planted(seed)["label"] if visible == "categorical" else planted(seed)["bits"]
    settings = {"visible": visible, "max_epochs": 3, "random_state": seed, "learning_rate": 0.05}
    ours, theirs = MultimodalRBM(3, **settings).fit(X), RBM(3, **settings).fit(X)
    np.testing.assert_allclose(ours.components_, theirs.components_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-5)
    np.testing.assert_allclose(ours.free_energy(X), theirs.free_energy(X), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-4, atol=1e-4)
    if visible != "gaussian":
        np.testing.assert_allclose(ours.log_likelihood(X), theirs.log_likelihood(X), atol=1e-3)
    np.testing.assert_allclose(ours.reconstruct(X), theirs.reconstruct(X), rtol=1e-4, atol=1e-5)


def test_views_of_one_kind_are_an_rbm_on_the_concatenation(seed):
    X = planted(seed)
    two = {"a": X["bits"], "b": X["other"]}
    settings = {"max_epochs": 3, "random_state": seed}
    ours = MultimodalRBM(3, **settings).fit(two)
    theirs = RBM(3, **settings).fit(np.hstack(list(two.values())))
    np.testing.assert_allclose(ours.components_, theirs.components_, rtol=1e-5, atol=1e-6)


def test_pseudo_likelihood_adds_up(seed):
    """Of complete samples by enumeration; of incomplete ones over what is present."""
    model, states = tiny(seed), states_of()
    log_p, _ = log_joint(model, states)
    every = np.hstack(list(states.values()))
    expected = np.zeros(len(every))
    groups = [[0], [1], [2], [3, 4, 5], [6], [7]]
    for i, row in enumerate(every):
        for group in groups:
            rest = np.delete(np.arange(8), group)
            alike = (every[:, rest] == row[rest]).all(axis=1)
            expected[i] += log_p[i] - np.logaddexp.reduce(log_p[alike])
    np.testing.assert_allclose(model.score_samples(states), expected, atol=1e-4)
    partial = {**states, "label": None}
    assert (model.score_samples(partial) > model.score_samples(states) - 10).all()


def test_energy_and_gibbs(seed):
    model, states = tiny(seed), states_of()
    H = np.random.default_rng(seed).integers(0, 2, (len(states["bits"]), 4)).astype(float)
    x = np.hstack(list(states.values()))
    w, a, b = model.components_, model.intercept_visible_, model.intercept_hidden_
    by_hand = -x @ a - H @ b - ((x @ w.T) * H).sum(axis=1)
    np.testing.assert_allclose(model.energy(states, H), by_hand, atol=1e-4)
    drawn = model.gibbs({**states, "label": None}, 2, random_state=0)
    assert (np.asarray(drawn["label"]).sum(axis=1) == 1).all()
    assert model.sample(5, random_state=0).names == tuple(UNITS)
    with pytest.raises(MissingViewError, match="row 0 of V lacks a view"):
        model.energy({**states, "label": None}, H)
    with pytest.raises(AttributeError, match="Only gaussian views have variances"):
        _ = model.variance_


def test_sparse_views_and_frames(seed):
    data = planted(seed)
    model = small().fit(data)
    again = small().fit({name: sparse.csr_array(values) for name, values in data.items()})
    np.testing.assert_allclose(model.components_, again.components_, atol=1e-6)
    present = np.ones((200, 3), dtype=bool)
    present[::3, 1] = False
    partly = Views({name: sparse.csr_array(v) for name, v in data.items()}, present=present)
    assert small().fit(partly).transform(partly).shape == (200, 4)
    frames = {name: pd.DataFrame(v, index=range(5, 205)) for name, v in data.items()}
    filled = model.impute({**frames, "label": None})
    assert list(filled["bits"].index) == list(range(5, 205))


# -- bad input ----------------------------------------------------------------------------------


def with_gap(values, row):
    values = values.copy()
    values[row] = np.nan
    return values


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: {k: with_gap(v, 4) for k, v in d.items()}, MissingViewError, "absent in row 4"),
        (lambda d: {**d, "label": None}, MissingViewError, "'label' is absent from every sample"),
        (lambda d: {**d, "bits": with_gap(d["bits"], (3, 1))}, ValueError, "NaN in part of row 3"),
        (
            lambda d: {**d, "label": 2 * d["label"]},
            ValueError,
            "visible='categorical'. needs one-hot",
        ),
        (
            lambda d: {**d, "bits": d["bits"] - 5},
            ValueError,
            r"row 0, column 0 of view 'bits' is -",
        ),
    ],
)
def test_bad_data(change, error, message, seed):
    with pytest.raises(error, match=message):
        small().fit(change(planted(seed)))


def test_rows_are_named_beside_absent_ones(seed):
    data = planted(seed)
    data["label"][:5] = np.nan
    data["label"][7] = [1, 1, 0]
    with pytest.raises(ValueError, match=r"row 7 of view 'label' sums to 2\.0"):
        small().fit(data)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"visible": {"bits": "bernoulli", "etc": "gaussian"}},
            r"`visible` names \['bits', 'etc'\]",
        ),
        ({"visible": ("bernoulli",)}, "`visible` holds 1 values for 3 view"),
        (
            {"visible": {**UNITS, "bits": "poisson"}},
            "of view 'bits' must be one of .*Got 'poisson'",
        ),
        ({"view_rates": {"etc": 2}}, r"`view_rates` names \['etc'\], but the views are"),
        ({"view_rates": {"bits": 0}}, "of view 'bits' must be a number above 0. Got 0"),
        ({"view_rates": {"bits": True}}, "must be a number above 0. Got True"),
        ({"gradient": Gradient(n_temperatures=2), "persistent": False}, "persistent=True"),
    ],
)
def test_bad_settings(parameters, message, seed):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(planted(seed))


def test_bad_conditionals(seed, monkeypatch):
    data = planted(seed, 20)
    model = small().fit(data)
    with pytest.raises(ValueError, match=r"must be the name of a view\. Got 'etc'\. The views are"):
        model.conditional_log_likelihood(data, "etc")
    with pytest.raises(ValueError, match="It was fitted on one array"):
        small(visible="bernoulli").fit(data["bits"]).conditional_log_likelihood(data["bits"], "a")
    with pytest.raises(MissingViewError, match="Row 2 lacks that view"):
        model.conditional_log_likelihood({**data, "label": with_gap(data["label"], 2)}, "label")
    only = {"bits": None, "label": data["label"], "other": None}
    with pytest.raises(MissingViewError, match="Row 0 has no other"):
        model.conditional_log_likelihood(only, "label")
    monkeypatch.setattr(multimodal_inference, "MAX_SUMMED", 2)
    with pytest.raises(ValueError, match=r"both have too many states\. Fill the views in"):
        model.free_energy({**data, "label": None})
    with pytest.raises(ValueError, match="both have too many states"):
        model.conditional_log_likelihood(data, "bits")
