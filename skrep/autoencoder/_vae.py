"""The variational autoencoder."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrep._base_networks import NETWORK_CONSTRAINTS
from skrep._base_variational import Posterior
from skrep.autoencoder._variational import VariationalMixin, build_vae
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.trainer import Trainer
from skrep.nn.vae import VAEModule
from skrep.utils.settings import Likelihood, Warmup
from skrep.utils.sklearn_private import Interval, StrOptions

__all__ = ["VAE"]


class VAE(VariationalMixin, GradientEstimator):
    r"""Variational autoencoder: a density with a code, trained on a bound of the likelihood.

    Gives what `Autoencoder` does not: samples, log-probabilities and uncertainty of the codes.
    The default starts at probabilistic PCA and improves on it.

    Objective, to be maximised, in nats per sample in the units of the data [1]_:

    .. math::
        \mathbb{E}_{q(z \mid x)} \log p(x \mid z)
        - \beta\, \mathrm{KL}(q(z \mid x) \,\|\, N(0, I))

    with :math:`q(z \mid x)` normal with diagonal covariance. :math:`\beta \ne 1` is the beta-VAE
    [2]_. With :math:`K` = `n_importance_samples` > 1 it is the tighter bound
    :math:`\mathbb{E} \log \frac1K \sum_k p(x, z_k) / q(z_k \mid x)` [3]_. Several views are laid
    side by side, each with its own likelihood.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    likelihood : str, Likelihood, dict or tuple, default="gaussian"
        Distribution of the data given the code: "gaussian" (real), "bernoulli" ([0, 1]),
        "categorical" (one-hot rows), "poisson" (counts), or `skrep.Likelihood` to choose a
        gaussian's variance and scaling. One for all views, a dict by view name, or a tuple by
        position. `likelihood__variance` can be searched.
    beta : float or Warmup, default=1.0
        Weight of the KL divergence. Larger gives simpler codes and blurrier reconstructions;
        `skrep.Warmup(1.0, n_epochs=10)` raises it from 0. `score` always takes 1.
    n_importance_samples : int, default=1
        Draws per sample in training; more than one trains the importance-weighted bound, at as
        many times the cost of the decoder.
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
        Factory of the decoder, which returns the parameters of the likelihoods side by side
        (means, log-odds or log-rates). None mirrors the encoder.
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
    Autoencoder : Better reconstructions, no density.
    sklearn.decomposition.FactorAnalysis : The linear model with one variance per feature.

    Notes
    -----
    Cost of an epoch: O(n_samples * weights), the decoder's part times `n_importance_samples`.
    A gaussian variance is learned (one per view), so reconstruction and KL are in balance without
    tuning `beta`. Departures from [1]_: the linear path started at probabilistic PCA.
    The encoder factory is called with `n_out = 2 * n_components`: means, then log-variances. It
    sees counts as log(1 + x), centred.

    References
    ----------
    .. [1] Kingma, D. P. and Welling, M. "Auto-encoding variational Bayes." ICLR 2014.
    .. [2] Higgins, I. et al. "beta-VAE: learning basic visual concepts with a constrained
       variational framework." ICLR 2017.
    .. [3] Burda, Y., Grosse, R. and Salakhutdinov, R. "Importance weighted autoencoders."
       ICLR 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import VAE
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = VAE(n_components=8, max_epochs=2, random_state=0).fit(X)
    >>> model.sample(3, random_state=0).shape
    (3, 64)
    >>> model.score_samples(X).shape
    (1797,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NETWORK_CONSTRAINTS,
        "likelihood": [StrOptions(set(Likelihood.KINDS)), Likelihood, dict, tuple],
        "beta": [Interval(Real, 0, None, closed="left"), Warmup],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
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
        likelihood: Any = "gaussian",
        beta: float | Warmup = 1.0,
        n_importance_samples: int = 1,
        hidden_layer_sizes: Sequence[int] = (256,),
        activation: str = "relu",
        encoder: Callable[[int, int], Any] | None = None,
        decoder: Callable[[int, int], Any] | None = None,
        max_epochs: int = 100,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.likelihood = likelihood
        self.beta = beta
        self.n_importance_samples = n_importance_samples
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

    def _make_module(self, spec: ModuleSpec) -> VAEModule:
        return build_vae(self, spec)

    def posterior(self, X: Any) -> Posterior:
        """Return the distribution of the codes of each sample.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.

        Returns
        -------
        Posterior
            Named tuple of `mean` and `std`, each of shape (n_samples, n_components).
        """
        check_is_fitted(self)
        mean, log_var = self._apply("posterior", self._check(X))
        return Posterior(mean, np.exp(0.5 * log_var))
