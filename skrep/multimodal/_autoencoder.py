"""The autoencoder of several views."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skrep._base_networks import NETWORK_CONSTRAINTS
from skrep._base_views import EachViewMixin, ImputeMixin
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.trainer import Trainer
from skrep.mixins import ReconstructionMixin
from skrep.multimodal._fusion_build import build, check_networks
from skrep.multimodal._fusion_start import make_completion, sample_rows
from skrep.multimodal._spread import measured_spread
from skrep.nn.fusion import LateFusion
from skrep.nn.multimodal_autoencoder import MultimodalAutoencoderModule, ViewDecoders
from skrep.utils.settings import Fusion, Likelihood
from skrep.utils.sklearn_private import StrOptions, get_output_config
from skrep.utils.validation import CheckedViews

__all__ = ["MultimodalAutoencoder"]


class MultimodalAutoencoder(ImputeMixin, ReconstructionMixin, GradientEstimator, EachViewMixin):
    r"""Autoencoder of several views with one joint code, from any of which the others follow.

    Views are fused into one code by one of six ways, and decoded from it again. Whole views are
    dropped at random in training, so that any subset of them can be encoded and the rest
    reconstructed; samples may lack views in `fit`, too. Choose it over `MultimodalRBM` when data
    are real or reconstructions matter, over `Autoencoder` when views may be absent.

    Objective, to be minimised:

    .. math:: \frac1n \sum_i \sum_v k_{iv} \frac{\lambda_v}{\rho_v}\,
        \ell_v\big(x_{iv}, g_v(f(x_{i S_i}))\big)

    with :math:`k_{iv}` whether view :math:`v` of sample :math:`i` is known, :math:`\rho_v` the
    share of samples where it is, weights :math:`\lambda_v` that sum to 1, and :math:`S_i` the
    random part of the known views that the encoder :math:`f` sees [1]_. The error
    :math:`\ell_v` is the mean over features of the squared difference in the scaled data, or of
    the negative log-probability in nats for views of another likelihood (a one-hot view counts as
    one feature).

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    fusion : str or Fusion, default="concat"
        How views become one code: "early", "early_weighted", "late", "concat", "gate" or
        "attention"; see Notes. `skrep.Fusion` chooses whether views are dropped in
        training and whether decoders are shared; `fusion__denoise_views` can be searched.
    likelihood : str, Likelihood, dict or tuple, default="gaussian"
        The error of a view: "gaussian" is the squared error of real data; "bernoulli" (data in
        [0, 1]), "categorical" (one-hot rows) and "poisson" (counts) are negative
        log-probabilities. `skrep.Likelihood` chooses the scaling of real data, its variance is
        unused. One for all views, a dict by view name, or a tuple by position.
    view_weights : {"balanced", "features"} or dict, default="balanced"
        Weights of the views' errors: each view alike, each feature alike, or view name to weight.
        No effect on a single array.
    hidden_layer_sizes : tuple of int, default=(256,)
        Widths of the encoder's hidden layers; the decoder mirrors them. `()` gives a linear model.
        Unused by a network that comes from a factory.
    activation : str, default="relu"
        Between layers: "identity", "logistic", "tanh", "relu" or another name in
        `skrep.nn.activations.ACTIVATIONS`.
    encoder : callable or None, default=None
        Factory `(n_in, n_out) -> torch.nn.Module` that replaces the default encoder, such as
        `skrep.nn.conv_encoder((1, 28, 28))`. Picklable; a module instance is refused.
    decoder : callable or None, default=None
        Factory of the decoder, which returns what the likelihood needs (means, log-odds or
        log-rates). None mirrors the encoder.
    max_epochs : int, default=100
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
    module_ : torch.nn.Module
        Fitted networks in evaluation mode, on the CPU.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs done.
    loss_curve_ : ndarray of shape (n_iter_,)
        Mean training objective per epoch; lower is better.
    history_ : DataFrame
        One row an epoch: loss and its parts, held-out loss, learning rate, seconds.

    See Also
    --------
    Autoencoder : One array, or complete views side by side.
    VAE : A density and a generator.

    Notes
    -----
    The ways of fusing, each with what `fusion_weights` returns:

    - "early": one encoder of the views side by side, absent ones at their means. With complete
      samples this is `Autoencoder` on the same views, number by number.
    - "early_weighted": the same; each view is multiplied by a learned weight, the same for all
      samples, before the encoder's first layer, whose columns are its projection.
    - "late": an autoencoder per view, trained by itself; `n_components` is divided evenly among
      the views, the first ones getting what is left over and none more than its features. Codes
      of absent views are regressed on those of the present ones.
    - "concat": an encoder per view, then a linear map of the codes side by side and of a presence
      bit per view; the code of an absent view is zeros.
    - "gate": a mean of the views' codes weighted by gates, a softmax over present views of a small
      network's output from all codes; `fusion_weights` are the gates.
    - "attention": the views' codes attend to each other and are averaged with weights given by a
      learned query, absent views masked; `fusion_weights` are those weights.

    For "early_weighted" `fusion_weights` are the learned weights; for "early", "late" and "concat"
    how far the code moves when a view is taken away, relative to the sum over views. Weights start
    at each view's share in the code of PCA.

    `hidden_layer_sizes`, `encoder` and `decoder` may also be a dict by view name, or a tuple by
    position, where each view has networks of its own; `encoder` is called with the width of the
    view. The default networks have linear paths beside them, started at PCA of the views (rounds of
    PCA and filling in where samples are incomplete). Codes of incomplete samples are multiplied by
    a fixed matrix, one for each set of present views: the ridge regression of PCA's code of all
    views on that of those present. With few samples it does most of the work; train briefly
    there, or with `hidden_layer_sizes=()`.

    Cost of an epoch: O(n_samples * weights), "attention" and "gate" adding O(n_views *
    n_components ** 2) a sample. Up to 16 views the matrices are kept, at most 4 million numbers;
    beyond they are worked out for each batch. Departures from [1]_: dropped views are drawn anew
    in each step instead of being rows of an enlarged training set, no pre-training.

    References
    ----------
    .. [1] Ngiam, J. et al. "Multimodal deep learning." ICML 2011.
    .. [2] Arevalo, J. et al. "Gated multimodal units for information fusion." ICLR workshop 2017.

    Examples
    --------
    >>> from skrep import MultimodalAutoencoder
    >>> from skrep.datasets import drop_views, make_multiview
    >>> X = make_multiview(200, random_state=0)
    >>> model = MultimodalAutoencoder(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> incomplete = drop_views(X, 0.3, random_state=0)
    >>> model.transform(incomplete).shape
    (200, 2)
    >>> model.impute(incomplete).present.all().item()
    True
    """

    _accepts_absent: ClassVar[bool] = True
    module_: MultimodalAutoencoderModule
    _spread: list[np.ndarray] | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NETWORK_CONSTRAINTS,
        "fusion": [StrOptions(set(Fusion.KINDS)), Fusion],
        "likelihood": [StrOptions(set(Likelihood.KINDS)), Likelihood, dict, tuple],
        "view_weights": [StrOptions({"balanced", "features"}), dict],
        "hidden_layer_sizes": [*NETWORK_CONSTRAINTS["hidden_layer_sizes"], dict],
        "encoder": [callable, dict, tuple, None],
        "decoder": [callable, dict, tuple, None],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "fusion": Fusion,
        "likelihood": Likelihood,
    }

    def __init__(
        self,
        n_components: int = 16,
        *,
        fusion: Any = "concat",
        likelihood: Any = "gaussian",
        view_weights: Literal["balanced", "features"] | dict[str, float] = "balanced",
        hidden_layer_sizes: Sequence[int] | dict[str, Sequence[int]] = (256,),
        activation: str = "relu",
        encoder: Any = None,
        decoder: Any = None,
        max_epochs: int = 100,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.fusion = fusion
        self.likelihood = likelihood
        self.view_weights = view_weights
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.decoder = decoder
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    def _check_parameters(self, checked: CheckedViews) -> None:
        check_networks(self, checked)

    def _make_module(self, spec: ModuleSpec) -> MultimodalAutoencoderModule:
        return build(self, spec)

    def _conclude(self, checked: CheckedViews) -> None:
        n_views = len(checked.names)
        if n_views == 1:
            self._spread = None
            return
        if isinstance(self.module_.fusion, LateFusion):
            self._complete_late(checked)
        self._spread = measured_spread(
            checked, self._seed, lambda given: self._apply("expect", given)
        )

    def _complete_late(self, checked: CheckedViews) -> None:
        """Regress the codes of each view on those of the others, now that all are trained."""
        rows = sample_rows(checked.n_samples, self._seed)
        some = _rows_of(checked, rows)
        self.module_.completion = None
        codes = self._encode(some).astype(np.float64)
        sizes = _decoders(self.module_).sizes or ()
        messages = []
        for stop, size in zip(np.cumsum(sizes), sizes, strict=True):
            message = np.zeros_like(codes)
            message[:, stop - size : stop] = codes[:, stop - size : stop]
            messages.append(message)
        completion = make_completion(
            messages,
            some.present,
            n_features=self.n_features_in_,
            n_samples=checked.n_samples,
            keeps=True,
        )
        self.module_.completion = completion.to(next(self.module_.parameters()).dtype)

    def _expect(
        self, checked: CheckedViews, with_std: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        means = self._apply("expect", checked)
        if not with_std:
            return means, None
        # Rows with an absent view only: there are several views, and a mask.
        count = np.asarray(checked.present).sum(axis=1)
        return means, [table[np.minimum(count, len(table) - 1)] for table in self._spread or []]

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        return self._apply("decode_batch", CheckedViews((codes,), ("code",)))

    def fusion_weights(self, X: Any) -> Any:
        """Return how much each view counts in the code of each sample.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.

        Returns
        -------
        ndarray or DataFrame of shape (n_samples, n_views)
            Numbers in [0, 1]; rows sum to 1, absent views have 0. What they are depends on the
            fusion; see Notes of the class. A DataFrame with the views' names under
            `set_output(transform="pandas")`.
        """
        check_is_fitted(self)
        checked = self._check(X)
        weights = self._apply("view_weights", checked)[0]
        if get_output_config(self) == "pandas":
            return pd.DataFrame(weights, index=checked.index, columns=list(checked.names))
        return weights

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the mean squared reconstruction error per feature; higher is better.

        Views count alike: the error of each, over the samples where it is present, is divided by
        the variance of that view in `fit`, and the mean over views is taken. The loss weights of a
        search do not move it. It cannot choose `n_components`: larger codes always reconstruct
        better.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.
        y : None
            Ignored.

        Returns
        -------
        float
            At most 0; in squared units of the input for one array, relative to the variance of
            the views for several.
        """
        check_is_fitted(self)
        checked = self._check(X)
        decoded = self._decode(self._encode(checked))
        errors = []
        for i, (array, out) in enumerate(zip(checked.arrays, decoded, strict=True)):
            rows = np.arange(len(out))
            if checked.present is not None:
                rows = np.flatnonzero(checked.present[:, i])
            if len(rows):
                variance = 1.0
                if getattr(self, "view_names_in_", None) is not None:
                    variance = self.module_.scaler.variances[i]  # type: ignore[index]
                errors.append(_squared_error(array, out, rows) / variance)
        return -float(np.mean(errors))


def _decoders(module: MultimodalAutoencoderModule) -> ViewDecoders:
    return module.decoder  # type: ignore[return-value]


def _rows_of(checked: CheckedViews, rows: np.ndarray) -> CheckedViews:
    if len(rows) == checked.n_samples:
        return checked
    present = None if checked.present is None else checked.present[rows]
    return CheckedViews(tuple(array[rows] for array in checked.arrays), checked.names, present)


def _squared_error(array: Any, out: np.ndarray, rows: np.ndarray) -> float:
    total = 0.0
    for start in range(0, len(rows), 4096):
        part = rows[start : start + 4096]
        block = array[part]
        block = block.toarray() if not isinstance(block, np.ndarray) else block
        difference = block.astype(np.float64) - out[part]
        total += float(np.einsum("ij,ij->", difference, difference))
    return total / (len(rows) * out.shape[1])
