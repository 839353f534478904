"""The state of an unfinished fit, on disk after every epoch."""

import io
import pickle
import uuid
import warnings
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import joblib
import torch
from skorch.callbacks import Callback
from torch import nn

__all__ = ["Checkpoint", "fingerprint", "signature_of"]

_MAIN = "__main__"
_PLAIN = (bool, int, float, str, dict, list, tuple, torch.Tensor, type(None))


def fingerprint(value: Any) -> str:
    """Return a text that is the same in another process for the same setting, and for no other.

    Parameters
    ----------
    value : object
        Settings. Functions of a module count by their name, other functions by what they do:
        a `repr` would hold an address, which is another in the next process and may belong to
        another function in this one.
    """
    written = io.BytesIO()
    pickler = _Pickler(written)
    # Without the memo, equal settings give equal bytes whether or not they are one object.
    pickler.fast = True
    try:
        pickler.dump(value)
    except (pickle.PicklingError, TypeError, RuntimeError, AttributeError, ValueError):
        # What cannot be compared is never taken for the same.
        return uuid.uuid4().hex
    return str(joblib.hash(written.getvalue()))


class _Pickler(pickle.Pickler):
    """Write functions that no module names as what they are made of."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, CodeType):
            return tuple, ((obj.co_code, obj.co_consts, obj.co_names),)
        if isinstance(obj, FunctionType) and ("<" in obj.__qualname__ or obj.__module__ == _MAIN):
            cells = tuple(cell.cell_contents for cell in obj.__closure__ or ())
            return tuple, ((obj.__code__, obj.__defaults__, obj.__kwdefaults__, cells),)
        return NotImplemented


def signature_of(module: nn.Module, *parts: Any) -> str:
    """Return a text that differs for fits that could end differently.

    Parameters
    ----------
    module : torch.nn.Module
        As the fit begins; its weights tell networks of different factories apart, and passes of
        `partial_fit` that come after different data.
    *parts : object
        Parameters, seed and data.
    """
    weights = {name: value.cpu().numpy() for name, value in module.state_dict().items()}
    return str(joblib.hash((parts, weights)))


class Checkpoint(Callback):
    """Write everything a fit needs to go on, and go on from it.

    Must be the last callback: it puts back what the others reset at the start of training.

    Parameters
    ----------
    folder : str or path
        One file per fit is kept in it.
    signature : str
        Identifies parameters and data; a file of another fit is never read.
    fast : bool
        Whether the fit uses the fast matrix product, which decides the last digits.
    """

    def __init__(self, folder: Any, signature: str, fast: bool) -> None:
        self.folder = folder
        self.signature = signature
        self.fast = fast

    @property
    def path(self) -> Path:
        """File of this fit."""
        return Path(self.folder) / f"{self.signature}.pt"

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Put back the state that was left, if there is one."""
        if not self.path.exists():
            return
        # The file is our own and holds history and optimiser state beside the weights.
        state = torch.load(self.path, map_location="cpu", weights_only=False)
        if state["threads"] != torch.get_num_threads() or state["fast"] != self.fast:
            warnings.warn(
                f"The checkpoint was written with {state['threads']} threads and "
                f"{_named(state['fast'])} matrix product; here it is {torch.get_num_threads()} "
                f"threads and {_named(self.fast)} one. The last digits may differ.",
                UserWarning,
                stacklevel=2,
            )
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        if net.schedule_ is not None:
            net.schedule_.load_state_dict(state["schedule"])
        for name, saved in state["generators"].items():
            # The noise on file is the first process's; the others keep their own.
            if name != "noise" or net.plan.share[0] == 0:
                getattr(net.plan, name).set_state(saved)
        net.history.extend(state["history"])
        net.n_epochs_done = state["n_epochs_done"]
        for name, callback in net.callbacks_:
            _put_back(callback, state["callbacks"].get(name, {}))

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Write the state; the file is replaced whole, so a crash leaves the last one."""
        if net.plan.share[0] != 0:
            return
        state = {
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "schedule": None if net.schedule_ is None else net.schedule_.state_dict(),
            "generators": {
                name: getattr(net.plan, name).get_state()
                for name in ("order", "noise", "validation_noise")
            },
            "history": list(net.history),
            "n_epochs_done": net.n_epochs_done,
            "callbacks": {name: _state_of(callback) for name, callback in net.callbacks_},
            "threads": torch.get_num_threads(),
            "fast": self.fast,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".part")
        torch.save(state, scratch)
        scratch.replace(self.path)


def _named(fast: bool) -> str:
    return "the fast" if fast else "the default"


def _state_of(callback: Callback) -> dict[str, Any]:
    """Return what the callback learned in training: plain values, and states of schedulers."""
    state: dict[str, Any] = {}
    for name, value in vars(callback).items():
        if not name.endswith("_"):
            continue
        if isinstance(value, torch.optim.lr_scheduler.LRScheduler):
            state[name] = value.state_dict()
        elif isinstance(value, _PLAIN):
            state[name] = value
    return state


def _put_back(callback: Callback, state: dict[str, Any]) -> None:
    for name, value in state.items():
        current = vars(callback).get(name)
        if isinstance(current, torch.optim.lr_scheduler.LRScheduler):
            current.load_state_dict(value)
        else:
            vars(callback)[name] = value
