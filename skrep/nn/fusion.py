r"""Ways to make one code of several views, any of which may be absent.

Every fusion maps the views side by side in working units, (rows, n_features), and what is present,
(rows, n_views) of zeros and ones or None, to codes, (rows, n_components).

| symbol | variable |
|---|---|
| :math:`c_v`, code of view v by itself | `ViewCodes` |
| :math:`p_v`, whether view v is present | `present` |
| :math:`g_v`, weight of view v, summing to 1 over present views | `view_weights` |
| :math:`s_v`, share of view v in the linear code that training starts at | `shares` |
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skrep.nn.mlp import MLP

__all__ = [
    "AttentionFusion",
    "Completion",
    "ConcatFusion",
    "EarlyFusion",
    "FusionModule",
    "GateFusion",
    "LateFusion",
    "OneProductPath",
    "ViewCodes",
    "ViewWeigher",
    "keep_some",
]

# A table of all subsets of views is kept up to this many numbers; beyond, subsets that occur are
# worked out batch by batch.
_TABLE_SIZE = 1 << 22
_MOST_TABLED = 16
_GATE_WIDTH = 32
# Of a product with all maps, beyond which one map a row is cheaper.
_MOST_COLUMNS = 1024


class FusionModule(nn.Module, ABC):
    """One code of several views."""

    @abstractmethod
    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Return codes, (rows, n_components); what stands in absent views has no effect."""

    @abstractmethod
    def view_weights(self, x: Tensor, present: Tensor | None) -> Tensor | None:
        """Return weights of the views, (rows, n_views), 0 where absent; None if there are none."""


class ViewWeigher(nn.Module):
    r"""Multiply each view by a learned weight, relative to where the weight started.

    View v is multiplied by :math:`g_v \sum_u p_u s_u / s_v`, with :math:`g` the softmax of learned
    numbers over the present views: 1 as long as nothing is learned.

    Parameters
    ----------
    shares : Tensor of shape (n_views,)
        Weights to start from, positive, summing to 1.
    """

    shares: Tensor

    def __init__(self, shares: Tensor) -> None:
        super().__init__()
        self.register_buffer("shares", shares)
        self.logits = nn.Parameter(shares.log())

    def weights(self, present: Tensor | None) -> Tensor:
        """Return the weights, (rows, n_views), or (n_views,) where all views are present."""
        return _masked_softmax(self.logits, present)

    def forward(self, present: Tensor | None) -> Tensor:
        """Return what views are multiplied by; 0 where absent."""
        factors = self.weights(present) / self.shares
        return factors if present is None else factors * (present @ self.shares).unsqueeze(1)


class EarlyFusion(FusionModule):
    """One encoder of the views side by side; an absent view is at its mean.

    Parameters
    ----------
    encoder : torch.nn.Module
        (rows, n_features) to (rows, n_components).
    widths : sequence of int
        Of the views.
    weigher : ViewWeigher or None, default=None
        Learned weights of the views.
    """

    index: Tensor

    def __init__(
        self, encoder: nn.Module, widths: Sequence[int], weigher: ViewWeigher | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.weigher = weigher
        index = torch.repeat_interleave(torch.arange(len(widths)), torch.tensor(list(widths)))
        self.register_buffer("index", index)

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Encode the views, those that are absent set to their means."""
        factors = present if self.weigher is None else self.weigher(present)
        if factors is not None:
            x = x * factors.index_select(-1, self.index)
        codes: Tensor = self.encoder(x)
        return codes

    def view_weights(self, x: Tensor, present: Tensor | None) -> Tensor | None:
        """Return the learned weights, where there are any."""
        if self.weigher is None:
            return None
        weights = self.weigher.weights(present)
        return weights if present is not None else weights.expand(len(x), -1)


class OneProductPath(nn.Module):
    """`skrep.nn.linear_path.WithLinearPath` whose linear path and first layer are one product.

    Where there is an encoder for each of many narrow views, small products are what costs.

    Parameters
    ----------
    linear : torch.nn.Linear
        The linear path; copied.
    network : torch.nn.Sequential
        Its first layer is linear and is copied; the others are kept.
    """

    def __init__(self, linear: nn.Linear, network: nn.Sequential) -> None:
        super().__init__()
        first = cast("nn.Linear", network[0])
        self.sizes = (linear.out_features, first.out_features)
        self.both = nn.Linear(linear.in_features, sum(self.sizes))
        with torch.no_grad():
            self.both.weight.copy_(torch.cat([linear.weight, first.weight]))
            self.both.bias.copy_(torch.cat([linear.bias, first.bias]))
        self.rest = network[1:]

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, n_in) to (rows, n_out)."""
        code, hidden = self.both(x).split_with_sizes(self.sizes, dim=1)
        out: Tensor = code + self.rest(hidden)
        return out


class ViewCodes(nn.Module):
    """One encoder per view.

    Parameters
    ----------
    encoders : sequence of torch.nn.Module
        (rows, width) to (rows, size of the view's code).
    widths : sequence of int
        Of the views.
    """

    def __init__(self, encoders: Sequence[nn.Module], widths: Sequence[int]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.widths = tuple(widths)

    def forward(self, x: Tensor, present: Tensor | None) -> list[Tensor]:
        """Return one code per view, zeros where it is absent."""
        parts = x.split_with_sizes(self.widths, dim=1)
        # Some matrix products copy strided inputs more slowly than this does.
        codes = [
            encoder(part.contiguous()) for encoder, part in zip(self.encoders, parts, strict=True)
        ]
        if present is None:
            return codes
        there = present.split(1, dim=1)
        return [code * p for code, p in zip(codes, there, strict=True)]


class LateFusion(FusionModule):
    """Codes of the views side by side; zeros where a view is absent.

    Parameters
    ----------
    codes : ViewCodes
        One code per view.
    """

    def __init__(self, codes: ViewCodes) -> None:
        super().__init__()
        self.codes = codes

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Return the codes of the views, side by side."""
        return torch.cat(self.codes(x, present), dim=1)

    def view_weights(self, x: Tensor, present: Tensor | None) -> Tensor | None:
        """Return None: nothing weighs the views."""
        return None


class ConcatFusion(FusionModule):
    r"""A linear map of the codes side by side: :math:`\sum_v p_v (J_v c_v + j_v) + j_0`.

    Parameters
    ----------
    codes : ViewCodes
        One code per view, all of one size.
    n_components : int
        Size of these and of the joint code.
    is_sum : bool
        Whether the map starts as the sum of the codes; otherwise it is drawn.
    """

    def __init__(self, codes: ViewCodes, n_components: int, *, is_sum: bool) -> None:
        super().__init__()
        self.codes = codes
        n_views = len(codes.widths)
        self.join = nn.Linear(n_views * (n_components + 1), n_components)
        self._n_bits = n_views
        if is_sum:
            with torch.no_grad():
                self.join.weight.zero_()
                self.join.weight[:, :-n_views].copy_(torch.eye(n_components).repeat(1, n_views))
                self.join.bias.zero_()

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Map codes, zeros where absent, and presence bits to the joint code."""
        parts = self.codes(x, present)
        if present is not None:
            return cast("Tensor", self.join(torch.cat([*parts, present], dim=1)))
        # All bits are 1: their weights add to the bias.
        weight, bits = self.join.weight.split(
            (self.join.in_features - self._n_bits, self._n_bits), dim=1
        )
        return F.linear(torch.cat(parts, dim=1), weight, self.join.bias + bits.sum(dim=1))

    def view_weights(self, x: Tensor, present: Tensor | None) -> Tensor | None:
        """Return None: nothing weighs the views."""
        return None


class GateFusion(FusionModule):
    r"""A mean of the views' codes, :math:`\sum_v g_v c_v`, with weights for each sample.

    The gates are a softmax, over present views, of a small network's output from all codes.

    Parameters
    ----------
    codes : ViewCodes
        One code per view, all of one size.
    n_components : int
        Size of these and of the joint code.
    shares : Tensor of shape (n_views,)
        Gates to start from, for all samples; positive, summing to 1.
    """

    log_shares: Tensor

    def __init__(self, codes: ViewCodes, n_components: int, shares: Tensor) -> None:
        super().__init__()
        self.codes = codes
        n_views = len(shares)
        self.gate = MLP((_GATE_WIDTH,), "tanh")(n_views * (n_components + 1), n_views)
        _zero_(cast("nn.Linear", self.gate[-1]))
        self.register_buffer("log_shares", shares.log())

    def _fuse(self, x: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        parts = self.codes(x, present)
        bits = x.new_ones(len(x), len(parts)) if present is None else present
        logits = self.log_shares + self.gate(torch.cat([*parts, bits], dim=1))
        weights = _masked_softmax(logits, present)
        return _weighted_sum(weights, torch.stack(parts, dim=1)), weights

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Return the mean of the codes of present views."""
        return self._fuse(x, present)[0]

    def view_weights(self, x: Tensor, present: Tensor | None) -> Tensor | None:
        """Return the gates."""
        return self._fuse(x, present)[1]


class AttentionFusion(FusionModule):
    r"""Codes of views as tokens that look at each other, and then a mean that a query weighs.

    .. math:: t_v = c_v + \mathrm{attention}(c + e)_v, \quad z = \sum_v g_v t_v, \quad
        g = \mathrm{softmax}_{v\ \mathrm{present}}(\log s_v + q \cdot (t_v + e_v) / \sqrt{k})

    with a learned vector :math:`e_v` per view, a learned query :math:`q`, and absent views masked
    in both steps.

    Parameters
    ----------
    codes : ViewCodes
        One code per view, all of one size.
    n_components : int
        Size of these and of the joint code.
    shares : Tensor of shape (n_views,)
        Weights to start from; positive, summing to 1.
    """

    log_shares: Tensor

    def __init__(self, codes: ViewCodes, n_components: int, shares: Tensor) -> None:
        super().__init__()
        self.codes = codes
        self.n_heads = next(n for n in (4, 2, 1) if n_components % n == 0)
        self.places = nn.Parameter(0.1 * torch.randn(len(shares), n_components))
        self.project = nn.Linear(n_components, 3 * n_components)
        self.out = nn.Linear(n_components, n_components)
        _zero_(self.out)
        self.query = nn.Parameter(torch.zeros(n_components))
        self.register_buffer("log_shares", shares.log())

    def _fuse(self, x: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        tokens = torch.stack(self.codes(x, present), dim=1)
        rows, n_views, size = tokens.shape
        heads = self.project(tokens + self.places)
        heads = heads.reshape(rows, n_views, 3, self.n_heads, size // self.n_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        mask = None if present is None else (present > 0)[:, None, None, :]
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        tokens = tokens + self.out(seen.transpose(1, 2).reshape(rows, n_views, size))
        scores = (tokens + self.places) @ self.query / size**0.5
        weights = _masked_softmax(self.log_shares + scores, present)
        return _weighted_sum(weights, tokens), weights

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Return the weighted mean of the tokens of present views."""
        return self._fuse(x, present)[0]

    def view_weights(self, x: Tensor, present: Tensor | None) -> Tensor | None:
        """Return the weights of that mean."""
        return self._fuse(x, present)[1]


class Completion(nn.Module):
    r"""Bring the code of a subset of views to what all views would have given, linearly.

    Codes are a sum of the views' messages, :math:`z = \sum_v m_v`. Of a subset S only
    :math:`h = \sum_{v \in S} m_v` is known, and the whole is regressed on it:

    .. math:: \hat z = \mathrm{E}\,z + \mathrm{cov}(z, h)\,
        (\mathrm{cov}(h) + \lambda I)^{-1} (h - \mathrm{E}\,h)

    with :math:`\lambda` relative to the mean variance of :math:`h`. Where all views are present it
    is the identity. The maps are fixed, not learned.

    Parameters
    ----------
    moments : Tensor of shape (n_views, n_views, n_components, n_components)
        Covariances of the messages of two views.
    means : Tensor of shape (n_views, n_components)
        Of the messages.
    ridge : float
        The ridge; more shrinks codes of incomplete samples to the mean.
    shares : Tensor of shape (n_views,) or None, default=None
        Of codes that are a mean with these weights instead of a sum, so that h is the code times
        the sum of the shares present.
    keeps : bool, default=False
        Whether h is kept and only what absent views would add is regressed on it, as fits codes
        of which every view has a part to itself.
    """

    table: Tensor | None
    offsets: Tensor | None

    def __init__(
        self,
        moments: Tensor,
        means: Tensor,
        ridge: float,
        shares: Tensor | None = None,
        *,
        keeps: bool = False,
    ) -> None:
        super().__init__()
        n_views, size = means.shape
        self.register_buffer("moments", moments)
        self.register_buffer("means", means)
        self.register_buffer("shares", shares)
        self.ridge = ridge
        self.keeps = keeps
        table = offsets = None
        if n_views <= _MOST_TABLED and 2**n_views * size**2 <= _TABLE_SIZE:
            bits = torch.arange(2**n_views)[:, None] >> torch.arange(n_views) & 1
            table, offsets = self._maps(bits.to(means.dtype))
        self.register_buffer("table", table)
        self.register_buffer("offsets", offsets)

    def forward(self, codes: Tensor, present: Tensor | None) -> Tensor:
        """Return completed codes of the same shape."""
        if present is None:
            return codes
        if self.table is None:
            patterns, index = present.unique(dim=0, return_inverse=True)
            table, offsets = self._maps(patterns)
        else:
            powers = 2.0 ** torch.arange(present.shape[1], device=present.device)
            index = (present @ powers.to(present.dtype)).long()
            table, offsets = self.table, cast("Tensor", self.offsets)
        return _mapped(table, index, codes) + offsets[index]

    def _maps(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps (subsets, k, k) and offsets (subsets, k) for rows of zeros and ones."""
        there = present.double()
        targets = 1.0 - there if self.keeps else torch.ones_like(there)
        moments = cast("Tensor", self.moments).double()
        means = cast("Tensor", self.means).double()
        eye = torch.eye(means.shape[1], dtype=torch.double, device=means.device)
        covariance = torch.einsum("su,sv,uvij->sij", there, there, moments)
        cross = torch.einsum("su,sv,uvij->sij", targets, there, moments)
        scale = covariance.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
        slope = torch.linalg.solve(
            covariance + (self.ridge * scale + 1e-12 * (1.0 + scale)) * eye, cross, left=False
        )
        offset = targets @ means - torch.einsum("sij,sj->si", slope, there @ means)
        whole = there.all(dim=1)[:, None]
        maps = torch.where(whole[:, :, None], eye, slope + eye if self.keeps else slope)
        shares = cast("Tensor | None", self.shares)
        if shares is not None:
            maps = maps * (there @ shares.double())[:, None, None]
        return maps.to(present.dtype), torch.where(whole, 0.0, offset).to(present.dtype)


def _mapped(table: Tensor, index: Tensor, codes: Tensor) -> Tensor:
    """Return table[index] times codes, row by row."""
    n_maps, size, _ = table.shape
    if n_maps * size > _MOST_COLUMNS:
        return torch.bmm(table[index], codes.unsqueeze(2)).squeeze(2)
    # All maps of all rows at once, in one product, are cheaper than a matrix per row.
    mapped = (codes @ table.reshape(n_maps * size, size).T).reshape(-1, n_maps, size)
    return mapped.gather(1, index[:, None, None].expand(-1, 1, size)).squeeze(1)


def keep_some(known: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Drop known views at random: of n, a number uniform in 1 to n stays, which ones at random.

    Parameters
    ----------
    known : Tensor of shape (rows, n_views)
        Ones where a view is known, zeros elsewhere; a row has at least a one.
    rate : float
        Share of the rows that take part; the others keep all.
    generator : torch.Generator
        Of the draws.

    Returns
    -------
    Tensor of shape (rows, n_views)
        Ones where a view stays.
    """
    rows, n_views = known.shape
    draws = torch.rand(rows, n_views + 2, generator=generator, device=known.device)
    order = draws[:, :n_views].to(known.dtype) + 2.0 * (1.0 - known)
    rank = order.argsort(dim=1).argsort(dim=1)
    n_known = known.sum(dim=1)
    count = (draws[:, -2].to(known.dtype) * n_known).floor() + 1.0
    if rate < 1:
        count = torch.where(draws[:, -1] < rate, count, n_known)
    return (rank < count.unsqueeze(1)).to(known.dtype) * known


def _masked_softmax(logits: Tensor, present: Tensor | None) -> Tensor:
    """Softmax over present views, 0 for the others."""
    if present is not None:
        logits = torch.where(present > 0, logits, -torch.inf)
    return torch.softmax(logits, dim=-1)


def _weighted_sum(weights: Tensor, codes: Tensor) -> Tensor:
    """Return sum over views of weights (rows, n_views) times codes (rows, n_views, size)."""
    return torch.bmm(weights.unsqueeze(1), codes).squeeze(1)


def _zero_(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
