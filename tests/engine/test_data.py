"""Batches hold every row once, in the dtype asked for, without reading the whole."""

from itertools import chain

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from skrep.engine.data import BatchIterator, ViewData


class Spied(np.ndarray):
    """An array that notes how many rows are taken from it at a time."""

    taken: list

    def __array_finalize__(self, parent):
        self.taken = getattr(parent, "taken", [])

    def take(self, rows, axis=None):
        self.taken.append(len(rows))
        return np.asarray(self).take(rows, axis=axis)

    def __getitem__(self, rows):
        found = np.asarray(self)[rows]
        self.taken.append(len(found))
        return found

    def __array__(self, *args, **kwargs):
        self.taken.append(len(self))
        return super().__array__(*args, **kwargs)

    def astype(self, *args, **kwargs):
        self.taken.append(len(self))
        return super().astype(*args, **kwargs)


def numbered(n_samples, n_features=3, dtype=np.float32):
    """Rows whose first column is their number."""
    X = np.zeros((n_samples, n_features), dtype=dtype)
    X[:, 0] = np.arange(n_samples)
    return X


def row_numbers(batches):
    return [batch.views[0][:, 0].int().tolist() for batch in batches]


def flat(lists):
    return list(chain.from_iterable(lists))


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("batch_size", [1, 7, 20, 100])
def test_every_row_comes_once_an_epoch_in_a_fresh_order(batch_size, seed):
    batches = BatchIterator(ViewData([numbered(20)]), batch_size, order=generator(seed))
    first, second = flat(row_numbers(batches)), flat(row_numbers(batches))
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second  # equal by chance once in 20! draws
    assert len(batches) == len(batches.sizes) == -(-20 // batch_size)


def test_sizes_are_those_of_the_batches(seed):
    batches = BatchIterator(ViewData([numbered(23)]), 5, order=generator(seed), min_batch_size=4)
    assert [len(numbers) for numbers in row_numbers(batches)] == batches.sizes.tolist()


def test_the_order_is_kept_without_a_generator():
    assert row_numbers(BatchIterator(ViewData([numbered(5)]), 2)) == [[0, 1], [2, 3], [4]]


def test_order_is_the_generators_permutation(seed):
    drawn = torch.randperm(10, generator=generator(seed)).tolist()
    batches = BatchIterator(ViewData([numbered(10)]), 4, order=generator(seed))
    assert flat(row_numbers(batches)) == drawn


@pytest.mark.parametrize(
    ("n_samples", "smallest", "sizes"),
    [
        (10, 1, [4, 4, 2]),
        (10, 3, [4, 6]),
        (9, 1, [4, 4, 1]),
        (9, 2, [4, 5]),
        (8, 4, [4, 4]),
        (3, 4, [3]),
    ],
)
def test_a_last_batch_that_is_too_small_joins_the_one_before(n_samples, smallest, sizes):
    batches = BatchIterator(ViewData([numbered(n_samples)]), 4, min_batch_size=smallest)
    assert [len(numbers) for numbers in row_numbers(batches)] == sizes
    assert flat(row_numbers(batches)) == list(range(n_samples))


def test_a_subset_of_rows(seed):
    rows = np.array([1, 3, 5, 8, 9])
    data = ViewData([numbered(10)])
    assert row_numbers(BatchIterator(data, 2, rows=rows)) == [[1, 3], [5, 8], [9]]
    shuffled = BatchIterator(data, 2, rows=rows, order=generator(seed))
    assert sorted(flat(row_numbers(shuffled))) == rows.tolist()


def test_batches_name_the_positions_of_their_rows(seed):
    for batch in BatchIterator(ViewData([numbered(11)]), 4, order=generator(seed)):
        assert batch.rows.tolist() == batch.views[0][:, 0].int().tolist()


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("rows", [None, np.arange(5, 17)])
def test_shares_partition_every_batch(world, rows, seed):
    data = ViewData([numbered(20)])
    whole = row_numbers(BatchIterator(data, 6, rows=rows, order=generator(seed)))
    parts = [
        row_numbers(BatchIterator(data, 6, rows=rows, order=generator(seed), share=(rank, world)))
        for rank in range(world)
    ]
    for numbers, *shares in zip(whole, *parts, strict=True):
        assert sorted(flat(shares)) == sorted(numbers)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8, bool])
@pytest.mark.parametrize("rows", [slice(1, 4), np.array([3, 0, 2])])
def test_any_number_becomes_the_working_dtype(dtype, rows, seed):
    X = np.random.default_rng(seed).integers(0, 2, (5, 3)).astype(dtype)
    for working in (torch.float32, torch.float64):
        taken = ViewData([X], dtype=working).batch(rows).views[0]
        assert taken.dtype == working
        np.testing.assert_array_equal(taken.numpy(), X[rows])


@pytest.mark.parametrize("rows", [slice(0, 4), np.array([4, 1])])
def test_csr_is_made_dense_a_batch_at_a_time(rows, seed):
    X = sp.random(30, 6, density=0.2, format="csr", random_state=seed)
    asked = []

    class Csr(sp.csr_array):
        def toarray(self, *args, **kwargs):
            asked.append(self.shape[0])
            return super().toarray(*args, **kwargs)

    taken = ViewData([Csr(X)]).batch(rows).views[0]
    np.testing.assert_allclose(taken.numpy(), X.toarray()[rows], rtol=1e-6)
    assert asked == [taken.shape[0]]


def test_a_memory_map_is_read_a_batch_at_a_time(tmp_path, seed):
    path = tmp_path / "X.npy"
    np.save(path, numbered(100, dtype=np.float64))
    X = np.load(path, mmap_mode="r").view(Spied)
    data = ViewData([X])
    shuffled = BatchIterator(data, 8, order=generator(seed))
    assert sorted(flat(row_numbers(shuffled))) == list(range(100))
    assert flat(row_numbers(BatchIterator(data, 8))) == list(range(100))
    assert X.taken
    assert max(X.taken) == 8


@pytest.mark.parametrize("rows", [slice(0, 3), np.array([2, 0])])
def test_read_only_arrays_are_neither_refused_nor_shared(rows):
    X = numbered(4)
    X.setflags(write=False)
    taken = ViewData([X]).batch(rows).views[0]
    taken.add_(1)
    np.testing.assert_array_equal(X, numbered(4))


@pytest.mark.parametrize("rows", [slice(1, 4), np.array([3, 0])])
def test_views_presence_and_labels_go_together(rows):
    X, Y = numbered(5), numbered(5, 2) * 10
    present = np.array([[1, 1], [1, 0], [0, 1], [1, 1], [1, 0]], dtype=bool)
    y = np.array([5, 6, 7, 8, 9])
    batch = ViewData([X, Y], present, y).batch(rows)
    np.testing.assert_array_equal(batch.views[1][:, 0], 10 * batch.views[0][:, 0])
    np.testing.assert_array_equal(batch.present, present[rows])
    np.testing.assert_array_equal(batch.y, y[rows])
    assert batch.present.dtype == torch.bool


def test_nothing_is_absent_without_a_mask():
    batch = ViewData([numbered(3)]).batch(slice(0, 2))
    assert batch.present is None
    assert batch.y is None
    assert batch.rows is None


def test_a_column_slice_is_handled(seed):
    X = np.random.default_rng(seed).normal(size=(6, 8)).astype(np.float32)[:, ::2]
    np.testing.assert_array_equal(ViewData([X]).batch(slice(0, 6)).views[0].numpy(), X)
    np.testing.assert_array_equal(ViewData([X]).batch(np.arange(6)).views[0].numpy(), X)
