"""A classifier and a regressor on top of an embedding, trained end to end."""

import copy
import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skrep.base import TRAINING_CONSTRAINTS, RepresentationEstimator, make_plan, train_module
from skrep.compose._labels import check_column, is_minus_one, read_labels
from skrep.engine.data import ViewData
from skrep.engine.trainer import Trainer
from skrep.nn.fine_tuned import FineTunedModule, with_head
from skrep.utils.random import seed_from
from skrep.utils.sklearn_private import HasMethods, fit_context
from skrep.utils.tags import SkrepTags
from skrep.utils.validation import CheckedViews, check_views

__all__ = ["FineTunedClassifier", "FineTunedRegressor"]

_CONSTRAINTS: Final[dict[str, list[Any]]] = {
    "estimator": [HasMethods(["fit", "transform"])],
    "pretrain": ["boolean"],
    **TRAINING_CONSTRAINTS,
}
# The linear model that a head starts at need not see more rows than this.
_START_ROWS: Final = 5000
_SEEN_AT_FIT: Final = ("n_features_in_", "feature_names_in_", "view_names_in_", "view_widths_in_")


class _FineTuned(RepresentationEstimator):
    """Pre-training on all rows, then encoder and head together on the labelled ones."""

    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {"trainer": lambda _: Trainer()}

    estimator: Any
    pretrain: bool
    max_epochs: int
    random_state: Any
    coef_: np.ndarray
    intercept_: Any
    history_: pd.DataFrame
    n_iter_: int

    @abstractmethod
    def _read_labels(self, y: Any) -> np.ndarray:
        """Check `y` and return which rows are labelled, boolean of shape (n_samples,)."""

    @abstractmethod
    def _targets(self, y: np.ndarray) -> np.ndarray:
        """Return what the head is trained on, for labels that are all known."""

    @abstractmethod
    def _start_head(self, codes: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return weight and bias of a head for codes of mean 0 and overall variance 1."""

    @abstractmethod
    def _take_head(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Set `coef_` and `intercept_` from the trained head, float64."""

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any) -> Any:
        """Pre-train on all rows, then train encoder and head on the labelled ones.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            Labelled and unlabelled rows, in any container that `estimator` takes.
        y : array-like of shape (n_samples,)
            Labels. Unlabelled rows hold -1 for a classifier and NaN for a regressor.

        Returns
        -------
        self : estimator

        Raises
        ------
        TypeError
            If `estimator` is not one that can be trained further.
        ValueError
            If `X` or `y` is not legal, or no row is labelled.
        skrep.exceptions.NonFiniteLossError
            If training diverges.
        """
        inner = self._given()
        frozen = isinstance(self.estimator, FrozenEstimator)
        if frozen:
            check_is_fitted(inner)
        # A model's private declaration is an instance's here: it is that of the estimator inside.
        self._accepts_absent = inner._accepts_absent  # type: ignore[misc]
        checked = check_views(
            self, X, reset=True, accept_absent=self._accepts_absent, min_samples=2
        )
        y = self._column(y, checked.n_samples)
        labelled = self._read_labels(y)
        seed = seed_from(self.random_state)
        if frozen and self.pretrain:
            self.estimator_ = copy.deepcopy(inner)
            checked = self._seen_before(X)
        else:
            self.estimator_ = self._fitted_anew(clone(inner), X, seed)
        if not labelled.all():
            checked = _rows(checked, labelled)
        self._train_head(checked, self._targets(y[labelled]), seed)
        return self

    def _given(self) -> Any:
        """Return the estimator inside, a frozen one taken out of the ice."""
        given = self.estimator
        inner = given.estimator if isinstance(given, FrozenEstimator) else given
        if not (isinstance(inner, RepresentationEstimator) and get_tags(inner).fine_tunable):
            raise TypeError(
                f"`estimator` must be one of skrep's whose encoder is a network that can be "
                f"trained further: an autoencoder (`Autoencoder`, `DenoisingAutoencoder`, "
                f"`SparseAutoencoder`), `VAE`, or another with the tag `fine_tunable`. Got "
                f"{inner!r}. Transformers of other kinds go before a classifier or regressor in "
                f"a `Pipeline`, and a scaler before this one."
            )
        return inner

    def _column(self, y: Any, n_samples: int) -> np.ndarray:
        return check_column(y, n_samples, type(self).__name__)

    def _seen_before(self, X: Any) -> CheckedViews:
        """Take over what the frozen estimator was fitted on and compare `X` with it."""
        for name in _SEEN_AT_FIT:
            if name in vars(self):
                delattr(self, name)
            if name in vars(self.estimator_):
                setattr(self, name, getattr(self.estimator_, name))
        return check_views(self, X, reset=False, accept_absent=self._accepts_absent)

    def _fitted_anew(self, inner: Any, X: Any, seed: int) -> Any:
        if inner.random_state is None:
            # Without it an integer `random_state` here would not make the whole repeatable.
            inner.set_params(random_state=(seed + 1) % 2**31)
        return inner.fit(X) if self.pretrain else inner._fit_untrained(X)

    def _train_head(self, checked: CheckedViews, targets: np.ndarray, seed: int) -> None:
        inner = self.estimator_
        plan = make_plan(self, seed)
        weight, bias = self._start(checked, targets, seed)
        classes = targets.dtype.kind == "i"
        module: FineTunedModule = with_head(inner.module_, weight, bias, classes=classes)
        dtype = inner._dtype
        few = ViewData(checked.arrays, checked.present, dtype=dtype).batch(slice(0, 2))
        with module.to(dtype).only_what_counts(few):
            if not classes:
                targets = targets.astype(str(plan.dtype).removeprefix("torch."))
            result = train_module(
                self, module, checked, plan, max_epochs=self.max_epochs, y=targets
            )
        module.to(dtype)
        head = module.head
        self._take_head(head.weight.detach().double().numpy(), head.bias.detach().double().numpy())
        self.history_ = result.history
        self.loss_curve_ = result.history["loss"].to_numpy()
        self.n_iter_ = len(result.history)

    def _start(
        self, checked: CheckedViews, targets: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weight and bias of the linear model on the codes as they are."""
        if len(targets) > _START_ROWS:
            some = np.random.default_rng(seed).choice(len(targets), _START_ROWS, replace=False)
            checked, targets = _rows(checked, np.sort(some)), targets[np.sort(some)]
        codes = self._encode(checked).astype(np.float64)
        centre, scale = codes.mean(axis=0), float(codes.std(axis=0).mean()) or 1.0
        weight, bias = self._start_head((codes - centre) / scale, targets)
        weight = weight / scale
        return weight, bias - weight @ centre

    # -- inference --------------------------------------------------------------------------

    def _encode(self, checked: CheckedViews) -> np.ndarray:
        codes: np.ndarray = self.estimator_._encode(checked)
        return codes

    def _outputs(self, X: Any) -> np.ndarray:
        codes = self._encode(self._check(X))
        outputs: np.ndarray = codes @ self.coef_.T + self.intercept_
        return outputs

    @property
    def _n_features_out(self) -> int:
        return int(self.estimator_._n_features_out)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether the head is trained."""
        return "n_iter_" in vars(self)

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare the inputs and the dtype of the estimator inside."""
        tags = super().__sklearn_tags__()
        given = self.estimator
        inner = given.estimator if isinstance(given, FrozenEstimator) else given
        tags.non_deterministic = False
        if isinstance(inner, RepresentationEstimator):
            own = get_tags(inner)
            tags.input_tags = own.input_tags
            tags.absent_views = own.absent_views
            tags.transformer_tags.preserves_dtype = own.transformer_tags.preserves_dtype
        return tags


def _rows(checked: CheckedViews, rows: np.ndarray) -> CheckedViews:
    present = None if checked.present is None else checked.present[rows]
    return CheckedViews(tuple(a[rows] for a in checked.arrays), checked.names, present)


class FineTunedClassifier(ClassifierMixin, _FineTuned):
    r"""Classifier whose features an embedding has learned, trained on end to end.

    The estimator is fitted on all rows, labelled or not; then a linear head is put on its code,
    and encoder and head are trained together on the labelled rows. Choose it where few of many
    rows have labels. `pretrain=False` is the same network from random weights: the difference of
    the two scores is what pre-training is worth on your data.

    Objective of the second part, to be minimised, in nats per labelled row, with the code
    :math:`z_i = f(x_i)`:

    .. math:: -\frac1n \sum_i \log \operatorname{softmax}(W z_i + b)_{y_i}

    Parameters
    ----------
    estimator : estimator
        One of skrep's embeddings whose encoder is a network, as `Autoencoder` or `VAE`. It is
        cloned. In a `sklearn.frozen.FrozenEstimator` it counts as pre-trained: a copy of it is
        trained on, and itself is left alone.
    pretrain : bool, default=True
        False leaves pre-training out. Then the encoder starts from random weights, also where the
        estimator's own start is the PCA of the data; only centre, scale and the sizes of weights
        are taken from X. A frozen estimator is built anew, too.
    max_epochs : int, default=50
        Passes over the data, at most.
    batch_size : int, default=128
        Rows a step. Larger is faster per epoch and takes fewer steps.
    learning_rate : float, default=1e-3
        Length of a step. Too large ends in an error that says so; too small needs more epochs.
    device : str, default="auto"
        Where to compute: "auto" takes CUDA, then MPS, then the CPU. Fitted modules come back to
        the CPU.
    random_state : int, RandomState or None, default=None
        An integer makes a fit repeatable on one device and version. None takes fresh entropy;
        no global generator is touched either way.
    verbose : int, default=0
        1 shows a progress bar with the loss, its parts and the time left.
    trainer : Trainer or None, default=None
        Optimiser, schedule, early stopping, callbacks and other rarer settings; None takes the
        defaults of `skrep.Trainer`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted, without the -1 of unlabelled rows.
    estimator_ : estimator
        The estimator, its encoder trained on. Its other parts, such as a decoder, are as
        pre-training left them.
    coef_ : ndarray of shape (n_classes, n_components)
        Weights of the head on the code that `transform` returns.
    intercept_ : ndarray of shape (n_classes,)
        Its biases.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs done with labels; those of pre-training are in `estimator_`.
    loss_curve_ : ndarray of shape (n_iter_,)
        Mean objective per epoch; lower is better.
    history_ : DataFrame
        One row an epoch: loss, held-out loss, learning rate, seconds.

    See Also
    --------
    FineTunedRegressor : The same for real targets.
    sklearn.semi_supervised.SelfTrainingClassifier : Labels of its own making for unlabelled rows.

    Notes
    -----
    Labels are numbers, strings or anything that can be sorted. Among numbers, -1 means unlabelled,
    as in `sklearn.semi_supervised`; strings are all labels, and an object array of strings may
    hold the number -1. Where -1 stands beside a single other number, y is taken for two classes,
    with a warning, as labels -1 and 1 are common and one class teaches nothing.

    The head starts at scikit-learn's `LogisticRegression` on the codes (of 5,000 rows at most),
    scaled to mean 0 and variance 1, so that training improves on it and does not first spoil the
    encoder for a random head [1]_. `Trainer` settings such as early stopping hold for the second
    part; those of `estimator` for the first. An `estimator` without a `random_state` gets one
    drawn from that of the classifier.

    References
    ----------
    .. [1] Kumar, A., Raghunathan, A., Jones, R., Ma, T. and Liang, P. "Fine-tuning can distort
       pretrained features and underperform out-of-distribution." International Conference on
       Learning Representations, 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import Autoencoder, FineTunedClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> y[100:] = -1  # only a hundred labels
    >>> model = FineTunedClassifier(Autoencoder(8, max_epochs=2), max_epochs=3, random_state=0)
    >>> model.fit(X, y).predict_proba(X).shape
    (1797, 10)
    >>> model.transform(X).shape
    (1797, 8)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {**_CONSTRAINTS}

    def __init__(
        self,
        estimator: Any,
        *,
        pretrain: bool = True,
        max_epochs: int = 50,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.estimator = estimator
        self.pretrain = pretrain
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    def _read_labels(self, y: np.ndarray) -> np.ndarray:
        classes, labelled = read_labels(y, stacklevel=5)
        self.classes_ = classes
        return labelled

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _start_head(self, codes: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = np.bincount(targets, minlength=len(self.classes_))
        weight = np.zeros((len(counts), codes.shape[1]))
        # A class too rare to be among these rows starts as half a row of them.
        bias = np.log(np.maximum(counts, 0.5) / len(targets))
        met = np.flatnonzero(counts)
        if len(met) < 2:
            return weight, bias
        with warnings.catch_warnings():
            # A start, which training goes on from.
            warnings.simplefilter("ignore", ConvergenceWarning)
            start = LogisticRegression().fit(codes, targets)
        two = len(met) == 2
        weight[met] = np.outer([-0.5, 0.5], start.coef_[0]) if two else start.coef_
        bias[met] = np.outer([-0.5, 0.5], start.intercept_)[:, 0] if two else start.intercept_
        return weight, bias

    def _take_head(self, weight: np.ndarray, bias: np.ndarray) -> None:
        self.coef_, self.intercept_ = weight, bias

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Of `classes_`.
        """
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to 1.
        """
        probabilities: np.ndarray = softmax(self._outputs(X), axis=1)
        return probabilities

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of labelled rows that are predicted right; higher is better.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.
        y : array-like of shape (n_samples,)
            Labels; rows with -1 do not count, unless it is one of `classes_`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            In [0, 1].

        Raises
        ------
        ValueError
            If no row is labelled.
        """
        predicted = self.predict(X)
        y = self._column(y, len(predicted))
        known = ~is_minus_one(y)
        if is_minus_one(self.classes_).any():
            known[:] = True
        return float(_score_of_known(accuracy_score, y, predicted, known, sample_weight))


class FineTunedRegressor(RegressorMixin, _FineTuned):
    r"""Regressor whose features an embedding has learned, trained on end to end.

    The estimator is fitted on all rows, with a target or without; then a linear head is put on
    its code, and encoder and head are trained together on the rows with a target. Choose it where
    few of many rows have one. `pretrain=False` is the same network from random weights: the
    difference of the two scores is what pre-training is worth on your data.

    Objective of the second part, to be minimised, in units of the variance :math:`s^2` of the
    targets, with the code :math:`z_i = f(x_i)`:

    .. math:: \frac{1}{n s^2} \sum_i (y_i - w \cdot z_i - b)^2

    Parameters
    ----------
    estimator : estimator
        One of skrep's embeddings whose encoder is a network, as `Autoencoder` or `VAE`. It is
        cloned. In a `sklearn.frozen.FrozenEstimator` it counts as pre-trained: a copy of it is
        trained on, and itself is left alone.
    pretrain : bool, default=True
        False leaves pre-training out. Then the encoder starts from random weights, also where the
        estimator's own start is the PCA of the data; only centre, scale and the sizes of weights
        are taken from X. A frozen estimator is built anew, too.
    max_epochs : int, default=50
        Passes over the data, at most.
    batch_size : int, default=128
        Rows a step. Larger is faster per epoch and takes fewer steps.
    learning_rate : float, default=1e-3
        Length of a step. Too large ends in an error that says so; too small needs more epochs.
    device : str, default="auto"
        Where to compute: "auto" takes CUDA, then MPS, then the CPU. Fitted modules come back to
        the CPU.
    random_state : int, RandomState or None, default=None
        An integer makes a fit repeatable on one device and version. None takes fresh entropy;
        no global generator is touched either way.
    verbose : int, default=0
        1 shows a progress bar with the loss, its parts and the time left.
    trainer : Trainer or None, default=None
        Optimiser, schedule, early stopping, callbacks and other rarer settings; None takes the
        defaults of `skrep.Trainer`.

    Attributes
    ----------
    estimator_ : estimator
        The estimator, its encoder trained on. Its other parts, such as a decoder, are as
        pre-training left them.
    coef_ : ndarray of shape (n_components,)
        Weights of the head on the code that `transform` returns, in the units of y.
    intercept_ : float
        Its bias.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs done with targets; those of pre-training are in `estimator_`.
    loss_curve_ : ndarray of shape (n_iter_,)
        Mean objective per epoch; lower is better.
    history_ : DataFrame
        One row an epoch: loss, held-out loss, learning rate, seconds.

    See Also
    --------
    FineTunedClassifier : The same for classes.

    Notes
    -----
    A target of NaN means that it is not known. The head starts at scikit-learn's `Ridge` on the
    codes (of 5,000 rows at most), scaled to mean 0 and variance 1, and training goes on from it.
    `Trainer` settings such as early stopping hold for the second part; those of `estimator` for
    the first. An `estimator` without a `random_state` gets one drawn from that of the regressor.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from skrep import Autoencoder, FineTunedRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> y[100:] = np.nan  # only a hundred targets
    >>> model = FineTunedRegressor(Autoencoder(4, max_epochs=2), max_epochs=3, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (442,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {**_CONSTRAINTS}

    def __init__(
        self,
        estimator: Any,
        *,
        pretrain: bool = True,
        max_epochs: int = 50,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.estimator = estimator
        self.pretrain = pretrain
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    def _read_labels(self, y: np.ndarray) -> np.ndarray:
        y = _as_real(y)
        if np.isinf(y).any():
            raise ValueError(
                f"Input y contains infinity in row {int(np.isinf(y).argmax())}. Targets are "
                f"finite, or NaN where they are not known."
            )
        labelled = ~np.isnan(y)
        if not labelled.any():
            raise ValueError(
                f"Input y contains NaN only, which marks rows without a target, so there is "
                f"nothing to learn ({len(y)} rows). Give some of them a target, or fit the "
                f"estimator alone."
            )
        return labelled

    def _targets(self, y: np.ndarray) -> np.ndarray:
        y = _as_real(y)
        self._mean, spread = float(y.mean()), float(y.std())
        # A spread at the level of rounding is none.
        self._spread = spread if spread > 1e-12 * abs(self._mean) else 1.0
        return (y - self._mean) / self._spread

    def _start_head(self, codes: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        start = Ridge().fit(codes, targets)
        return start.coef_[None], np.array([start.intercept_])

    def _take_head(self, weight: np.ndarray, bias: np.ndarray) -> None:
        self.coef_ = weight[0] * self._spread
        self.intercept_ = float(bias[0]) * self._spread + self._mean

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted target of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            In the units of y.
        """
        return self._outputs(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the coefficient of determination on rows with a target; higher is better.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.
        y : array-like of shape (n_samples,)
            Targets; rows with NaN do not count.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            1 for a perfect prediction, 0 for that of the mean.

        Raises
        ------
        ValueError
            If no row has a target.
        """
        predicted = self.predict(X)
        y = _as_real(self._column(y, len(predicted)))
        return float(_score_of_known(r2_score, y, predicted, ~np.isnan(y), sample_weight))


def _as_real(y: np.ndarray) -> np.ndarray:
    return np.asarray(y, dtype=np.float64)


def _score_of_known(
    metric: Callable[..., float],
    y: np.ndarray,
    predicted: np.ndarray,
    known: np.ndarray,
    sample_weight: Any,
) -> float:
    if not known.any():
        raise ValueError(f"None of the {len(y)} rows of y is labelled, so there is no score.")
    weights = None if sample_weight is None else np.asarray(sample_weight)[known]
    true = y[known]
    # Labels of mixed objects are left as the classes are.
    true = true.astype(predicted.dtype) if true.dtype.kind == "O" else true
    return metric(true, predicted[known], sample_weight=weights)
