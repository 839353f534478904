"""`TraversalDisplay`: what is decoded along the axes of the code."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from skrep.inspection._coded import codes_of
from skrep.inspection._display import (
    color_scale,
    draw_matrix,
    inches_of,
    label_features,
    one_axes,
    redrawing,
    units_differ,
)
from skrep.inspection._display_inputs import (
    check_count,
    check_fitted,
    check_has,
    check_image_shape,
    check_indices,
    estimator_name,
    last_step,
    pick_view,
    view_names,
)
from skrep.inspection._montage import draw_montage, figure_size
from skrep.views import as_views

__all__ = ["TraversalDisplay"]

_MAX_COMPONENTS = 8
_OTHERS = "all models of skrep, PCA and NMF"


class TraversalDisplay:
    """Decoded samples, one row per axis of the code, which alone changes along the row.

    Make one with `from_estimator`.

    Parameters
    ----------
    decoded : ndarray of shape (n_shown, n_steps, n_features)
        What the model makes of the codes, in one view.
    base : ndarray of shape (n_features,)
        What it makes of the code from which all rows start.
    values : ndarray of shape (n_shown, n_steps)
        The number of the code that changes.
    components : ndarray of shape (n_shown,)
        Which number of the code that is.
    image_shape : tuple of int or None, default=None
        (height, width) or (height, width, 3) of a row; None draws a heat map of what differs from
        `base`.
    feature_names : sequence of str or None, default=None
        For the heat map; they are written where there are at most 30.
    scale : float or None, default=None
        Standard deviations that the ends are away from the base.
    name : str or None, default=None
        Model, and view where there are several, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn in.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("agg")
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skrep.inspection import TraversalDisplay
    >>> X = load_digits().data
    >>> display = TraversalDisplay.from_estimator(PCA(3).fit(X), X, image_shape=(8, 8))
    >>> display.decoded.shape
    (3, 9, 64)
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        decoded: np.ndarray,
        base: np.ndarray,
        values: np.ndarray,
        components: np.ndarray,
        image_shape: tuple[int, ...] | None = None,
        feature_names: Sequence[str] | None = None,
        scale: float | None = None,
        name: str | None = None,
    ) -> None:
        self.decoded = decoded
        self.base = base
        self.values = values
        self.components = components
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.scale = scale
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        components: int | Sequence[int] | None = None,
        base: int | None = None,
        n_steps: int = 9,
        scale: float = 2.0,
        image_shape: tuple[int, ...] | None = None,
        view: str | int | None = None,
        ax: Any = None,
    ) -> "TraversalDisplay":
        """Decode along axes of the code and draw what comes out.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline
            With `transform` and `inverse_transform`.
        X : array-like, sparse matrix, several views or None, default=None
            Samples whose codes say where the middle is and how wide each axis is. No step leaves
            the range of their codes, so that codes between 0 and 1 stay there. None takes mean 0
            and standard deviation 1 instead, the prior of variational autoencoders.
        components : int, sequence of int or None, default=None
            Numbers of the code that are changed, one row each; None takes the first 8. Of a model
            with a code per view, the codes of all views change alike.
        base : int or None, default=None
            Row of X from whose code all rows start; None starts from the mean code. Also the
            middle of each range.
        n_steps : int, default=9
            Columns.
        scale : float, default=2.0
            How many standard deviations of the codes the ends are away from the base.
        image_shape : tuple of int or None, default=None
            (height, width), or (height, width, 3), of a row as an image; None draws a heat map of
            steps by features, the difference from what the base decodes to.
        view : str, int or None, default=None
            Which view is drawn, where there are several; None is the first.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        TraversalDisplay

        Raises
        ------
        TypeError
            If the estimator cannot decode.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If X is None and the estimator has no standard normal prior, or an argument is outside
            what there is.

        Notes
        -----
        One `transform` of X, and one `inverse_transform` of `n_steps` codes per component.
        """
        check_fitted(estimator)
        check_has(estimator, "inverse_transform", "TraversalDisplay", _OTHERS)
        check_count(n_steps, "n_steps")
        if not isinstance(scale, Real) or not 0.0 < float(scale) < np.inf:
            raise ValueError(f"`scale` must be a positive number. Got {scale!r}.")
        space = _code_space(estimator, X, base)
        if components is None:
            numbers = list(range(min(_MAX_COMPONENTS, len(space.base))))
        else:
            numbers = check_indices(components, len(space.base), "components", "axes of the code")
        low = np.maximum(space.base - scale * space.std, np.minimum(space.low, space.base))
        high = np.minimum(space.base + scale * space.std, np.maximum(space.high, space.base))
        values = np.linspace(low[numbers], high[numbers], int(n_steps), axis=1)
        codes = np.tile(space.base, (len(numbers) * int(n_steps) + 1, 1))
        for i, number in enumerate(numbers):
            codes[i * int(n_steps) : (i + 1) * int(n_steps), number] = values[i]
        found = estimator.inverse_transform(np.tile(codes, space.n_copies))
        names = view_names(estimator)
        decoded, label = pick_view(found, view, "TraversalDisplay", names)
        columns = as_views(found, names=names)[label] if label is not None else found
        columns = getattr(
            columns, "columns", getattr(last_step(estimator), "feature_names_in_", None)
        )
        shape = check_image_shape(image_shape, decoded.shape[1])
        title = estimator_name(estimator)
        display = cls(
            decoded=decoded[:-1].reshape(len(numbers), int(n_steps), -1),
            base=decoded[-1],
            values=values,
            components=np.array(numbers),
            image_shape=shape,
            feature_names=_matching(columns, decoded.shape[1]),
            scale=float(scale),
            name=title if label is None else f"{title}, {label}",
        )
        return display.plot(ax=ax)

    def plot(self, ax: Any = None, *, cmap: Any = None) -> "TraversalDisplay":
        """Draw what was decoded.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        cmap : str, Colormap or None, default=None
            None is "gray_r" for images and "RdBu_r", about 0, for differences.

        Returns
        -------
        TraversalDisplay
            This one.
        """
        place = one_axes(ax, "TraversalDisplay", figsize=self._figsize())
        self.ax_, self.figure_ = place.axes[0, 0], place.figure
        with redrawing(self, place):
            if self.image_shape is None:
                self._plot_heat_map("RdBu_r" if cmap is None else cmap)
            else:
                self._plot_images("gray_r" if cmap is None else cmap, self.image_shape)
        title = "along the axes of the code"
        self.ax_.set_title(title if self.name is None else f"{self.name}: {title}")
        return self

    def _figsize(self) -> tuple[float, float]:
        n_rows, n_steps = self.values.shape
        if self.image_shape is None:
            room = min(inches_of(self.feature_names), 3.0)
            return 7.0, float(np.clip(1.2 + 0.11 * n_rows * (n_steps + 1), 2.4, 10.0)) + room
        return figure_size(n_rows, n_steps, self.image_shape)

    def _plot_images(self, cmap: Any, shape: tuple[int, ...]) -> None:
        # A few extreme pixels would turn the background grey.
        low, high = np.quantile(self.decoded, [0.02, 0.98])
        colors = {**color_scale([low, high], signed=False), "cmap": cmap}
        rows = [f"code {number}" for number in self.components]
        made = draw_montage(self.ax_, self.decoded, shape, colors, row_labels=rows)
        ends = made.column_centers[[0, -1]] if len(made.column_centers) > 1 else ()
        self.ax_.set_xticks(ends, self._ends()[: len(ends)], fontsize="small")
        self.ax_.set_xlabel("from the base, in standard deviations of the code", fontsize="small")

    def _ends(self) -> tuple[str, str]:
        far = "" if self.scale is None else f"{self.scale:g}"
        return f"\N{MINUS SIGN}{far}", f"+{far}"

    def _plot_heat_map(self, cmap: Any) -> None:
        n_rows, n_steps = self.values.shape
        difference, label = self.decoded - self.base, "difference from the base"
        largest = np.abs(difference).max(axis=(0, 1))
        if units_differ(largest):
            difference = difference / np.where(largest > 0.0, largest, 1.0)
            label = "difference / largest of its feature"
        # An empty line keeps the axes of the code apart.
        gap = np.full((n_rows, 1, difference.shape[2]), np.nan)
        lines = np.concatenate([difference, gap], axis=1).reshape(-1, difference.shape[2])[:-1]
        colors = {**color_scale(difference, signed=True), "cmap": cmap}
        image = draw_matrix(self.ax_, lines, colors)
        centers = np.arange(n_rows) * (n_steps + 1) + (n_steps - 1) / 2
        self.ax_.set_yticks(centers, [f"code {number}" for number in self.components])
        self.ax_.tick_params(axis="y", length=0)
        label_features(self.ax_, self.feature_names)
        low, high = self._ends()
        if self.scale is not None:
            self.ax_.set_ylabel(f"{low} (top) to {high} s.d. of each")
        self.figure_.colorbar(image, ax=self.ax_, pad=0.02, label=label)


class _Space(NamedTuple):
    """Where codes lie, (n_components,) each, and how many views share one."""

    base: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_copies: int


def _code_space(estimator: Any, X: Any, base: int | None) -> _Space:
    if X is None:
        return _prior(estimator, base)
    check_has(estimator, "transform", "TraversalDisplay", _OTHERS)
    found = codes_of(estimator, X)
    # The mean of the views that are there, as in the decoder; every sample has one.
    joint = np.nanmean(np.stack(found.parts), axis=0) if found.averaged else None
    codes = np.hstack(found.parts) if joint is None else joint
    mean = codes.mean(axis=0)
    if base is not None:
        mean = codes[check_indices([base], len(codes), "base", "rows of X")[0]]
    n_copies = len(found.parts) if found.averaged else 1
    return _Space(mean, codes.std(axis=0), codes.min(axis=0), codes.max(axis=0), n_copies)


def _prior(estimator: Any, base: int | None) -> _Space:
    last = last_step(estimator)
    # A model with a gaussian posterior has the standard normal as its prior.
    if not callable(getattr(last, "posterior", None)):
        raise ValueError(
            f"{estimator_name(estimator)} has no standard normal prior that would say how wide its "
            f"code is. Pass samples as X, whose codes do."
        )
    if base is not None:
        raise ValueError(f"`base` is a row of X, and X is None. Got {base!r}. Pass X too.")
    width = len(last.get_feature_names_out())
    zero = np.zeros(width)
    endless = np.full(width, np.inf)
    return _Space(zero, np.ones(width), -endless, endless, 1)


def _matching(columns: Any, width: int) -> list[str] | None:
    found = None if columns is None else [str(column) for column in columns]
    return found if found is not None and len(found) == width else None
