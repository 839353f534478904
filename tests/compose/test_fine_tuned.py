"""Heads on embeddings: which rows teach what, oracles, labels and what is refused."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

from skrep import VAE, Autoencoder, FineTunedClassifier, FineTunedRegressor, Trainer, Views
from skrep.base import ClosedFormEstimator
from skrep.datasets import make_low_rank, make_multiview
from skrep.nn.fine_tuned import with_head
from skrep.nn.module import Batch, LossTerms, RepresentationModule

STILL = {"learning_rate": 1e-12, "max_epochs": 1}


def encoder(n_components=3, **settings):
    settings = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0, **settings}
    return Autoencoder(n_components, **settings)


def planted(seed, n=200, n_features=12, n_classes=3):
    """Return data of low rank and classes that one direction of it tells apart."""
    X = make_low_rank(n, n_features, rank=3, noise=0.3, random_state=seed)
    along = PCA(1, random_state=0).fit_transform(X)[:, 0]
    return X, np.digitize(along, np.quantile(along, np.arange(1, n_classes) / n_classes))


def few_labels(y, n_labels, unknown=-1):
    y = np.array(y, dtype=float) if np.isnan(unknown) else y.copy()
    y[n_labels:] = unknown
    return y


# -- which rows teach what ------------------------------------------------------------------


def test_pre_training_sees_every_row(seed):
    X, y = planted(seed)
    fitted = FineTunedClassifier(encoder(), **STILL).fit(X, few_labels(y, 30))
    alone = encoder().fit(X)
    np.testing.assert_array_equal(fitted.estimator_.loss_curve_, alone.loss_curve_)
    np.testing.assert_allclose(fitted.transform(X), alone.transform(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("head", "unknown"), [(FineTunedClassifier, -1), (FineTunedRegressor, np.nan)]
)
def test_head_sees_labelled_rows_only(head, unknown, seed):
    X, y = planted(seed)
    frozen = FrozenEstimator(encoder().fit(X))
    other = X.copy()
    other[30:] = np.random.default_rng(seed).normal(size=other[30:].shape) * 100
    first, second = (
        head(frozen, max_epochs=3, random_state=0).fit(data, few_labels(y, 30, unknown))
        for data in (X, other)
    )
    np.testing.assert_array_equal(first.coef_, second.coef_)
    np.testing.assert_array_equal(first.loss_curve_, second.loss_curve_)


def test_a_frozen_estimator_is_taken_as_it_is_and_left_alone(seed):
    X, y = planted(seed)
    given = encoder().fit(X)
    before = given.transform(X)
    fitted = FineTunedClassifier(FrozenEstimator(given), max_epochs=5, learning_rate=0.01)
    fitted.fit(X[:50], y[:50])
    np.testing.assert_array_equal(given.transform(X), before)
    assert np.abs(fitted.transform(X) - before).max() > 1e-3
    np.testing.assert_array_equal(fitted.estimator_.loss_curve_, given.loss_curve_)


def test_the_decoder_is_as_pre_training_left_it(seed):
    X, y = planted(seed)
    fitted = FineTunedClassifier(encoder(), max_epochs=3, random_state=0).fit(X, y)
    module, before = fitted.estimator_.module_, encoder().fit(X).module_
    for mine, other in zip(module.decoder.parameters(), before.decoder.parameters(), strict=True):
        assert torch.equal(mine, other)
    assert all(p.requires_grad and p.grad is None for p in module.parameters())
    assert all(p.device.type == "cpu" for p in module.parameters())
    assert not module.training


# -- oracles --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_head_starts_at_logistic_regression_on_the_code(n_classes, seed):
    X, y = planted(seed, n_classes=n_classes)
    given = encoder().fit(X)
    codes = given.transform(X).astype(float)
    codes = (codes - codes.mean(axis=0)) / codes.std(axis=0).mean()
    expected = LogisticRegression().fit(codes, y).predict_proba(codes)
    fitted = FineTunedClassifier(FrozenEstimator(given), **STILL).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-4)


def test_head_starts_at_ridge_on_the_code(seed):
    X, _ = planted(seed)
    y = 40.0 + 5.0 * X[:, 0]
    given = encoder().fit(X)
    codes = given.transform(X).astype(float)
    codes = (codes - codes.mean(axis=0)) / codes.std(axis=0).mean()
    expected = Ridge().fit(codes, y).predict(codes)
    fitted = FineTunedRegressor(FrozenEstimator(given), **STILL).fit(X, y)
    np.testing.assert_allclose(fitted.predict(X), expected, rtol=1e-4)


def test_linear_encoder_ends_at_logistic_regression_on_the_data(seed):
    """A linear map to as many codes as classes, and a linear head, are one linear model."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(150, 4))
    y = (X @ rng.normal(size=(4, 3)) + rng.gumbel(size=(150, 3))).argmax(axis=1)
    best = LogisticRegression(C=1e8, max_iter=1000, tol=1e-8).fit(X, y)
    exact = Trainer(optimizer="lbfgs", precision="float64")
    fitted = FineTunedClassifier(
        encoder(3, hidden_layer_sizes=(), trainer=Trainer(precision="float64")),
        batch_size=150,
        learning_rate=0.5,
        max_epochs=20,
        trainer=exact,
    ).fit(X, y)
    reached, least = (log_loss(y, model.predict_proba(X)) for model in (fitted, best))
    assert reached == pytest.approx(least, rel=1e-5)


def test_pre_training_wins_where_labels_are_few(seed):
    """The classes lie along the strongest of 60 directions; 20 labels cannot find it."""
    X, y = planted(seed, n=400, n_features=60, n_classes=2)
    labels = few_labels(y, 20)
    gain = []
    for i in range(3):
        model = FineTunedClassifier(encoder(2), max_epochs=10, random_state=i)
        scores = [
            model.set_params(pretrain=pretrain, estimator__random_state=i)
            .fit(X, labels)
            .score(X[20:], y[20:])
            for pretrain in (True, False)
        ]
        gain.append(scores[0] - scores[1])
    assert np.mean(gain) > 0.1


# -- without pre-training -------------------------------------------------------------------


def alignment(fitted, X):
    """Return the smallest cosine between the planes of the codes and of PCA."""
    weight = fitted.estimator_.module_.encoder.weight.detach().numpy()
    ours = np.linalg.qr(weight.T)[0]
    theirs = PCA(2).fit(X).components_.T
    return np.linalg.svd(ours.T @ theirs)[1].min()


@pytest.mark.parametrize("wrap", [lambda e, X: e, lambda e, X: FrozenEstimator(e.fit(X))])
def test_unpretrained_means_random_directions(wrap, seed):
    X, y = planted(seed, n_features=40)
    linear = wrap(encoder(2, hidden_layer_sizes=()), X)
    trained = FineTunedClassifier(linear, **STILL).fit(X, y)
    random = FineTunedClassifier(linear, pretrain=False, **STILL).fit(X, y)
    assert alignment(trained, X) > 0.9
    assert alignment(random, X) < 0.7
    assert random.estimator_.n_iter_ == 0
    assert random.estimator_.loss_curve_.shape == (0,)
    # Centre and scale are those of the data.
    mean = random.estimator_.module_.scaler.centre.numpy()
    np.testing.assert_allclose(mean, X.mean(axis=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", [encoder(), VAE(3, hidden_layer_sizes=(8,), max_epochs=2)])
def test_unpretrained_codes_are_alive(model, seed):
    X, y = planted(seed)
    codes = FineTunedClassifier(model, pretrain=False, **STILL).fit(X, y).transform(X)
    assert (codes.std(axis=0) > 1e-2).all()


# -- randomness, parameters, travelling -----------------------------------------------------


@pytest.mark.parametrize("pretrain", [True, False])
def test_one_seed_one_result_and_global_generators_stay(pretrain, seed):
    X, y = planted(seed)
    numpy_before = np.random.get_state()[1].copy()  # noqa: NPY002 - what is watched
    torch_before = torch.get_rng_state()

    def fitted(random_state):
        model = encoder(random_state=None)
        model = FineTunedClassifier(model, pretrain=pretrain, max_epochs=2)
        return model.set_params(random_state=random_state).fit(X, y)

    first, again, other = fitted(4), fitted(4), fitted(5)
    np.testing.assert_array_equal(first.coef_, again.coef_)
    assert not np.array_equal(first.coef_, other.coef_)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_parameters_nest(seed):
    model = FineTunedClassifier(encoder())
    model.set_params(
        estimator__n_components=2, estimator__trainer__weight_decay=0.1, trainer__weight_decay=0.2
    )
    assert model.estimator.n_components == 2
    assert model.estimator.trainer.weight_decay == 0.1
    assert model.trainer.weight_decay == 0.2
    X, y = planted(seed)
    fitted = clone(model).set_params(max_epochs=2).fit(X, y)
    assert fitted.transform(X).shape == (len(X), 2)
    assert list(fitted.get_feature_names_out()) == ["finetunedclassifier0", "finetunedclassifier1"]


@pytest.mark.parametrize("head", [FineTunedClassifier, FineTunedRegressor])
def test_copies_predict_the_same(head, seed):
    X, y = planted(seed)
    fitted = head(encoder(), max_epochs=2).fit(X, y)
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(other.predict(X), fitted.predict(X))


def test_early_stopping_holds_out_labelled_rows(seed):
    X, y = planted(seed)
    stop = Trainer(early_stopping=2, validation_fraction=0.2)
    model = FineTunedClassifier(encoder(), max_epochs=200, learning_rate=0.05, trainer=stop)
    fitted = model.set_params(random_state=0).fit(X, few_labels(y, 60))
    assert fitted.n_iter_ < 200
    assert "valid_loss" in fitted.history_
    assert fitted.loss_curve_.shape == (fitted.n_iter_,)


def test_what_is_declared():
    tags = get_tags(FineTunedClassifier(encoder()))
    assert (tags.estimator_type, tags.multi_view, tags.input_tags.sparse) == (
        "classifier",
        True,
        True,
    )
    assert tags.target_tags.required
    assert get_tags(encoder()).fine_tunable
    assert get_tags(FineTunedRegressor(encoder())).estimator_type == "regressor"


# -- several views --------------------------------------------------------------------------


def test_views_in_every_container(seed):
    views = make_multiview(100, random_state=seed)
    y = np.arange(100) % 3
    fitted = FineTunedClassifier(encoder(), max_epochs=2, random_state=0).fit(views, y)
    assert list(fitted.view_names_in_) == list(views.names)
    expected = fitted.predict_proba(views)
    for X in (tuple(views.arrays), views[list(views.names[::-1])], views.to_frame()):
        np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=1e-4, atol=1e-5)
    again = FineTunedClassifier(encoder(), max_epochs=2, random_state=0)
    again.fit(tuple(views.arrays), few_labels(y, 50))
    assert again.predict(tuple(views.arrays)).shape == (100,)


def test_a_frozen_estimator_keeps_its_order_of_views(seed):
    views = make_multiview(100, random_state=seed)
    y = np.arange(100) % 2
    frozen = FrozenEstimator(encoder().fit(views))
    straight, turned = (
        FineTunedClassifier(frozen, max_epochs=2, random_state=0).fit(X, y)
        for X in (views, views[list(views.names[::-1])])
    )
    np.testing.assert_allclose(straight.coef_, turned.coef_)
    assert list(turned.view_names_in_) == list(views.names)
    with pytest.raises(ValueError, match="fitted on the views"):
        FineTunedClassifier(frozen).fit(np.asarray(views), y)


# -- labels ---------------------------------------------------------------------------------


def test_labels_of_any_kind(seed):
    X, y = planted(seed)
    given = FrozenEstimator(encoder().fit(X))

    def fitted(labels):
        return FineTunedClassifier(given, max_epochs=2, random_state=0).fit(X, labels)

    names = np.array(["low", "mid", "top"])
    plain = fitted(few_labels(y, 60))
    assert list(plain.classes_) == [0, 1, 2]
    objects = names.astype(object)[y]
    objects[60:] = -1
    for labels, classes in [
        (few_labels(y, 60).astype(float), [0.0, 1.0, 2.0]),
        (objects, ["low", "mid", "top"]),
        (few_labels(np.array([10, 20, 30])[y], 60), [10, 20, 30]),
    ]:
        other = fitted(labels)
        assert list(other.classes_) == classes
        np.testing.assert_array_equal(other.coef_, plain.coef_)
        assert other.score(X, labels) == plain.score(X, few_labels(y, 60))
    everything = fitted(names[y])
    assert set(everything.predict(X)) <= set(names)
    assert everything.score(X, names[y]) == np.mean(everything.predict(X) == names[y])


def test_minus_one_and_one_other_number_are_two_classes(seed):
    X, y = planted(seed, n_classes=2)
    model = FineTunedClassifier(encoder(), max_epochs=2)
    with pytest.warns(UserWarning, match="y holds only -1 and 1, so -1 is read as a class"):
        model.fit(X, 2 * y - 1)
    assert list(model.classes_) == [-1, 1]
    assert model.score(X, 2 * y - 1) == np.mean(model.predict(X) == 2 * y - 1)


@pytest.mark.parametrize(
    ("head", "unknown"), [(FineTunedClassifier, -1), (FineTunedRegressor, np.nan)]
)
def test_unlabelled_rows_pass_through_a_search(head, unknown, seed):
    X, y = planted(seed)
    some = few_labels(y, 120, unknown)
    grid = {"pretrain": [True, False], "estimator__n_components": [2]}
    search = GridSearchCV(head(encoder(), max_epochs=2), grid, cv=2, error_score="raise")
    search.fit(X, some)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    with pytest.raises(ValueError, match=r"None of the 5 rows of y is labelled"):
        search.best_estimator_.score(X[:5], some[-5:])


def test_regression_is_in_the_units_of_y(seed):
    X, _ = planted(seed)
    y = 1000.0 + 50.0 * X[:, 0]
    model = FineTunedRegressor(encoder(), max_epochs=5, random_state=0)
    small, large = (clone(model).fit(X, a * y + b) for a, b in ((1.0, 0.0), (10.0, -7.0)))
    np.testing.assert_allclose(10.0 * small.predict(X) - 7.0, large.predict(X), rtol=1e-5)
    np.testing.assert_allclose(small.loss_curve_, large.loss_curve_, rtol=1e-4)
    constant = clone(model).fit(X, np.full(len(X), 3.0))
    np.testing.assert_allclose(constant.predict(X), 3.0)


def test_many_rows_start_from_some_of_them(monkeypatch, seed):
    X, y = planted(seed)
    y[:2] = 7  # a class that the rows of the start may miss
    monkeypatch.setattr("skrep.compose._fine_tuned._START_ROWS", 40)
    fitted = FineTunedClassifier(encoder(), **STILL).fit(X, y)
    assert list(fitted.classes_) == [0, 1, 2, 7]
    assert np.isfinite(fitted.predict_proba(X)).all()
    assert fitted.score(X, y) > 0.6


# -- what is refused ------------------------------------------------------------------------


class Closed(ClosedFormEstimator):
    def _fit_views(self, checked, y):
        raise NotImplementedError

    def _encode(self, checked):
        raise NotImplementedError

    @property
    def _n_features_out(self):
        return 1


@pytest.mark.parametrize("stranger", [PCA(2), FrozenEstimator(PCA(2)), Closed()])
def test_estimators_without_a_network_are_refused(stranger):
    with pytest.raises(TypeError, match=r"`estimator` must be one of skrep's.*`Autoencoder`.*Got"):
        FineTunedClassifier(stranger).fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(200, -1), r"Every label in y is -1, .* \(200 rows\)"),
        (np.zeros(200, dtype=int), r"y holds one class, 0, on 200 labelled rows"),
        (np.array(["a", -1] * 100, dtype=object), r"y holds one class, 'a', on 100 labelled"),
        (np.arange(199) % 2, "y has 199 labels, but X has 200 samples"),
        (np.linspace(0, 1, 200), "Unknown label type"),
        (np.full(200, np.nan), r"Input y contains NaN in row 0\. Unlabelled .* hold -1"),
        (None, "requires y to be passed, but the target y is None"),
    ],
)
def test_labels_that_teach_nothing_are_refused_before_training(y, message, seed):
    X, _ = planted(seed)
    model = FineTunedClassifier(encoder())
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert "estimator_" not in vars(model)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(200, np.nan), r"Input y contains NaN only, .* \(200 rows\)"),
        (np.r_[1.0, np.inf, np.zeros(198)], "Input y contains infinity in row 1"),
        (np.zeros(3), "y has 3 labels, but X has 200 samples"),
    ],
)
def test_targets_that_teach_nothing_are_refused(y, message, seed):
    with pytest.raises(ValueError, match=message):
        FineTunedRegressor(encoder()).fit(planted(seed)[0], y)


def test_before_fit(seed):
    X, y = planted(seed)
    with pytest.raises(NotFittedError):
        FineTunedClassifier(encoder()).predict(X)
    with pytest.raises(NotFittedError):
        FineTunedClassifier(FrozenEstimator(encoder())).fit(X, y)


def test_unpretrained_estimators_are_checked_too(seed):
    X, y = planted(seed)
    with pytest.raises(ValueError, match="n_components"):
        FineTunedClassifier(encoder(0), pretrain=False).fit(X, y)
    with pytest.raises(ValueError, match="tied"):
        FineTunedClassifier(encoder(decoder="tied", encoder=torch.nn.Linear), pretrain=False).fit(
            X, y
        )


# -- the module -----------------------------------------------------------------------------


class OwnTraining(RepresentationModule):
    fills_gradients = True

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.eval()

    def encode(self, batch):
        return self.layer(batch.views[0])

    def decode(self, codes):
        return (codes,)

    def training_loss(self, batch, generator):
        return LossTerms(batch.views[0].sum())


class Stack(RepresentationModule):
    def __init__(self):
        super().__init__()
        self.below, self.above = OwnTraining(), torch.nn.Dropout(0.5)

    def encode(self, batch):
        return self.above(self.below.encode(batch))

    def decode(self, codes):
        return (codes,)

    def training_loss(self, batch, generator):
        return LossTerms(batch.views[0].sum())


def test_modules_that_train_themselves_stay_in_evaluation_mode():
    module = with_head(Stack(), np.zeros((2, 2)), np.zeros(2), classes=True).train()
    assert module.training
    assert module.head.training
    assert module.encoder.above.training
    assert not module.encoder.below.training
    assert not module.eval().encoder.above.training


def test_module_decodes_with_its_encoder_and_needs_labels():
    module = with_head(OwnTraining(), np.zeros((2, 2)), np.zeros(2), classes=True)
    codes = torch.ones(3, 2)
    assert module.decode(codes)[0] is codes
    with pytest.raises(ValueError, match=r"`Batch\.y` is None"):
        module.training_loss(Batch((codes,)), torch.Generator())
    loss = module.training_loss(Batch((codes,), y=torch.tensor([0, 1, 1])), torch.Generator())
    assert loss.total.item() == pytest.approx(np.log(2))


def test_views_may_be_boolean_indexed(seed):
    """`Views` of CSR and DataFrames reach the head with the labelled rows only."""
    from scipy import sparse

    views = make_multiview(60, random_state=seed)
    csr = Views(tuple(sparse.csr_array(a) for a in views.arrays), views.names)
    y = few_labels(np.arange(60) % 2, 20)
    model = FineTunedClassifier(encoder(), max_epochs=2, random_state=0)
    np.testing.assert_allclose(
        clone(model).fit(csr, y).coef_, clone(model).fit(views, y).coef_, rtol=1e-3, atol=1e-4
    )
