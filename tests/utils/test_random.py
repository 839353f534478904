import numpy as np
import pytest

from skrep.utils.random import seed_from


def test_integers_stand_for_themselves():
    for value in (0, 7, np.int64(7), 2**32 - 1):
        assert seed_from(value) == value
        assert type(seed_from(value)) is int


def test_generators_are_drawn_from(seed):
    for make in (np.random.RandomState, np.random.default_rng):
        source = make(seed)
        first, second = seed_from(source), seed_from(source)
        assert first != second
        assert seed_from(make(seed)) == first
        assert 0 <= first < 2**31 - 1


def test_none_takes_fresh_entropy_and_leaves_the_global_generator():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - it is this generator that must stay
    assert seed_from(None) != seed_from(None)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("value", [-1, 2**32, 1.5, "seed", [1]])
def test_anything_else_is_refused(value):
    with pytest.raises(ValueError, match="`random_state` must be None, an integer in"):
        seed_from(value)
