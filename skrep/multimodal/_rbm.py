"""The restricted Boltzmann machine of several views."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skrep._base_energy import (
    check_hidden_states,
    check_learning,
    contrastive_settings,
    draw_samples,
    estimate_log_partition,
    refuse_outside,
    view_kinds,
    weights_in_input_units,
    working_moments,
)
from skrep._base_networks import per_view
from skrep._base_views import EachViewMixin, ImputeMixin, SampleGivenMixin
from skrep.base import TRAINING_CONSTRAINTS, GradientEstimator, ModuleSpec
from skrep.engine.data import ViewData
from skrep.engine.inference import apply_in_chunks
from skrep.engine.seeding import make_generator
from skrep.engine.trainer import Trainer
from skrep.exceptions import MissingViewError
from skrep.mixins import (
    DensityMixin,
    EnergyMixin,
    GenerativeMixin,
    LogPartition,
    ReconstructionMixin,
)
from skrep.multimodal._view_units import word_counts
from skrep.nn.mixed_units import MixedUnits
from skrep.nn.module import Batch
from skrep.nn.multimodal_rbm import MultimodalRBMModule
from skrep.nn.rbm import make_rbm
from skrep.nn.units import VISIBLE_UNITS, BernoulliUnits
from skrep.utils.settings import Gradient, Sparsity
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["MultimodalRBM"]

# Gibbs steps after which absent views count as drawn from their conditional.
_GIVEN_STEPS = 200


class MultimodalRBM(
    EnergyMixin,
    DensityMixin,
    GenerativeMixin,
    ImputeMixin,
    SampleGivenMixin,
    ReconstructionMixin,
    GradientEstimator,
    EachViewMixin,
):
    r"""Restricted Boltzmann machine of several views with one layer of hidden units.

    An undirected density of all views together [1]_ [2]_: any view can be drawn, imputed and,
    where it is a label, predicted from any others. Choose it for binary, categorical and count
    data, or for few labels beside much data; `MultimodalAutoencoder` reconstructs real data
    better.

    Energy of the views :math:`x_v` and binary hidden units h, in nats:

    .. math:: E(x, h) = \sum_v \left( U_v(x_v) - a_v \cdot x_v - x_v^\top W_v^\top h \right)
        - b \cdot h

    with :math:`W_v` and :math:`a_v` the columns of `components_` and entries of
    `intercept_visible_` of the view, and :math:`b` = `intercept_hidden_`. :math:`U_v` is 0 for
    bernoulli and categorical views. Gaussian views have learned variances :math:`\sigma^2` =
    `variance_`: :math:`x_v` is divided by :math:`\sigma^2` in the products, and
    :math:`U_v = \sum_j x_{vj}^2 / 2\sigma_j^2`. Word counts are drawn from one softmax per view,
    :math:`U_v` being minus the log of the number of orders of the words; the hidden biases are
    not multiplied by the number of words, unlike those of `RBM`.

    Training ascends the log-likelihood of what is present, the mean over samples of
    :math:`\log p(x_{\text{present}})`, by persistent or plain contrastive divergence with centred
    statistics. Absent views of a training sample are drawn along with the hidden units, the
    present ones clamped. Leaving them out of the energy instead would follow another model for
    every pattern of absence, whose partition functions differ.

    Parameters
    ----------
    n_components : int, default=256
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    visible : str, dict or tuple, default="bernoulli"
        What the views are: "bernoulli", values in [0, 1], taken as probabilities of a one;
        "gaussian", real values; "categorical", one-hot rows, one variable a view, such as a
        label; "multinomial", word counts. One for all views, a dict by view name, or a tuple by
        position.
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
    view_rates : dict, tuple or None, default=None
        How many times faster than `learning_rate` the connections and biases of a view learn: a
        dict by view name, where those left out have 1, or a tuple by position. A label of few
        columns next to a wide view is predicted better with 10 to 20; where few samples have it,
        a small number until `partial_fit` on these keeps its noise down. None is 1 for all.
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
        Connections, the views side by side, in the units of the input.
    intercept_visible_ : ndarray of shape (n_features,)
        Visible biases, in the units of the input.
    intercept_hidden_ : ndarray of shape (n_components,)
        Hidden biases.
    variance_ : ndarray of shape (n_features,)
        Variance of gaussian visible units given the hidden ones, in squared units of the input;
        NaN for other units, and not there where no view is gaussian.
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
    RBM : The same for views of one kind, with real-valued hidden units too.
    skrep.compose.LabelAsView : A classifier made of this model and a label view.

    Notes
    -----
    Cost of an epoch: three products of O(n_samples * n_features * n_components) a Gibbs step;
    samples that lack views cost five more Gibbs steps. The only categorical view among several
    is drawn from its exact conditional given all other views, O(n_categories * n_components) a
    row, in training and afterwards.

    What is absent: where the absent views, or the hidden units, have at most 4,096 states, as a
    lone absent label does, `transform`, `impute`, `sample_given` and `free_energy` are exact sums
    over them. Elsewhere `transform` and `score_samples` take a mean field (30 rounds); `impute`
    averages what a clamped Gibbs chain of 100 steps expects, the same random numbers for every
    row and fixed by `fit`; `sample_given` takes the state after 200 steps; and `free_energy`
    raises an error. An absent view of word counts gets the mean number of words of `fit`.

    Other departures are those of `RBM`: real data are centred and divided by one overall standard
    deviation per view inside the model, and visible biases start at the data's means.

    References
    ----------
    .. [1] Srivastava, N. and Salakhutdinov, R. "Multimodal learning with deep Boltzmann
       machines." JMLR 15, 2014.
    .. [2] Larochelle, H. and Bengio, Y. "Classification using discriminative restricted Boltzmann
       machines." ICML 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skrep import MultimodalRBM, Views
    >>> X, y = load_digits(return_X_y=True)
    >>> views = Views({"image": X / 16, "label": np.eye(10)[y]})
    >>> model = MultimodalRBM(
    ...     32, visible={"image": "bernoulli", "label": "categorical"}, max_epochs=2, random_state=0
    ... )
    >>> model.fit(views).transform({"image": X / 16, "label": None}).shape
    (1797, 32)
    >>> model.impute({"image": X[:5] / 16, "label": None})["label"].shape
    (5, 10)
    """

    _accepts_absent = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TRAINING_CONSTRAINTS,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "visible": [StrOptions(set(VISIBLE_UNITS)), dict, tuple],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "persistent": ["boolean"],
        "gradient": [StrOptions(set(Gradient.KINDS)), Gradient],
        "sparsity": [StrOptions({"kl"}), Sparsity, None],
        "view_rates": [dict, tuple, None],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "gradient": Gradient,
        "sparsity": lambda name: Sparsity(name or "kl"),
    }

    module_: MultimodalRBMModule

    def __init__(
        self,
        n_components: int = 256,
        *,
        visible: str | dict[str, str] | tuple[str, ...] = "bernoulli",
        n_gibbs_steps: int = 1,
        persistent: bool = True,
        gradient: Literal["centred", "plain"] | Gradient = "centred",
        sparsity: Literal["kl"] | Sparsity | None = None,
        view_rates: dict[str, float] | tuple[float, ...] | None = None,
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
        self.n_gibbs_steps = n_gibbs_steps
        self.persistent = persistent
        self.gradient = gradient
        self.sparsity = sparsity
        self.view_rates = view_rates
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    # -- building ---------------------------------------------------------------------------

    def _check_parameters(self, checked: CheckedViews) -> None:
        check_learning(self)
        rates = _view_rates(self.view_rates, checked.names)
        self._refuse_outside(checked)
        if self.__sklearn_is_fitted__():
            # Training that goes on: with the rates of now, as with the learning rate of now.
            self.module_.set_rates(rates)

    def _refuse_outside(self, checked: CheckedViews) -> None:
        refuse_outside(checked, view_kinds(self.visible, checked.names))

    def _own_optimizer(self) -> Any:
        momentum = Gradient.of(self.gradient).momentum
        return partial(torch.optim.SGD, momentum=momentum) if momentum else "sgd"

    def _make_module(self, spec: ModuleSpec) -> MultimodalRBMModule:
        kinds = view_kinds(self.visible, spec.names)
        pairs = zip(kinds, spec.widths, strict=True)
        units = MixedUnits([VISIBLE_UNITS[kind]((width,)) for kind, width in pairs])
        ends = [(at.start, at.stop) for at in units.view_columns]
        settings = replace(contrastive_settings(self), label=_label(kinds, ends))
        generator = make_generator(spec.seed)
        n_chains = Gradient.of(self.gradient).n_chains or self.batch_size
        scaler, mean, variance = working_moments(spec, [kind == "gaussian" for kind in kinds])
        counts = word_counts(spec.data, kinds)
        words = np.maximum(np.rint(np.nanmean(counts, axis=0)), 1.0)
        chain_counts = None
        if counts.shape[1]:
            drawn = torch.randint(len(counts), (n_chains,), generator=generator).numpy()
            filled = np.where(np.isnan(counts[drawn]), words, counts[drawn])
            chain_counts = torch.from_numpy(filled).float()
        machine = make_rbm(
            units,
            BernoulliUnits((spec.n_components,)),
            mean,
            generator=generator,
            scaler=scaler,
            variance=variance,
            settings=settings,
            n_chains=n_chains,
            chain_counts=chain_counts,
        )
        module = MultimodalRBMModule(machine, torch.from_numpy(words).float())
        module.set_rates(_view_rates(self.view_rates, spec.names))
        return module

    # -- what the mixins ask for ------------------------------------------------------------

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        return self._apply("decode_batch", CheckedViews((codes,), ("code",)))

    def _draw(self, n_samples: int, generator: torch.Generator) -> list[np.ndarray]:
        return draw_samples(self.module_.machine, n_samples, generator)

    def _apply_precisely(
        self, function: Callable[[MultimodalRBMModule, Batch], Any], checked: CheckedViews
    ) -> list[np.ndarray]:
        # In float64: differences of large sums, and draws that rounding must not tip over.
        module = copy.deepcopy(self.module_).double()
        data = ViewData(checked.arrays, checked.present, dtype=torch.float64)
        return apply_in_chunks(lambda batch: function(module, batch), data)

    def _log_density(self, checked: CheckedViews) -> np.ndarray:
        checked = self._check_domain(checked)
        if self.module_.units.quadratic or checked.present is not None:
            found = self._apply_precisely(lambda m, batch: m.log_pseudo_likelihood(batch), checked)
            return found[0]
        return self._apply("log_pseudo_likelihood", checked)[0]

    def _free_energy(self, checked: CheckedViews) -> np.ndarray:
        return self._apply_precisely(lambda m, batch: m.free_energy_of(batch), checked)[0]

    def _run_gibbs(
        self, checked: CheckedViews, n_steps: int, generator: torch.Generator
    ) -> list[np.ndarray]:
        def steps(batch: Batch) -> tuple[Tensor, ...]:
            x = self.module_.draw_absent(batch, generator, _GIVEN_STEPS)
            for _ in range(n_steps):
                x = self.module_.machine.gibbs_step(x, generator)
            return self.module_.machine.to_views(x)

        return self._apply_function(steps, checked)

    def _apply_function(
        self, function: Callable[[Batch], Any], checked: CheckedViews
    ) -> list[np.ndarray]:
        data = ViewData(checked.arrays, checked.present, dtype=self._dtype)
        return apply_in_chunks(function, data)

    def _expect(
        self, checked: CheckedViews, with_std: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        found = self._apply_precisely(
            lambda m, batch: m.expect(batch, self._noise_seed), self._check_domain(checked)
        )
        n = len(checked.names)
        kind = torch.empty(0, dtype=self._dtype).numpy().dtype
        means = [mean.astype(kind) for mean in found[:n]]
        return means, [np.sqrt(variance).astype(kind) for variance in found[n:]]

    def _draw_given(self, checked: CheckedViews, generator: torch.Generator) -> list[np.ndarray]:
        def drawn(batch: Batch) -> tuple[Tensor, ...]:
            x = self.module_.draw_absent(batch, generator, _GIVEN_STEPS)
            return self.module_.machine.to_views(x)

        return self._apply_function(drawn, self._check_domain(checked))

    def _words(self, checked: CheckedViews) -> np.ndarray | None:
        counts = word_counts(checked, view_kinds(self.visible, checked.names))
        if not counts.shape[1]:
            return None
        self._refuse_several_counts(counts.shape[1])
        return np.where(np.isnan(counts), self.module_.words.numpy(), counts)[:, 0]

    def _refuse_several_counts(self, n_counted: int) -> None:
        if n_counted > 1:
            raise ValueError(
                f"The partition function depends on the number of words of a row, and is offered "
                f"for one view of word counts. Got {n_counted} in visible={self.visible!r}."
            )

    def _estimate_log_partition(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition:
        machine = self.module_.machine
        n_counted = len(machine.visible.counted_columns)
        self._refuse_several_counts(n_counted)
        if bool(n_counted) != (n_words is not None):
            raise ValueError(
                "`n_words` is the number of words of a row: a multinomial view needs it, all "
                f"others have none. Got n_words={n_words!r} with visible={self.visible!r}."
            )
        return estimate_log_partition(machine, method, n_chains, n_temperatures, seed, n_words)

    # -- public beside the mixins -----------------------------------------------------------

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log pseudo-likelihood: the sum over features of log p(feature | the others).

        Exact for bernoulli and categorical views; for values between 0 and 1 the two outcomes are
        weighed. Gaussian units are integrated on a grid with a relative error below 1e-7. For word
        counts it is the sum over words of log p(word | the other words of the row, the other
        views). Of a sample that lacks views it is the sum over what is present, while absent
        units stand at what the model expects of them.

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

    def conditional_log_likelihood(self, X: Any, view: str) -> np.ndarray:
        """Return log p(view | the other views of the sample), hidden units summed out exactly.

        For a view of few states, such as a label, or for any view but word counts if there are at
        most 12 hidden units. Other absent views are summed out too, where that is possible.

        Parameters
        ----------
        X : tuple, dict, Views or DataFrame with two column levels
            As in `transform`, every sample with the view.
        view : str
            Name of the view.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats per sample, in the units of the input.

        Raises
        ------
        ValueError
            If there is no such view, or the sum has too many states.
        skrep.exceptions.MissingViewError
            If a sample lacks the view, or has no other.
        """
        check_is_fitted(self)
        checked = self._check_domain(self._check(X))
        i = self._conditional_view(view)
        n, n_views = checked.n_samples, len(checked.names)
        present = np.ones((n, n_views), bool) if checked.present is None else checked.present
        others = present.copy()
        others[:, i] = False
        for bad, what in (
            (~present[:, i], "lacks that view"),
            (~others.any(axis=1), "has no other"),
        ):
            if bad.any():
                raise MissingViewError(
                    f"log p({view!r} | other views) needs samples with {view!r} and one more view. "
                    f"Row {int(bad.argmax())} {what}. Leave such rows out."
                )
        rest = checked._replace(present=others)
        return self._free_energy(rest) - self._free_energy(checked)

    def _conditional_view(self, view: str) -> int:
        names = list(getattr(self, "view_names_in_", ()))
        if view not in names:
            known = f"The views are {names}" if names else "It was fitted on one array"
            raise ValueError(f"`view` must be the name of a view. Got {view!r}. {known}.")
        i = names.index(view)
        if self.module_.units.by_view[i][0].counted:
            raise ValueError(
                f"`view={view!r}` holds word counts, whose conditional is not offered. "
                f"`log_likelihood` gives their joint probability with the other views."
            )
        return i

    def energy(self, V: Any, H: Any) -> np.ndarray:
        """Return the energy of pairs of visible and hidden states.

        Parameters
        ----------
        V : array-like, sparse matrix or several views
            Visible states, as in `transform`, no view absent.
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
        skrep.exceptions.MissingViewError
            If a view is absent.
        """
        check_is_fitted(self)
        checked = self._check_domain(self._check(V))
        if checked.present is not None:
            row = int((~checked.present).any(axis=1).argmax())
            raise MissingViewError(
                f"The energy is one of all units, and row {row} of V lacks a view. Fill it in with "
                f"`impute` or `sample_given`."
            )
        hidden = check_hidden_states(H, (checked.n_samples, self._code_size), "bernoulli")
        both = CheckedViews((*checked.arrays, hidden), (*checked.names, "hidden"))

        def energies(batch: Batch) -> Tensor:
            *views, h = batch.views
            machine = self.module_.machine
            return machine.energy(machine.standardise(tuple(views)), h)

        return self._apply_function(energies, both)[0].astype(np.float64)

    @property
    def components_(self) -> np.ndarray:
        """Connections, (n_components, n_features), in the units of the input."""
        return weights_in_input_units(self.module_.machine)[0]

    @property
    def intercept_visible_(self) -> np.ndarray:
        """Visible biases, (n_features,), in the units of the input."""
        return weights_in_input_units(self.module_.machine)[1]

    @property
    def intercept_hidden_(self) -> np.ndarray:
        """Hidden biases, (n_components,)."""
        return weights_in_input_units(self.module_.machine)[2]

    @property
    def variance_(self) -> np.ndarray:
        """Variances of gaussian visible units given the hidden ones, (n_features,), else NaN."""
        machine = self.module_.machine
        if machine.log_variance is None:
            raise AttributeError(
                f"Only gaussian views have variances. This MultimodalRBM has visible="
                f"{self.visible!r}."
            )
        found = (machine.log_variance.detach().exp() * machine.scaler.scale.square()).numpy()
        variance = np.full_like(found, np.nan)
        for at in machine.visible.quadratic_columns:
            variance[at] = found[at]
        return variance


def _view_rates(rates: Any, names: tuple[str, ...]) -> list[float]:
    """Return the rate of every view, relative to the learning rate."""
    if isinstance(rates, dict):
        unknown = [name for name in rates if name not in names]
        if unknown:
            raise ValueError(
                f"`view_rates` names {unknown}, but the views are {list(names)}. Name some of them."
            )
        rates = {name: rates.get(name, 1.0) for name in names}
    found = [1.0] * len(names) if rates is None else per_view(rates, names, "view_rates")
    for name, rate in zip(names, found, strict=True):
        if isinstance(rate, bool) or not isinstance(rate, Real) or not 0.0 < float(rate) < np.inf:
            raise ValueError(
                f"`view_rates` of view {name!r} must be a number above 0. Got {rate!r}."
            )
    return [float(rate) for rate in found]


def _label(kinds: list[str], ends: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the columns of the only categorical view beside others."""
    if len(kinds) < 2 or kinds.count("categorical") != 1:
        return None
    return ends[kinds.index("categorical")]
