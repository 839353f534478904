"""`Trainer` is a searchable object whose settings are checked by name, and so are devices."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EarlyStopping

from skrep import VAE, Autoencoder, Trainer
from skrep.engine.data import ViewData
from skrep.engine.device import resolve_device
from skrep.engine.plan import TrainingPlan
from skrep.engine.train import run_training
from skrep.nn.module import LossTerms, RepresentationModule
from skrep.utils.sklearn_private import InvalidParameterError


@pytest.fixture(name="X")
def make_data(seed):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 8))).astype(np.float32)


def model(seed, **settings):
    how = {"max_epochs": 2, "batch_size": 16, **settings}
    return Autoencoder(2, hidden_layer_sizes=(4,), random_state=seed, **how)


def test_halving_searches_over_epochs(X, seed):
    search = HalvingGridSearchCV(
        model(seed),
        {"n_components": [1, 2, 3]},
        resource="max_epochs",
        min_resources=1,
        max_resources=3,
        factor=3,
        cv=2,
        random_state=seed,
    ).fit(X)
    assert search.n_resources_ == [1, 3]
    assert search.best_params_ == {"max_epochs": 3, "n_components": 3}
    assert search.best_estimator_.n_iter_ == 3


@pytest.mark.parametrize("trainer", [None, Trainer("adamw")])
def test_a_stock_search_reaches_into_the_trainer(trainer, X, seed):
    estimator = make_pipeline(StandardScaler(), model(seed, trainer=trainer, max_epochs=20))
    grid = {"autoencoder__trainer__weight_decay": [0.0, 100.0]}
    search = GridSearchCV(estimator, grid, cv=2).fit(X)
    assert search.best_params_ == {"autoencoder__trainer__weight_decay": 0.0}
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    assert estimator[-1].trainer is trainer


def test_settings_survive_clone():
    stop = EarlyStopping(patience=7)
    settings = {
        "optimizer": "sgd",
        "weight_decay": 0.1,
        "schedule": "cosine",
        "early_stopping": stop,
        "validation_fraction": 0.3,
        "callbacks": [partial(EarlyStopping, patience=2)],
        "gradient_clip": 2.0,
        "precision": "float64",
        "compile": False,
        "checkpoint": "folder",
    }
    twin = clone(Trainer(**settings))
    got = twin.get_params(deep=False)
    assert got.pop("early_stopping").patience == 7
    assert twin.early_stopping is not stop
    assert got.pop("distributed") is None
    settings.pop("early_stopping")
    assert got == settings


def test_a_subclass_stays_one_when_cloned():
    class Mine(Trainer):
        pass

    assert type(clone(Mine())) is Mine


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("optimizer", "adamx"),
        ("optimizer", 3),
        ("weight_decay", -0.1),
        ("weight_decay", "0"),
        ("schedule", "step"),
        ("early_stopping", 0),
        ("early_stopping", 2.5),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("callbacks", EarlyStopping()),
        ("callbacks", None),
        ("gradient_clip", 0.0),
        ("gradient_clip", -1),
        ("precision", "float16"),
        ("compile", "yes"),
        ("checkpoint", 3),
        ("distributed", True),
    ],
)
def test_illegal_settings_are_named(setting, value, X, seed):
    message = rf"The '{setting}' parameter of Trainer must be .* Got {re.escape(repr(value))}"
    if isinstance(value, EarlyStopping):
        message = r"The 'callbacks' parameter of Trainer must be an instance of 'list'.*Got <skorch"
    with pytest.raises(InvalidParameterError, match=message):
        model(seed, trainer=Trainer(**{setting: value})).fit(X)


@pytest.mark.parametrize("trainer", ["adam", {"optimizer": "adam"}, 3])
def test_a_trainer_is_a_trainer(trainer, X, seed):
    message = r"The 'trainer' parameter of Autoencoder must be an instance of .*Trainer"
    with pytest.raises(InvalidParameterError, match=message):
        model(seed, trainer=trainer).fit(X)


def test_an_unknown_setting_is_refused(seed):
    with pytest.raises(ValueError, match="Invalid parameter 'weight_decoy'"):
        model(seed).set_params(trainer__weight_decoy=1)


def test_lbfgs_has_no_weight_decay(X, seed):
    with pytest.raises(ValueError, match=r"'lbfgs'` has no weight decay. Got `weight_decay=0.1`"):
        model(seed, trainer=Trainer("lbfgs", weight_decay=0.1)).fit(X)


# -- devices --------------------------------------------------------------------------------


def test_auto_takes_what_is_there():
    found = resolve_device("auto").type
    if torch.cuda.is_available():
        assert found == "cuda"
    else:
        assert found == ("mps" if torch.backends.mps.is_available() else "cpu")


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), "cpu:0"])
def test_torchs_notation_is_taken(device):
    assert resolve_device(device).type == "cpu"


@pytest.mark.parametrize("device", ["gpu", "", "cuda:x", "cpu cpu"])
def test_unknown_devices_are_refused(device, X, seed):
    message = rf"`device` must be 'auto' or a torch device .* Got {re.escape(repr(device))}"
    with pytest.raises(ValueError, match=message):
        model(seed, device=device).fit(X)


def test_a_cuda_device_that_is_not_there_is_refused(X, seed):
    with pytest.raises(ValueError, match=r"'cuda:97'` asks for a CUDA device, and torch sees \d"):
        model(seed, device="cuda:97").fit(X)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="MPS is there")
def test_mps_that_is_not_there_is_refused(X, seed):
    with pytest.raises(ValueError, match="asks for Apple's MPS, which torch does not see"):
        model(seed, device="mps").fit(X)


# -- precision, clipping, schedules, compilation --------------------------------------------


def test_float64_throughout(X, seed):
    estimator = model(seed, trainer=Trainer(precision="float64")).fit(X)
    assert all(p.dtype == torch.float64 for p in estimator.module_.parameters())
    for given in (X, X.astype(np.float64)):
        codes = estimator.transform(given)
        assert codes.dtype == estimator.inverse_transform(codes).dtype == np.float64
        assert isinstance(estimator.score(given), float)
    assert estimator.__sklearn_tags__().transformer_tags.preserves_dtype == ["float64"]
    assert model(seed).__sklearn_tags__().transformer_tags.preserves_dtype == ["float32"]


def test_float64_density(X, seed):
    estimator = VAE(
        2, hidden_layer_sizes=(4,), max_epochs=1, random_state=seed,
        trainer=Trainer(precision="float64"),
    ).fit(X)  # fmt: skip
    assert estimator.score_samples(X).dtype == np.float64
    assert estimator.sample(3, random_state=seed).dtype == np.float64


def test_bfloat16_trains_and_returns_float32(X, seed):
    estimator = model(seed, trainer=Trainer(precision="bfloat16"), max_epochs=5).fit(X)
    assert np.isfinite(estimator.loss_curve_).all()
    assert estimator.transform(X).dtype == np.float32
    assert all(p.dtype == torch.float32 for p in estimator.module_.parameters())
    exact = model(seed, max_epochs=5).fit(X)
    # bfloat16 keeps 8 bits, so a loss agrees to about a percent and not to the last digit.
    np.testing.assert_allclose(estimator.loss_curve_, exact.loss_curve_, rtol=0.05)
    assert not np.array_equal(estimator.loss_curve_, exact.loss_curve_)


class Steep(RepresentationModule):
    """The gradient is (3, 4) everywhere, of norm 5."""

    def __init__(self):
        super().__init__()
        self.place = torch.nn.Parameter(torch.zeros(2))

    def encode(self, batch):
        return batch.views[0]

    def decode(self, codes):
        return (codes,)

    def training_loss(self, batch, generator):
        return LossTerms((self.place * torch.tensor([3.0, 4.0])).sum())


def walk(trainer, *, epochs=2, learning_rate=0.1):
    module = Steep()
    plan = TrainingPlan(trainer, batch_size=5, learning_rate=learning_rate, device="cpu", seed=0)
    history = run_training(module, ViewData([np.ones((20, 2))]), plan, max_epochs=epochs).history
    return module.place.detach().numpy(), history["learning_rate"].to_numpy()


def test_clipping_bounds_the_norm_of_the_step():
    # Eight steps of 0.1 along a gradient of norm 5, or clipped to 0.5 or (not) to 50.
    assert np.linalg.norm(walk(Trainer("sgd"))[0]) == pytest.approx(8 * 0.1 * 5)
    assert np.linalg.norm(walk(Trainer("sgd", gradient_clip=0.5))[0]) == pytest.approx(
        8 * 0.1 * 0.5, rel=1e-4
    )
    assert np.linalg.norm(walk(Trainer("sgd", gradient_clip=50.0))[0]) == pytest.approx(8 * 0.1 * 5)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        # Four steps an epoch, eight in all; the rate is noted after each epoch.
        (None, [0.1, 0.1]),
        ("linear", [0.05, 0.0]),
        ("cosine", [0.05, 0.0]),
        (lambda optimizer, n: torch.optim.lr_scheduler.StepLR(optimizer, n // 4), [0.001, 1e-5]),
    ],
)
def test_schedules_run_over_all_steps(schedule, rates):
    np.testing.assert_allclose(walk(Trainer("sgd", schedule=schedule))[1], rates, atol=1e-12)


def test_one_cycle_rises_to_the_rate_and_falls():
    seen = walk(Trainer("sgd", schedule="one_cycle"), epochs=20)[1]
    assert seen.max() == pytest.approx(0.1, rel=0.02)
    assert seen[0] < 0.05
    assert seen[-1] < 1e-5


def test_a_linear_schedule_covers_half_the_way_of_a_constant_rate():
    # The mean of 1, 7/8, …, 1/8 is 9/16.
    ratio = walk(Trainer("sgd", schedule="linear"))[0] / walk(Trainer("sgd"))[0]
    np.testing.assert_allclose(ratio, 9 / 16, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_loss_gives_the_same_fit(X, seed):
    # Not Adam: at the PCA start gradients are near 0, and it makes full steps of their rounding.
    plain = model(seed, trainer=Trainer("sgd"), learning_rate=0.1).fit(X)
    compiled = model(seed, trainer=Trainer("sgd", compile=True), learning_rate=0.1).fit(X)
    np.testing.assert_allclose(compiled.loss_curve_, plain.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(compiled.transform(X), plain.transform(X), rtol=1e-3, atol=1e-4)
