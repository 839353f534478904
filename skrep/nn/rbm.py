r"""The restricted Boltzmann machine as a torch module that fills its own gradients.

With x the visible units (a gaussian one divided by its standard deviation), h the hidden ones and
n the number of words of a row of counts (1 for all other kinds):

.. math:: E(x, h) = U(x) + U(h) - b \cdot x - n\, c \cdot h - x^\top W^\top h

Autograd would keep every intermediate of a maths that is three matrix products, so the gradient of
mean F(data) - mean F(model samples) is written out, into buffers made once.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skrep.functional.annealing import LogMean
from skrep.functional.energies import bipartite_energy
from skrep.nn.mixed_units import parts_of
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.rbm_partition import MAX_STATES, annealed_log_partition, exact_log_partition
from skrep.nn.rbm_pseudo_likelihood import log_pseudo_likelihood
from skrep.nn.rbm_training import Contrast, ContrastiveSettings
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import BernoulliUnits, GaussianUnits, SeparableUnits, Units

__all__ = ["MAX_STATES", "ContrastiveSettings", "RBMModule", "make_rbm"]

# Largest singular value of the connections between two layers of quadratic units.
_MAX_GAIN = 0.99


class RBMModule(RepresentationModule):
    """Two layers of units with connections between them.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units.
    visible, hidden : Units
        Kinds of the two layers.
    weight : Tensor of shape (n_hidden, n_visible)
        Connections at the start.
    visible_bias, hidden_bias : Tensor of shape (n_visible,) and (n_hidden,)
        Biases at the start.
    base_bias : Tensor of shape (n_visible,)
        Biases that alone give the data's means; where annealing starts.
    log_variance : Tensor of shape (n_visible,) or None, default=None
        Of gaussian visible units, in working units, at the start.
    settings : ContrastiveSettings or None, default=None
        How gradients are estimated; None takes the defaults.
    n_chains : int, default=100
        Chains that run beside the data when `settings.persistent`.
    chain_counts : Tensor of shape (n_chains, 1) or None, default=None
        Words in each chain, for counts.
    visible_offset : Tensor of shape (n_visible,) or None, default=None
        Mean of the visible units, per word for counts; None takes 0.
    """

    fills_gradients: ClassVar[bool] = True
    descends: ClassVar[bool] = True

    base_bias: Tensor
    visible_offset: Tensor
    hidden_offset: Tensor
    chains: Tensor
    chain_counts: Tensor | None
    _shows_averages: Tensor
    _leading: Tensor

    def __init__(
        self,
        scaler: ViewScaler,
        visible: Units,
        hidden: SeparableUnits,
        weight: Tensor,
        visible_bias: Tensor,
        hidden_bias: Tensor,
        base_bias: Tensor,
        *,
        log_variance: Tensor | None = None,
        settings: ContrastiveSettings | None = None,
        n_chains: int = 100,
        chain_counts: Tensor | None = None,
        visible_offset: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.visible = visible
        self.hidden = hidden
        settings = ContrastiveSettings() if settings is None else settings
        self.settings = settings
        self.weight = nn.Parameter(weight)
        self.visible_bias = nn.Parameter(visible_bias)
        self.hidden_bias = nn.Parameter(hidden_bias)
        self.log_variance = None if log_variance is None else nn.Parameter(log_variance)
        self.register_buffer("base_bias", base_bias.clone())
        self.register_buffer(
            "visible_offset",
            torch.zeros_like(visible_bias) if visible_offset is None else visible_offset.clone(),
        )
        self.register_buffer("hidden_offset", hidden.mean(hidden_bias))
        n_rows = n_chains * len(settings.betas) if settings.persistent else 0
        self.register_buffer("chains", weight.new_zeros(n_rows, len(hidden_bias)))
        self.register_buffer("chain_counts", chain_counts)
        self.register_buffer("_leading", torch.ones_like(visible_bias))
        self.register_buffer("_shows_averages", torch.tensor(False))
        if settings.averaging:
            for name, parameter in list(self.named_parameters()):
                self.register_buffer(f"other_{name}", parameter.detach().clone())
        self.contrast = Contrast(settings)

    # -- units ------------------------------------------------------------------------------

    def standardise(self, views: tuple[Tensor, ...]) -> Tensor:
        """Return views as visible states x, side by side."""
        x = self.scaler.join(views)
        return x if self.log_variance is None else x * torch.exp(-0.5 * self.log_variance)

    def to_views(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return visible states in the caller's units."""
        if self.log_variance is not None:
            x = x * torch.exp(0.5 * self.log_variance)
        return self.scaler.split(x)

    def hidden_field(self, x: Tensor, count: Tensor | None = None) -> Tensor:
        """Return W x + n c, (rows, n_hidden)."""
        if count is None or not self.visible.counted:
            return torch.addmm(self.hidden_bias, x, self.weight.T)
        return torch.mm(x, self.weight.T).addcmul_(count, self.hidden_bias)

    def visible_field(self, h: Tensor) -> Tensor:
        """Return b + W^T h, (rows, n_visible)."""
        return torch.addmm(self.visible_bias, h, self.weight)

    def encode(self, batch: Batch) -> Tensor:
        """Return the expected hidden states, (rows, n_hidden)."""
        x = self.standardise(batch.views)
        field = self.hidden_field(x, self.visible.count(x))
        return self.hidden.mean(field) if torch.is_grad_enabled() else self.hidden.mean_(field)

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the expected views given hidden states; one word for counts."""
        return self.to_views(self.visible.mean(self.visible_field(codes)))

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return minus the mean log pseudo-likelihood, for data that are held out."""
        return LossTerms(-self.log_pseudo_likelihood(batch).mean())

    # -- energies ---------------------------------------------------------------------------

    def energy(self, x: Tensor, h: Tensor) -> Tensor:
        """Return E(x, h), (rows,)."""
        count = self.visible.count(x) if self.visible.counted else None
        bias = self.hidden_bias if count is None else self.hidden_bias * count
        base = self.visible.base_energy(x) + self.hidden.base_energy(h)
        return base + bipartite_energy(x, h, self.weight, self.visible_bias, bias)

    def free_energy(self, x: Tensor) -> Tensor:
        """Return minus the log of the sum over h of exp(-E(x, h)), (rows,)."""
        field = self.hidden_field(x, self.visible.count(x))
        outer = self.visible.base_energy(x) - x @ self.visible_bias
        return outer - self.hidden.log_partition(field)

    def free_energy_of(self, batch: Batch) -> Tensor:
        """Return the free energy of a batch of views, (rows,)."""
        return self.free_energy(self.standardise(batch.views))

    def gibbs_step(
        self, x: Tensor, generator: torch.Generator, beta: float | Tensor = 1.0
    ) -> Tensor:
        """Return visible states after one step at an inverse temperature, a number or (rows, 1).

        At 0 the layers are independent and have the data's means.
        """
        count = self.visible.count(x)
        field = self.hidden_field(x, count).mul_(beta)
        h = self.hidden.draw_(field, torch.empty_like(field), generator)
        return self.draw_visible(h, generator, beta, count)

    def draw_visible(
        self, h: Tensor, generator: torch.Generator, beta: float | Tensor, count: Tensor | None
    ) -> Tensor:
        """Return visible states drawn given hidden ones, at an inverse temperature."""
        field = self.visible_field(h)
        if not (isinstance(beta, float) and beta == 1.0):
            field = field.mul_(beta).add_((1.0 - beta) * self.base_bias)
        return self.visible.draw_(field, torch.empty_like(field), generator, count)

    def draw_base(self, n: int, generator: torch.Generator, count: Tensor | None = None) -> Tensor:
        """Return n visible states of the model without connections, (n, n_visible)."""
        return self.visible.draw(self.base_bias.expand(n, -1), generator, count)

    @torch.no_grad()
    def sample(
        self, n: int, generator: torch.Generator, n_steps: int = 500, count: Tensor | None = None
    ) -> Tensor:
        """Return n visible states: chains cooled from the base model, then run at temperature 1."""
        x = self.draw_base(n, generator, count)
        for k in range(n_steps):
            x = self.gibbs_step(x, generator, min(1.0, 2.0 * (k + 1) / n_steps))
        return x

    # -- partition function -----------------------------------------------------------------

    @property
    def log_volume(self) -> Tensor:
        """Log of the volume, in the caller's units, of a unit cube of states x."""
        total = self.scaler.scale.log().sum()
        return total if self.log_variance is None else total + 0.5 * self.log_variance.sum()

    def n_states(self) -> float:
        """Return how many states an exact sum has to visit; 0 for a closed form."""
        if isinstance(self.visible, GaussianUnits) and isinstance(self.hidden, GaussianUnits):
            return 0.0
        return min(self.visible.n_states(), self.hidden.n_states())

    @torch.no_grad()
    def exact_log_partition(self, count: int | None = None) -> float:
        """Return log Z in the caller's units, by a sum over the states of the smaller layer.

        Raises
        ------
        ValueError
            If there are more than `MAX_STATES` states.
        """
        return exact_log_partition(self, count)

    @torch.no_grad()
    def annealed_log_partition(
        self,
        n_chains: int,
        n_temperatures: int,
        generator: torch.Generator,
        *,
        count: int | None = None,
        start: Tensor | None = None,
    ) -> LogMean:
        """Return log Z in the caller's units by annealed importance sampling.

        Parameters
        ----------
        n_chains, n_temperatures : int
            Chains, and length of the ladder from the base-rate model.
        generator : torch.Generator
            Source of the draws.
        count : int or None, default=None
            Words a row, for counts.
        start : Tensor of shape (n_chains, n_visible) or None, default=None
            Draws from the model: run the ladder the other way. None runs it forward.
        """
        return annealed_log_partition(
            self, n_chains, n_temperatures, generator, count=count, start=start
        )

    # -- pseudo-likelihood ------------------------------------------------------------------

    def log_pseudo_likelihood(self, batch: Batch) -> Tensor:
        """Return the sum over units of log p(unit | all others), (rows,), in the caller's units."""
        return log_pseudo_likelihood(self, self.standardise(batch.views))

    # -- training ---------------------------------------------------------------------------

    @torch.no_grad()
    def accumulate_gradients(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Put the gradient of mean F(data) - mean F(samples) on the parameters.

        Parameters
        ----------
        batch : Batch
            Data.
        generator : torch.Generator
            Source of the chains' draws.

        Returns
        -------
        LossTerms
            Minus the log pseudo-likelihood, nats per row, estimated on a few units of a few rows.
        """
        return self.contrast.fill(self, self.standardise(batch.views), generator)

    @torch.no_grad()
    def descend(self, batch: Batch, generator: torch.Generator, rate: float) -> LossTerms:
        """Subtract `rate` times that gradient from the parameters, in one pass over the weights."""
        return self.contrast.descend(self, self.standardise(batch.views), generator, rate)

    def take_settings(self, settings: ContrastiveSettings) -> None:
        """Go on with other settings, of as many chains."""
        self.settings = settings
        self.contrast = Contrast(settings)

    def set_epoch(self, epoch: int) -> None:
        """Take note that an epoch begins, whose first batches are watched."""
        self.contrast.start_epoch()

    def after_step(self) -> None:
        """Keep the precision positive definite and the mean of the weights up to date."""
        limited = self.visible.quadratic and self.hidden.quadratic
        if not limited and not self.settings.averaging:
            return
        with torch.no_grad():
            if limited:
                self._limit_gain()
            if self.settings.averaging:
                for name, parameter in self.named_parameters():
                    self.get_buffer(f"other_{name}").lerp_(parameter, self.settings.averaging)

    def _limit_gain(self) -> None:
        # Power iteration from where the last step left it.
        for _ in range(3):
            h = self.weight @ self._leading
            self._leading.copy_(self.weight.T @ h)
            self._leading.div_(self._leading.norm().clamp_min(1e-30))
        gain = (self.weight @ self._leading).norm()
        self.weight.mul_((0.98 * _MAX_GAIN / gain.clamp_min(1e-30)).clamp_max(1.0))

    @torch.no_grad()
    def _bound_gain(self) -> None:
        if not bool(self.weight.isfinite().all()):
            # Training that diverged: the decomposition would fail before that is said.
            return
        gain = torch.linalg.matrix_norm(self.weight.double(), ord=2).clamp_min(1e-30)
        self.weight.mul_((_MAX_GAIN / gain).clamp_max(1.0).to(self.weight.dtype))

    def train(self, mode: bool = True) -> "RBMModule":
        """Set the mode; evaluation shows the averaged parameters, where there are any."""
        super().train(mode)
        if not mode:
            self.contrast.forget()
            if self.visible.quadratic and self.hidden.quadratic:
                self._bound_gain()
        if self.settings.averaging and bool(self._shows_averages) == mode:
            with torch.no_grad():
                for name, parameter in self.named_parameters():
                    other = self.get_buffer(f"other_{name}")
                    held = parameter.clone()
                    parameter.copy_(other)
                    other.copy_(held)
                self._shows_averages.fill_(not mode)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave scratch space behind."""
        return {name: value for name, value in self.__dict__.items() if name != "contrast"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state and make scratch space anew."""
        # Scratch space that earlier versions kept on the machine itself.
        gone = {"_buffers_of", "_n_batches", "_last_loss"}
        super().__setstate__({name: value for name, value in state.items() if name not in gone})  # type: ignore[no-untyped-call]
        self.contrast = Contrast(self.settings)


def make_rbm(
    visible: Units,
    hidden: SeparableUnits,
    mean: Tensor,
    *,
    generator: torch.Generator,
    scaler: ViewScaler | None = None,
    variance: Tensor | None = None,
    settings: ContrastiveSettings | None = None,
    n_chains: int = 100,
    chain_counts: Tensor | None = None,
) -> RBMModule:
    """Return an untrained machine whose visible units have the data's means.

    Parameters
    ----------
    visible, hidden : Units
        Kinds of the two layers.
    mean : Tensor of shape (n_visible,)
        Of the data, in working units. Probabilities are drawn in from 0 and 1 before their
        log-odds are taken.
    generator : torch.Generator
        Draws the connections, normal with standard deviation 0.01.
    scaler : ViewScaler or None, default=None
        None leaves values alone.
    variance : Tensor of shape (n_visible,) or None, default=None
        Of gaussian visible units, in working units.
    settings : ContrastiveSettings or None, default=None
        How gradients are estimated; None takes the defaults.
    n_chains : int, default=100
        Chains that run beside the data.
    chain_counts : Tensor of shape (n_chains, 1) or None, default=None
        Words in each chain, for counts.

    Returns
    -------
    RBMModule
    """
    settings = ContrastiveSettings() if settings is None else settings
    weight = mean.new_empty(hidden.width, visible.width).normal_(0.0, 0.01, generator=generator)
    if scaler is None:
        zeros, ones = torch.zeros_like(mean), torch.ones_like(mean)
        scaler = ViewScaler(zeros.split(visible.widths), ones.split(visible.widths))
    bias, offset, log_variance = _start(visible, mean, variance)
    hidden_bias = mean.new_zeros(hidden.width)
    if settings.target is not None:
        hidden_bias += math.log(settings.target / (1.0 - settings.target))
    return RBMModule(
        scaler,
        visible,
        hidden,
        weight,
        bias.clone(),
        hidden_bias,
        bias,
        log_variance=log_variance,
        settings=settings,
        n_chains=n_chains,
        chain_counts=chain_counts,
        visible_offset=offset,
    )


def _start(
    visible: Units, mean: Tensor, variance: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return biases that give the data's means, those means as states, and log-variances."""
    if variance is None:
        variance = torch.ones_like(mean)
    biases, offsets, log_variances = [], [], []
    for units, at in parts_of(visible):
        own, log_variance = mean[at], torch.zeros_like(mean[at])
        if units.quadratic:
            log_variance = variance[at].clamp_min(1e-3).log()
            bias = offset = own * torch.exp(-0.5 * log_variance)
        elif units.counted:
            share = (own + 1e-4 * own.sum() / len(own)).clamp_min(1e-12)
            share = share / share.sum()
            # Per word where hidden biases are.
            bias, offset = share.log(), share if visible.counted else own
        else:
            p = own.clamp(0.001, 0.999)
            bias = p.log() - (torch.log1p(-p) if isinstance(units, BernoulliUnits) else 0.0)
            offset = own
        biases.append(bias)
        offsets.append(offset)
        log_variances.append(log_variance)
    found = torch.cat(log_variances) if visible.quadratic else None
    return torch.cat(biases), torch.cat(offsets), found
