"""The multimodal variational autoencoder: products and mixtures of experts."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from skrep._base_networks import feature_weights
from skrep._base_variational import start_variances
from skrep._base_views import EachViewMixin
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.trainer import Trainer
from skrep.multimodal._latent_build import build_blocks
from skrep.multimodal._variational import LATENT_CONSTRAINTS, LatentViewsMixin
from skrep.nn.multimodal_vae import MultimodalVAEModule
from skrep.utils.settings import Experts, Likelihood, Warmup
from skrep.utils.sklearn_private import StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["MultimodalVAE"]


class MultimodalVAE(LatentViewsMixin, GradientEstimator, EachViewMixin):
    r"""Variational autoencoder of several views with one shared code.

    Generates any view from any others, with probabilities: samples may lack views in training and
    after it. Choose "product" (default) for the best codes and likelihoods of complete samples,
    "mixture" where each view alone should generate the others, "mixture_of_products" for both;
    `JMVAE` where samples are complete.

    Every view has an encoder, whose normal density :math:`q_v(z \mid x_v)` is its opinion, and
    :math:`q_S(z \mid x_S) \propto \prod_{v \in S} q_v(z \mid x_v)` joins those of a subset S of
    the views. Objective, to be maximised, in nats per sample in the units of the data: the mean
    over subsets S of

    .. math::
        \mathbb{E}_{q_S(z \mid x_S)} \sum_{v \in T} \lambda_v \log p(x_v \mid z)
        - \beta\, \mathrm{KL}(q_S(z \mid x_S) \,\|\, N(0, I))

    - product [1]_: S runs over all views, each view alone and, of three or more, random subsets; T
      are those of S; the prior is one of the experts.
    - mixture [2]_: S runs over each view alone, T are all views present, and nothing is multiplied.
    - mixture of products [3]_: S runs over all subsets that are not empty, T are all views present,
      and the prior is no expert.

    Absent views drop out of S and of T. The posterior of the code is the product over the views
    present, or the even mixture of the :math:`q_S`. With one view there is one subset: the last
    two are then `VAE`, and the first is `VAE` with the prior multiplied into the encoder's
    density.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    experts : {"product", "mixture", "mixture_of_products"} or Experts, default="product"
        How the views' opinions on the code are joined; `skrep.Experts` for private codes, view
        weights and how many subsets. `experts__n_private` can be searched.
    likelihood : str, Likelihood, dict or tuple, default="gaussian"
        Distribution of the data given the code: "gaussian" (real), "bernoulli" ([0, 1]),
        "categorical" (one-hot rows), "poisson" (counts), or `skrep.Likelihood` to choose a
        gaussian's variance and scaling. One for all views, a dict by view name, or a tuple by
        position. `likelihood__variance` can be searched.
    beta : float or Warmup, default=1.0
        Weight of the KL divergence. Larger gives simpler codes and blurrier reconstructions;
        `skrep.Warmup(1.0, n_epochs=10)` raises it from 0. `score` always takes 1.
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
        Factory of the decoder, which returns the parameters of the likelihood of its view (means,
        log-odds or log-rates). None mirrors the encoder.
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
    JMVAE : An encoder of all views, and one of each view tied to it.
    VAE : One encoder for all views side by side; no view may be absent.

    Notes
    -----
    `hidden_layer_sizes`, `encoder` and `decoder` hold for every view, or are given as a dict by
    view name or a tuple by position (of tuples, for sizes). Encoders get
    `n_out = 2 * (n_components + n_private)`: means, then log-variances; decoders get codes with
    the private one behind. Networks start at probabilistic PCA of the views side by side where
    all are real or in [0, 1], networks are the default and enough samples are complete; learned
    variances of a mixture start at the errors of its parts, which are those of absent views, too.

    The spread that `impute` returns is the model's: of the code given the views present, decoded,
    and of the likelihood. It is honest where the model has converged, and too small where views
    keep much to themselves and a mixture without private codes has not.

    With private codes (`Experts(n_private=...)`) a subset of views decodes its own views from
    their private codes and the others from draws of a learned normal, whose divergence from the
    prior is counted, so that what views do not share stays out of the shared code [4]_.
    `transform`, `transform_each` and `posterior` give the shared code, and `inverse_transform`
    takes private codes at their prior mean.

    Cost of an epoch: every view is encoded once and decoded once from the codes of all subsets
    stacked: O(n_samples * (encoders + n_subsets * decoders)). Departures: bounds are averaged over
    subsets, where [1]_ adds them up; a mixture is trained on the mean of its parts' bounds, with
    one draw from each (stratified), not on the importance-weighted bound of [2]_.

    References
    ----------
    .. [1] Wu, M. and Goodman, N. "Multimodal generative models for scalable weakly-supervised
       learning." NeurIPS 2018.
    .. [2] Shi, Y., Siddharth, N., Paige, B. and Torr, P. "Variational mixture-of-experts
       autoencoders for multi-modal deep generative models." NeurIPS 2019.
    .. [3] Sutter, T. M., Daunhawer, I. and Vogt, J. E. "Generalized multimodal ELBO." ICLR 2021.
    .. [4] Palumbo, E., Daunhawer, I. and Vogt, J. E. "MMVAE+: enhancing the generative quality of
       multimodal VAEs without compromises." ICLR 2023.

    Examples
    --------
    >>> from skrep import MultimodalVAE
    >>> from skrep.datasets import make_multiview
    >>> X = make_multiview(200, random_state=0)
    >>> model = MultimodalVAE(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> model.transform((X[0], None)).shape
    (200, 2)
    >>> model.impute((X[0], None))[1].shape == X[1].shape
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **LATENT_CONSTRAINTS,
        "experts": [StrOptions(set(Experts.KINDS)), Experts],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "experts": Experts,
        "likelihood": Likelihood,
        "beta": Warmup,
    }

    def __init__(
        self,
        n_components: int = 16,
        *,
        experts: Any = "product",
        likelihood: Any = "gaussian",
        beta: float | Warmup = 1.0,
        hidden_layer_sizes: Sequence[int] | dict[str, Any] = (256,),
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
        self.experts = experts
        self.likelihood = likelihood
        self.beta = beta
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
        super()._check_parameters(checked)
        Experts.of(self.experts).check()

    def _make_module(self, spec: ModuleSpec) -> MultimodalVAEModule:
        experts = Experts.of(self.experts)
        weights = _likelihood_weights(spec, experts.view_weights)
        with_prior = experts.kind != "mixture" and experts.takes_prior
        blocks = build_blocks(self, spec, n_private=experts.n_private, experts=with_prior)
        warmup = Warmup.of(self.beta)
        module = MultimodalVAEModule(
            blocks.scaler,
            blocks.encoders,
            blocks.decoders,
            blocks.parts,
            experts=experts.kind,
            prior=experts.takes_prior,
            n_subsets=experts.subsets_between,
            view_weights=weights,
            n_components=spec.n_components,
            n_private=experts.n_private,
            beta=warmup.value,
            n_warmup_epochs=warmup.n_epochs,
        )
        if blocks.start is not None and experts.kind != "product" and len(spec.names) > 1:
            # Each part of a mixture decodes all views, so that errors are those of views that
            # were not seen, too. A variance that starts at the others takes long to get there.
            subsets = np.repeat(module.subsets.numpy(), spec.widths, axis=1)
            errors = np.mean([blocks.start.left_open(known) for known in subsets], axis=0)
            start_variances(blocks.parts, np.split(errors, np.cumsum(spec.widths)[:-1]))
        return module


def _likelihood_weights(spec: ModuleSpec, view_weights: Any) -> list[float]:
    """Return what multiplies each view's log-likelihood."""
    feature_weights(spec, view_weights)  # refuses other names, and numbers that are no weights
    if isinstance(view_weights, dict):
        return [float(view_weights[name]) for name in spec.names]
    if view_weights == "features":
        return [1.0] * len(spec.names)
    # Shares of the features in all, so that the sum keeps its size beside the KL divergence.
    return [sum(spec.widths) / (len(spec.widths) * width) for width in spec.widths]
