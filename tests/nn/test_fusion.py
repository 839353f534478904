"""Fusions of views: what is absent has no effect, weights are weights, completion is regression."""

import numpy as np
import pytest
import torch
from torch import nn

from skrep.nn import fusion
from skrep.nn.fusion import (
    AttentionFusion,
    Completion,
    ConcatFusion,
    EarlyFusion,
    GateFusion,
    LateFusion,
    OneProductPath,
    ViewCodes,
    ViewWeigher,
    keep_some,
)
from skrep.nn.linear_path import WithLinearPath
from skrep.nn.mlp import MLP

WIDTHS = (5, 3, 4)
SHARES = torch.tensor([0.5, 0.3, 0.2])
SIZE = 4


def view_codes():
    return ViewCodes([nn.Linear(width, SIZE) for width in WIDTHS], WIDTHS)


MAKERS = {
    "early": lambda: EarlyFusion(nn.Linear(12, SIZE), WIDTHS),
    "early_weighted": lambda: EarlyFusion(nn.Linear(12, SIZE), WIDTHS, ViewWeigher(SHARES)),
    "late": lambda: LateFusion(view_codes()),
    "concat": lambda: ConcatFusion(view_codes(), SIZE, is_sum=False),
    "gate": lambda: GateFusion(view_codes(), SIZE, SHARES),
    "attention": lambda: AttentionFusion(view_codes(), SIZE, SHARES),
}
WEIGHING = ("early_weighted", "gate", "attention")


@pytest.fixture(name="x")
def batch(seed):
    return torch.randn(40, 12, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(name="present")
def mask(seed):
    known = torch.ones(40, 3)
    return keep_some(known, 1.0, torch.Generator().manual_seed(seed))


def trained(name):
    """A fusion none of whose parameters is at a start that hides its effect."""
    module = MAKERS[name]()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


@pytest.fixture(autouse=True)
def _own_rng(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@pytest.mark.parametrize("name", MAKERS)
def test_what_stands_in_an_absent_view_has_no_effect(name, x, present):
    module = trained(name)
    index = torch.repeat_interleave(torch.arange(3), torch.tensor(WIDTHS))
    other = torch.where(present[:, index] > 0, x, 7.0 * x - 2.0)
    torch.testing.assert_close(module(other, present), module(x, present))
    weights, again = module.view_weights(x, present), module.view_weights(other, present)
    assert (weights is None) is (name not in WEIGHING)
    if weights is not None:
        torch.testing.assert_close(weights, again)


@pytest.mark.parametrize("name", MAKERS)
def test_no_mask_means_that_all_is_there(name, x):
    module = trained(name)
    torch.testing.assert_close(module(x, None), module(x, torch.ones(40, 3)))


@pytest.mark.parametrize("name", WEIGHING)
def test_weights_sum_to_one_over_present_views(name, x, present):
    weights = trained(name).view_weights(x, present)
    assert weights.shape == (40, 3)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(40))
    assert ((weights > 0) == (present > 0)).all()


@pytest.mark.parametrize("name", WEIGHING)
def test_weights_start_at_the_shares(name, x, present):
    torch.manual_seed(1)
    weights = MAKERS[name]().view_weights(x, present)
    expected = SHARES * present
    torch.testing.assert_close(weights, expected / expected.sum(dim=1, keepdim=True))


def test_a_sum_of_codes_is_where_concat_starts(x, present):
    codes = view_codes()
    expected = sum(codes(x, present))
    torch.testing.assert_close(ConcatFusion(codes, SIZE, is_sum=True)(x, present), expected)


def test_a_weigher_does_nothing_before_it_learns(x, present):
    encoder = nn.Linear(12, SIZE)
    plain = EarlyFusion(encoder, WIDTHS)
    weighted = EarlyFusion(encoder, WIDTHS, ViewWeigher(SHARES))
    for mask in (None, present):
        torch.testing.assert_close(weighted(x, mask), plain(x, mask))


@pytest.mark.parametrize("hidden", [(7,), (7, 6)])
def test_one_product_is_the_linear_path_beside_the_network(hidden, x):
    linear, network = nn.Linear(12, SIZE), MLP(hidden)(12, SIZE)
    both = OneProductPath(linear, network)
    torch.testing.assert_close(both(x), WithLinearPath(linear, network)(x))


def messages(seed, n=500):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, SIZE))
    found = [common @ rng.normal(size=(SIZE, SIZE)) + rng.normal(size=(n, SIZE)) for _ in range(3)]
    return [torch.from_numpy(m + rng.normal(size=SIZE)) for m in found]


def completion_of(parts, **settings):
    means = torch.stack([m.mean(dim=0) for m in parts])
    centred = [m - m.mean(dim=0) for m in parts]
    moments = torch.stack([torch.stack([a.T @ b / len(a) for b in centred]) for a in centred])
    return Completion(moments, means, settings.pop("ridge", 0.0), **settings)


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("subset", [(1, 0, 0), (0, 1, 1), (1, 0, 1)])
def test_completion_is_the_least_squares_regression(subset, keeps, seed):
    parts = messages(seed)
    completion = completion_of(parts, keeps=keeps)
    present = torch.tensor([subset], dtype=torch.double).expand(500, -1)
    known = sum(m * p for m, p in zip(parts, subset, strict=True))
    wanted = sum(m * (1 - p) if keeps else m for m, p in zip(parts, subset, strict=True))
    inputs = np.column_stack([known.numpy(), np.ones(500)])
    slope = np.linalg.lstsq(inputs, wanted.numpy(), rcond=None)[0]
    expected = inputs @ slope + (known.numpy() if keeps else 0.0)
    np.testing.assert_allclose(completion(known, present).numpy(), expected, atol=1e-6)


def test_completion_of_a_mean_undoes_the_mean(seed):
    parts = messages(seed)
    shares = SHARES.double()
    present = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.double).expand(500, -1)
    known = parts[0] + parts[2]
    plain = completion_of(parts, ridge=0.1)(known, present)
    mean = completion_of(parts, ridge=0.1, shares=shares)(known / 0.7, present)
    torch.testing.assert_close(mean, plain)


def test_completion_leaves_complete_codes_alone(seed):
    codes = sum(messages(seed))
    completion = completion_of(messages(seed), ridge=1.0)
    torch.testing.assert_close(completion(codes, torch.ones(500, 3).double()), codes)
    assert completion(codes, None) is codes


def test_a_ridge_shrinks_to_the_mean(seed):
    parts = messages(seed)
    present = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.double).expand(500, -1)
    found = completion_of(parts, ridge=1e9)(parts[1], present)
    mean = sum(m.mean(dim=0) for m in parts).expand(500, -1)
    torch.testing.assert_close(found, mean, atol=1e-5, rtol=0)


def test_without_room_for_a_table_subsets_are_worked_out(seed, monkeypatch):
    parts = messages(seed)
    present = keep_some(torch.ones(500, 3).double(), 1.0, torch.Generator().manual_seed(seed))
    known = sum(m * p[:, None] for m, p in zip(parts, present.T, strict=True))
    kept = completion_of(parts, ridge=0.1)(known, present)
    monkeypatch.setattr(fusion, "_TABLE_SIZE", 0)
    made = completion_of(parts, ridge=0.1)
    assert made.table is None
    torch.testing.assert_close(made(known, present), kept)
    monkeypatch.setattr(fusion, "_MOST_COLUMNS", 0)
    torch.testing.assert_close(made(known, present), kept)


def test_the_number_of_views_kept_is_uniform(seed):
    n = 30_000
    known = torch.ones(n, 3)
    known[: n // 2, 0] = 0.0
    kept = keep_some(known, 1.0, torch.Generator().manual_seed(seed))
    assert (kept <= known).all()
    # Each share is within 5 standard errors: false alarms below 1e-5 for all of them.
    for rows, n_known in ((kept[: n // 2], 2), (kept[n // 2 :], 3)):
        counts = rows.sum(dim=1)
        for count in range(1, n_known + 1):
            p = 1 / n_known
            assert abs((counts == count).float().mean() - p) < 5 * (p * (1 - p) / len(rows)) ** 0.5
    # Of three views, two on average: each is kept with probability 2/3.
    share = kept[n // 2 :].mean(dim=0)
    assert (abs(share - 2 / 3) < 5 * (2 / 9 / (n // 2)) ** 0.5).all()


def test_a_rate_is_the_share_of_rows_that_take_part(seed):
    n = 20_000
    kept = keep_some(torch.ones(n, 2), 0.4, torch.Generator().manual_seed(seed))
    # Half of those that take part keep both views.
    lost = (kept.sum(dim=1) < 2).float().mean()
    assert abs(lost - 0.2) < 5 * (0.16 / n) ** 0.5
    assert keep_some(torch.ones(n, 2), 0.0, torch.Generator().manual_seed(seed)).all()
