"""The deep Boltzmann machine of several views."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from skrep._base_deep import (
    SAMPLE_STEPS,
    BoundMixin,
    WorkingData,
    check_pretraining,
    fresh_biases,
    hidden_layer,
    make_doubled_layer,
    plan_layer,
)
from skrep._base_energy import check_trainer, refuse_outside, view_kinds, working_moments
from skrep._base_networks import per_view
from skrep._base_views import EachViewMixin, ImputeMixin, SampleGivenMixin
from skrep.base import TRAINING_CONSTRAINTS, GradientEstimator, ModuleSpec
from skrep.engine.data import ViewData
from skrep.engine.greedy import GreedyLayers, Layer, train_greedily
from skrep.engine.inference import apply_in_chunks
from skrep.engine.seeding import make_generator
from skrep.engine.trainer import Trainer
from skrep.functional.annealing import LogMean
from skrep.mixins import LogPartition
from skrep.multimodal._view_units import word_counts
from skrep.nn.block_weights import Blocks, pathway_blocks
from skrep.nn.dbm import DBMModule, DoubledRBMModule, compose_layers, join_pathways
from skrep.nn.mixed_units import MixedUnits
from skrep.nn.module import Batch
from skrep.nn.multimodal_dbm import MultimodalDBMModule
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import VISIBLE_UNITS
from skrep.utils.settings import Pretraining
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["MultimodalDBM"]

# Gibbs steps after which absent views count as drawn from their conditional.
_GIVEN_STEPS = 200
# Between the seeds of pathways; layers of one are 1000 apart.
_PATHWAY = 100


class MultimodalDBM(BoundMixin, ImputeMixin, SampleGivenMixin, GradientEstimator, EachViewMixin):
    r"""Deep Boltzmann machine of several views: a pathway per view below a joint top layer.

    An undirected density of all views together [1]_, whose pathways bring views as unlike as
    pixels and word counts to features that are more alike before they are joined. Any view can be
    drawn and imputed from any others. Choose it where views differ in kind and one layer does not
    join them well; `MultimodalRBM` is faster, and `MultimodalAutoencoder` reconstructs real data
    better.

    Energy of the views :math:`x_v = h_{v0}`, the binary layers :math:`h_{v1}, \dots, h_{vL}` of
    their pathways and the joint binary layer :math:`z`, in nats:

    .. math:: E = \sum_v \Big( U_v(x_v) - \sum_{l=0}^{L} c_{vl} \cdot h_{vl}
        - \sum_{l=1}^{L} h_{vl}^\top W_{vl} h_{v,l-1} - z^\top W_v h_{vL} \Big) - b \cdot z

    No connection joins a view to the pathway of another. :math:`U_v` is 0 for bernoulli and
    categorical views, for gaussian ones half the sum of squares, values being divided by learned
    standard deviations, and for word counts minus the log of the number of orders of the words.
    Training ascends, over the samples, the mean of the bound

    .. math:: \log p(x_{\text{present}}) \ge -E_q[E] + H(q) - \log Z

    with :math:`q` the factorial distribution of the mean-field equations, and persistent chains
    for the gradient of log Z [2]_. Absent views of a training sample are drawn by Gibbs steps, the
    present ones clamped, before its mean-field equations are solved: as part of :math:`q` their
    units would be independent of each other, and the machine would learn that they are.

    Parameters
    ----------
    n_components : int, default=256
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    layer_sizes : tuple of int, dict or tuple of tuples, default=(256,)
        Widths of the layers of a pathway between the data and the code, from the data up: one
        tuple for all views, a dict by view name, or one tuple per view by position. At least one
        layer, and as many in every pathway: layers are updated by turns, which takes all views to
        the joint layer in the same number of steps.
    visible : str, dict or tuple, default="bernoulli"
        What the views are: "bernoulli", values in [0, 1], taken as probabilities of a one;
        "gaussian", real values; "categorical", one-hot rows, one variable a view, such as a
        label; "multinomial", word counts. One for all views, a dict by view name, or a tuple by
        position.
    pretrain : {"rbm"}, Pretraining or None, default="rbm"
        How the layers are trained one by one before they are trained together, with the
        connections to the one side doubled that stand in for the other; `Pretraining("rbm", ...)`
        sets epochs, step length and chains, searched as `pretrain__n_epochs`. None starts all
        layers together from small random connections.
    n_mean_field_steps : int, default=10
        Rounds of the mean-field equations, in training and in `transform`. More tighten the bound
        and cost proportionally more.
    n_gibbs_steps : int, default=5
        Gibbs steps of the persistent chains between two gradient steps.
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
        Fitted machine in evaluation mode, on the CPU.
    layers_ : list of torch.nn.Module
        The layers as training one by one left them: the pathways view after view, each from the
        data up, then the joint layer; empty without `pretrain`.
    pretrain_history_ : DataFrame
        One row an epoch of a layer: view (None for the joint layer), layer (from 1), loss in nats
        per sample, seconds.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs of joint training.
    loss_curve_ : ndarray of shape (n_iter_,)
        Minus the log-probability of what is present given its mean-field codes, nats per sample;
        lower is a better reconstruction, which training furthers on the way and does not minimise.
    history_ : DataFrame
        One row an epoch of joint training: loss, learning rate, seconds.

    See Also
    --------
    MultimodalRBM : One hidden layer, with exact sums where views or layer are small.
    DBM : The same for views of one kind, without pathways.

    Notes
    -----
    Cost of an epoch: two passes through all weights for each mean-field step on the data and each
    Gibbs step of as many chains as a batch has rows; blocks of weights that would join different
    pathways are left out of the products. `partial_fit` makes one pass for each layer at its
    first call, then one pass of joint training. One view, or one array, is a `DBM`.

    Pre-training: a pathway is trained on the samples that have its view. The joint layer is
    trained on complete samples; where these are fewer than a batch it is trained on all samples,
    features of absent views standing at their means. The lowest layer of a categorical view is
    left at large random connections: the biases alone fit one variable, and by itself the layer
    would learn nothing.

    What is absent: `transform` and `score_samples` take the mean field, of which absent units are
    then a part; it settles on one way to fill them. `impute` averages what ten Gibbs chains of 20
    steps with the present views clamped expect, the same random numbers for every row and fixed by
    `fit`; `sample_given` takes the state after 200 such steps. Chains start from a pass up from
    what is present and down again, and may stay where they start: where views are strongly coupled,
    an image imputed from a label alone can be worse than the mean image. `MultimodalRBM` imputes
    better there. An absent view of word counts gets the mean number of words of `fit`.

    `free_energy` is the bound without log Z, with its sign turned: at least the true free energy.
    `log_partition` anneals the odd layers with the even ones summed out, and is exact where one
    of the two halves has at most 2 ** 20 states. With word counts log Z depends on the number of
    words of a row, so that `score_samples` estimates it once for each number that occurs.

    Departures from [1]_: centred statistics; a fixed number of mean-field steps; pathways of the
    same depth; hidden biases are not multiplied by the number of words; samples that lack views
    take part in training, what they lack drawn by the machine; the code is the joint layer.

    References
    ----------
    .. [1] Srivastava, N. and Salakhutdinov, R. "Multimodal learning with deep Boltzmann
       machines." JMLR 15, 2014.
    .. [2] Salakhutdinov, R. and Hinton, G. E. "Deep Boltzmann machines." AISTATS 2009.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import MultimodalDBM, Views
    >>> X, _ = load_digits(return_X_y=True)
    >>> views = Views({"upper": X[:, :32] / 16, "lower": X[:, 32:] / 16})
    >>> model = MultimodalDBM(8, layer_sizes=(16,), max_epochs=1, random_state=0).fit(views)
    >>> model.transform({"upper": X[:, :32] / 16, "lower": None}).shape
    (1797, 8)
    >>> model.impute({"upper": X[:5, :32] / 16, "lower": None})["lower"].shape
    (5, 32)
    """

    _accepts_absent: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TRAINING_CONSTRAINTS,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), dict],
        "visible": [StrOptions(set(VISIBLE_UNITS)), dict, tuple],
        "pretrain": [StrOptions({"rbm"}), Pretraining, None],
        "n_mean_field_steps": [Interval(Integral, 1, None, closed="left")],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "pretrain": lambda name: Pretraining(name or "rbm"),
    }

    module_: MultimodalDBMModule
    layers_: list[DoubledRBMModule]
    pretrain_history_: pd.DataFrame

    def __init__(
        self,
        n_components: int = 256,
        *,
        layer_sizes: Any = (256,),
        visible: str | dict[str, str] | tuple[str, ...] = "bernoulli",
        pretrain: Literal["rbm"] | Pretraining | None = "rbm",
        n_mean_field_steps: int = 10,
        n_gibbs_steps: int = 5,
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
        self.n_mean_field_steps = n_mean_field_steps
        self.n_gibbs_steps = n_gibbs_steps
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    # -- parameters -------------------------------------------------------------------------

    def _check_parameters(self, checked: CheckedViews) -> None:
        self._widths(checked.names)
        check_pretraining(self)
        check_trainer(self.trainer)
        self._refuse_outside(checked)

    def _widths(self, names: Sequence[str]) -> list[list[int]]:
        """Return the widths of the layers of every pathway, from the data up."""
        given = self.layer_sizes
        if isinstance(given, Integral):
            given = [given]
        elif not isinstance(given, dict):
            alike = all(isinstance(size, Integral) for size in given)
            given = list(given) if alike else tuple(given)
        found = [
            _checked_widths(sizes, name)
            for name, sizes in zip(names, per_view(given, names, "layer_sizes"), strict=True)
        ]
        if len(set(map(len, found))) > 1:
            depths = {name: len(sizes) for name, sizes in zip(names, found, strict=True)}
            raise ValueError(
                f"`layer_sizes` must give every pathway as many layers. Got {depths}. Widths may "
                f"differ: lengthen the shorter ones."
            )
        return found

    def _refuse_outside(self, checked: CheckedViews) -> None:
        refuse_outside(checked, view_kinds(self.visible, checked.names))

    # -- building ---------------------------------------------------------------------------

    def _own_optimizer(self) -> Any:
        return "sgd"

    def _prepare(self, spec: ModuleSpec) -> None:
        self.layers_, self.pretrain_history_ = [], pd.DataFrame()
        if self.pretrain is None or not spec.informed:
            return
        working, widths = self._working_data(spec), self._widths(spec.names)
        stacks = [
            self._train_pathway(i, own, sizes, spec)
            for i, (own, sizes) in enumerate(zip(working, widths, strict=True))
        ]
        top = self._train_top([stack.codes for stack in stacks], len(widths[0]), spec)
        names: list[Any] = [*spec.names, None]
        for name, stack in zip(names, [*stacks, top], strict=True):
            stack.history.insert(0, "view", pd.Series([name] * len(stack.history), dtype=object))
            self.layers_.extend(stack.layers)  # type: ignore[arg-type]
        tables = [stack.history for stack in (*stacks, top)]
        self.pretrain_history_ = pd.concat(tables, ignore_index=True)

    def _train_pathway(
        self, i: int, working: WorkingData, sizes: list[int], spec: ModuleSpec
    ) -> GreedyLayers:
        array, present = spec.data.arrays[i], spec.data.present
        rows = slice(None) if present is None else np.flatnonzero(present[:, i])

        def make(layer: int, plan: Any, arrays: tuple[Any, ...]) -> DoubledRBMModule:
            own = hidden_layer(arrays[0]) if layer else working
            pretrain = self.pretrain or "rbm"
            return make_doubled_layer(own, sizes[layer], plan, pretrain, layer + 1, len(sizes) + 1)

        plans = [
            plan_layer(
                self,
                spec,
                layer + _PATHWAY * i,
                gaussian=layer == 0 and working.visible.quadratic,
            )
            for layer in range(len(sizes))
        ]
        stack = self._train_layers(
            [Layer(partial(make, layer, plan), plan) for layer, plan in enumerate(plans)],
            array[rows],
            spec,
            n_layers=len(sizes) + 1,
            name=spec.names[i] if len(spec.names) > 1 else None,
        )
        codes = np.full((array.shape[0], sizes[-1]), np.nan, dtype=stack.codes.dtype)
        codes[rows] = stack.codes
        return stack._replace(codes=codes)

    def _train_top(self, codes: list[np.ndarray], depth: int, spec: ModuleSpec) -> GreedyLayers:
        joined = np.concatenate(codes, axis=1)
        complete = ~np.isnan(joined).any(axis=1)
        if complete.sum() >= min(self.batch_size, len(joined)):
            joined = joined[complete]
        else:
            joined = np.where(np.isnan(joined), np.nanmean(joined, axis=0), joined)
        plan = plan_layer(self, spec, depth, gaussian=False)

        def make(arrays: tuple[Any, ...]) -> DoubledRBMModule:
            return make_doubled_layer(
                hidden_layer(arrays[0]),
                spec.n_components,
                plan,
                self.pretrain or "rbm",
                depth + 1,
                depth + 1,
            )

        stack = self._train_layers([Layer(make, plan)], joined, spec, n_layers=None, name="joint")
        stack.history["layer"] = depth + 1
        return stack

    def _train_layers(
        self,
        layers: list[Layer],
        array: Any,
        spec: ModuleSpec,
        *,
        n_layers: int | None,
        name: str | None,
    ) -> GreedyLayers:
        n_epochs = Pretraining.of(self.pretrain or "rbm").n_epochs
        label = type(self).__name__
        return train_greedily(
            layers,
            (array,),
            max_epochs=1 if spec.one_pass else n_epochs or self.max_epochs,
            verbose=self.verbose,
            label=label if name is None else f"{label}, {name}",
            n_layers=n_layers,
        )

    def _working_data(self, spec: ModuleSpec) -> list[WorkingData]:
        """Return the moments of each view."""
        kinds = view_kinds(self.visible, spec.names)
        scaler, mean, variance = working_moments(spec, [kind == "gaussian" for kind in kinds])
        found, start = [], 0
        for kind, width in zip(kinds, spec.widths, strict=True):
            at = slice(start, start := start + width)
            found.append(
                WorkingData(
                    VISIBLE_UNITS[kind]((width,)),
                    ViewScaler([scaler.centre[at]], [scaler.scale[at]]),
                    mean[at],
                    None
                    if variance is None or kind != "gaussian"
                    else variance[at].clamp_min(1e-3),
                )
            )
        return found

    def _make_module(self, spec: ModuleSpec) -> MultimodalDBMModule:
        kinds, working = view_kinds(self.visible, spec.names), self._working_data(spec)
        starts = [fresh_biases(own) for own in working]
        base_bias = torch.cat([bias for bias, _ in starts])
        widths = self._widths(spec.names)
        levels = [list(spec.widths), *map(list, zip(*widths, strict=True))]
        blocks: list[Blocks] = [pathway_blocks(b, a) for a, b in pairwise(levels)]
        log_variances = [log_variance for _, log_variance in starts]
        if self.layers_:
            weights, biases = self._composed(len(working))
            first = self.layers_[: -1 : len(widths[0])]
            log_variances = [layer.log_variance for layer in first]
        else:
            weights, biases = self._random_start(base_bias, levels, spec)
        counts = word_counts(spec.data, kinds)
        words = np.maximum(np.rint(np.nanmean(counts, axis=0)), 1.0)
        machine = DBMModule(
            working_moments(spec, [kind == "gaussian" for kind in kinds]).scaler,
            MixedUnits([own.visible for own in working]),
            weights,
            biases,
            base_bias,
            log_variance=_beside(log_variances, spec.widths),
            n_mean_field_steps=self.n_mean_field_steps,
            n_gibbs_steps=self.n_gibbs_steps,
            n_chains=self.batch_size,
            chain_counts=self._chain_counts(counts, words, spec.seed),
            blocks=[*blocks, None],
        )
        return MultimodalDBMModule(machine, torch.from_numpy(words).float())

    def _composed(self, n_views: int) -> tuple[list[Tensor], list[Tensor]]:
        """Return connections and biases that the layers trained one by one make."""
        *lower, top = self.layers_
        depth = len(lower) // n_views
        joined = [join_pathways(lower[level::depth]) for level in range(depth)]
        return compose_layers([*joined, top])

    def _random_start(
        self, visible_bias: Tensor, levels: list[list[int]], spec: ModuleSpec
    ) -> tuple[list[Tensor], list[Tensor]]:
        generator = make_generator(spec.seed)

        def drawn(width: int, below: int) -> Tensor:
            # Small for the machine's own training; a net trained by labels needs its signal.
            size = 0.01 if spec.informed else (2.0 / (width + below)) ** 0.5
            return torch.empty(width, below).normal_(0.0, size, generator=generator)

        weights, biases = [], [visible_bias]
        for below, above in pairwise(levels):
            blocks = [drawn(a, b) for a, b in zip(above, below, strict=True)]
            weights.append(torch.block_diag(*blocks))
            biases.append(torch.zeros(sum(above)))
        weights.append(drawn(spec.n_components, sum(levels[-1])))
        return weights, [*biases, torch.zeros(spec.n_components)]

    def _chain_counts(self, counts: np.ndarray, words: np.ndarray, seed: int) -> Tensor | None:
        """Return the words of each chain in every view of counts, as rows at random have them."""
        if not counts.shape[1]:
            return None
        rows = torch.randint(len(counts), (self.batch_size,), generator=make_generator(seed))
        drawn = counts[rows.numpy()]
        return torch.from_numpy(np.where(np.isnan(drawn), words, drawn)).float()

    # -- what the mixins ask for ------------------------------------------------------------

    def _free_energy(self, checked: CheckedViews) -> np.ndarray:
        return -self._apply("bound", checked)[0].astype(np.float64)

    def _draw(self, n_samples: int, generator: torch.Generator) -> list[np.ndarray]:
        machine = self.module_.machine
        states = machine.sample(n_samples, generator, SAMPLE_STEPS)
        return [view.detach().numpy() for view in machine.to_views(states[0])]

    def _run_gibbs(
        self, checked: CheckedViews, n_steps: int, generator: torch.Generator
    ) -> list[np.ndarray]:
        data = ViewData(checked.arrays, checked.present, dtype=self._dtype)
        return apply_in_chunks(
            lambda batch: self.module_.gibbs(batch, n_steps, generator, _GIVEN_STEPS), data
        )

    def _draw_given(self, checked: CheckedViews, generator: torch.Generator) -> list[np.ndarray]:
        checked = self._check_domain(checked)
        data = ViewData(checked.arrays, checked.present, dtype=self._dtype)
        return apply_in_chunks(
            lambda batch: self.module_.given(batch, generator, _GIVEN_STEPS), data
        )

    def _expect(
        self, checked: CheckedViews, with_std: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        checked = self._check_domain(checked)
        # In float64, so that rounding does not tip draws over.
        module = copy.deepcopy(self.module_).double()
        data = ViewData(checked.arrays, checked.present, dtype=torch.float64)

        def expect(batch: Batch) -> tuple[Tensor, ...]:
            return module.expect(batch, self._noise_seed)

        found = apply_in_chunks(expect, data)
        n = len(checked.names)
        kind = torch.empty(0, dtype=self._dtype).numpy().dtype
        return (
            [mean.astype(kind) for mean in found[:n]],
            [np.sqrt(variance).astype(kind) for variance in found[n:]],
        )

    def _words(self, checked: CheckedViews) -> np.ndarray | None:
        counts = word_counts(checked, view_kinds(self.visible, checked.names))
        if not counts.shape[1]:
            return None
        self._refuse_several_counts(counts.shape[1])
        return np.where(np.isnan(counts), self.module_.words.numpy(), counts)[:, 0]

    def _refuse_several_counts(self, n_counted: int) -> None:
        if n_counted > 1:
            raise ValueError(
                f"The partition function depends on the number of words of a row, and is offered "
                f"for one view of word counts. Got {n_counted} in visible={self.visible!r}."
            )

    def _check_words(self, n_words: int | None) -> None:
        n_counted = len(self.module_.units.counted_columns)
        self._refuse_several_counts(n_counted)
        if bool(n_counted) != (n_words is not None):
            raise ValueError(
                "`n_words` is the number of words of a row: a multinomial view needs it, all "
                f"others have none. Got n_words={n_words!r} with visible={self.visible!r}."
            )

    def _n_states(self) -> float:
        return self.module_.machine.n_states()

    def _log_partition_by(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition | LogMean:
        machine = self.module_.machine
        count = None if n_words is None else torch.tensor([[float(n_words)]])
        if method == "exact":
            return LogPartition(machine.exact_log_partition(count), 0.0)
        return machine.annealed_log_partition(
            n_chains,
            n_temperatures,
            make_generator(seed),
            reverse_steps=SAMPLE_STEPS if method == "reverse_ais" else 0,
            count=count,
        )


def _checked_widths(sizes: Any, name: str) -> list[int]:
    given = [sizes] if isinstance(sizes, Integral) else sizes
    listed = list(given) if isinstance(given, (tuple, list, np.ndarray)) else []
    if not listed or not all(isinstance(n, Integral) and int(n) >= 1 for n in listed):
        raise ValueError(
            f"`layer_sizes` of view {name!r} must be one or more positive integers, the widths of "
            f"the layers between the view and the joint layer. Got {sizes!r}. `MultimodalRBM` is "
            f"the model without such layers."
        )
    return [int(n) for n in listed]


def _beside(log_variances: Sequence[Tensor | None], widths: Sequence[int]) -> Tensor | None:
    """Return log-variances of all visible units, 0 for those that are not gaussian."""
    if all(own is None for own in log_variances):
        return None
    return torch.cat(
        [
            torch.zeros(width) if own is None else own.detach()
            for own, width in zip(log_variances, widths, strict=True)
        ]
    )
