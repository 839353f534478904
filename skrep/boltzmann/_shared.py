"""What several energy models refuse or warn of."""

import warnings

from skrep.engine.trainer import Trainer
from skrep.functional.annealing import LogMean

__all__ = ["check_trainer", "warn_of_spread"]


def check_trainer(trainer: Trainer | None) -> None:
    """Refuse settings that do not apply to a model that fills its own gradients.

    Parameters
    ----------
    trainer : Trainer or None
        As the estimator got it.

    Raises
    ------
    ValueError
        If one of them is set.
    """
    if trainer is None:
        return
    refused = {
        "optimizer": trainer.optimizer == "lbfgs",
        "precision": trainer.precision == "bfloat16",
        "compile": trainer.compile,
        "distributed": trainer.distributed is not None,
    }
    for name, bad in refused.items():
        if bad:
            raise ValueError(
                f"An RBM fills its own, noisy gradients, to which Trainer({name}="
                f"{getattr(trainer, name)!r}) does not apply. Leave it at its default."
            )


def warn_of_spread(found: LogMean, n_chains: int, n_temperatures: int) -> None:
    """Warn where few chains carry an estimate by annealing.

    Parameters
    ----------
    found : LogMean
        The estimate.
    n_chains, n_temperatures : int
        What it was made with.
    """
    if found.effective_size < 0.1 * n_chains:
        warnings.warn(
            f"Annealing with {n_temperatures} temperatures is unreliable: the log-weights of "
            f"{n_chains} chains have a standard deviation of {found.spread:.2g} nats, and "
            f"{found.effective_size:.1f} chains carry the estimate. Raise `n_temperatures`.",
            UserWarning,
            stacklevel=4,
        )
