"""The general Boltzmann machine as a torch module that fills its own gradients.

Visible units stand first, hidden ones after them. The couplings are one symmetric parameter whose
gradient is that of the free parameters w_ij = J_ij = J_ji, as in an RBM's weights.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from skrep.functional.coloring import color_blocks
from skrep.functional.energies import binary_states
from skrep.functional.ising import (
    gibbs_sweep_,
    ising_energy,
    make_blocks,
    mean_field_,
    unit_entropy,
    unit_log_partition,
    unit_mean,
)
from skrep.nn.module import Batch, LossTerms, RepresentationModule

__all__ = ["BoltzmannModule"]

# Sweeps of the mean-field equations: in a training step, and for what users are given.
_TRAINING_SWEEPS = 10
_SWEEPS = 30


class BoltzmannModule(RepresentationModule):
    """Two-valued units with any symmetric couplings, some of them observed.

    Parameters
    ----------
    coupling : Tensor of shape (n_units, n_units)
        Symmetric, zero diagonal; dense, or sparse for a model that is not trained.
    field : Tensor of shape (n_units,)
        Biases.
    n_visible : int
        The first units are observed.
    spin : bool
        Values -1 and 1 rather than 0 and 1.
    connected : ndarray or sparse matrix of shape (n_units, n_units)
        Where couplings may differ from 0.
    exact : bool, default=False
        Sum over all states for the gradient.
    chains : Tensor of shape (n_units, n_chains) or None, default=None
        Where the persistent chains start.
    n_gibbs_steps : int, default=1
        Sweeps of the chains a step.
    widths : sequence of int or None, default=None
        Features of each view; None for one.
    """

    fills_gradients: ClassVar[bool] = True

    mask: Tensor
    chains: Tensor | None

    def __init__(
        self,
        coupling: Tensor,
        field: Tensor,
        n_visible: int,
        *,
        spin: bool,
        connected: np.ndarray,
        exact: bool = False,
        chains: Tensor | None = None,
        n_gibbs_steps: int = 1,
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.coupling = nn.Parameter(coupling, requires_grad=not coupling.is_sparse)
        self.field = nn.Parameter(field)
        self.n_visible = n_visible
        self.spin = spin
        self.exact = exact
        self.n_gibbs_steps = n_gibbs_steps
        self.widths = [n_visible] if widths is None else list(widths)
        self.blocks = color_blocks(connected)
        self.hidden_blocks = _within(self.blocks, n_visible, len(field))
        self.visible_blocks = _within(self.blocks, 0, n_visible)
        if not coupling.is_sparse:
            self.register_buffer("mask", torch.from_numpy(connected).to(coupling.dtype))
        self.register_buffer("chains", chains)

    # -- inference --------------------------------------------------------------------------

    def dense_coupling(self) -> Tensor:
        """Return the couplings as a dense matrix, (n_units, n_units)."""
        coupling = self.coupling
        return coupling.to_dense() if coupling.is_sparse else coupling

    def means(self, visible: Tensor, n_sweeps: int = _SWEEPS) -> Tensor:
        """Return mean-field means of all units, (rows, n_units); NaN marks what is not observed."""
        unknown = torch.isnan(visible)
        start = unit_mean(self.field, self.spin).expand(len(visible), -1).clone()
        free: Tensor | None = None
        blocks = self.hidden_blocks
        if bool(unknown.any()):
            free = torch.ones_like(start, dtype=torch.bool)
            free[:, : self.n_visible] = unknown
            blocks = self.blocks
            visible = torch.where(unknown, start[:, : self.n_visible], visible)
        elif len(blocks) <= 1:
            # Hidden units that do not meet each other are independent: one sweep is exact.
            n_sweeps = 1
        start[:, : self.n_visible] = visible
        return self._solve(start, blocks, n_sweeps, free)

    def _solve(
        self, start: Tensor, blocks: list[np.ndarray], n_sweeps: int, free: Tensor | None
    ) -> Tensor:
        moved = [torch.from_numpy(block).to(start.device) for block in blocks]
        return mean_field_(
            start, self.dense_coupling(), self.field, moved, self.spin, n_sweeps, free
        )

    def encode(self, batch: Batch) -> Tensor:
        """Return mean-field means of the hidden units, (rows, n_hidden)."""
        return self.means(torch.cat(batch.views, dim=1))[:, self.n_visible :]

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return mean-field means of the visible units given the hidden ones."""
        start = unit_mean(self.field, self.spin).expand(len(codes), -1).clone()
        start[:, self.n_visible :] = codes
        n_sweeps = 1 if len(self.visible_blocks) <= 1 else _SWEEPS
        solved = self._solve(start, self.visible_blocks, n_sweeps, None)
        views: tuple[Tensor, ...] = solved[:, : self.n_visible].split(self.widths, dim=1)
        return views

    def free_energy(self, visible: Tensor) -> Tensor:
        """Return the variational free energy of complete rows, (rows,): at least the true one."""
        means = self.means(visible)
        entropy = unit_entropy(means[:, self.n_visible :], self.spin).sum(dim=1)
        return ising_energy(means, self.coupling, self.field) - entropy

    def free_energy_of(self, batch: Batch) -> Tensor:
        """Return `free_energy` of a batch."""
        return self.free_energy(torch.cat(batch.views, dim=1))

    # -- learning ---------------------------------------------------------------------------

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the loss without moving the chains."""
        visible = torch.cat(batch.views, dim=1)
        if self.exact:
            return LossTerms(self._exact_statistics(visible)[0])
        return LossTerms(self._pseudo_likelihood(self.means(visible, _TRAINING_SWEEPS)))

    @torch.no_grad()
    def accumulate_gradients(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Fill the gradient of the negative log-likelihood, exact or from persistent chains."""
        if self.coupling.is_sparse:
            raise ValueError(
                "Sparse couplings are not trained: they hold a problem to be annealed or sampled. "
                "Pass dense ones to `from_couplings`, or call `fit`."
            )
        visible = torch.cat(batch.views, dim=1)
        if self.exact:
            loss, second, first = self._exact_statistics(visible)
        else:
            means = self.means(visible, _TRAINING_SWEEPS)
            loss = self._pseudo_likelihood(means)
            chains = self._move_chains(self.chains, generator)
            second = means.T @ means / len(means) - chains @ chains.T / chains.shape[1]
            first = means.mean(dim=0) - chains.mean(dim=1)
        # Both triangles get the same number, whatever the rounding of the products.
        self.coupling.grad = (second + second.T).mul_(-0.5).mul_(self.mask)
        self.field.grad = -first
        return LossTerms(loss)

    def _move_chains(self, chains: Tensor | None, generator: torch.Generator) -> Tensor:
        if chains is None:
            raise ValueError("A module that is not exact needs `chains` to be trained.")
        blocks = make_blocks(self.coupling, self.blocks)
        field = self.field[blocks.order].unsqueeze(1)
        states = chains[blocks.order]
        for _ in range(self.n_gibbs_steps):
            gibbs_sweep_(states, blocks, field, self.spin, generator)
        chains[blocks.order] = states
        return chains

    def _pseudo_likelihood(self, means: Tensor) -> Tensor:
        """Return minus the mean log-probability of each visible unit given all other means."""
        n = self.n_visible
        pull = means @ self.coupling[:, :n] + self.field[:n]
        terms = unit_log_partition(pull, self.spin) - pull * means[:, :n]
        return terms.sum(dim=1).mean()

    def _exact_statistics(self, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean negative log-likelihood and data minus model moments, by enumeration."""
        n, n_hidden = self.n_visible, len(self.field) - self.n_visible
        coupling, field = self.coupling, self.field
        above = self._states(n)
        below = self._states(n_hidden)
        table = (above @ coupling[:n, n:]) @ below.T
        table -= ising_energy(above, coupling[:n, :n], field[:n]).unsqueeze(1)
        table -= ising_energy(below, coupling[n:, n:], field[n:]).unsqueeze(0)
        free = table.logsumexp(dim=1)
        log_z = free.logsumexp(dim=0)
        bits = (visible > 0.5).long()
        rows = (bits << torch.arange(n, device=bits.device)).sum(dim=1)
        share = torch.bincount(rows, minlength=len(above)).to(table.dtype) / len(rows)
        loss = log_z - (share * free).sum()
        difference = torch.softmax(table, dim=1) * share.unsqueeze(1) - torch.exp(table - log_z)
        over_above, over_below = difference.sum(dim=1), difference.sum(dim=0)
        second = torch.empty_like(coupling)
        second[:n, :n] = above.T @ (over_above.unsqueeze(1) * above)
        second[:n, n:] = above.T @ difference @ below
        second[n:, :n] = second[:n, n:].T
        second[n:, n:] = below.T @ (over_below.unsqueeze(1) * below)
        return loss, second, torch.cat([over_above @ above, over_below @ below])

    def _states(self, n_units: int) -> Tensor:
        bits = binary_states(0, 1 << n_units, n_units, self.field)
        return bits.mul_(2.0).sub_(1.0) if self.spin else bits


def _within(blocks: list[np.ndarray], start: int, stop: int) -> list[np.ndarray]:
    kept = [block[(block >= start) & (block < stop)] for block in blocks]
    return [block for block in kept if len(block)]
