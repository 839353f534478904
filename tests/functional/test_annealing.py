"""Annealing between models whose ratio is known in closed form."""

import math

import pytest
import torch

from skrep.functional.annealing import (
    annealed_log_weights,
    log_mean_weight,
    temperature_ladder,
)


def gaussian_ladder(seed, n_chains=2000):
    """From a normal of precision 1 to one of precision 4, with exact draws as moves."""
    generator = torch.Generator().manual_seed(seed)

    def precision(beta):
        return 1.0 + 3.0 * beta

    def change(x, beta, after):
        return 0.5 * (precision(beta) - precision(after)) * x.square()

    def move(_, beta):
        return torch.randn(n_chains, generator=generator) / precision(beta) ** 0.5

    return move, change


@pytest.mark.parametrize("reverse", [False, True])
def test_ratio_of_gaussians(seed, reverse):
    """False-alarm rate 6e-5: 4 standard errors."""
    move, change = gaussian_ladder(seed)
    ladder = temperature_ladder(20)
    ladder = ladder[::-1] if reverse else ladder
    found = log_mean_weight(annealed_log_weights(move(None, ladder[0]), ladder, change, move))
    expected = -0.5 * math.log(4.0) * (-1 if reverse else 1)
    assert abs(found.value - expected) < 4 * found.standard_error
    assert found.standard_error < 0.02
    assert found.effective_size > 1000


def test_ladder_rises_from_0_to_1_and_is_finest_at_1():
    ladder = torch.tensor(temperature_ladder(50))
    steps = ladder.diff()
    assert ladder[0] == 0
    assert ladder[-1] == 1
    assert (steps > 0).all()
    assert steps[-1] < steps[0]


def test_mean_weight_does_not_overflow():
    found = log_mean_weight(torch.tensor([1e4, 1e4]))
    assert found.value == 1e4
    assert found.standard_error == 0
    one = log_mean_weight(torch.tensor([0.0, -1e4]))
    assert one.effective_size == pytest.approx(1)
    assert one.spread > 1e3


def test_a_ladder_needs_two_rungs():
    with pytest.raises(ValueError, match=r"at least two temperatures\. Got \[1\.0\]"):
        annealed_log_weights(torch.zeros(1), [1.0], lambda *_: torch.zeros(1), lambda x, _: x)
