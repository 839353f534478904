"""Greedy layer-wise pre-training: train a layer, freeze it, feed its code to the next."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from skrep.engine.data import ViewData
from skrep.engine.inference import apply_in_chunks, on_device
from skrep.engine.plan import TrainingPlan
from skrep.engine.seeding import forked_rng, make_generator
from skrep.engine.train import run_training
from skrep.engine.trainer import Trainer
from skrep.nn.module import RepresentationModule
from skrep.nn.rbm import ContrastiveSettings, RBMModule, make_rbm
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import SeparableUnits, Units
from skrep.utils.settings import Pretraining

__all__ = ["GreedyLayers", "Layer", "layer_plan", "make_rbm_layer", "train_greedily"]

# Small connections take long to leave the start without it.
_WITH_MOMENTUM = partial(torch.optim.SGD, momentum=0.9)


class Layer(NamedTuple):
    """One layer of a stack, before it is built.

    Attributes
    ----------
    make : callable
        `(arrays) -> RepresentationModule`, an untrained layer for what comes from below: the
        views for the first layer, one array of codes (n_samples, width) for the others. Called
        with torch's global generator seeded.
    plan : TrainingPlan
        How it is trained.
    """

    make: Callable[[tuple[Any, ...]], RepresentationModule]
    plan: TrainingPlan


class GreedyLayers(NamedTuple):
    """A trained stack.

    Attributes
    ----------
    layers : list of RepresentationModule
        From the data up, frozen, on the CPU and in evaluation mode.
    codes : ndarray of shape (n_samples, width)
        What the last layer makes of the data.
    history : DataFrame
        One row an epoch of a layer: `layer` (from 1), then the columns of a training's history.
    """

    layers: list[RepresentationModule]
    codes: np.ndarray
    history: pd.DataFrame


def train_greedily(
    layers: Sequence[Layer],
    arrays: Sequence[Any],
    *,
    max_epochs: int,
    verbose: int = 0,
    label: str = "fit",
    n_layers: int | None = None,
) -> GreedyLayers:
    """Train a stack of layers one after the other, each on the codes of the one below.

    Parameters
    ----------
    layers : sequence of Layer
        From the data up; at least one.
    arrays : sequence of ndarray or CSR of shape (n_samples, width)
        The views.
    max_epochs : int
        Passes over the data, or the codes, for each layer.
    verbose : int, default=0
        1 shows a progress bar a layer.
    label : str, default="fit"
        Its text, to which the layer is added.
    n_layers : int or None, default=None
        Layers that the label counts, where others are trained elsewhere. None counts `layers`.

    Returns
    -------
    GreedyLayers
    """
    inputs = tuple(arrays)
    trained: list[RepresentationModule] = []
    tables = []
    for number, (make, plan) in enumerate(layers, start=1):
        with forked_rng(plan.seed):
            module = make(inputs)
        data = ViewData(inputs, dtype=plan.dtype, device=plan.device)
        result = run_training(
            module.to(plan.device, plan.dtype),
            data,
            plan,
            max_epochs=max_epochs,
            verbose=verbose,
            label=f"{label}, layer {number} of {n_layers or len(layers)}",
        )
        result.history.insert(0, "layer", number)
        tables.append(result.history)
        trained.append(module.requires_grad_(False))
        inputs = (_codes(module, inputs, plan),)
    return GreedyLayers(trained, inputs[0], pd.concat(tables, ignore_index=True))


def _codes(module: RepresentationModule, inputs: tuple[Any, ...], plan: TrainingPlan) -> np.ndarray:
    placed, device = on_device(module, str(plan.device), int(inputs[0].shape[0]))
    data = ViewData(inputs, dtype=plan.dtype, device=device)
    encode: Any = placed.encode
    return apply_in_chunks(encode, data)[0]


def layer_plan(
    pretraining: Pretraining,
    trainer: Trainer | None,
    *,
    batch_size: int,
    device: str,
    seed: int,
    gaussian: bool = False,
) -> TrainingPlan:
    """Return how a layer is trained: steps with momentum for an RBM, Adam for an autoencoder.

    Parameters
    ----------
    pretraining : Pretraining
        Settings of the layers.
    trainer : Trainer or None
        That of the whole model, whose precision the layers share; its stopping, callbacks and
        checkpoints belong to the last stage.
    batch_size : int
        Rows a step, where `pretraining` leaves it open.
    device : str
        Where to compute.
    seed : int
        All draws of the layer come from it.
    gaussian : bool, default=False
        Whether units of an RBM are gaussian, which asks for shorter steps.

    Returns
    -------
    TrainingPlan
    """
    precision = "float32" if trainer is None else trainer.precision
    return TrainingPlan(
        Trainer(precision=precision),
        batch_size=pretraining.batch_size or batch_size,
        learning_rate=pretraining.rate(gaussian=gaussian),
        device=device,
        seed=seed,
        own_optimizer=_WITH_MOMENTUM if pretraining.kind == "rbm" else "adam",
    )


def make_rbm_layer(
    visible: Units,
    hidden: SeparableUnits,
    arrays: tuple[Any, ...],
    pretraining: Pretraining,
    plan: TrainingPlan,
    *,
    scaler: ViewScaler | None = None,
    mean: Tensor | None = None,
    variance: Tensor | None = None,
) -> RBMModule:
    """Return an untrained RBM for the views, or for the codes of the layer below.

    Parameters
    ----------
    visible, hidden : Units
        Kinds of the two layers.
    arrays : tuple of ndarray or CSR
        What it will be trained on.
    pretraining : Pretraining
        How its gradient is estimated.
    plan : TrainingPlan
        Its seed and batch size.
    scaler : ViewScaler or None, default=None
        None leaves values alone.
    mean : Tensor of shape (n_visible,) or None, default=None
        In working units; None takes the mean of the codes.
    variance : Tensor of shape (n_visible,) or None, default=None
        Of gaussian visible units, in working units.

    Returns
    -------
    RBMModule
    """
    if mean is None:
        mean = torch.from_numpy(arrays[0].mean(axis=0, dtype=np.float64)).float()
    return make_rbm(
        visible,
        hidden,
        mean,
        generator=make_generator(plan.seed),
        scaler=scaler,
        variance=variance,
        settings=ContrastiveSettings(
            n_gibbs_steps=pretraining.n_gibbs_steps, persistent=pretraining.persistent
        ),
        n_chains=plan.batch_size,
    )
