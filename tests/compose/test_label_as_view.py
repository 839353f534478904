"""LabelAsView: a classifier made of a model that imputes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

from skrep import Autoencoder, Views
from skrep.compose import LabelAsView, SplitViews
from skrep.multimodal import MultimodalRBM
from skrep.utils.tags import SkrepTags

UNITS = {"view0": "bernoulli", "label": "categorical"}


def planted(seed, n=300, width=6):
    """Three classes, each with bits of its own, a tenth of them flipped."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    bits = np.repeat(np.eye(3)[y], width // 3, axis=1)
    return np.where(rng.random(bits.shape) < 0.1, 1 - bits, bits), y


def rbm(**parameters):
    settings = {"n_components": 6, "visible": UNITS, "max_epochs": 15, "learning_rate": 0.2}
    return MultimodalRBM(**{**settings, "persistent": False, "random_state": 0, **parameters})


class FillsIn(BaseEstimator):
    """Imputes a table's row that does not even sum to 1, and remembers what it was fitted on."""

    def __init__(self, row=(3.0, 1.0, -5.0)):
        self.row = row

    def fit(self, X, y=None):
        self.seen_ = X
        return self

    def impute(self, X):
        arrays = dict(zip(X.names, X.arrays, strict=True))
        filled = np.tile(np.asarray(self.row), (len(X), 1))
        return Views({**arrays, X.names[-1]: filled})

    def __sklearn_tags__(self):
        tags = SkrepTags.extend(super().__sklearn_tags__())
        tags.imputation = tags.absent_views = True
        return tags


# -- what the estimator gets and gives ----------------------------------------------------------


def test_labels_are_one_more_view(seed):
    X, y = planted(seed)
    names = np.array(["b", "a", "c"])[y]
    model = LabelAsView(FillsIn(), label_name="class").fit(X, names)
    assert model.classes_.tolist() == ["a", "b", "c"]
    seen = model.estimator_.seen_
    assert seen.names == ("view0", "class")
    assert seen.is_complete
    np.testing.assert_array_equal(np.asarray(seen["class"]).argmax(axis=1), np.array([1, 0, 2])[y])


def test_rows_without_a_label_lack_that_view(seed):
    X, y = planted(seed)
    y[::2] = -1
    views = Views(
        {"a": X[:, :3], "b": X[:, 3:]}, present=np.array([[True, i % 3 > 0] for i in range(300)])
    )
    model = LabelAsView(FillsIn()).fit(views, y)
    assert model.classes_.tolist() == [0, 1, 2]
    present = model.estimator_.seen_.present
    np.testing.assert_array_equal(present[:, :2], views.present)
    np.testing.assert_array_equal(present[:, 2], y != -1)


def test_probabilities_are_the_imputed_view_normalised(seed):
    X, y = planted(seed)
    model = LabelAsView(FillsIn()).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X[:2]), [[0.75, 0.25, 0.0]] * 2)
    np.testing.assert_array_equal(model.predict(X[:2]), [0, 0])
    model.estimator_.row = (0.0, 0.0, -1.0)
    np.testing.assert_allclose(model.predict_proba(X[:2]), np.full((2, 3), 1 / 3))


def test_probabilities_are_exact_with_an_rbm(seed):
    X, y = planted(seed)
    model = LabelAsView(rbm(max_epochs=3)).fit(X, y)
    logs = [
        model.estimator_.conditional_log_likelihood(
            {"view0": X[:5], "label": np.tile(row, (5, 1))}, "label"
        )
        for row in np.eye(3)
    ]
    np.testing.assert_allclose(model.predict_proba(X[:5]), np.exp(logs).T, atol=1e-5)


def test_classifies_and_learns_from_few_labels(seed):
    X, y = planted(seed)
    X_test, y_test = planted(seed + 1)
    best = LogisticRegression().fit(X, y).score(X_test, y_test)
    model = LabelAsView(rbm()).fit(X, y)
    assert model.score(X_test, y_test) > best - 0.03
    few = y.copy()
    few[60:] = -1
    weak = LabelAsView(rbm(max_epochs=40)).fit(X, few)
    assert weak.score(X_test, y_test) > best - 0.1
    assert weak.score(X, few) == pytest.approx(weak.score(X[:60], y[:60]))
    assert weak.score(X[:60], y[:60], sample_weight=np.ones(60)) == weak.score(X[:60], y[:60])


# -- stock tools --------------------------------------------------------------------------------


def test_search_and_validation_of_a_pipeline(seed):
    X, y = planted(seed, 120)
    pipe = make_pipeline(MinMaxScaler(), LabelAsView(rbm(max_epochs=5)))
    grid = {"labelasview__estimator__n_components": [1, 6]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X, y)
    assert search.best_estimator_.predict(X).shape == (120,)
    units = {"a": "bernoulli", "b": "bernoulli", "label": "categorical"}
    split = make_pipeline(
        SplitViews({"a": [0, 1], "b": [2, 3, 4, 5]}), LabelAsView(rbm(visible=units, max_epochs=60))
    )
    assert cross_val_score(split, X, y, cv=2).mean() > 0.6
    views = Views({"a": X[:, :2], "b": X[:, 2:]})
    model = LabelAsView(rbm(visible=units, max_epochs=60))
    assert cross_val_score(model, views, y, cv=2).mean() > 0.6


def test_views_may_be_absent_where_labels_are_asked_for(seed):
    X, y = planted(seed)
    units = {"a": "bernoulli", "b": "bernoulli", "label": "categorical"}
    views = {"a": X[:, [0, 2, 4]], "b": X[:, [1, 3, 5]]}
    model = LabelAsView(rbm(visible=units, max_epochs=30)).fit(views, y)
    both, one = model.score(views, y), model.score({"a": views["a"], "b": None}, y)
    assert 1 / 3 + 0.2 < one < both


def test_frames_and_names(seed):
    X, y = planted(seed)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = LabelAsView(FillsIn()).fit(frame, y)
    assert model.feature_names_in_.tolist() == list("abcdef")
    assert model.n_features_in_ == 6
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("bacdef")])
    tags = get_tags(LabelAsView(rbm()))
    assert tags.multi_view
    assert tags.absent_views
    assert tags.input_tags.sparse
    assert tags.target_tags.required


def stock():
    units = {"view0": "gaussian", "label": "categorical"}
    return LabelAsView(
        rbm(
            n_components=8, visible=units, max_epochs=10, learning_rate=0.1, view_rates={"label": 3}
        )
    )


CHECKS = [
    pytest.param(estimator, check, id=f"{check.func.__name__}-{i}")
    for i, (estimator, check) in enumerate(estimator_checks_generator(stock()))
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_stock_check(estimator, check):
    check(estimator)


# -- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (np.full(300, -1), "Every label in y is -1"),
        (np.zeros(300, int), "y holds one class, 0, on 300 labelled rows"),
        (np.arange(299), "y has 299 labels, but X has 300 samples"),
        (np.where(np.arange(300) == 7, np.nan, 1.0), "Input y contains NaN in row 7"),
        (np.linspace(0, 1, 300), "Unknown label type"),
    ],
)
def test_bad_labels(y, message, seed):
    with pytest.raises(ValueError, match=message):
        LabelAsView(FillsIn()).fit(planted(seed)[0], y)


def test_minus_one_beside_one_class_is_a_class(seed):
    X, y = planted(seed)
    with pytest.warns(UserWarning, match="-1 is read as a class"):
        model = LabelAsView(FillsIn()).fit(X, np.where(y > 0, 1, -1))
    assert model.classes_.tolist() == [-1, 1]
    assert model.score(X, np.full(300, -1)) == 1.0


def test_bad_use(seed):
    X, y = planted(seed)
    with pytest.raises(TypeError, match=r"that imputes absent views.*Got Autoencoder"):
        LabelAsView(Autoencoder()).fit(X, y)
    with pytest.raises(ValueError, match="`label_name='b'` is the name of a view of X already"):
        LabelAsView(FillsIn(), label_name="b").fit({"a": X, "b": X}, y)
    with pytest.raises(NotFittedError):
        LabelAsView(FillsIn()).predict(X)
    model = LabelAsView(FillsIn()).fit(X, y)
    with pytest.raises(ValueError, match="None of the 300 rows of y is labelled"):
        model.score(X, np.full(300, -1))
    with pytest.raises(ValueError, match=r"`visible` names \['image'\]"):
        LabelAsView(rbm(visible={"image": "bernoulli"})).fit(X, y)
    assert clone(model).get_params()["label_name"] == "label"
