"""`LossCurveDisplay`: training and held-out loss per epoch."""

from typing import Any, NamedTuple

import numpy as np

from skrep.inspection._display import one_axes, plain, redrawing, series_color
from skrep.inspection._display_inputs import check_fitted, estimator_name, has_tag, last_step

__all__ = ["LossCurveDisplay"]


class LossCurveDisplay:
    """Training loss per epoch, held-out loss beside it, and the epoch that was kept.

    Make one with `from_estimator`; pass the axes of one to the next to lay curves over each other.
    Losses of models with different objectives do not compare.

    Parameters
    ----------
    loss : ndarray of shape (n_epochs,)
        Training loss of each epoch.
    valid_loss : ndarray of shape (n_epochs,) or None, default=None
        Held-out loss.
    best_epoch : int or None, default=None
        Epoch, from 1, whose weights were kept.
    name : str or None, default=None
        What the legend calls the model.
    unit : str or None, default=None
        Unit of the loss, for the label of the axis.
    valid_name : str, default="held-out"
        What the held-out curve is.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn in.
    figure_ : matplotlib Figure
        Its figure.
    lines_ : list of matplotlib Line2D
        The training curve, then the held-out one if there is one.

    See Also
    --------
    skrep.Trainer : Its `early_stopping` holds rows out.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("agg")
    >>> from skrep import Autoencoder
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.inspection import LossCurveDisplay
    >>> X = make_low_rank(n_samples=50, random_state=0)
    >>> model = Autoencoder(2, max_epochs=3, random_state=0).fit(X)
    >>> display = LossCurveDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel(), len(display.loss)
    ('epoch', 3)
    """

    ax_: Any
    figure_: Any
    lines_: list[Any]

    def __init__(
        self,
        *,
        loss: np.ndarray,
        valid_loss: np.ndarray | None = None,
        best_epoch: int | None = None,
        name: str | None = None,
        unit: str | None = None,
        valid_name: str = "held-out",
    ) -> None:
        self.loss = loss
        self.valid_loss = valid_loss
        self.best_epoch = best_epoch
        self.name = name
        self.unit = unit
        self.valid_name = valid_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, name: str | None = None, unit: str | None = None
    ) -> "LossCurveDisplay":
        """Draw the losses that a fitted estimator keeps.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline
            With `loss_curve_`, and `history_` or scikit-learn's `validation_scores_` where rows
            were held out; of a Pipeline the last step.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        name : str or None, default=None
            What the legend calls the model; None takes the name of its class.
        unit : str or None, default=None
            Unit of the loss. None says nats per sample for models that declare a density, whose
            losses are that, and nothing for others, whose docstring says what they minimise.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        TypeError
            If the estimator has no `loss_curve_`, as closed forms do not.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If it has made no epoch.
        """
        check_fitted(estimator)
        last = last_step(estimator)
        loss = getattr(last, "loss_curve_", None)
        if loss is None:
            raise TypeError(
                f"LossCurveDisplay needs `loss_curve_`, which {estimator_name(estimator)} lacks: "
                f"it is not trained epoch by epoch. Models of skrep that are trained by gradient "
                f"steps have it, and scikit-learn's MLPClassifier and MLPRegressor."
            )
        loss = np.array(loss, dtype=np.float64)
        if not loss.size:
            raise ValueError(
                f"{estimator_name(estimator)} has been trained for no epoch, so there is no curve. "
                f"Call `fit` first."
            )
        held_out = _held_out(last, len(loss))
        display = cls(
            loss=loss,
            valid_loss=held_out.loss,
            best_epoch=held_out.best_epoch,
            name=estimator_name(estimator) if name is None else name,
            unit="nats per sample" if unit is None and has_tag(last, "density") else unit,
            valid_name=held_out.name,
        )
        return display.plot(ax=ax)

    def plot(
        self, ax: Any = None, *, name: str | None = None, color: Any = None
    ) -> "LossCurveDisplay":
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure. On axes that hold curves the next colour is taken.
        name : str or None, default=None
            In place of `self.name`.
        color : matplotlib color or None, default=None
            Of both curves; None takes the next one.

        Returns
        -------
        LossCurveDisplay
            This one.
        """
        place = one_axes(ax, "LossCurveDisplay")
        self.ax_, self.figure_ = place.axes[0, 0], place.figure
        with redrawing(self, place):
            self._draw(self.name if name is None else name, color)
        return self

    def _draw(self, label: str | None, color: Any) -> None:
        # One solid line for each model that is there already.
        taken = sum(line.get_linestyle() == "-" for line in self.ax_.lines)
        color = series_color(taken) if color is None else color
        epochs = np.arange(1, len(self.loss) + 1)
        # A single epoch is a point, which a line does not show.
        style = {"color": color, "linewidth": 1.6, "marker": "o" if len(epochs) == 1 else ""}
        training = "training" if label is None else label
        if label is not None and self.valid_loss is not None:
            training += ", training"
        self.lines_ = self.ax_.plot(epochs, self.loss, linestyle="-", label=training, **style)
        if self.valid_loss is not None:
            held_out = self.valid_name if label is None else f"{label}, {self.valid_name}"
            self.lines_ += self.ax_.plot(
                epochs, self.valid_loss, linestyle="--", label=held_out, **style
            )
        if self.best_epoch is not None:
            self._mark_best(color)
        self._label()

    def _mark_best(self, color: Any) -> None:
        curve = self.loss if self.valid_loss is None else self.valid_loss
        self.ax_.plot(
            [self.best_epoch],
            [curve[self.best_epoch - 1]],  # type: ignore[operator]
            linestyle="none",
            marker="o",
            markersize=7,
            markerfacecolor="white",
            markeredgecolor=color,
            markeredgewidth=1.6,
            label=f"kept: epoch {self.best_epoch}",
        )

    def _label(self) -> None:
        plain(self.ax_)
        self.ax_.set_xlabel("epoch")
        label = "loss" if self.unit is None else f"loss ({self.unit})"
        before = self.ax_.get_ylabel()
        # Curves of different units on the same axes: neither name would be true of both.
        self.ax_.set_ylabel(label if before in ("", label) else "loss (units differ)")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.legend(frameon=False, fontsize="small")


class _HeldOut(NamedTuple):
    """The held-out loss, the epoch that was kept, and what the loss is."""

    loss: np.ndarray | None = None
    best_epoch: int | None = None
    name: str = "held-out"


def _held_out(last: Any, n_epochs: int) -> _HeldOut:
    history = getattr(last, "history_", None)
    if history is not None and "valid_loss" in history:
        loss = history["valid_loss"].to_numpy(dtype=np.float64, copy=True)
        stopping = getattr(getattr(last, "trainer", None), "early_stopping", None)
        # Only a patience is known to bring the best weights back, and `partial_fit` moves on.
        kept = isinstance(stopping, (int, np.integer)) and np.isfinite(loss[-1])
        best = int(np.nanargmin(loss)) + 1 if kept else None
        return _HeldOut(loss if np.isfinite(loss).any() else None, best)
    # scikit-learn's networks keep a score (accuracy or R²) and go back to the best.
    scores = getattr(last, "validation_scores_", None)
    if scores is not None and len(scores) == n_epochs:
        loss = 1.0 - np.asarray(scores, dtype=np.float64)
        return _HeldOut(loss, int(np.argmin(loss)) + 1, "1 - held-out score")
    return _HeldOut()
