from itertools import pairwise, permutations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import average_precision_score

from skrep.metrics import (
    _retrieval,
    mean_average_precision,
    mean_reciprocal_rank,
    median_rank,
    retrieval_recall,
)

MEASURES = [retrieval_recall, mean_average_precision, mean_reciprocal_rank, median_rank]
METRICS = ["cosine", "euclidean", "dot"]


def by_all_orders(scores, relevant, k):
    """Mean of each measure over all orders of the items that `scores` does not contradict."""
    found = []
    for order in permutations(range(len(scores))):
        if any(scores[a] < scores[b] for a, b in pairwise(order)):
            continue
        hit = np.asarray(relevant)[list(order)]
        places = np.flatnonzero(hit) + 1
        precision = np.arange(1, len(places) + 1) / places
        found.append([places[0] <= k, precision.mean(), 1 / places[0], places[0]])
    return np.mean(found, axis=0)


def measured(scores, relevant, k):
    """The same measures, from a query and items whose inner products are `scores`."""
    codes = np.asarray(scores, dtype=float)[:, np.newaxis]
    labels = np.asarray(relevant).astype(int)
    options = {"metric": "dot"}
    return [
        retrieval_recall([[1.0]], codes, [1], labels, k=k, **options),
        mean_average_precision([[1.0]], codes, [1], labels, **options),
        mean_reciprocal_rank([[1.0]], codes, [1], labels, **options),
        median_rank([[1.0]], codes, [1], labels, **options),
    ]


def test_hand_made_ranking():
    # Relevant at ranks 2, 3 and 5.
    found = measured([5, 4, 3, 2, 1], [0, 1, 1, 0, 1], k=1)
    assert found == pytest.approx([0.0, (1 / 2 + 2 / 3 + 3 / 5) / 3, 1 / 2, 2.0])


def test_hand_made_ranking_with_ties():
    # One item, then a tie of three of which one is relevant: its rank is 2, 3 or 4.
    found = measured([9, 5, 5, 5], [0, 0, 1, 0], k=2)
    assert found == pytest.approx([1 / 3, *[(1 / 2 + 1 / 3 + 1 / 4) / 3] * 2, 3.0])


@pytest.mark.parametrize("trial", range(12))
def test_ties_count_by_the_mean_over_their_orders(trial, seed):
    rng = np.random.default_rng([seed, trial])
    scores = rng.integers(-1, 2, size=6)
    relevant = rng.random(6) < 0.5
    relevant[rng.integers(6)] = True
    k = int(rng.integers(1, 7))
    assert measured(scores, relevant, k) == pytest.approx(by_all_orders(scores, relevant, k))


def test_code_that_says_nothing_scores_chance():
    labels = np.arange(30) % 3
    codes = np.full((30, 4), 0.1)
    for metric in METRICS:
        pairs = (codes, codes)
        assert retrieval_recall(*pairs, k=6, metric=metric) == pytest.approx(6 / 30)
        assert median_rank(*pairs, metric=metric) == pytest.approx(31 / 2)
        harmonic = (1 / np.arange(1, 31)).mean()
        assert mean_reciprocal_rank(*pairs, metric=metric) == pytest.approx(harmonic)
        assert mean_average_precision(*pairs, metric=metric) == pytest.approx(harmonic)
        first = median_rank(*pairs, labels, labels, metric=metric)
        assert first == pytest.approx(31 / 11)


def test_equal_items_tie_whatever_the_rounding(seed):
    rng = np.random.default_rng(seed)
    gallery = np.repeat(rng.standard_normal((3, 100)), 50, axis=0) + 1e4
    queries = rng.standard_normal((20, 100)) + 1e4
    labels = np.tile([0, 1], 75)
    for metric in METRICS:
        # Each tie of 50 holds 25 of either label, so the first relevant rank is 51 / 26.
        rank = median_rank(queries, gallery, np.zeros(20), labels, metric=metric)
        assert rank == pytest.approx(51 / 26)


@pytest.mark.parametrize("metric", METRICS)
def test_map_without_ties_is_average_precision(metric, seed):
    rng = np.random.default_rng(seed)
    Q, G = rng.standard_normal((15, 4)), rng.standard_normal((40, 4))
    y_query, y_gallery = np.arange(15) % 4, np.arange(40) % 4
    scores = Q @ G.T
    if metric == "cosine":
        scores /= np.linalg.norm(Q, axis=1)[:, None] * np.linalg.norm(G, axis=1)
    elif metric == "euclidean":
        scores = -np.linalg.norm(Q[:, None] - G, axis=2)
    expected = np.mean(
        [average_precision_score(y_gallery == y_query[i], scores[i]) for i in range(15)]
    )
    found = mean_average_precision(Q, G, y_query, y_gallery, metric=metric)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_pairs_equal_a_label_of_its_own_for_each_row(metric, seed):
    rng = np.random.default_rng(seed)
    Q = rng.standard_normal((50, 3))
    G = Q + 0.5 * rng.standard_normal((50, 3))
    own = [f"row {i}" for i in range(50)]
    for measure in MEASURES:
        expected = measure(Q, G, own, own, metric=metric)
        assert measure(Q, G, metric=metric) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("labelled", [True, False])
def test_blocks_change_nothing(labelled, seed, monkeypatch):
    rng = np.random.default_rng(seed)
    Q, G = rng.integers(-2, 3, (2, 37, 3))
    labels = (np.arange(37) % 5,) * 2 if labelled else ()
    whole = [measure(Q, G, *labels) for measure in MEASURES]
    monkeypatch.setattr(_retrieval, "_BLOCK_ENTRIES", 4 * 37)
    assert [measure(Q, G, *labels) for measure in MEASURES] == pytest.approx(whole, rel=1e-12)


def test_perfect_and_worst_codes():
    codes = np.eye(4)
    assert [measure(codes, codes) for measure in MEASURES[1:]] == [1.0, 1.0, 1.0]
    assert retrieval_recall(codes, codes, k=1) == 1.0
    line = np.arange(5.0)[:, np.newaxis]
    far = {"y_query": ["far"], "y_gallery": ["near"] * 4 + ["far"], "metric": "euclidean"}
    assert median_rank([[0.0]], line, **far) == 5.0
    assert retrieval_recall([[0.0]], line, k=4, **far) == 0.0


def test_distances_far_from_the_origin_keep_their_order(seed):
    line = 1e6 + np.random.default_rng(seed).permutation(50)[:, np.newaxis]
    assert mean_average_precision(line, line + 0.1, metric="euclidean") == 1.0


def test_cosine_of_a_zero_code_is_zero_and_large_codes_do_not_overflow():
    G = np.array([[1.0], [0.0], [-1.0]])
    found = median_rank([[1e200]], G * 1e200, [1], [0, 1, 0])
    assert found == 2.0


def test_codes_may_be_sparse_or_single_precision(seed):
    rng = np.random.default_rng(seed)
    Q, G = rng.standard_normal((2, 20, 4)).astype(np.float32)
    for measure in MEASURES:
        assert measure(sp.csr_matrix(Q), G) == measure(Q, G)
        assert isinstance(measure(Q, G), float)


@pytest.mark.parametrize("measure", MEASURES)
def test_messages(measure):
    Q, G = np.eye(3), np.eye(4)[:, :3]
    with pytest.raises(ValueError, match=r"`metric` must be one of 'cosine'.*Got 'l1'"):
        measure(Q, Q, metric="l1")
    with pytest.raises(ValueError, match=r"`Q` has 3 rows and `G` has 4. Pass `y_query`"):
        measure(Q, G)
    with pytest.raises(ValueError, match="`Q` has 3 components, `G` has 2"):
        measure(Q, Q[:, :2])
    with pytest.raises(ValueError, match=r"`Q` must be a matrix.*shape \(3,\)"):
        measure(Q[0], Q)
    with pytest.raises(ValueError, match=r"`G` must be a matrix.*shape \(0, 3\)"):
        measure(Q, Q[:0])
    with pytest.raises(ValueError, match="`y_gallery` is None and the other labels are not"):
        measure(Q, Q, [0, 1, 2])
    with pytest.raises(ValueError, match="`y_query` is None and the other labels are not"):
        measure(Q, Q, None, [0, 1, 2])
    with pytest.raises(ValueError, match=r"`y_gallery` must hold one label per row, shape \(4,\)"):
        measure(Q, G, [0, 1, 2], [0, 1, 2])
    with pytest.raises(ValueError, match=r"has the label 'b' of query 1 \(1 such queries\)"):
        measure(Q, Q, ["a", "b", "a"], ["a", "a", "a"])
    absent = Q.copy()
    absent[1] = np.nan
    with pytest.raises(ValueError, match=r"`G` holds NaN or infinity in 1 of 3 rows.* row 1\."):
        measure(Q, absent)
    with pytest.raises(ValueError, match=r"`Q` holds NaN or infinity.*out of the queries"):
        measure(absent, Q)


@pytest.mark.parametrize("k", [0, 4, 1.0, True])
def test_k_is_checked(k):
    with pytest.raises(ValueError, match="`k` must be an integer from 1 to 3, the size of the gal"):
        retrieval_recall(np.eye(3), np.eye(3), k=k)
