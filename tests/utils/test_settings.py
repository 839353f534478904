import pickle

import pytest
from sklearn.base import clone

from skrep.utils.settings import Corruption, Likelihood, Sparsity, Warmup

NAMED = [Corruption, Sparsity, Likelihood]


@pytest.mark.parametrize("cls", NAMED)
def test_a_name_stands_for_the_defaults_of_a_kind(cls):
    for kind in cls.KINDS:
        made = cls.of(kind)
        assert made.get_params() == cls(kind).get_params()
        made.check(8) if cls is Sparsity else made.check()
    own = cls()
    assert cls.of(own) is own


@pytest.mark.parametrize("cls", NAMED)
@pytest.mark.parametrize("value", [None, 3, {"kind": "l1"}])
def test_anything_else_is_refused(cls, value):
    with pytest.raises(
        TypeError, match=f"A {cls.__name__.lower()} is one of .*, or a `{cls.__name__}`"
    ):
        cls.of(value)


@pytest.mark.parametrize("cls", [*NAMED, Warmup])
def test_they_are_parameter_objects(cls):
    setting = cls()
    assert clone(setting).get_params() == setting.get_params()
    assert pickle.loads(pickle.dumps(setting)).get_params() == setting.get_params()


def test_warmup_of_a_number_is_constant():
    assert Warmup.of(2).get_params() == {"value": 2.0, "n_epochs": 0}


@pytest.mark.parametrize(
    ("sparsity", "n_components", "target"),
    [
        (Sparsity("top_k"), 16, 4),
        (Sparsity("top_k"), 2, 1),
        (Sparsity("kl"), 16, 0.05),
        (Sparsity("kl", target=0.2), 16, 0.2),
        (Sparsity("top_k", target=16), 16, 16),
    ],
)
def test_the_default_target(sparsity, n_components, target):
    sparsity.check(n_components)
    assert sparsity.resolve(n_components) == target
