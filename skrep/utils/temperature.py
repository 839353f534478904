"""How strongly a contrastive loss tells similar codes apart."""

from numbers import Real
from typing import Any, ClassVar

from skrep.utils.settings import _Setting
from skrep.utils.sklearn_private import Interval

__all__ = ["Temperature"]


class Temperature(_Setting):
    """What cosines are divided by before a contrastive loss compares them.

    Parameters
    ----------
    value : float, default=0.07
        Where it starts. Lower values look at the most similar negatives alone, which separates
        neighbours and overfits sooner; higher ones weigh all negatives alike.
    learned : bool, default=True
        Whether training moves it.
    bounds : tuple of two floats or None, default=None
        Between which it moves, and which it never reaches. None is (0.01, 1), wider where `value`
        asks for it.

    Examples
    --------
    >>> from skrep.utils.temperature import Temperature
    >>> Temperature(0.2, learned=False).resolve()
    (0.01, 1.0)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "value": [Interval(Real, 0, None, closed="neither")],
        "learned": ["boolean"],
        "bounds": [tuple, None],
    }

    def __init__(
        self,
        value: float = 0.07,
        *,
        learned: bool = True,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        self.value = value
        self.learned = learned
        self.bounds = bounds

    @classmethod
    def of(cls, value: "float | Temperature") -> "Temperature":
        """Return the object itself, or one that starts at a number."""
        return value if isinstance(value, Temperature) else cls(float(value))

    def resolve(self) -> tuple[float, float]:
        """Return the bounds with their default filled in."""
        if self.bounds is not None:
            return self.bounds
        return min(0.01, self.value / 2.0), max(1.0, 2.0 * self.value)

    def check(self) -> None:
        """Raise for values that are not legal.

        Raises
        ------
        ValueError
            If the value is not positive, or does not lie between the bounds.
        """
        self._check_table()
        bounds = self.resolve()
        fits = len(bounds) == 2 and all(isinstance(bound, Real) for bound in bounds)
        if not (fits and 0 < bounds[0] < self.value < bounds[1] < float("inf")):
            raise ValueError(
                f"`bounds` of a Temperature must be two positive numbers with `value` between "
                f"them. Got bounds={self.bounds!r} and value={self.value!r}."
            )
