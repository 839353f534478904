"""Contrastive losses against their definitions, written out sample by sample."""

import math

import pytest
import torch

from skrep.functional.contrastive import info_nce, pairwise_sigmoid, recall_at_one


def codes(seed, n=7, k=3, n_views=2):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(n_views, n, k, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=2).unbind()


LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3])


def slow_info_nce(a, b, temperature, labels):
    """Return the mean cross-entropy of softmax rows, both ways, positives weighted alike."""
    total = 0.0
    for queries, gallery in ((a, b), (b, a)):
        for i, query in enumerate(queries):
            scores = [float(query @ other) / temperature for other in gallery]
            log_total = math.log(sum(map(math.exp, scores)))
            positives = [j for j in range(len(b)) if labels[j] == labels[i]]
            total += sum(log_total - scores[j] for j in positives) / len(positives)
    return total / (2 * len(a))


def slow_sigmoid(a, b, temperature, bias, labels):
    total = 0.0
    for i in range(len(a)):
        for j in range(len(b)):
            sign = 1 if labels[i] == labels[j] else -1
            total += math.log1p(math.exp(-sign * (float(a[i] @ b[j]) / temperature + bias)))
    return total / len(a)


@pytest.mark.parametrize("labels", [None, LABELS], ids=["pairs", "labels"])
@pytest.mark.parametrize("block_rows", [None, 3])
def test_losses_are_their_definitions(labels, block_rows, seed):
    a, b = codes(seed)
    own = torch.arange(7) if labels is None else labels
    got = info_nce(a, b, 0.3, labels, block_rows=block_rows)
    assert float(got) == pytest.approx(slow_info_nce(a, b, 0.3, own), rel=1e-12)
    got = pairwise_sigmoid(a, b, 0.3, -1.5, labels, block_rows=block_rows)
    assert float(got) == pytest.approx(slow_sigmoid(a, b, 0.3, -1.5, own), rel=1e-12)


@pytest.mark.parametrize("n", [2, 5, 64])
@pytest.mark.parametrize("labelled", [False, True])
def test_info_nce_of_equal_similarities_is_log_n(n, labelled):
    same = torch.full((n, 4), 0.5, dtype=torch.float64)
    labels = torch.arange(n) % 2 if labelled else None
    assert float(info_nce(same, same, 0.07, labels)) == pytest.approx(math.log(n), rel=1e-12)


def test_labels_that_are_all_different_are_pairs(seed):
    a, b = codes(seed)
    own = torch.arange(7)
    assert float(info_nce(a, b, 0.2, own)) == pytest.approx(float(info_nce(a, b, 0.2)))
    pairs = pairwise_sigmoid(a, b, 0.2, -3.0)
    assert float(pairwise_sigmoid(a, b, 0.2, -3.0, own)) == pytest.approx(float(pairs))


@pytest.mark.parametrize("labels", [None, LABELS], ids=["pairs", "labels"])
@pytest.mark.parametrize("block_rows", [None, 2])
def test_gradients_are_those_of_finite_differences(labels, block_rows, seed):
    a, b = (code.requires_grad_() for code in codes(seed))
    temperature = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a, b, t: info_nce(a, b, t, labels, block_rows=block_rows), (a, b, temperature)
    )
    assert torch.autograd.gradcheck(
        lambda a, b, t, c: pairwise_sigmoid(a, b, t, c, labels, block_rows=block_rows),
        (a, b, temperature, bias),
    )


def test_low_temperatures_stay_finite():
    a = torch.eye(4)
    assert float(info_nce(a, a, 1e-3)) == pytest.approx(0.0, abs=1e-6)
    # Every sample's partner is the one it resembles least.
    assert float(info_nce(a, -a, 1e-3)) == pytest.approx(1000.0 + math.log(3), rel=1e-6)


def test_recall_counts_partners_that_come_first():
    a = torch.eye(4, dtype=torch.float64)
    swapped = a[[1, 0, 2, 3]]
    assert recall_at_one(a, a) == 1.0
    assert recall_at_one(a, swapped) == 0.5
    assert recall_at_one(a, swapped, block_rows=3) == 0.5


def test_recall_of_ties_is_the_chance_of_the_first_place():
    constant = torch.ones(5, 2) / math.sqrt(2)
    assert recall_at_one(constant, constant) == pytest.approx(0.2)
    # One direction ties in pairs; the other has a clear answer for half of the queries.
    a = torch.eye(2).repeat_interleave(2, dim=0)
    assert recall_at_one(a, a) == pytest.approx(0.5)


def test_recall_of_unrelated_codes_is_chance(seed):
    a, b = codes(seed, n=2000, k=20)
    # 4000 trials at 1 / 2000, nearly independent: more than 14 hits have odds below 1e-7.
    assert recall_at_one(a, b) <= 14 / 4000
