"""Units of several kinds side by side, against the kinds alone and sums over states."""

import copy
import pickle

import pytest
import torch

from skrep.nn.mixed_units import MixedUnits, parts_of
from skrep.nn.units import BernoulliUnits, CategoricalUnits, GaussianUnits, MultinomialUnits

WORDS = torch.tensor([[3.0], [0.0], [7.0], [2.0], [5.0]], dtype=torch.float64)


def layer():
    """Two binary views that stand together, one real, a label, words."""
    kinds = [BernoulliUnits((2,)), BernoulliUnits((1,)), GaussianUnits((2,))]
    return MixedUnits([*kinds, CategoricalUnits((3,)), MultinomialUnits((4,))])


def some_field(seed, width=12, rows=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator, dtype=torch.float64)


def test_neighbours_of_one_kind_are_one_block():
    units = layer()
    assert [(type(u).__name__, at.start, at.stop) for u, at in units.parts] == [
        ("BernoulliUnits", 0, 3),
        ("GaussianUnits", 3, 5),
        ("CategoricalUnits", 5, 8),
        ("MultinomialUnits", 8, 12),
    ]
    assert [(at.start, at.stop) for _, at in units.by_view] == [
        (0, 2),
        (2, 3),
        (3, 5),
        (5, 8),
        (8, 12),
    ]
    assert units.quadratic
    assert not units.counted
    words = MixedUnits([MultinomialUnits((2,)), MultinomialUnits((3,))])
    assert len(words.parts) == 2  # each vocabulary has a softmax of its own
    labels = MixedUnits([CategoricalUnits((2,)), CategoricalUnits((3,))])
    assert labels.parts[0][0].widths == (2, 3)
    alone = BernoulliUnits((4,))
    assert parts_of(alone) == ((alone, slice(0, 4)),)
    assert parts_of(units) == units.parts


def test_every_quantity_is_that_of_the_views(seed):
    units, field = layer(), some_field(seed)
    x = units.draw(field, torch.Generator().manual_seed(seed), WORDS)
    torch.testing.assert_close(units.count(x), WORDS)
    cut = [(view, at, WORDS if view.counted else None) for view, at in units.by_view]
    for name in ("mean", "mean_"):
        expected = torch.cat([v.mean(field[:, at], own) for v, at, own in cut], dim=1)
        torch.testing.assert_close(getattr(units, name)(field.clone(), WORDS), expected)
    total = sum(v.log_partition(field[:, at], own) for v, at, own in cut)
    torch.testing.assert_close(units.log_partition(field, WORDS), total)
    energy = sum(v.base_energy(x[:, at]) for v, at, _ in cut)
    torch.testing.assert_close(units.base_energy(x), energy)


def test_draws_have_the_expected_states(seed):
    """Mean of 20,000 draws within 5 standard errors: a false alarm in 10^5 runs."""
    units, n = layer(), 20_000
    field = some_field(seed, rows=1).expand(n, -1)
    words = torch.full((n, 1), 4.0, dtype=torch.float64)
    left = field.clone()
    x = torch.empty_like(left)
    units.draw_(left, x, torch.Generator().manual_seed(seed), words)
    expected = units.mean(field[:1], words[:1])[0]
    torch.testing.assert_close(left[0], expected)  # the field is left holding the means
    error = x.std(dim=0) / n**0.5
    assert ((x.mean(dim=0) - expected).abs() < 5 * error + 1e-9).all()


def test_states_are_all_combinations(seed):
    kinds = [BernoulliUnits((2,)), CategoricalUnits((3,)), BernoulliUnits((1,))]
    units, field = MixedUnits(kinds), some_field(seed, 6)
    states = units.states(0, 24, field)
    assert units.n_states() == 24 == len(states.unique(dim=0))
    assert (states[:, 2:5].sum(dim=1) == 1).all()
    total = torch.logsumexp(field @ states.T - units.base_energy(states), dim=1)
    torch.testing.assert_close(units.log_partition(field), total)
    torch.testing.assert_close(units.states(5, 9, field), states[5:9])
    assert layer().n_states() == float("inf")


def test_views_can_be_selected(seed):
    units, field = layer(), some_field(seed)
    some, columns = units.select((1, 4))
    assert columns.tolist() == [2, 8, 9, 10, 11]
    assert [type(view).__name__ for view in some.views] == ["BernoulliUnits", "MultinomialUnits"]
    expected = units.mean(field, WORDS)[:, columns]
    torch.testing.assert_close(some.mean(field[:, columns], WORDS), expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda units: pickle.loads(pickle.dumps(units))])
def test_layers_can_be_copied(copied, seed):
    units, field = layer(), some_field(seed)
    torch.testing.assert_close(copied(units).mean(field), units.mean(field))
