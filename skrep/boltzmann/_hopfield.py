"""Hopfield networks: patterns stored by a rule, recalled by updates that never raise an energy."""

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted

from skrep.base import ClosedFormEstimator
from skrep.boltzmann._rules import CAPACITY, RULES, Memory, recall_modern, recall_spins
from skrep.mixins import ReconstructionMixin
from skrep.utils.domains import check_binary, check_real, check_spin
from skrep.utils.random import seed_from
from skrep.utils.sklearn_private import Interval, StrOptions, fit_context
from skrep.utils.tags import SkrepTags
from skrep.utils.validation import CheckedViews, check_views, view_widths

__all__ = ["HopfieldNetwork", "Recall"]

_UNITS = ("auto", "spin", "binary", "real")


class Recall(NamedTuple):
    """What `HopfieldNetwork.recall` returns.

    Attributes
    ----------
    states : ndarray of shape (n_samples, n_features)
        The recalled patterns, as `transform` returns them.
    converged : ndarray of shape (n_samples,)
        Whether the last sweep left the state as it was.
    n_sweeps : ndarray of shape (n_samples,)
        Sweeps made.
    energies : ndarray of shape (n_samples,)
        Of the recalled states.
    """

    states: np.ndarray
    converged: np.ndarray
    n_sweeps: np.ndarray
    energies: np.ndarray


class HopfieldNetwork(OneToOneFeatureMixin, ReconstructionMixin, ClosedFormEstimator):
    r"""Hopfield network: a memory that gives a whole pattern back for a part or a noisy copy.

    `fit` stores the rows of `X`; `transform` lets each row fall to a nearby minimum of an energy.
    Choose it to clean or complete patterns that are known in advance; to learn a distribution of
    patterns take `BoltzmannMachine` or `RBM`.

    Energy of a state :math:`s \in \{-1, 1\}^N` under the rules "hebb" [1]_, "storkey" [2]_ and
    "projection" [3]_, in units of the couplings; it never rises when units are updated one by one:

    .. math:: E(s) = -\tfrac12 \sum_{i \ne j} W_{ij} s_i s_j

    and under "modern" [4]_, for real states and patterns :math:`x_\mu`, in squared units of the
    data; it never rises either:

    .. math:: E(s) = \tfrac12 \|s\|^2
        - \tfrac1\beta \log \sum_\mu \exp\bigl(\beta (x_\mu \cdot s - \tfrac12 \|x_\mu\|^2)\bigr)

    Parameters
    ----------
    rule : {"hebb", "storkey", "projection", "modern"}, default="hebb"
        How patterns are stored. With N units, random patterns and exact recall in mind: "hebb"
        holds 0.138 N, "storkey" N / sqrt(2 log N), "projection" up to N, correlated ones
        included (about N / 2 where a tenth of a cue is wrong); "modern" keeps the patterns and
        holds exponentially many.
    units : {"auto", "spin", "binary", "real"}, default="auto"
        The values of a unit: -1 and 1, 0 and 1, or any number (with `rule="modern"` only). "auto"
        takes the first of them that holds all of the patterns.
    update : {"asynchronous", "synchronous"}, default="asynchronous"
        One unit after the other, in an order drawn at `fit`, or all at once, which is faster and
        may end in a cycle of two states. Unused by "modern", whose update is always at once.
    inverse_temperature : float, default=4.0
        Of "modern", per variance of a feature (for -1 and 1, and 0 and 1, a variance of 1 on the
        -1, 1 scale). Larger recalls single patterns; smaller means of neighbouring ones.
    max_sweeps : int, default=100
        Sweeps over all units, at most.
    random_state : int, RandomState or None, default=None
        Draws the order of the updates at `fit`. An integer makes a fit repeatable; None takes
        fresh entropy. No global generator is touched either way.

    Attributes
    ----------
    coupling_ : ndarray of shape (n_features_in_, n_features_in_)
        Symmetric, zero diagonal. Not for "modern".
    patterns_ : ndarray of shape (n_patterns_, n_features_in_)
        The memory of "modern", on the -1, 1 scale unless `units_` is "real".
    units_ : str
        "spin", "binary" or "real".
    n_patterns_ : int
        Stored patterns; "projection" counts equal rows once.
    capacity_ : float
        Patterns the rule holds with this many units, by the theory for random patterns.
    n_features_in_ : int
        Number of units, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.

    See Also
    --------
    BoltzmannMachine : The same energy at a temperature, learned from data, or to be annealed.

    Notes
    -----
    Cost of `fit` for M patterns of N units: O(M N^2), nothing to speak of for "modern". Cost of a
    sweep: O(N^2) a row; O(M N) for "modern". Memory: N^2 numbers; M N for "modern".
    Departures: the diagonal of W is cleared for all rules, "projection" included; the exponent of
    "modern" carries the patterns' own norms, which makes nearness Euclidean and changes nothing
    for patterns of one norm; its states are rounded to the domain at the end for -1, 1 and 0, 1.
    A unit without a field stays as it is. Several views are laid side by side.

    References
    ----------
    .. [1] Hopfield, J. J. "Neural networks and physical systems with emergent collective
       computational abilities." PNAS 79, 1982.
    .. [2] Storkey, A. "Increasing the capacity of a Hopfield network without sacrificing
       functionality." ICANN 1997.
    .. [3] Personnaz, L., Guyon, I. and Dreyfus, G. "Collective computational properties of neural
       networks: new learning mechanisms." Physical Review A 34, 1986.
    .. [4] Ramsauer, H. et al. "Hopfield networks is all you need." ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep import HopfieldNetwork
    >>> X = np.sign(np.random.default_rng(0).standard_normal((3, 100)))
    >>> memory = HopfieldNetwork(random_state=0).fit(X)
    >>> half = np.where(np.arange(100) < 50, X, np.nan)
    >>> bool((memory.transform(half) == X).all())
    True
    """

    _accepts_nan: ClassVar[bool] = True

    coupling_: np.ndarray
    patterns_: np.ndarray
    _diagonal: np.ndarray

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "rule": [StrOptions({"hebb", "storkey", "projection", "modern"})],
        "units": [StrOptions(set(_UNITS))],
        "update": [StrOptions({"asynchronous", "synchronous"})],
        "inverse_temperature": [Interval(Real, 0, None, closed="neither")],
        "max_sweeps": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self,
        rule: Literal["hebb", "storkey", "projection", "modern"] = "hebb",
        *,
        units: Literal["auto", "spin", "binary", "real"] = "auto",
        update: Literal["asynchronous", "synchronous"] = "asynchronous",
        inverse_temperature: float = 4.0,
        max_sweeps: int = 100,
        random_state: Any = None,
    ) -> None:
        self.rule = rule
        self.units = units
        self.update = update
        self.inverse_temperature = inverse_temperature
        self.max_sweeps = max_sweeps
        self.random_state = random_state

    # -- storing ----------------------------------------------------------------------------

    def _fit_views(self, checked: CheckedViews, y: Any) -> None:
        self._forget()
        self._store(checked)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> "HopfieldNetwork":
        """Store the rows of `X` beside what is stored already.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.
        y : None
            Ignored.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            As in `fit`.
        """
        first = not self.__sklearn_is_fitted__()
        checked = check_views(self, X, reset=first)
        if first:
            self._forget()
        self._store(checked)
        self._fitted = True
        return self

    def _forget(self) -> None:
        for name in ("coupling_", "patterns_", "units_"):
            self.__dict__.pop(name, None)
        self.n_patterns_ = 0

    def _store(self, checked: CheckedViews) -> None:
        values = _side_by_side(checked)
        if self.n_patterns_ == 0:
            self.units_ = self._resolve_units(values)
            self._order = np.random.default_rng(seed_from(self.random_state)).permutation(
                values.shape[1]
            )
        self._check_domain(checked)
        n_units = values.shape[1]
        patterns = self._to_states(values)
        self.capacity_ = CAPACITY[self.rule](n_units)
        if self.rule == "modern":
            self._keep(patterns)
        else:
            self._couple(patterns)
        self._warn_of_load(n_units)

    def _keep(self, patterns: np.ndarray) -> None:
        known = vars(self).get("patterns_")
        self.patterns_ = patterns if known is None else np.vstack([known, patterns])
        self.n_patterns_ = len(self.patterns_)
        spread = float(self.patterns_.var(axis=0).mean()) if self.units_ == "real" else 1.0
        self._scale = spread if spread > 0.0 else 1.0

    def _couple(self, patterns: np.ndarray) -> None:
        n_units = patterns.shape[1]
        if self.rule == "projection":
            patterns = np.unique(patterns, axis=0)
            if self.n_patterns_ + len(patterns) > n_units:
                raise ValueError(
                    f"`rule='projection'` holds at most as many patterns as there are units, "
                    f"{n_units}. Got {self.n_patterns_ + len(patterns)} different patterns. Store "
                    f"fewer, or use `rule='modern'`."
                )
        memory = Memory(np.zeros((n_units, n_units)), 0)
        if self.n_patterns_:
            memory = Memory(self.coupling_ + np.diag(self._diagonal), self.n_patterns_)
        memory = RULES[self.rule](memory, patterns)
        self._diagonal = np.diag(memory.coupling).copy()
        self.coupling_ = memory.coupling.copy()
        np.fill_diagonal(self.coupling_, 0.0)
        self.n_patterns_ = memory.n_patterns

    def _warn_of_load(self, n_units: int) -> None:
        n, capacity = self.n_patterns_, self.capacity_
        # At a load of 1 the projector is the identity, and nothing is left without its diagonal.
        full = n >= capacity if self.rule == "projection" else n > max(1.0, capacity)
        if not full or self.units_ == "real":
            return
        advice = {
            "hebb": "or use `rule='storkey'`, 'projection' or 'modern'",
            "storkey": "or use `rule='projection'` or 'modern'",
            "projection": "or use `rule='modern'`",
            "modern": "or use more units",
        }[self.rule]
        warnings.warn(
            f"{n} patterns on {n_units} units are a load of {n / n_units:.3g}; "
            f"`rule={self.rule!r}` holds about {capacity:.4g} random patterns here, a load of "
            f"{capacity / n_units:.3g}. Recall will fail for many. Store fewer, {advice}.",
            UserWarning,
            stacklevel=5,
        )

    # -- domains ----------------------------------------------------------------------------

    def _resolve_units(self, values: np.ndarray) -> str:
        if self.units != "auto":
            if self.units == "real" and self.rule != "modern":
                raise ValueError(
                    f"`units='real'` needs `rule='modern'`: `rule={self.rule!r}` stores patterns "
                    f"of two values. Got both. Threshold the data, or change `rule`."
                )
            return self.units
        if (np.abs(values) == 1.0).all():
            return "spin"
        if ((values == 0.0) | (values == 1.0)).all():
            return "binary"
        if self.rule == "modern":
            return "real"
        inside = (values == 0.0) | (np.abs(values) == 1.0)
        if inside.all():
            raise ValueError(
                f"`rule={self.rule!r}` needs patterns of -1 and 1, or of 0 and 1. Got -1, 0 and 1 "
                f"in one `X`. Threshold the data; NaN stands for an unknown unit in `transform`."
            )
        row, column = np.argwhere(~inside)[0]
        raise ValueError(
            f"`rule={self.rule!r}` needs patterns of -1 and 1, or of 0 and 1, but row {row}, "
            f"column {column} of X is {values[row, column].item()!r}. Threshold the data, or use "
            f"`rule='modern'`, which takes real values."
        )

    def _check_domain(self, checked: CheckedViews) -> None:
        check = {"spin": check_spin, "binary": check_binary, "real": check_real}[self.units_]
        for name, array in zip(checked.names, checked.arrays, strict=True):
            view = name if len(checked.arrays) > 1 else None
            check(array, view=view, argument=f"units={self.units_!r}")

    def _to_states(self, values: np.ndarray) -> np.ndarray:
        return 2.0 * values - 1.0 if self.units_ == "binary" else values

    # -- recall -----------------------------------------------------------------------------

    def _encode(self, checked: CheckedViews) -> np.ndarray:
        return self._run(checked).states

    def recall(self, X: Any) -> Recall:
        """Recall as `transform` does, and say how it went.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`; NaN where a unit is unknown.

        Returns
        -------
        Recall
            A named tuple: states (n_samples, n_features), converged (n_samples,), n_sweeps
            (n_samples,), energies (n_samples,).
        """
        return self._run(self._check(X))

    def _run(self, checked: CheckedViews) -> Recall:
        if self.rule != "modern":
            self._check_domain(checked)
        cues = self._to_states(_side_by_side(checked))
        if self.rule == "modern":
            states, converged, n_sweeps = recall_modern(
                cues, self.patterns_, self._beta(), self.max_sweeps, 1e-6 * self._scale**0.5
            )
            if self.units_ != "real":
                states = np.where(states >= 0.0, 1.0, -1.0)
        else:
            order = self._order if self.update == "asynchronous" else None
            states, converged, n_sweeps = recall_spins(
                np.nan_to_num(cues), self.coupling_, order, self.max_sweeps
            )
        energies = self._energy(states)
        values = 0.5 * (states + 1.0) if self.units_ == "binary" else states
        return Recall(values.astype(_float_type(checked)), converged, n_sweeps, energies)

    def _beta(self) -> float:
        return float(self.inverse_temperature) / self._scale

    def _energy(self, states: np.ndarray) -> np.ndarray:
        if self.rule == "modern":
            norms = 0.5 * np.einsum("ij,ij->i", self.patterns_, self.patterns_)
            near = logsumexp(self._beta() * (states @ self.patterns_.T - norms), axis=1)
            energies = 0.5 * np.einsum("ij,ij->i", states, states) - near / self._beta()
        else:
            energies = -0.5 * np.einsum("ij,ij->i", states @ self.coupling_, states)
        return np.asarray(energies)

    def energy(self, X: Any) -> np.ndarray:
        """Return the energy of each row.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            Complete states, in the units of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Lower is more stable. 0 and 1 count as -1 and 1.

        Raises
        ------
        ValueError
            If a unit is unknown (NaN).
        """
        check_is_fitted(self)
        checked = self._check(X)
        values = _side_by_side(checked)
        holes = np.isnan(values)
        if holes.any():
            row, column = np.argwhere(holes)[0]
            raise ValueError(
                f"`energy` needs complete states, but row {row}, column {column} of X is NaN. "
                f"Pass what `transform` returned."
            )
        if self.rule != "modern":
            self._check_domain(checked)
        return self._energy(self._to_states(values))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean overlap of `X` with its recall; higher is better.

        For -1, 1 and 0, 1 the overlap of a row is the share of known units that agree less the
        share that do not; for real data the cosine of the angle between row and recall. Stored
        patterns that are all recalled give 1. It cannot choose a rule for noisy cues: score the
        recall of the noise against the clean patterns for that.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.
        y : None
            Ignored.

        Returns
        -------
        float
            In [-1, 1].
        """
        check_is_fitted(self)
        checked = self._check(X)
        cues = self._to_states(_side_by_side(checked))
        recalled = self._to_states(self._run(checked).states.astype(np.float64))
        known = ~np.isnan(cues)
        cues, recalled = np.where(known, cues, 0.0), np.where(known, recalled, 0.0)
        sizes = np.sqrt((cues**2).sum(axis=1) * (recalled**2).sum(axis=1))
        return float(np.mean((cues * recalled).sum(axis=1) / np.maximum(sizes, 1e-300)))

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        return np.split(codes, np.cumsum(view_widths(self))[:-1], axis=1)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_features_in_)

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare which floats come back. NaN is for cues only, so `allow_nan` stays off."""
        tags: SkrepTags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _side_by_side(checked: CheckedViews) -> np.ndarray:
    """Return all views as one dense float64 matrix."""
    dense = [a if isinstance(a, np.ndarray) else a.toarray() for a in checked.arrays]
    return np.hstack(dense).astype(np.float64)


def _float_type(checked: CheckedViews) -> type:
    return np.float32 if all(a.dtype == np.float32 for a in checked.arrays) else np.float64
