import copy
import warnings
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrep import DBN, RBM, BoltzmannMachine
from skrep.inspection import LogLikelihoodDisplay


@pytest.fixture(autouse=True)
def _no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module", name="X")
def make_data():
    return (np.random.default_rng(0).random((40, 6)) < 0.5).astype(float)


@pytest.fixture(scope="module")
def rbm(X):
    return RBM(4, max_epochs=3, random_state=0).fit(X)


SHORT = {"n_temperatures": [5, 20], "n_chains": 20, "random_state": 0}


def texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_points_are_estimates_of_log_partition_and_the_line_is_exact(rbm):
    display = LogLikelihoodDisplay.from_estimator(rbm, **SHORT)
    for values, errors, method in (
        (display.forward, display.forward_error, "ais"),
        (display.backward, display.backward_error, "reverse_ais"),
    ):
        for i, length in enumerate([5, 20]):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = rbm.log_partition(
                    method, n_chains=20, n_temperatures=length, random_state=0
                )
            assert (values[i], errors[i]) == found
    exact = rbm.log_partition("exact").value
    forward, backward, line = display.lines_
    np.testing.assert_array_equal(forward.get_xydata(), np.c_[[5, 20], display.forward])
    np.testing.assert_array_equal(backward.get_ydata(), display.backward)
    assert line.get_ydata()[0] == exact
    assert display.ax_.get_ylabel() == "log Z (nats)"
    # Both are unbiased for the ratio of the partition functions; six standard errors of a normal
    # deviation are passed by chance less than once in a hundred million.
    assert abs(display.forward[-1] - exact) < 6 * display.forward_error[-1] + 1e-6


def test_mean_log_likelihood_of_data(rbm, X):
    display = LogLikelihoodDisplay.from_estimator(rbm, X, reverse=False, **SHORT)
    exact = rbm.log_likelihood(X, method="exact").mean()
    assert display.exact == pytest.approx(exact, abs=1e-6)
    plain = LogLikelihoodDisplay.from_estimator(rbm, reverse=False, **SHORT)
    np.testing.assert_allclose(display.forward + plain.forward, display.exact + plain.exact)
    assert display.ax_.get_ylabel() == "mean log-likelihood (nats per sample)"
    assert display.backward is None
    assert len(display.lines_) == 2


def test_models_too_large_for_a_sum_have_no_exact_line(X):
    machine = RBM(4, max_epochs=1, random_state=0).fit(X)
    wide = SimpleNamespace(log_partition=machine.log_partition)
    display = LogLikelihoodDisplay.from_estimator(wide, reverse=False, **SHORT)
    assert display.exact is not None

    def refuse(method, **settings):
        if method == "exact":
            raise ValueError("too many states")
        return machine.log_partition(method, **settings)

    wide = SimpleNamespace(log_partition=refuse)
    display = LogLikelihoodDisplay.from_estimator(wide, reverse=False, **SHORT)
    assert display.exact is None
    assert texts(display) == ["forward ± 2 s.e."]


def test_unreliable_estimates_are_hollow_and_do_not_warn(rbm):
    def estimate(method, **settings):
        if settings.get("n_temperatures") == 5:
            text = "Annealing with 5 temperatures is unreliable: 1.2 chains carry the estimate."
            warnings.warn(text, UserWarning, stacklevel=1)
        return SimpleNamespace(value=1.0, standard_error=0.1)

    made_up = SimpleNamespace(log_partition=estimate)
    display = LogLikelihoodDisplay.from_estimator(made_up, reverse=False, **SHORT)
    assert display.forward_trusted.tolist() == [False, True]
    assert texts(display)[-1] == "carried by few chains"
    hollow = [line for line in display.ax_.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xdata().tolist() for line in hollow] == [[5]]
    # What the models say is what is looked for.
    stiff = copy.deepcopy(rbm)
    stiff.module_.weight.data.mul_(1000.0)
    with pytest.warns(UserWarning, match="is unreliable"):
        stiff.log_partition("ais", n_chains=200, n_temperatures=2, random_state=0)


def test_other_warnings_go_on():
    def estimate(method, **settings):
        warnings.warn("something else", UserWarning, stacklevel=1)
        return SimpleNamespace(value=1.0, standard_error=0.1)

    with pytest.warns(UserWarning, match="something else"):
        LogLikelihoodDisplay.from_estimator(
            SimpleNamespace(log_partition=estimate), n_temperatures=[2]
        )


@pytest.mark.parametrize(
    ("of_data", "above", "trusted", "crossed"),
    [
        (False, 1.0, True, False),
        (False, -1.0, True, True),
        (True, 1.0, True, True),
        (True, -1.0, True, False),
        (False, -9.0, False, False),
        (False, -11.0, False, True),
    ],
)
def test_sides_the_wrong_way_round_are_said_in_the_title(of_data, above, trusted, crossed):
    display = LogLikelihoodDisplay(
        n_temperatures=np.array([10]),
        forward=np.zeros(1),
        forward_error=np.full(1, 0.1),
        forward_trusted=np.array([trusted]),
        backward=np.full(1, above),
        backward_error=np.full(1, 0.1),
        backward_trusted=np.ones(1, dtype=bool),
        of_data=of_data,
    ).plot()
    assert ("missed modes" in display.ax_.get_title()) == crossed


def test_bounds_are_called_so(X, rbm):
    dbn = DBN(3, layer_sizes=(4,), max_epochs=1, random_state=0).fit(X)
    display = LogLikelihoodDisplay.from_estimator(dbn, X, reverse=False, **SHORT)
    assert "lower bound" in display.ax_.get_ylabel()
    visible = BoltzmannMachine(0, max_epochs=1, random_state=0).fit(X)
    display = LogLikelihoodDisplay.from_estimator(visible, X, reverse=False, **SHORT)
    assert "lower bound" not in display.ax_.get_ylabel()


def test_plot_is_repeatable_in_given_axes(rbm):
    _, ax = plt.subplots()
    display = LogLikelihoodDisplay.from_estimator(rbm, ax=ax, **SHORT)
    n_artists = len(ax.get_children())
    display.plot(ax=ax)
    assert len(ax.get_children()) == n_artists
    assert display.plot().ax_ is not ax


def test_counts_need_their_number_of_words():
    X = np.random.default_rng(0).multinomial(10, [0.25] * 4, size=30).astype(float)
    model = RBM(3, visible="multinomial", max_epochs=1, random_state=0).fit(X)
    display = LogLikelihoodDisplay.from_estimator(model, X, n_words=10, reverse=False, **SHORT)
    exact = model.log_likelihood(X, method="exact").mean()
    assert display.exact == pytest.approx(exact, abs=1e-5)
    with pytest.raises(ValueError, match="words"):
        LogLikelihoodDisplay.from_estimator(model, X, **SHORT)


@pytest.mark.parametrize("bad", [[], [1, 5], [20, 10], [2.5], "ab", [[2, 3]]])
def test_lengths_that_are_none(rbm, bad):
    with pytest.raises(ValueError, match="`n_temperatures` are rising lengths"):
        LogLikelihoodDisplay.from_estimator(rbm, n_temperatures=bad)


def test_errors(X):
    with pytest.raises(NotFittedError):
        LogLikelihoodDisplay.from_estimator(RBM(2))
    with pytest.raises(TypeError, match=r"`log_partition`, which PCA lacks\. These have: RBM"):
        LogLikelihoodDisplay.from_estimator(PCA(2).fit(X))


def test_pipelines_and_searches(rbm, X):
    pipe = make_pipeline(FunctionTransformer(lambda X: 1.0 - X), rbm)
    display = LogLikelihoodDisplay.from_estimator(pipe, X, reverse=False, **SHORT)
    assert display.exact == pytest.approx(rbm.log_likelihood(1.0 - X, method="exact").mean())
    search = GridSearchCV(rbm, {"n_components": [4]}, cv=2, scoring=lambda *_: 0.0).fit(X)
    display = LogLikelihoodDisplay.from_estimator(search, reverse=False, **SHORT)
    assert display.name == "RBM"
    assert display.exact == pytest.approx(search.best_estimator_.log_partition("exact").value)
