"""Training goes down, is recorded, and leaves a model that travels."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
import torch
from registry import CASES, narrower, width_of_code
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

from skrep import NonFiniteLossError, Trainer

ROWS = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@ROWS
def test_loss_falls_on_planted_data(case, seed):
    fitted = case.make().set_params(max_epochs=15).fit(case.data(seed))
    assert np.isfinite(fitted.loss_curve_).all()
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


@ROWS
def test_history_is_a_table_of_epochs(case, seed):
    fitted = case.make().fit(case.data(seed))
    history = fitted.history_
    assert list(history["epoch"]) == list(range(1, fitted.n_iter_ + 1))
    assert {"loss", "learning_rate", "seconds"} <= set(history.columns)
    np.testing.assert_array_equal(history["loss"], fitted.loss_curve_)
    assert fitted.n_iter_ == fitted.max_epochs


@ROWS
def test_partial_fit_is_one_pass_each(case, seed):
    X = case.data(seed)
    fitted = case.make().partial_fit(X).partial_fit(X[:50])
    assert fitted.n_iter_ == 2
    assert list(fitted.history_["epoch"]) == [1, 2]
    assert fitted.transform(X).shape == (len(X), width_of_code(fitted))


@ROWS
def test_module_rests_on_the_cpu_in_evaluation_mode(case, seed):
    module = case.make().fit(case.data(seed)).module_
    assert isinstance(module, torch.nn.Module)
    assert not module.training
    assert all(p.device.type == "cpu" and p.grad is None for p in module.parameters())


@ROWS
def test_pickle_joblib_and_deepcopy_keep_the_predictions(case, seed):
    X = case.data(seed)
    fitted = case.make().fit(X)
    buffer = io.BytesIO()
    joblib.dump(fitted, buffer)
    buffer.seek(0)
    copies = [pickle.loads(pickle.dumps(fitted)), joblib.load(buffer), copy.deepcopy(fitted)]
    for other in copies:
        np.testing.assert_array_equal(other.transform(X), fitted.transform(X))
        assert other.score(X) == fitted.score(X)


@ROWS
def test_a_fit_that_fails_leaves_no_model_behind(case, seed):
    X = case.data(seed)
    estimator = case.make().fit(X)
    estimator.set_params(trainer=Trainer(callbacks=[_Stop()]))
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(narrower(X))
    for call in (estimator.transform, estimator.reconstruct, estimator.score):
        with pytest.raises(NotFittedError):
            call(narrower(X))
    estimator.set_params(trainer=None).fit(X)
    assert np.array_equal(estimator.transform(X), case.make().fit(X).transform(X))


class _Stop(Callback):
    """Control-C in the second epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) > 1:
            raise KeyboardInterrupt


@ROWS
def test_a_partial_fit_that_diverges_leaves_the_model_as_it_was(case, seed):
    X = case.data(seed)
    fitted = case.make().partial_fit(X)
    before = fitted.transform(X)
    # The decay takes a model with bounded units, whose gradients stay small, beyond float32 too.
    fitted.set_params(learning_rate=1e30, trainer__optimizer="sgd", trainer__weight_decay=1e9)
    with pytest.raises(NonFiniteLossError):
        fitted.partial_fit(X).partial_fit(X)
    np.testing.assert_array_equal(fitted.transform(X), before)


@ROWS
def test_partial_fit_refuses_another_code_size(case, seed):
    X = case.data(seed)
    fitted = case.make().partial_fit(X)
    with pytest.raises(ValueError, match="`n_components=5` was set after the model was built"):
        fitted.set_params(n_components=5).partial_fit(X)
