"""The general Boltzmann machine, as a density and as an optimiser."""

from numbers import Integral
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.utils.validation import check_array, check_is_fitted

from skrep._base_energy import warn_of_spread
from skrep.base import TRAINING_CONSTRAINTS, GradientEstimator, ModuleSpec
from skrep.boltzmann._anneal import (
    Annealed,
    anneal,
    as_tensor,
    check_couplings,
    default_schedule,
    energies_of,
)
from skrep.boltzmann._completion import complete
from skrep.boltzmann._machine import connections, make_machine
from skrep.engine.seeding import make_generator
from skrep.engine.trainer import Trainer
from skrep.functional.ising import MAX_STATES
from skrep.mixins import (
    DensityMixin,
    EnergyMixin,
    GenerativeMixin,
    LogPartition,
    ReconstructionMixin,
)
from skrep.nn.boltzmann import BoltzmannModule
from skrep.nn.chains import (
    annealed_log_partition,
    enumerated_log_partition,
    gibbs_chain,
    log2_states,
    sample_states,
)
from skrep.utils.domains import check_binary, check_spin
from skrep.utils.random import seed_from
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews, view_widths

__all__ = ["BoltzmannMachine"]

_SAMPLE_STEPS = 1000
# With `learning="auto"` up to this many units are summed over exactly in every step.
_EXACT_UNITS = 12
_MAX_BITS = MAX_STATES.bit_length() - 1


class _CachedLogPartition(NamedTuple):
    """Log Z and the history of the fit that it belongs to."""

    history: pd.DataFrame
    value: float


class BoltzmannMachine(
    EnergyMixin, DensityMixin, GenerativeMixin, ReconstructionMixin, GradientEstimator
):
    r"""Boltzmann machine: two-valued units with any symmetric couplings, some of them hidden.

    As a density it models binary data of a few dozen features exactly or nearly so; for many
    features choose `RBM`, whose missing couplings make every step cheap. As an optimiser,
    `BoltzmannMachine.from_couplings(J, h).anneal()` looks for ground states of Ising models, and
    with the converters of `skrep.datasets` for largest cuts and least quadratic functions.

    Energy of a state s, visible units first and hidden ones after them, in nats [1]_:

    .. math:: E(s) = -\tfrac12 s^\top J s - h^\top s, \qquad p(s) = e^{-E(s)} / Z

    with :math:`J` = `coupling_`, symmetric with a zero diagonal, and :math:`h` = `field_`.
    Training ascends the mean log-likelihood of the visible units, nats per sample:

    .. math:: \frac{\partial \log p(v)}{\partial J_{ij}} =
        \langle s_i s_j \rangle_{p(\cdot \mid v)} - \langle s_i s_j \rangle_{p}

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    units : {"binary", "spin"}, default="binary"
        Values of all units: 0 and 1, or -1 and 1.
    mask : "bipartite", array-like of shape (n_units, n_units) or None, default=None
        Which units may be coupled: a symmetric boolean matrix over visible, then hidden units.
        None couples all with all; "bipartite" each visible with each hidden unit, an RBM.
    learning : {"auto", "exact", "persistent"}, default="auto"
        How the gradient is found. "exact" sums over all states, at most 2 ** 20; "persistent"
        takes mean-field means of hidden units given the data, and the model's averages from
        Gibbs chains that go on from step to step. "auto" is exact up to 12 units.
    n_gibbs_steps : int, default=1
        Sweeps of the chains a step. More follow the model better and cost more.
    n_chains : int, default=100
        Persistent chains. More make gradients less noisy. Unused by "exact".
    max_epochs : int, default=100
        Passes over the data, at most.
    batch_size : int, default=128
        Rows a step. Larger is faster per epoch and takes fewer steps.
    learning_rate : float, default=0.01
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
        Fitted couplings and fields in evaluation mode, on the CPU.
    coupling_ : ndarray or CSR array of shape (n_units, n_units)
        J; CSR where `from_couplings` was given a sparse matrix.
    field_ : ndarray of shape (n_units,)
        h.
    n_features_in_ : int
        Number of visible units, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs done.
    loss_curve_ : ndarray of shape (n_iter_,)
        Per epoch, nats per sample, lower is better: the mean negative log-likelihood where
        learning is exact, else the negative pseudo-likelihood given mean-field hidden means.
    history_ : DataFrame
        One row an epoch: loss, held-out loss, learning rate, seconds.

    See Also
    --------
    RBM : No couplings within a layer: fast, more kinds of units, larger data.
    HopfieldNetwork : The same energy at temperature 0, with stored patterns.

    Notes
    -----
    Cost of a step with N units: O(2^N) where exact; else O(N^2) a row and a chain, in as many
    sequential parts as the couplings need colours (2 if bipartite, N if all are coupled).
    `free_energy`, `score_samples` and `log_likelihood` use mean-field hidden means: a lower bound
    on the likelihood, exact where hidden units are not coupled to each other.
    The code is one number per hidden unit; with `n_components=0` there are none, and `transform`
    gives a matrix without columns. NaN in `transform` or `impute` marks units that are not
    observed; `fit` takes none. Several views are laid side by side. Departure from [1]_:
    gradients are followed by Adam, chains persist [2]_.

    References
    ----------
    .. [1] Ackley, D. H., Hinton, G. E. and Sejnowski, T. J. "A learning algorithm for Boltzmann
       machines." Cognitive Science 9, 1985.
    .. [2] Salakhutdinov, R. and Hinton, G. E. "Deep Boltzmann machines." AISTATS 2009.

    Examples
    --------
    >>> from skrep import BoltzmannMachine
    >>> from skrep.datasets import make_bars, make_ising_grid
    >>> X = make_bars(200, side=2, random_state=0)
    >>> model = BoltzmannMachine(n_components=2, max_epochs=5, random_state=0).fit(X)
    >>> model.transform(X).shape
    (200, 2)
    >>> model.log_partition().standard_error
    0.0
    >>> problem = BoltzmannMachine.from_couplings(make_ising_grid(4, random_state=0))
    >>> problem.anneal(n_restarts=5, random_state=0).states.shape
    (5, 16)
    """

    _accepts_nan: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 0, None, closed="left")],
        "units": [StrOptions({"binary", "spin"})],
        "mask": [StrOptions({"bipartite"}), "array-like", None],
        "learning": [StrOptions({"auto", "exact", "persistent"})],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left")],
        **TRAINING_CONSTRAINTS,
    }

    module_: BoltzmannModule

    def __init__(
        self,
        n_components: int = 16,
        *,
        units: Literal["binary", "spin"] = "binary",
        mask: Any = None,
        learning: Literal["auto", "exact", "persistent"] = "auto",
        n_gibbs_steps: int = 1,
        n_chains: int = 100,
        max_epochs: int = 100,
        batch_size: int = 128,
        learning_rate: float = 0.01,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.units = units
        self.mask = mask
        self.learning = learning
        self.n_gibbs_steps = n_gibbs_steps
        self.n_chains = n_chains
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    @classmethod
    def from_couplings(cls, J: Any, h: Any = None) -> "BoltzmannMachine":
        """Return a machine of visible spins with given couplings, ready to be annealed or sampled.

        Parameters
        ----------
        J : array-like or sparse matrix of shape (n_units, n_units)
            Symmetric, zero diagonal; a positive coupling wants equal spins. Sparse couplings stay
            sparse.
        h : array-like of shape (n_units,) or None, default=None
            A positive field wants a spin of 1. None stands for no fields.

        Returns
        -------
        BoltzmannMachine
            Fitted, with `n_components=0` and `units="spin"`; its energy is
            ``-s @ J @ s / 2 - h @ s``.

        Raises
        ------
        ValueError
            If J is not square, finite and symmetric with a zero diagonal, or h does not fit it.
        """
        J, h = check_couplings(J, h)
        made = cls(n_components=0, units="spin")
        connected = (J != 0).astype(np.float32)
        made.module_ = BoltzmannModule(
            as_tensor(J, torch.float32),
            torch.as_tensor(h, dtype=torch.float32),
            len(h),
            spin=True,
            connected=connected,
        ).eval()
        made._code_size = 0
        made._given = (J, h)
        made.n_features_in_ = len(h)
        made.history_ = pd.DataFrame()
        made.loss_curve_ = np.empty(0)
        made.n_iter_ = 0
        made._seed = made._noise_seed = 0
        made._dtype = torch.float32
        made._optimizer_state = None
        return made

    # -- fitting ----------------------------------------------------------------------------

    def _check_parameters(self, checked: CheckedViews) -> None:
        self._refuse_outside(checked)
        n_units = sum(a.shape[1] for a in checked.arrays) + self.n_components
        if self.learning == "exact" and n_units > _MAX_BITS:
            raise ValueError(
                f"`learning='exact'` sums over all states of {n_units} units, 2**{n_units} = "
                f"{2**n_units}; at most 2**{_MAX_BITS} are enumerated. Use "
                f"`learning='persistent'`, or fewer units."
            )
        connections(self.mask, n_units - self.n_components, self.n_components)

    def _make_module(self, spec: ModuleSpec) -> BoltzmannModule:
        self.__dict__.pop("_given", None)
        n_units = sum(spec.widths) + spec.n_components
        exact = self.learning == "exact" or (self.learning == "auto" and n_units <= _EXACT_UNITS)
        return make_machine(
            spec,
            spin=self.units == "spin",
            mask=self.mask,
            exact=exact,
            n_chains=self.n_chains,
            n_gibbs_steps=self.n_gibbs_steps,
        )

    def _refuse_outside(self, checked: CheckedViews) -> None:
        check = check_spin if self.units == "spin" else check_binary
        for name, array in zip(checked.names, checked.arrays, strict=True):
            view = name if len(checked.names) > 1 else None
            check(array, view=view, argument=f"units={self.units!r}")
            if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                holes = np.isnan(array)
                if holes.any():
                    row, column = np.argwhere(holes)[0]
                    raise ValueError(
                        f"Every unit must be observed here, but row {row}, column {column} is "
                        f"NaN. Fill X with `impute` first."
                    )

    # -- what the mixins ask for ------------------------------------------------------------

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        return self._apply("decode_batch", CheckedViews((codes,), ("code",)))

    def _draw(self, n_samples: int, generator: torch.Generator) -> list[np.ndarray]:
        with torch.inference_mode():
            states = sample_states(self.module_, n_samples, generator, _SAMPLE_STEPS)
        return self._to_views(states)

    def _to_views(self, states: torch.Tensor) -> list[np.ndarray]:
        visible = np.ascontiguousarray(states[:, : self.n_features_in_].numpy())
        return np.split(visible, np.cumsum(view_widths(self))[:-1], axis=1)

    def _free_energy(self, checked: CheckedViews) -> np.ndarray:
        return self._apply("free_energy_of", checked)[0].astype(np.float64)

    def _log_density(self, checked: CheckedViews) -> np.ndarray:
        return -self._free_energy(self._check_domain(checked)) - self._cached_log_partition()

    def _cached_log_partition(self) -> float:
        cached = vars(self).get("_log_partition")
        if cached is None or cached.history is not self.history_:
            value = self._estimate_log_partition("auto", 100, 1000, self._noise_seed, None).value
            cached = self._log_partition = _CachedLogPartition(self.history_, value)
        return cached.value

    def _run_gibbs(
        self, checked: CheckedViews, n_steps: int, generator: torch.Generator
    ) -> list[np.ndarray]:
        return self._to_views(self._visit(checked, n_steps, generator)[-1])

    def _visit(
        self, checked: CheckedViews, n_steps: int, generator: torch.Generator
    ) -> list[torch.Tensor]:
        visible = torch.as_tensor(_dense(checked), dtype=self._dtype)
        with torch.inference_mode():
            states = self.module_.means(visible)
            # Hidden units start at draws from their mean-field distribution.
            hidden = states[:, self.n_features_in_ :]
            on = 0.5 * (hidden + 1.0) if self.module_.spin else hidden
            drawn = (torch.rand(on.shape, dtype=on.dtype, generator=generator) < on).to(on.dtype)
            hidden.copy_(2.0 * drawn - 1.0 if self.module_.spin else drawn)
            return gibbs_chain(self.module_, states, n_steps, generator)

    def _words(self, checked: CheckedViews) -> None:
        return None

    def _estimate_log_partition(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition:
        if n_words is not None:
            raise ValueError(
                f"`n_words` applies to word counts; the units here are {self.units}. Got "
                f"n_words={n_words!r}. Leave it out."
            )
        bits = log2_states(self.module_)
        if method == "auto":
            method = "exact" if bits <= _MAX_BITS else "ais"
        if method == "exact":
            if bits > _MAX_BITS:
                raise ValueError(
                    f"`method='exact'` would enumerate 2**{bits} = {2**bits} states; at most "
                    f"2**{_MAX_BITS} are. Use `method='ais'`."
                )
            with torch.inference_mode():
                return LogPartition(enumerated_log_partition(self.module_), 0.0)
        generator = make_generator(seed)
        with torch.inference_mode():
            start = None
            if method == "reverse_ais":
                start = sample_states(self.module_, n_chains, generator, _SAMPLE_STEPS)
            found = annealed_log_partition(self.module_, n_chains, n_temperatures, generator, start)
        warn_of_spread(found, n_chains, n_temperatures)
        return LogPartition(found.value, found.standard_error)

    # -- public beside the mixins -----------------------------------------------------------

    @property
    def coupling_(self) -> Any:
        """Couplings, (n_units, n_units), visible units first."""
        if "_given" in vars(self):
            return self._given[0]
        return self.module_.coupling.detach().numpy()

    @property
    def field_(self) -> np.ndarray:
        """Fields, (n_units,), visible units first."""
        if "_given" in vars(self):
            return np.asarray(self._given[1])
        return np.asarray(self.module_.field.detach().numpy())

    def score_samples(self, X: Any) -> np.ndarray:
        """Return a lower bound on the log-probability of each sample.

        Hidden units are taken at their mean-field means, which is exact where they are not
        coupled to each other. log Z is exact up to 2 ** 20 states; beyond, it is one annealed
        importance sampling estimate per fit, with a seed drawn at `fit`, and errs on the low side
        where it errs, so the bound may come out too high by that error.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats per sample; `score` is its mean.

        Raises
        ------
        ValueError
            If a value is outside the domain of the units.
        """
        check_is_fitted(self)
        return self._log_density(self._check(X))

    def energy(self, V: Any, H: Any = None) -> np.ndarray:
        """Return the energy of visible and hidden states.

        Parameters
        ----------
        V : array-like, sparse matrix or several views
            Visible states, as in `fit`.
        H : array-like of shape (n_samples, n_components) or None, default=None
            Hidden states; None where there are no hidden units.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats, float64; lower is more probable.

        Raises
        ------
        ValueError
            If shapes do not fit, or a value is outside the domain of the units.
        """
        check_is_fitted(self)
        checked = self._check_domain(self._check(V))
        states = _dense(checked).astype(np.float64)
        n_hidden = len(self.field_) - self.n_features_in_
        if n_hidden:
            if H is None:
                raise ValueError(
                    f"`energy` needs the states of the {n_hidden} hidden units too. Pass "
                    f"`energy(V, H)`, or use `free_energy(V)`, which sums over them."
                )
            hidden = check_array(H, dtype=np.float64, input_name="H")
            if hidden.shape != (len(states), n_hidden):
                raise ValueError(
                    f"H must have shape {(len(states), n_hidden)}. Got {hidden.shape}."
                )
            self._check_domain(CheckedViews((hidden,), ("H",)))
            states = np.hstack([states, hidden])
        elif H is not None:
            raise ValueError("This machine has no hidden units, but `H` was passed. Leave it out.")
        return energies_of(states, self.coupling_, self.field_)

    def gibbs(
        self, X: Any, n_steps: int = 1, random_state: Any = None, *, return_chain: bool = False
    ) -> Any:
        """Return visible states after sweeps of Gibbs sampling over all units.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            Where the visible units start; hidden ones start at draws from their mean-field
            distribution. One chain a row.
        n_steps : int, default=1
            Sweeps.
        random_state : int, RandomState or None, default=None
            An integer makes the draws repeatable; None takes fresh entropy.
        return_chain : bool, default=False
            Return the visible states after every sweep.

        Returns
        -------
        ndarray of shape (n_samples, n_features), DataFrame or Views
            In the container of `fit`. With `return_chain` an ndarray of shape
            (n_steps, n_samples, n_features), views side by side.

        Raises
        ------
        ValueError
            If `n_steps` is not a positive integer, or X is outside the domain of the units.
        """
        check_is_fitted(self)
        if not isinstance(n_steps, (int, np.integer)) or n_steps < 1:
            raise ValueError(f"`n_steps` must be an integer of at least 1. Got {n_steps!r}.")
        checked = self._check_domain(self._check(X))
        visited = self._visit(checked, int(n_steps), make_generator(seed_from(random_state)))
        if return_chain:
            return torch.stack(visited)[:, :, : self.n_features_in_].numpy()
        return self._contain(self._to_views(visited[-1]), checked.index)

    def impute(self, X: Any, return_std: bool = False) -> Any:
        """Fill units that are NaN with their mean given those that are not.

        Exact where a row has up to 12 unknown units, hidden ones included; else by mean-field
        equations, which settle on one of several answers where there are several.

        Parameters
        ----------
        X : array-like or several views
            As in `transform`, with NaN for what is not known.
        return_std : bool, default=False
            Return `(filled, std)`.

        Returns
        -------
        filled : ndarray of shape (n_samples, n_features), DataFrame or Views
            Known values as they came; expected values, such as probabilities, for the others.
        std : ndarray of shape (n_samples, n_features), DataFrame or Views
            Only if `return_std`: the standard deviation of a unit with that mean, 0 where known.
        """
        check_is_fitted(self)
        checked = self._check(X)
        values = _dense(checked)
        self._refuse_outside(CheckedViews((np.where(np.isnan(values), 1.0, values),), ("X",)))
        with torch.inference_mode():
            means = complete(self.module_, torch.as_tensor(values, dtype=torch.float64)).numpy()
        unknown = np.isnan(values)
        kind = np.float32 if all(a.dtype == np.float32 for a in checked.arrays) else np.float64
        filled = np.where(unknown, means, values).astype(kind)
        # A bit of mean m has variance m (1 - m), a spin 1 - m^2.
        variance = 1.0 - means**2 if self.units == "spin" else means * (1.0 - means)
        std = np.where(unknown, np.sqrt(np.maximum(variance, 0.0)), 0.0).astype(kind)
        bounds = np.cumsum(view_widths(self))[:-1]
        made = [
            self._contain(np.split(part, bounds, axis=1), checked.index) for part in (filled, std)
        ]
        return tuple(made) if return_std else made[0]

    def anneal(
        self, schedule: Any = None, *, n_restarts: int = 100, random_state: Any = None
    ) -> Annealed:
        """Look for states of least energy by simulated annealing, all restarts side by side.

        Parameters
        ----------
        schedule : array-like of shape (n_sweeps,) or None, default=None
            Temperature of each sweep over all units. None takes 2500 that fall geometrically from
            the size of a random state's fields to a tenth of it. More sweeps find lower energies.
        n_restarts : int, default=100
            Independent runs.
        random_state : int, RandomState or None, default=None
            An integer makes the result repeatable; None takes fresh entropy.

        Returns
        -------
        Annealed
            Named tuple of `states` (n_restarts, n_units), hidden units last, and `energies`
            (n_restarts,). Every state is a local minimum: no single unit can lower its energy.

        Raises
        ------
        ValueError
            If a temperature is not positive and finite, or `n_restarts` is not a positive integer.

        Notes
        -----
        Cost: O(n_sweeps * n_restarts * number of couplings), as a few sparse or dense matrix
        products a sweep: units of one colour of the coupling graph are drawn together.
        """
        check_is_fitted(self)
        if not isinstance(n_restarts, (int, np.integer)) or n_restarts < 1:
            raise ValueError(f"`n_restarts` must be a positive integer. Got {n_restarts!r}.")
        J, h = self.coupling_, self.field_
        temperatures = default_schedule(J, h) if schedule is None else np.asarray(schedule, float)
        if temperatures.ndim != 1 or not np.all(np.isfinite(temperatures) & (temperatures > 0)):
            raise ValueError(
                f"`schedule` must be a one-dimensional array of positive temperatures. Got "
                f"{schedule!r}. `np.geomspace(3.0, 0.3, 1000)` is one."
            )
        spin = self.module_.spin
        return anneal(J, h, spin, temperatures, int(n_restarts), seed_from(random_state))


def _dense(checked: CheckedViews) -> np.ndarray:
    """Return all views as one dense matrix."""
    return np.hstack([a.toarray() if sparse.issparse(a) else a for a in checked.arrays])
