"""The switch of the matrix product is process-wide: it is shared, waited for and put back."""

import threading

import pytest
import torch
from torch import nn

from skrep.engine import matmul
from skrep.engine.matmul import fast_matmul, pays_off


@pytest.mark.parametrize("enabled", [True, False])
def test_the_callers_setting_comes_back(enabled):
    before = matmul._get()
    with fast_matmul(enabled):
        assert (matmul._get() == matmul._FAST) or not enabled
    assert matmul._get() == before
    with pytest.raises(KeyError), fast_matmul(enabled):
        raise KeyError
    assert matmul._get() == before


def test_blocks_that_agree_run_together_and_others_take_turns():
    order = []
    entered, leave = threading.Event(), threading.Event()

    def first():
        with fast_matmul(True):
            entered.set()
            leave.wait(10)
            order.append("first")

    def other():
        with fast_matmul(False):
            order.append("other")

    threads = [threading.Thread(target=first), threading.Thread(target=other)]
    threads[0].start()
    entered.wait(10)
    threads[1].start()
    with fast_matmul(True):
        order.append("agrees")
    threads[1].join(0.2)
    leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["agrees", "first", "other"]


def test_a_fit_inside_a_fit_does_not_wait_for_itself(monkeypatch):
    # A callback may fit a small model while a large one trains, in the same thread.
    def refuse_to_wait(predicate):
        assert predicate(), "it would wait for ever"

    monkeypatch.setattr(matmul._condition, "wait_for", refuse_to_wait)
    with fast_matmul(True):
        with fast_matmul(False):
            pass
        assert matmul._get() == matmul._FAST


def test_it_is_for_large_products_on_a_cpu_only(monkeypatch):
    monkeypatch.setattr(matmul, "is_exact", lambda: True)
    cpu = torch.device("cpu")
    assert pays_off(nn.Linear(1000, 100), 10, cpu)
    assert not pays_off(nn.Linear(1000, 100), 9, cpu)
    assert not pays_off(nn.Linear(1000, 100), 10, torch.device("cuda"))
    assert not pays_off(nn.Linear(1000, 100).double(), 10, cpu)
    monkeypatch.setattr(matmul, "is_exact", lambda: False)
    assert not pays_off(nn.Linear(1000, 100), 10, cpu)


def test_what_is_called_exact_is(seed):
    if not matmul.is_exact():
        pytest.skip("this CPU has no exact fast product")
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(300, 500, generator=generator)
    right = torch.randn(500, 200, generator=generator)
    with fast_matmul(True):
        product = left @ right
    exact = left.double() @ right.double()
    assert (product.double() - exact).norm() / exact.norm() < 1e-6
