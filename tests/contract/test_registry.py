"""Every public estimator has a row."""

from registry import CASES, CLOSED, estimator_classes


def test_every_estimator_has_a_row():
    rows = {case.name for case in [*CASES, *CLOSED]}
    missing = sorted(set(estimator_classes()) - rows)
    assert not missing, f"add a Case to tests/registry.py for {missing}"
    assert rows <= set(estimator_classes())
