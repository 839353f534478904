"""The joint multimodal variational autoencoder."""

from collections.abc import Callable, Sequence
from numbers import Real
from types import SimpleNamespace
from typing import Any, ClassVar

from torch import nn

from skrep._base_networks import networks, sizes_per_view
from skrep._base_variational import before_counts
from skrep._base_views import EachViewMixin
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.trainer import Trainer
from skrep.multimodal._latent_build import build_blocks, linear_encoder
from skrep.multimodal._variational import LATENT_CONSTRAINTS, LatentViewsMixin
from skrep.nn.jmvae import JMVAEModule
from skrep.nn.mlp import MLP
from skrep.utils.settings import Likelihood, Warmup
from skrep.utils.sklearn_private import Interval

__all__ = ["JMVAE"]


class JMVAE(LatentViewsMixin, GradientEstimator, EachViewMixin):
    r"""Variational autoencoder with an encoder of all views and one of each view alone.

    The joint encoder sees all views at once and is as good as that of `VAE`; the encoders of
    single views learn to agree with it, so that any view generates the others. Choose it where
    most samples are complete, and `MultimodalVAE` where many are not or views are many.

    Objective, to be maximised, in nats per sample in the units of the data [1]_ (JMVAE-kl):

    .. math::
        \mathbb{E}_{q(z \mid x)} \sum_v \log p(x_v \mid z)
        - \beta\, \mathrm{KL}(q(z \mid x) \,\|\, N(0, I))
        - \alpha \sum_v \mathrm{KL}(q(z \mid x) \,\|\, q_v(z \mid x_v))

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    alignment_weight : float, default=0.1
        :math:`\alpha`, of the divergence between the joint encoder and those of single views.
        More makes views generate each other better and the likelihood of all views worse.
    likelihood : str, Likelihood, dict or tuple, default="gaussian"
        Distribution of the data given the code: "gaussian" (real), "bernoulli" ([0, 1]),
        "categorical" (one-hot rows), "poisson" (counts), or `skrep.Likelihood` to choose a
        gaussian's variance and scaling. One for all views, a dict by view name, or a tuple by
        position. `likelihood__variance` can be searched.
    beta : float or Warmup, default=1.0
        Weight of the joint posterior's KL divergence from the prior. Larger gives simpler codes
        and blurrier reconstructions; `skrep.Warmup(1.0, n_epochs=10)` raises it from 0. `score`
        always takes 1.
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
    MultimodalVAE : No joint encoder; any subset of the views is encoded alike.
    VAE : The joint encoder alone; no view may be absent.

    Notes
    -----
    `hidden_layer_sizes`, `encoder` and `decoder` hold for every view, or are given as a dict by
    view name or a tuple by position (of tuples, for sizes). One encoder factory for all views
    makes the joint encoder too; with one per view the joint encoder is a fully connected network
    with the largest of the sizes. Networks start as those of `MultimodalVAE`.

    Of a sample with some, but not all, views, the posterior joins those of the views present:
    their product, divided by the priors that it holds too often. Such samples train the encoders
    of single views on their bound, without the last term.

    Cost of an epoch: O(n_samples * weights); every network is used once a step.

    References
    ----------
    .. [1] Suzuki, M., Nakayama, K. and Matsuo, Y. "Joint multimodal learning with deep generative
       models." ICLR workshop 2017.

    Examples
    --------
    >>> from skrep import JMVAE
    >>> from skrep.datasets import make_multiview
    >>> X = make_multiview(200, random_state=0)
    >>> model = JMVAE(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> model.transform((X[0], None)).shape
    (200, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **LATENT_CONSTRAINTS,
        "alignment_weight": [Interval(Real, 0, None, closed="left")],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "likelihood": Likelihood,
        "beta": Warmup,
    }

    def __init__(
        self,
        n_components: int = 16,
        *,
        alignment_weight: float = 0.1,
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
        self.alignment_weight = alignment_weight
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

    def _make_module(self, spec: ModuleSpec) -> JMVAEModule:
        blocks = build_blocks(self, spec)
        joint = self._joint_network(spec)
        joint = before_counts(spec, blocks.parts, linear_encoder(blocks.start, joint))
        warmup = Warmup.of(self.beta)
        return JMVAEModule(
            blocks.scaler,
            joint,
            blocks.encoders,
            blocks.decoders,
            blocks.parts,
            alignment_weight=self.alignment_weight,
            n_components=spec.n_components,
            beta=warmup.value,
            n_warmup_epochs=warmup.n_epochs,
        )

    def _joint_network(self, spec: ModuleSpec) -> nn.Module:
        sizes = sizes_per_view(self.hidden_layer_sizes, spec.names)
        design = SimpleNamespace(
            hidden_layer_sizes=max(sizes, key=lambda size: sum(MLP(size).hidden_layer_sizes)),
            activation=self.activation,
            encoder=self.encoder if callable(self.encoder) else None,
            decoder="tied",  # no decoder
            n_components=spec.n_components,
        )
        n_features = sum(spec.widths)
        return networks(design, n_features, 2 * spec.n_components, n_features)[0]
