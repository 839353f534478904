"""A memory falling into place, sweep by sweep."""

import copy
from typing import Any

import numpy as np

from skrep._views_arrays import take_rows
from skrep.inspection._display import (
    bare,
    color_scale,
    grid_of_axes,
    plain,
    redrawing,
    show_image,
    spread_rows,
)
from skrep.inspection._display_inputs import (
    before_last,
    check_count,
    check_has,
    check_image_shape,
    dense_matrix,
    estimator_name,
    last_step,
    view_names,
)
from skrep.metrics._inputs import matrix_of
from skrep.views import as_views, is_multiview

__all__ = ["AttractorDisplay"]

_MAX_ROWS, _MAX_STATES, _MAX_STEPS = 10, 7, 30
# Of units that are unknown at the start.
_UNKNOWN = "#f0c27b"


class AttractorDisplay:
    """States of a Hopfield network from the cue to the attractor, with their energy.

    Make it with `from_estimator`, which also draws it. Each row is a cue, its states after more and
    more sweeps, and the energy on the way, which never rises where units are updated one by one.

    Parameters
    ----------
    states : ndarray of shape (n_steps + 1, n_samples, n_features)
        The cues, NaN where a unit is unknown, and the states after 1, 2, ... sweeps.
    energies : ndarray of shape (n_steps + 1, n_samples)
        Of those states; NaN for cues with unknown units.
    image_shape : tuple of int or None, default=None
        Shape of a state as an image. None draws a strip.
    estimator_name : str or None, default=None
        For the title.

    Attributes
    ----------
    axes_ : ndarray of shape (n_samples, n_shown + 1) of matplotlib Axes
        States, at most 7 of them spread over the sweeps, then energies. Made by `plot`, as are the
        others.
    figure_ : matplotlib Figure
        The figure they are in.
    shown_ : ndarray of int of shape (n_shown,)
        How many sweeps each column of states is after.
    lines_ : list of matplotlib Line2D
        The energies, one line per sample.

    See Also
    --------
    skrep.HopfieldNetwork : The memory.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep import HopfieldNetwork
    >>> from skrep.inspection import AttractorDisplay
    >>> X = np.sign(np.random.default_rng(0).standard_normal((3, 100)))
    >>> memory = HopfieldNetwork(random_state=0).fit(X)
    >>> cues = np.where(np.arange(100) < 70, X, -X)
    >>> display = AttractorDisplay.from_estimator(memory, cues, image_shape=(10, 10))
    >>> bool((np.diff(display.energies, axis=0) <= 1e-9).all())
    True
    """

    def __init__(
        self,
        *,
        states: np.ndarray,
        energies: np.ndarray,
        image_shape: tuple[int, ...] | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.states = states
        self.energies = energies
        self.image_shape = image_shape
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        image_shape: tuple[int, ...] | None = None,
        n_steps: int | None = None,
        ax: Any = None,
    ) -> "AttractorDisplay":
        """Recall with a fitted network, one more sweep at a time, and draw the states.

        Parameters
        ----------
        estimator : HopfieldNetwork, or a Pipeline that ends in one
            Fitted. It is not changed.
        X : array-like of shape (n_samples, n_features), or several views
            At most 10 cues, as in `transform`; NaN where a unit is unknown.
        image_shape : tuple of int or None, default=None
            (height, width) of a state as an image, or (height, width, 3). None draws a strip.
        n_steps : int or None, default=None
            Sweeps to draw. None stops where all states are at rest or
            swing between two, after 30 at the latest.
        ax : matplotlib Axes, array of Axes, or None, default=None
            One Axes is emptied, and the grid is drawn in its place. None makes a figure.

        Returns
        -------
        display : AttractorDisplay

        Raises
        ------
        TypeError
            If the estimator has no `recall`.
        ValueError
            If there are more than 10 cues, a cue is not what the units take, `image_shape` does not
            fit, or `n_steps` is no positive integer.
        ImportError
            If matplotlib is not installed.

        Notes
        -----
        Under `rule="modern"` states of -1, 1 and 0, 1 are rounded at the end of every recall, so
        what is drawn after t sweeps is rounded, while the recall itself goes on from numbers in
        between.
        """
        check_has(last_step(estimator), "recall", cls.__name__, "HopfieldNetwork")
        check_count(n_steps, "n_steps", optional=True)
        cues = before_last(estimator, X)
        # A copy, because the number of sweeps is a parameter of the network.
        network = copy.copy(last_step(estimator))
        start = _matrix(network, cues)
        if len(start) > _MAX_ROWS:
            raise ValueError(
                f"At most {_MAX_ROWS} cues can be drawn. Got {len(start)}. Pass fewer rows."
            )
        shape = check_image_shape(image_shape, start.shape[1])
        states, energies = [start], [_energy_of_cues(network, cues, start)]
        for t in range(1, 1 + (_MAX_STEPS if n_steps is None else int(n_steps))):
            recalled = network.set_params(max_sweeps=t).recall(cues)
            # The sweep that finds a state at rest has left it as it was; one that swings between
            # two states is given up.
            over = recalled.converged | (recalled.n_sweeps < t)
            if n_steps is None and t > 1 and over.all():
                break
            states.append(np.asarray(recalled.states, dtype=np.float64))
            energies.append(np.asarray(recalled.energies))
        display = cls(
            states=np.array(states),
            energies=np.array(energies),
            image_shape=shape,
            estimator_name=estimator_name(estimator),
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> "AttractorDisplay":
        """Draw the states and their energies.

        Parameters
        ----------
        ax : matplotlib Axes, array of Axes, or None, default=None
            As in `from_estimator`.

        Returns
        -------
        self : AttractorDisplay

        Raises
        ------
        ValueError
            If `ax` is an array of another length.
        ImportError
            If matplotlib is not installed.
        """
        n_steps, n_samples = len(self.states) - 1, self.states.shape[1]
        self.shown_ = spread_rows(n_steps + 1, _MAX_STATES)
        n_shown = len(self.shown_)
        widths = [*[1.0] * n_shown, 1.5]
        place = grid_of_axes(
            ax,
            n_samples,
            n_shown + 1,
            type(self).__name__,
            figsize=(1.15 * sum(widths) + 0.6, 1.4 * n_samples + 0.5),
            width_ratios=widths,
        )
        self.figure_, self.axes_ = place.figure, place.axes
        scale = self._scale()
        self.lines_: list[Any] = []
        with redrawing(self, place):
            for i in range(n_samples):
                for cell, t in zip(self.axes_[i], self.shown_, strict=False):
                    self._draw_state(cell, i, int(t), scale)
                self._draw_energy(self.axes_[i, -1], i)
        for cell, t in zip(self.axes_[0], self.shown_, strict=False):
            cell.set_title("cue" if t == 0 else f"{t} sweep{'s' * bool(t > 1)}", fontsize=9)
        self.axes_[0, -1].set_title("energy", fontsize=9)
        self.axes_[-1, -1].set_xlabel("sweeps", fontsize=8)
        if place.own and self.estimator_name:
            self.figure_.suptitle(self.estimator_name, fontsize=10)
        return self

    def _scale(self) -> dict[str, Any]:
        from matplotlib import colormaps

        known = self.states[np.isfinite(self.states)]
        limits = color_scale(self.states, signed=False)
        two_valued = len(np.unique(known[:10_000])) <= 2
        name = "gray_r" if two_valued or self.image_shape else limits["cmap"]
        return {**limits, "cmap": colormaps[name].with_extremes(bad=_UNKNOWN)}

    def _draw_state(self, ax: Any, i: int, t: int, scale: dict[str, Any]) -> None:
        state = self.states[t, i]
        if self.image_shape is None:
            ax.imshow(state[None, :], aspect="auto", interpolation="nearest", **scale)
            bare(ax)
        else:
            show_image(ax, state, self.image_shape, scale)
        for side in ax.spines.values():
            side.set(visible=True, color="lightgray", linewidth=0.8)
        if np.isfinite(self.energies[t, i]):
            written = f"{self.energies[t, i]:.4g}".replace("-", "\N{MINUS SIGN}")
            ax.set_xlabel(f"E = {written}", fontsize=7.5, labelpad=2)

    def _draw_energy(self, ax: Any, i: int) -> None:
        line = ax.plot(
            np.arange(len(self.energies)),
            self.energies[:, i],
            color="tab:blue",
            marker=".",
            linewidth=1.3,
        )
        self.lines_ += line
        ax.set_xlim(-0.3, len(self.energies) - 0.7)
        ax.locator_params(axis="x", integer=True, nbins=4)
        ax.locator_params(axis="y", nbins=3)
        ax.tick_params(labelsize=7)
        plain(ax)


def _matrix(network: Any, cues: Any) -> np.ndarray:
    """Return the cues as one matrix, NaN where a unit is unknown."""
    if not is_multiview(cues):
        return dense_matrix(cues)
    names = view_names(network) or ()
    views = as_views(cues, names=names)
    # In the order of the fit, which is that of the units.
    ordered = views[list(names)] if set(names) == set(views.names) else views
    return matrix_of(ordered, absent=True)


def _energy_of_cues(network: Any, cues: Any, start: np.ndarray) -> np.ndarray:
    energies = np.full(len(start), np.nan)
    whole = np.flatnonzero(~np.isnan(start).any(axis=1))
    if len(whole):
        # In their own container, which carries the names of the features.
        given = as_views(cues, names=view_names(network)) if is_multiview(cues) else cues
        given = given if getattr(given, "shape", None) else np.asarray(given)
        several = is_multiview(given)
        energies[whole] = network.energy(given[whole] if several else take_rows(given, whole))
    return energies
