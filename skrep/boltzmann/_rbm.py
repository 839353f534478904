"""The restricted Boltzmann machine."""

import copy
from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skrep._base_energy import (
    check_hidden_states,
    check_learning,
    contrastive_settings,
    draw_samples,
    estimate_log_partition,
    refuse_outside,
    row_sums,
    weights_in_input_units,
    working_moments,
)
from skrep.base import TRAINING_CONSTRAINTS, GradientEstimator, ModuleSpec
from skrep.engine.data import ViewData
from skrep.engine.inference import apply_in_chunks
from skrep.engine.seeding import make_generator
from skrep.engine.trainer import Trainer
from skrep.mixins import (
    DensityMixin,
    EnergyMixin,
    GenerativeMixin,
    LogPartition,
    ReconstructionMixin,
)
from skrep.nn.module import Batch
from skrep.nn.rbm import RBMModule, make_rbm
from skrep.nn.units import HIDDEN_UNITS, VISIBLE_UNITS
from skrep.utils.settings import Gradient, Sparsity
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["RBM"]


class RBM(EnergyMixin, DensityMixin, GenerativeMixin, ReconstructionMixin, GradientEstimator):
    r"""Restricted Boltzmann machine: an undirected density with one layer of hidden units.

    A drop-in for `sklearn.neural_network.BernoulliRBM` (its `n_iter` is `max_epochs`) that also
    takes real data, categories and word counts, and can say its log-likelihood. Choose it for
    binary features and word counts; a VAE is easier to train on real data.

    Energy of visible units v and hidden units h, in nats [1]_:

    .. math:: E(v, h) = U(v) + U(h) - b \cdot v - n\, c \cdot h - v^\top W^\top h

    with :math:`W` = `components_`, :math:`b` = `intercept_visible_`, :math:`c` =
    `intercept_hidden_`. :math:`U` is 0 for bernoulli and categorical units and :math:`h^2/2` for
    gaussian and rectified hidden ones. Gaussian visible units have learned variances
    :math:`\sigma^2` = `variance_` [2]_: :math:`v` is divided by :math:`\sigma^2` in the products
    with :math:`W` and :math:`b`, and :math:`U = \sum_j v_j^2 / 2\sigma_j^2`. n is 1, but the number
    of words of a row for multinomial units [3]_, where :math:`U` is minus the log of the number of
    orders of the words. Training ascends the log-likelihood by persistent or plain contrastive
    divergence, with centred statistics [4]_.

    Parameters
    ----------
    n_components : int, default=256
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    visible : {"bernoulli", "gaussian", "categorical", "multinomial"}, default="bernoulli"
        What the data are: values in [0, 1], taken as probabilities of a one; real values; one-hot
        rows, one variable a view; word counts, one vocabulary over all views.
    hidden : {"bernoulli", "gaussian", "rectified"}, default="bernoulli"
        What the code is: probabilities; real numbers; numbers >= 0 (normals cut off below 0).
    n_gibbs_steps : int, default=1
        Gibbs steps between two gradient steps. More follow the likelihood more closely and cost
        proportionally more.
    persistent : bool, default=True
        Whether the chains go on from step to step (persistent contrastive divergence), which
        learns the better density. False starts them at the data (contrastive divergence), which
        learns features faster.
    gradient : {"centred", "plain"} or Gradient, default="centred"
        How the gradient is estimated; a name stands for `skrep.Gradient(name)`. Its momentum,
        averaging of weights, number of chains and of temperatures can be set and searched as
        `gradient__momentum`.
    sparsity : {"kl"}, Sparsity or None, default=None
        Draws the mean activation of bernoulli hidden units to `Sparsity("kl", target=0.05)`, with
        its `weight`, by way of their biases. None leaves it free.
    max_epochs : int, default=10
        Passes over the data, at most.
    batch_size : int, default=10
        Rows a step. Larger is faster per epoch and takes fewer steps.
    learning_rate : float, default=0.1
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
        Fitted machine in evaluation mode, on the CPU.
    components_ : ndarray of shape (n_components, n_features)
        Connections, in the units of the input.
    intercept_visible_ : ndarray of shape (n_features,)
        Visible biases, in the units of the input.
    intercept_hidden_ : ndarray of shape (n_components,)
        Hidden biases.
    variance_ : ndarray of shape (n_features,)
        Variance of gaussian visible units given the hidden ones, in squared units of the input;
        not there for other units.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs done.
    loss_curve_ : ndarray of shape (n_iter_,)
        Minus the log pseudo-likelihood per epoch, nats per sample, estimated on some units of some
        rows of every batch; lower is better.
    history_ : DataFrame
        One row an epoch: loss, held-out loss, learning rate, seconds.

    See Also
    --------
    VAE : A directed density for real data.
    sklearn.neural_network.BernoulliRBM : Binary units, without a likelihood.

    Notes
    -----
    Cost of an epoch: three products of O(n_samples * n_features * n_components) a Gibbs step.
    Departures: gaussian data are centred and divided by one overall standard deviation inside the
    model; visible biases start at the log-odds of the data's means; gaussian-gaussian and
    gaussian-rectified machines have their connections scaled back when their precision matrix
    comes close to losing its positive definiteness. Plain steps are taken unless
    `Trainer(optimizer=...)` says otherwise. A `learning_rate` of 0.01 to 0.05, best with
    `Trainer(schedule="linear")`, gives better densities than the default; real data and large
    counts need less too.

    References
    ----------
    .. [1] Hinton, G. E. "Training products of experts by minimizing contrastive divergence."
       Neural Computation 14, 2002.
    .. [2] Cho, K., Ilin, A. and Raiko, T. "Improved learning of Gaussian-Bernoulli restricted
       Boltzmann machines." ICANN 2011.
    .. [3] Salakhutdinov, R. and Hinton, G. E. "Replicated softmax: an undirected topic model."
       NeurIPS 2009.
    .. [4] Melchior, J., Fischer, A. and Wiskott, L. "How to center deep Boltzmann machines."
       JMLR 17, 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import RBM
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = RBM(16, learning_rate=0.05, max_epochs=2, random_state=0).fit(X / 16)
    >>> model.transform(X / 16).shape
    (1797, 16)
    >>> model.log_partition().standard_error
    0.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TRAINING_CONSTRAINTS,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "visible": [StrOptions(set(VISIBLE_UNITS))],
        "hidden": [StrOptions(set(HIDDEN_UNITS))],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "persistent": ["boolean"],
        "gradient": [StrOptions(set(Gradient.KINDS)), Gradient],
        "sparsity": [StrOptions({"kl"}), Sparsity, None],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "gradient": Gradient,
        "sparsity": lambda name: Sparsity(name or "kl"),
    }

    module_: RBMModule

    def __init__(
        self,
        n_components: int = 256,
        *,
        visible: Literal["bernoulli", "gaussian", "categorical", "multinomial"] = "bernoulli",
        hidden: Literal["bernoulli", "gaussian", "rectified"] = "bernoulli",
        n_gibbs_steps: int = 1,
        persistent: bool = True,
        gradient: Literal["centred", "plain"] | Gradient = "centred",
        sparsity: Literal["kl"] | Sparsity | None = None,
        max_epochs: int = 10,
        batch_size: int = 10,
        learning_rate: float = 0.1,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.visible = visible
        self.hidden = hidden
        self.n_gibbs_steps = n_gibbs_steps
        self.persistent = persistent
        self.gradient = gradient
        self.sparsity = sparsity
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    # -- building ---------------------------------------------------------------------------

    def _check_parameters(self, checked: CheckedViews) -> None:
        check_learning(self, self.hidden)
        self._refuse_outside(checked)

    def _refuse_outside(self, checked: CheckedViews) -> None:
        refuse_outside(checked, [self.visible] * len(checked.names))

    def _own_optimizer(self) -> Any:
        momentum = Gradient.of(self.gradient).momentum
        return partial(torch.optim.SGD, momentum=momentum) if momentum else "sgd"

    def _make_module(self, spec: ModuleSpec) -> RBMModule:
        gradient = Gradient.of(self.gradient)
        visible = VISIBLE_UNITS[self.visible](spec.widths)
        hidden = HIDDEN_UNITS[self.hidden]((spec.n_components,))
        generator = make_generator(spec.seed)
        n_chains = gradient.n_chains or self.batch_size
        scaler, mean, variance = working_moments(spec, [visible.quadratic] * len(spec.widths))
        counts = None
        if visible.counted:
            words = row_sums(spec.data)
            drawn = torch.randint(len(words), (n_chains,), generator=generator)
            counts = torch.from_numpy(words[drawn.numpy()]).float().unsqueeze(1)
        return make_rbm(
            visible,
            hidden,
            mean,
            generator=generator,
            scaler=scaler,
            variance=variance,
            settings=contrastive_settings(self),
            n_chains=n_chains,
            chain_counts=counts,
        )

    # -- what the mixins ask for ------------------------------------------------------------

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        return self._apply("decode_batch", CheckedViews((codes,), ("code",)))

    def _draw(self, n_samples: int, generator: torch.Generator) -> list[np.ndarray]:
        return draw_samples(self.module_, n_samples, generator)

    def _log_density(self, checked: CheckedViews) -> np.ndarray:
        checked = self._check_domain(checked)
        if self.module_.visible.domain != "real":
            return self._apply("log_pseudo_likelihood", checked)[0]
        # Quadrature takes differences of large sums: in float32 a row would move with its company.
        module = copy.deepcopy(self.module_).double()
        data = ViewData(checked.arrays, checked.present, dtype=torch.float64)
        return apply_in_chunks(module.log_pseudo_likelihood, data)[0]

    def _free_energy(self, checked: CheckedViews) -> np.ndarray:
        return self._apply("free_energy_of", checked)[0].astype(np.float64)

    def _run_gibbs(
        self, checked: CheckedViews, n_steps: int, generator: torch.Generator
    ) -> list[np.ndarray]:
        def steps(batch: Batch) -> tuple[torch.Tensor, ...]:
            x = self.module_.standardise(batch.views)
            for _ in range(n_steps):
                x = self.module_.gibbs_step(x, generator)
            return self.module_.to_views(x)

        return self._apply_function(steps, checked)

    def _apply_function(
        self, function: Callable[[Batch], Any], checked: CheckedViews
    ) -> list[np.ndarray]:
        return apply_in_chunks(function, ViewData(checked.arrays, dtype=self._dtype))

    def _words(self, checked: CheckedViews) -> np.ndarray | None:
        return row_sums(checked) if self.module_.visible.counted else None

    def _estimate_log_partition(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition:
        if self.module_.visible.counted != (n_words is not None):
            raise ValueError(
                "`n_words` is the number of words of a row: multinomial units need it, all others "
                f"have none. Got n_words={n_words!r} with visible={self.visible!r}."
            )
        return estimate_log_partition(self.module_, method, n_chains, n_temperatures, seed, n_words)

    # -- public beside the mixins -----------------------------------------------------------

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log pseudo-likelihood: the sum over features of log p(feature | the others).

        Exact for bernoulli and categorical units; for values between 0 and 1 the two outcomes are
        weighed. Gaussian units are integrated on a grid with a relative error below 1e-7. For word
        counts it is the sum over words of log p(word | the other words of the row).

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats per sample in the units of the input; nothing in it is drawn.

        Raises
        ------
        ValueError
            If a value is outside the domain of the visible units.
        """
        check_is_fitted(self)
        return self._log_density(self._check(X))

    def energy(self, V: Any, H: Any) -> np.ndarray:
        """Return the energy of pairs of visible and hidden states.

        Parameters
        ----------
        V : array-like, sparse matrix or several views
            Visible states, as in `transform`.
        H : array-like of shape (n_samples, n_components)
            Hidden states.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats; lower is more probable. Summing exp(-energy) over hidden states gives
            exp(-free_energy).

        Raises
        ------
        ValueError
            If shapes do not fit, or a value is outside the domain of its units.
        """
        check_is_fitted(self)
        checked = self._check_domain(self._check(V))
        hidden = check_hidden_states(H, (checked.n_samples, self.n_components), self.hidden)
        both = CheckedViews((*checked.arrays, hidden), (*checked.names, "hidden"))

        def energies(batch: Batch) -> torch.Tensor:
            *views, h = batch.views
            return self.module_.energy(self.module_.standardise(tuple(views)), h)

        return self._apply_function(energies, both)[0].astype(np.float64)

    @property
    def components_(self) -> np.ndarray:
        """Connections, (n_components, n_features), in the units of the input."""
        return weights_in_input_units(self.module_)[0]

    @property
    def intercept_visible_(self) -> np.ndarray:
        """Visible biases, (n_features,), in the units of the input."""
        return weights_in_input_units(self.module_)[1]

    @property
    def intercept_hidden_(self) -> np.ndarray:
        """Hidden biases, (n_components,)."""
        return weights_in_input_units(self.module_)[2]

    @property
    def variance_(self) -> np.ndarray:
        """Variances of gaussian visible units given the hidden ones, (n_features,)."""
        module = self.module_
        if module.log_variance is None:
            raise AttributeError(
                f"Only gaussian visible units have variances. This RBM has visible={self.visible!r}"
            )
        return (module.log_variance.detach().exp() * module.scaler.scale.square()).numpy()
