"""Every benchmark still runs and prints its rows; how fast anything is, is not tested."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROWS = {
    "bench_autoencoder.py": [
        "skrep, same network / plain torch loop",
        "skrep, same network / skorch default",
        "skrep, same network / pythae",
        "skrep, same network / MLPRegressor float32",
        "skrep, as it comes / plain torch loop",
    ],
    "bench_cca.py": [
        "skrep / mvlearn CCA",
        "skrep / cca-zoo CCA",
        "skrep, fewer rows / scikit-learn CCA, fewer rows",
    ],
    "bench_clip.py": ["skrep, same towers / plain torch loop"],
    "bench_dcca.py": ["skrep, same network / plain torch loop, Cholesky loss"],
    "bench_digits.py": [
        "skrep, same network / plain torch loop",
        "skrep, same network / skorch default",
        "skrep, same network / MLPRegressor float32",
    ],
    "bench_import.py": ["import skrep / import sklearn"],
    "bench_memory.py": [
        "plain loop, batch gather",
        "MLPRegressor float32",
        "skrep, same network",
        "skrep VAE",
    ],
    "bench_multimodal.py": [
        "early / Autoencoder, concatenation",
        "concat, complete / Autoencoder, concatenation",
    ],
    "bench_multimodal_vae.py": [
        "skrep, product / plain torch MVAE",
        "skrep, mixture_of_products / plain torch MoPoE",
    ],
    "bench_rbm.py": [
        "skrep, batch 10 / BernoulliRBM float32, batch 10",
        "skrep, batch 512 / BernoulliRBM float32, batch 512",
    ],
    "bench_retriever.py": ["exact search of 100 queries"],
    "bench_transform.py": [
        "skrep transform / skorch predict",
        "one row, added over the bare module",
    ],
    "bench_vae.py": ["skrep, same network / pythae", "skrep, same network / plain torch loop"],
}


def test_every_script_is_listed():
    assert {path.name for path in FOLDER.glob("bench_*.py")} == set(ROWS)


# The two that take seconds guard the shared helpers in every run; the others are slow.
QUICK = ("bench_digits.py", "bench_import.py")


@pytest.mark.parametrize(
    "script",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(ROWS)],
)
def test_quick_mode_prints_its_rows(script):
    if script == "bench_memory.py" and not Path("/proc/self/status").exists():
        pytest.skip("reads /proc, which only Linux has")
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), "--quick"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for row in ROWS[script]:
        found = re.search(rf"^\| {re.escape(row)} \| (.*) \|$", done.stdout, flags=re.MULTILINE)
        assert found is not None, f"{row!r} is missing in\n{done.stdout}"
        assert "not installed" in found[1] or re.search(r"\d\.?\d*", found[1])


def test_ratios_are_taken_within_rounds(capsys):
    # Round 2 was three times slower for both: a ratio of sums would not be 0.5 if it hit one only.
    sys.path.insert(0, str(FOLDER))
    try:
        from _interleave import Comparison, Turn, print_ratios
    finally:
        sys.path.remove(str(FOLDER))
    turns = {
        "ours": [Turn(1.0, 1.0, None), Turn(3.0, 3.0, None), Turn(1.0, 1.0, None)],
        "peer": [Turn(2.0, 2.0, None), Turn(6.0, 6.0, None), Turn(1.0, 1.0, None)],
    }
    print_ratios(turns, [Comparison("ours", "peer", 0.6), Comparison("ours", "absent", 0.6)])
    shown = capsys.readouterr().out
    assert "| ours / peer | <= 0.6 | 0.50 | 0.50 - 1.00 | 0.50 | yes |" in shown
    assert "| ours / absent | <= 0.6 | not installed | - | - | - |" in shown


def test_variants_take_turns_and_change_places():
    sys.path.insert(0, str(FOLDER))
    try:
        from _interleave import interleave
    finally:
        sys.path.remove(str(FOLDER))
    seen: list[str] = []
    turns = interleave({name: lambda n=name: seen.append(n) for name in "abc"}, 3)
    assert "".join(seen[3:]) == "abcbcacab"  # the first three are the warm-up
    assert {name: len(mine) for name, mine in turns.items()} == {"a": 3, "b": 3, "c": 3}
