"""The deep belief network."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from skrep._base_deep import SAMPLE_STEPS, WorkingData
from skrep.base import GradientEstimator, ModuleSpec
from skrep.boltzmann._deep import DEEP_CONSTRAINTS, DeepMixin
from skrep.engine.data import ViewData
from skrep.engine.greedy import GreedyLayers, Layer, make_rbm_layer, train_greedily
from skrep.engine.inference import apply_in_chunks
from skrep.engine.plan import TrainingPlan
from skrep.engine.seeding import make_generator
from skrep.engine.trainer import Trainer
from skrep.functional.annealing import LogMean
from skrep.mixins import LogPartition
from skrep.nn.dbn import DBNModule, stack_rbms
from skrep.nn.deep_autoencoder import linears
from skrep.nn.rbm import RBMModule
from skrep.nn.units import BernoulliUnits
from skrep.utils.settings import Pretraining
from skrep.utils.sklearn_private import StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["DBN"]

# Draws of the layers below the top over which the bound is averaged.
_N_DRAWS = 32
# States of all draws of a chunk of rows that are held at a time.
_STATES_AT_ONCE = 1 << 24


class DBN(DeepMixin, GradientEstimator):
    r"""Deep belief network: a stack of RBMs that becomes a directed net with an RBM on top.

    Layers are trained one by one, each an RBM on the codes of the one below. Wake-sleep then
    trains all of them together as one generative model [1]_. Choose it for samples and features of
    several levels of binary data; `RBM` is simpler, `DBM` infers with feedback from above.

    With :math:`h_0 = x` and layers up to :math:`h_L`, of which the last two form an RBM with free
    energy :math:`F` and partition function :math:`Z`:

    .. math:: p(x) = \sum_h \prod_{l<L-1} p(h_l \mid h_{l+1})\; e^{-F(h_{L-1})} / Z

    A pass up, :math:`q(h \mid x)`, stands in for the posterior and gives the bound, in nats, that
    `score` reports and wake-sleep raises:

    .. math:: \log p(x) \ge E_q\Big[\sum_{l<L-1} \log p(h_l \mid h_{l+1}) - F(h_{L-1})\Big]
       + H(q) - \log Z

    Parameters
    ----------
    n_components : int, default=256
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    layer_sizes : tuple of int, default=(256,)
        Widths of the layers between the data and the code, from the data up. `()` leaves one RBM.
    visible : {"bernoulli", "gaussian", "categorical"}, default="bernoulli"
        What the data are: values in [0, 1], taken as probabilities of a one; real values; one-hot
        rows, one variable a view.
    pretrain : {"rbm"} or Pretraining, default="rbm"
        How the layers are trained one by one; `Pretraining("rbm", ...)` sets epochs, step length
        and chains, which can be searched as `pretrain__n_epochs`.
    fine_tuning : {"wake_sleep"} or None, default="wake_sleep"
        Training of all layers together, after which going up and going down have weights of their
        own. None keeps the plain stack, and trains the top layer as the last stage.
    n_gibbs_steps : int, default=1
        Gibbs steps of the top machine between two gradient steps.
    max_epochs : int, default=10
        Passes over the data, at most.
    batch_size : int, default=10
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
        Fitted network in evaluation mode, on the CPU.
    layers_ : list of torch.nn.Module
        The RBMs, from the data up, as training layer by layer left them. Without `fine_tuning` the
        last is the top of `module_`.
    pretrain_history_ : DataFrame
        One row an epoch of a layer: layer (from 1), loss in nats per sample, seconds.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs of the last stage.
    loss_curve_ : ndarray of shape (n_iter_,)
        Of the last stage, nats per sample: minus the bound, with an estimate of the log
        pseudo-likelihood of the top machine for its log-likelihood; lower is better. Without
        `fine_tuning` the top machine's part alone.
    history_ : DataFrame
        One row an epoch of the last stage: loss and its parts, learning rate, seconds.

    See Also
    --------
    RBM : One layer.
    DBM : Undirected in all layers.
    DeepAutoencoder : The same stack unrolled, for reconstructions.

    Notes
    -----
    Cost of an epoch of wake-sleep: about four passes through all weights, and two more a Gibbs
    step for the top. `partial_fit` makes one pass for each layer at its first call, then one pass
    of the last stage. The bound is averaged over 32 draws, the same for every row.

    Departures from [1]_: dreams come from persistent chains of the top machine instead of chains
    that start at the data; the layers' means are centred.

    `free_energy` is the bound without log Z, with its sign turned: at least the true free energy.
    `log_partition` is that of the top machine, which normalises the whole. `gibbs` draws the
    layers up, makes its steps in the top machine and draws down again.

    References
    ----------
    .. [1] Hinton, G. E., Osindero, S. and Teh, Y. W. "A fast learning algorithm for deep belief
       nets." Neural Computation 18, 2006.
    .. [2] Salakhutdinov, R. and Murray, I. "On the quantitative analysis of deep belief networks."
       ICML 2008.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import DBN
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = DBN(8, layer_sizes=(32,), max_epochs=1, random_state=0).fit(X / 16)
    >>> model.transform(X / 16).shape
    (1797, 8)
    >>> model.sample(3, random_state=0).shape
    (3, 64)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **DEEP_CONSTRAINTS,
        "pretrain": [StrOptions({"rbm"}), Pretraining],
        "fine_tuning": [StrOptions({"wake_sleep"}), None],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "pretrain": lambda name: Pretraining(name or "rbm"),
    }

    module_: DBNModule
    layers_: list[RBMModule]
    pretrain_history_: pd.DataFrame

    def __init__(
        self,
        n_components: int = 256,
        *,
        layer_sizes: Sequence[int] = (256,),
        visible: Literal["bernoulli", "gaussian", "categorical"] = "bernoulli",
        pretrain: Literal["rbm"] | Pretraining = "rbm",
        fine_tuning: Literal["wake_sleep"] | None = "wake_sleep",
        n_gibbs_steps: int = 1,
        max_epochs: int = 10,
        batch_size: int = 10,
        learning_rate: float = 0.01,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.layer_sizes = layer_sizes
        self.visible = visible
        self.pretrain = pretrain
        self.fine_tuning = fine_tuning
        self.n_gibbs_steps = n_gibbs_steps
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    # -- building ---------------------------------------------------------------------------

    def _own_optimizer(self) -> Any:
        return "sgd"

    def _prepare(self, spec: ModuleSpec) -> None:
        working, widths = self._working_data(spec), self._widths()
        plans, max_epochs = self._layer_plans(spec, len(widths))
        makers = [
            partial(self._make_layer, layer, working, widths, plan)
            for layer, plan in enumerate(plans)
        ]
        # The top of a plain stack is trained by the stage that comes last.
        n_first = len(widths) if self.fine_tuning and len(widths) > 1 else len(widths) - 1
        stack = GreedyLayers([], np.zeros((0, 0)), pd.DataFrame())
        arrays = spec.data.arrays
        if spec.informed and n_first:
            stack = train_greedily(
                [Layer(*pair) for pair in zip(makers[:n_first], plans, strict=False)],
                arrays,
                max_epochs=max_epochs,
                verbose=self.verbose,
                label=type(self).__name__,
                n_layers=len(widths),
            )
            arrays = (stack.codes,)
        rest = [self._untrained(make, spec, arrays) for make in makers[len(stack.layers) :]]
        self.layers_ = [*stack.layers, *rest]  # type: ignore[list-item]
        self.pretrain_history_ = stack.history
        self._chains = self._first_chains(stack if n_first == len(widths) else None, spec.seed)

    def _make_layer(
        self,
        layer: int,
        working: WorkingData,
        widths: list[int],
        plan: TrainingPlan,
        arrays: tuple[Any, ...],
    ) -> RBMModule:
        make = partial(
            make_rbm_layer,
            hidden=BernoulliUnits((widths[layer],)),
            arrays=arrays,
            pretraining=Pretraining.of(self.pretrain),
            plan=plan,
        )
        if layer:
            below = widths[layer - 1]
            mean = None if arrays else torch.full((below,), 0.5)
            return make(BernoulliUnits((below,)), mean=mean)
        return make(
            working.visible, scaler=working.scaler, mean=working.mean, variance=working.variance
        )

    def _untrained(
        self, make: Callable[..., RBMModule], spec: ModuleSpec, arrays: tuple[Any, ...]
    ) -> RBMModule:
        if spec.informed:
            return make(arrays)
        module = make(())
        # Small weights suit an RBM's own training; a net trained by labels alone needs its signal.
        with torch.no_grad():
            module.weight.mul_(100.0 * (2.0 / sum(module.weight.shape)) ** 0.5)
        return module

    def _first_chains(self, stack: GreedyLayers | None, seed: int) -> Tensor:
        generator = make_generator(seed)
        p = torch.full((self.batch_size, self.n_components), 0.5)
        if stack is not None and stack.layers:
            rows = torch.randint(len(stack.codes), (self.batch_size,), generator=generator)
            p = torch.from_numpy(stack.codes[rows.numpy()]).float()
        return (torch.rand(p.shape, generator=generator) < p).float()

    def _make_module(self, spec: ModuleSpec) -> DBNModule:
        module = stack_rbms(
            self.layers_,
            wake_sleep=self.fine_tuning is not None,
            n_gibbs_steps=self.n_gibbs_steps,
            chains=self._chains,
        )
        del self._chains
        if not module.wake_sleep:
            self.layers_[-1] = module.top
        return module

    # -- what the mixins ask for ------------------------------------------------------------

    def _free_energy(self, checked: CheckedViews) -> np.ndarray:
        uniforms = self._uniforms()
        width = sum(u.shape[-1] for u in uniforms) + self.n_features_in_ + self.n_components

        def bound(module: Any, batch: Any) -> Tensor:
            placed = [u.to(batch.views[0]) for u in uniforms]
            found: Tensor = module.bound(batch, placed)
            return found

        rows = min(4096, _STATES_AT_ONCE // (_N_DRAWS * width))
        return -self._apply_to_batches(bound, checked, rows).astype(np.float64)

    def _uniforms(self) -> list[Tensor]:
        """Return draws that cover (0, 1) evenly in every unit, the same for all rows."""
        generator = make_generator(self._noise_seed + 1)
        drawn = []
        for layer in linears(self.module_.up):
            shape = (_N_DRAWS, 1, layer.out_features)
            places = torch.rand(shape, generator=generator, dtype=torch.float64).argsort(dim=0)
            within = torch.rand(shape, generator=generator, dtype=torch.float64)
            drawn.append((places + within) / _N_DRAWS)
        return drawn

    def _draw(self, n_samples: int, generator: torch.Generator) -> list[np.ndarray]:
        views = self.module_.sample(n_samples, generator, SAMPLE_STEPS)
        return [view.detach().numpy() for view in views]

    def _run_gibbs(
        self, checked: CheckedViews, n_steps: int, generator: torch.Generator
    ) -> list[np.ndarray]:
        data = ViewData(checked.arrays, dtype=self._dtype)
        return apply_in_chunks(lambda b: self.module_.gibbs(b, n_steps, generator), data)

    def _n_states(self) -> float:
        return self.module_.top.n_states()

    def _log_partition_by(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition | LogMean:
        top = self.module_.top
        if method == "exact":
            return LogPartition(top.exact_log_partition(), 0.0)
        generator = make_generator(seed)
        start = None
        if method == "reverse_ais":
            start = top.sample(n_chains, generator, SAMPLE_STEPS)
        return top.annealed_log_partition(n_chains, n_temperatures, generator, start=start)
