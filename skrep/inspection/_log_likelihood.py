"""`LogLikelihoodDisplay`: how an estimate by annealing settles as its ladder grows."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skrep.inspection._display import one_axes, plain, redrawing, series_color
from skrep.inspection._display_inputs import (
    before_last,
    check_fitted,
    check_has,
    estimator_name,
    last_step,
)
from skrep.utils.random import seed_from

__all__ = ["LogLikelihoodDisplay"]

_OTHERS = "RBM, DBN, DBM, BoltzmannMachine, MultimodalRBM and MultimodalDBM"


class LogLikelihoodDisplay:
    r"""Estimates of log Z, or of the mean log-likelihood, against the length of the ladder.

    Make one with `from_estimator`. Annealed importance sampling gives log Z of an energy model
    between two sides: forward, from a model without connections, it errs on the low side, and
    backward, from states of the model, on the high side. Where the two meet with more
    temperatures, the number can be believed; where they level off apart, it cannot. Backward
    needs states that come from the model: long chains that reach only some of its modes err on
    the low side themselves. Backward below forward at the longest ladder shows that, and the title
    says so, where the gap is more than three standard errors, and ten nats if few chains carry
    one of the two; forward is then the better number. For the
    log-likelihood, :math:`\log p(x) = -F(x) - \log Z`, all sides are exchanged.

    Parameters
    ----------
    n_temperatures : ndarray of shape (n_lengths,)
        Lengths of the ladder.
    forward : ndarray of shape (n_lengths,)
        Forward estimates, nats.
    forward_error : ndarray of shape (n_lengths,)
        Their standard errors, nats.
    forward_trusted : ndarray of bool of shape (n_lengths,)
        Whether enough chains carry the estimate for its standard error to mean something.
    backward : ndarray of shape (n_lengths,) or None, default=None
        Backward estimates, nats.
    backward_error : ndarray of shape (n_lengths,) or None, default=None
        Their standard errors, nats.
    backward_trusted : ndarray of bool of shape (n_lengths,) or None, default=None
        As `forward_trusted`.
    exact : float or None, default=None
        The exact value, nats, where states can be summed over.
    of_data : bool, default=False
        Whether these are mean log-likelihoods of data rather than log Z.
    is_bound : bool, default=False
        Whether the log-likelihood is a lower bound, as of deep models, besides.
    name : str or None, default=None
        Name of the model, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn in.
    figure_ : matplotlib Figure
        Its figure.
    lines_ : list of matplotlib Line2D
        Forward, backward and exact, as far as there are.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("agg")
    >>> import numpy as np
    >>> from skrep import RBM
    >>> from skrep.inspection import LogLikelihoodDisplay
    >>> X = np.eye(4)[[0, 1, 2, 3] * 10]
    >>> model = RBM(2, max_epochs=1, random_state=0).fit(X)
    >>> display = LogLikelihoodDisplay.from_estimator(
    ...     model, X, n_temperatures=[10, 30], n_chains=10, reverse=False, random_state=0
    ... )
    >>> display.forward.shape, len(display.lines_)
    ((2,), 2)
    """

    ax_: Any
    figure_: Any
    lines_: list[Any]

    def __init__(
        self,
        *,
        n_temperatures: np.ndarray,
        forward: np.ndarray,
        forward_error: np.ndarray,
        forward_trusted: np.ndarray,
        backward: np.ndarray | None = None,
        backward_error: np.ndarray | None = None,
        backward_trusted: np.ndarray | None = None,
        exact: float | None = None,
        of_data: bool = False,
        is_bound: bool = False,
        name: str | None = None,
    ) -> None:
        self.n_temperatures = n_temperatures
        self.forward = forward
        self.forward_error = forward_error
        self.forward_trusted = forward_trusted
        self.backward = backward
        self.backward_error = backward_error
        self.backward_trusted = backward_trusted
        self.exact = exact
        self.of_data = of_data
        self.is_bound = is_bound
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        n_temperatures: Sequence[int] = (10, 30, 100, 300, 1000),
        n_chains: int = 100,
        reverse: bool = True,
        n_words: int | None = None,
        random_state: Any = None,
        ax: Any = None,
    ) -> "LogLikelihoodDisplay":
        """Estimate with ladders of several lengths and draw what comes out.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline
            With `log_partition`, and `free_energy` where X is given; of a Pipeline the last step,
            in the units that it is given.
        X : array-like, sparse matrix, several views or None, default=None
            Samples whose mean log-likelihood is shown; None shows log Z.
        n_temperatures : sequence of int, default=(10, 30, 100, 300, 1000)
            Lengths of the ladder, at least 2 each.
        n_chains : int, default=100
            Chains that are annealed. More make the standard errors smaller.
        reverse : bool, default=True
            Whether to anneal backward, too.
        n_words : int or None, default=None
            Words a row, for models of counts; the rows of X must hold so many.
        random_state : int, RandomState or None, default=None
            An integer makes all estimates repeatable, as those of `log_partition`, which gets it
            too; None takes fresh entropy.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LogLikelihoodDisplay

        Raises
        ------
        TypeError
            If the estimator is no energy model.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `n_temperatures` is empty or not rising, or `log_partition` refuses a number.

        Notes
        -----
        As many sweeps of `n_chains` chains as there are temperatures in all ladders, 1440 by
        default; backward as many again and 1000 sweeps a ladder for its first states. A sweep
        costs as much as a Gibbs step on `n_chains` rows. An exact sum over at most 2 ** 20 states
        where there is one.
        """
        check_fitted(estimator)
        model = last_step(estimator)
        check_has(model, "log_partition", "LogLikelihoodDisplay", _OTHERS)
        lengths = _check_lengths(n_temperatures)
        seed = seed_from(random_state)
        shift, sign = 0.0, 1.0
        if X is not None:
            free_energy = check_has(model, "free_energy", "LogLikelihoodDisplay", _OTHERS)
            energies = free_energy(before_last(estimator, X))
            shift, sign = -float(np.mean(energies, dtype=np.float64)), -1.0
        settings = {"n_chains": n_chains, "n_words": n_words, "random_state": seed}
        forward = _trace(model, "ais", lengths, settings)
        backward = _trace(model, "reverse_ais", lengths, settings) if reverse else None
        exact = _exact(model, settings)
        display = cls(
            n_temperatures=lengths,
            forward=shift + sign * forward.values,
            forward_error=forward.errors,
            forward_trusted=forward.trusted,
            backward=None if backward is None else shift + sign * backward.values,
            backward_error=None if backward is None else backward.errors,
            backward_trusted=None if backward is None else backward.trusted,
            exact=None if exact is None else shift + sign * exact,
            of_data=X is not None,
            is_bound=X is not None and _is_bound(model),
            name=estimator_name(estimator),
        )
        return display.plot(ax=ax)

    def plot(self, ax: Any = None) -> "LogLikelihoodDisplay":
        """Draw the estimates, with bands of two standard errors.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LogLikelihoodDisplay
            This one.
        """
        place = one_axes(ax, "LogLikelihoodDisplay")
        self.ax_, self.figure_ = place.axes[0, 0], place.figure
        self.lines_ = []
        with redrawing(self, place):
            self._draw("forward", 0, self.forward, self.forward_error, self.forward_trusted)
            self._draw("backward", 1, self.backward, self.backward_error, self.backward_trusted)
            if self.exact is not None:
                line = self.ax_.axhline(self.exact, color="0.3", linewidth=1.2, linestyle="--")
                line.set_label(f"exact: {self.exact:.2f}".replace("-", "\N{MINUS SIGN}"))
                self.lines_.append(line)
            self._write_legend()
        self.ax_.set_xscale("log")
        self.ax_.set_xticks(self.n_temperatures, [str(n) for n in self.n_temperatures])
        self.ax_.set_xticks([], minor=True)
        self.ax_.set_xlabel("temperatures in the ladder")
        quantity = "log Z"
        if self.of_data:
            quantity = f"mean log-likelihood{' (lower bound)' if self.is_bound else ''}"
        self.ax_.set_ylabel(f"{quantity} (nats{' per sample' if self.of_data else ''})")
        title = "annealed importance sampling" if self.name is None else self.name
        if self._crossed():
            title += ": backward chains missed modes"
        self.ax_.set_title(title)
        plain(self.ax_)
        return self

    def _crossed(self) -> bool:
        """Return whether the longest ladders put the upper side below the lower one."""
        if self.backward is None or self.backward_error is None or self.backward_trusted is None:
            return False
        sign = -1.0 if self.of_data else 1.0
        gap = sign * float(self.backward[-1] - self.forward[-1])
        error = 3.0 * float(np.hypot(self.forward_error[-1], self.backward_error[-1]))
        if not (self.forward_trusted[-1] and self.backward_trusted[-1]):
            # By Markov's inequality either side of a fair pair is wrong by five nats with
            # probability exp(-5) at most, whatever the spread of its weights.
            error = max(error, 10.0)
        return gap < -error

    def _draw(self, label: str, i: int, values: Any, errors: Any, trusted: Any) -> None:
        if values is None:
            return
        x, color = self.n_temperatures, series_color(i)
        self.lines_ += self.ax_.plot(
            x, values, color=color, linewidth=1.6, label=f"{label} \N{PLUS-MINUS SIGN} 2 s.e."
        )
        band = {"color": color, "alpha": 0.2, "linewidth": 0}
        self.ax_.fill_between(x, values - 2 * errors, values + 2 * errors, **band)
        for chosen, face in ((trusted, color), (~trusted, "white")):
            if chosen.any():
                self.ax_.plot(
                    x[chosen],
                    values[chosen],
                    linestyle="none",
                    marker="o",
                    markersize=5,
                    markerfacecolor=face,
                    markeredgecolor=color,
                )

    def _write_legend(self) -> None:
        from matplotlib.lines import Line2D

        handles = list(self.lines_)
        of_backward = self.backward_trusted
        if not self.forward_trusted.all() or not (of_backward is None or of_backward.all()):
            style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 5}
            style |= {"markerfacecolor": "white", "markeredgecolor": "0.3"}
            handles.append(Line2D([], [], label="carried by few chains", **style))
        self.ax_.legend(handles=handles, frameon=False, fontsize="small")


class _Trace(NamedTuple):
    values: np.ndarray
    errors: np.ndarray
    trusted: np.ndarray


def _trace(estimator: Any, method: str, lengths: np.ndarray, settings: dict[str, Any]) -> _Trace:
    found, trusted = [], []
    for length in lengths.tolist():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found.append(estimator.log_partition(method, n_temperatures=length, **settings))
        # What the model warns of is drawn instead; the ladders are short on purpose.
        unreliable = [w for w in caught if "is unreliable" in str(w.message)]
        trusted.append(not unreliable)
        for warning in caught:
            if warning not in unreliable:
                warnings.warn(warning.message, warning.category, stacklevel=3)
    values = np.array([estimate.value for estimate in found])
    errors = np.array([estimate.standard_error for estimate in found])
    return _Trace(values, errors, np.array(trusted))


def _exact(estimator: Any, settings: dict[str, Any]) -> float | None:
    try:
        return float(estimator.log_partition("exact", **settings).value)
    except ValueError:
        # The same numbers were accepted by the estimates: there are too many states.
        return None


def _check_lengths(n_temperatures: Any) -> np.ndarray:
    lengths = np.atleast_1d(np.asarray(n_temperatures))
    whole = lengths.ndim == 1 and lengths.size > 0 and lengths.dtype.kind in "iu"
    if not whole or lengths[0] < 2 or (np.diff(lengths) <= 0).any():
        raise ValueError(
            f"`n_temperatures` are rising lengths of the ladder, whole numbers of at least 2, such "
            f"as (10, 100, 1000). Got {n_temperatures!r}."
        )
    return lengths


def _is_bound(last: Any) -> bool:
    """Return whether the free energy is a variational bound: there are layers to be inferred."""
    coupling = getattr(last, "coupling_", None)
    hidden = coupling is not None and coupling.shape[0] > last.n_features_in_
    return hidden or getattr(last, "layers_", None) is not None
