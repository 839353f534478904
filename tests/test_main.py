import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA, FactorAnalysis

from skrep import PerView
from skrep import __main__ as command
from skrep.datasets import make_low_rank, make_multiview


@pytest.fixture
def quick(monkeypatch):
    """Closed forms in place of networks: what is tested is the command around them."""

    def make(n_components, fast):
        return {"PCA": PCA(n_components), "FactorAnalysis": FactorAnalysis(n_components)}

    def make_pairs(n_components, fast):
        return {"PCA per view": PerView(PCA(n_components))}

    monkeypatch.setattr(command, "make_estimators", make)
    monkeypatch.setattr(command, "make_pair_estimators", make_pairs)


@pytest.fixture
def table(tmp_path, seed):
    X = make_low_rank(60, 6, rank=2, random_state=seed)
    lines = [",".join([*map(str, row), "ab"[i % 2]]) for i, row in enumerate(X)]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["p,q,r,s,t,u,kind", *lines]), encoding="utf-8")
    return path


def run(*arguments):
    return command.main([str(argument) for argument in arguments])


def test_shipped_digits_give_table_verdict_and_picture(quick, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    assert run("--fast", "--components", 4, "--out", tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert "mfeat: 400 samples, 6 views side by side (fou 76, fac 216," in out
    assert "Codes of 4 numbers, measured on held-out rows of 2 folds" in out
    assert "FactorAnalysis has no inverse_transform" in out
    assert "On held-out reconstruction" in out
    assert "What pix and fac have in common: a code of 2 numbers for each view" in out
    assert "across views" in out
    picture = tmp_path / "out" / "mfeat.png"
    assert f"Picture: {picture}" in out
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_own_table_with_labels(quick, table, capsys, tmp_path):
    assert run(table, "--label", "kind", "--out", tmp_path) == 0
    out = capsys.readouterr().out
    assert "mine: 60 samples, 6 columns, 2 classes." in out
    assert "Codes of 3 numbers" in out
    assert "linear probe" in out


def test_own_views_without_labels(quick, seed, capsys, tmp_path):
    views = make_multiview(40, (4, 5), random_state=seed)
    path = tmp_path / "mine.npz"
    np.savez(path, left=views[0], right=views[1] * 1e6)
    assert run(path, "--folds", 2, "--seed", 3, "--out", tmp_path) == 0
    out = capsys.readouterr().out
    assert "2 views side by side (left 4, right 5 columns), no labels." in out
    assert "linear probe" not in out
    assert "What left and right have in common: a code of 2 numbers" in out
    assert "across views" not in out


def test_same_seed_same_table(quick, table, capsys, tmp_path):
    def scores():
        run(table, "--label", "kind", "--out", tmp_path)
        out = capsys.readouterr().out
        lines = [line for line in out.splitlines() if "±" in line]
        # Times, and the columns they make wide, are no part of it.
        return [line.split(" ms")[0].rsplit("  ", 1)[0].rstrip() for line in lines]

    assert scores() == scores()


def test_no_view_drowns_the_others(seed):
    from skrep.inspection._demo import _in_common_units
    from skrep.inspection._read_file import FileData

    views = make_multiview(50, (4, 9), random_state=seed)
    constant = np.ones((50, 2))
    data = FileData("x", {"a": views[0] * 1e6, "b": np.hstack([views[1], constant])})
    matrix, units = _in_common_units(data)
    for name in ("a", "b"):
        columns, scaler, weight = units[name]
        assert matrix[:, columns].var(axis=0).sum() == pytest.approx(1.0, rel=1e-5)
        back = scaler.inverse_transform(matrix[:, columns] / weight)
        np.testing.assert_allclose(back, data.views[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "skrep: There is no file 'none.csv'."),
        (["--label", "y"], "skrep: --label names a column of a file; give the FILE too."),
        (["TABLE"], "skrep: Line 2, column 'kind': 'a' is not a number."),
        (["TABLE", "--label", "color"], "skrep: There is no column 'color' for --label."),
        (["TABLE", "--label", "kind", "--components", "7"], "skrep: --components 7 is too large"),
        (["TABLE", "--label", "kind", "--folds", "31"], "skrep: The data have 60 rows, too few"),
        (["CONSTANT"], "skrep: Every column is constant"),
        (["TABLE", "--label", "kind", "--out", "TABLE"], "skrep: The picture cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, quick, table, capsys, tmp_path):
    constant = tmp_path / "constant.csv"
    constant.write_text("a,b\n" + "1,2\n" * 20)
    places = {"TABLE": table, "CONSTANT": constant}
    assert run(*[places.get(argument, argument) for argument in arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1].startswith("skrep: ")


@pytest.mark.parametrize("option", [("--folds", "1"), ("--components", "0"), ("--seed", "x")])
def test_bad_options_are_refused(option, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*option)
    assert stop.value.code == 2
    assert f"{option[1]!r} is not an integer of" in capsys.readouterr().err


def test_every_estimator_failing_is_reported(monkeypatch, table, capsys, tmp_path):
    monkeypatch.setattr(command, "make_estimators", lambda n, fast: {"PCA": PCA(1000)})
    assert run(table, "--label", "kind", "--out", tmp_path) == 2
    assert "skrep: Every estimator failed. PCA: ValueError" in capsys.readouterr().err


def test_stopping_is_quiet(monkeypatch, table, capsys):
    def stop(n_components, fast):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "make_estimators", stop)
    assert run(table, "--label", "kind") == 130
    assert capsys.readouterr().err.endswith("skrep: stopped.\n")


def test_without_matplotlib_the_table_still_comes(quick, table, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert run(table, "--label", "kind", "--out", tmp_path) == 0
    out = capsys.readouterr().out
    assert "On held-out reconstruction" in out
    assert "No picture: drawing needs matplotlib. Install it with `pip install skrep[plot]`" in out


def test_ascii_terminals_get_a_table(table, tmp_path):
    script = (
        "import sys; from sklearn.decomposition import PCA; import skrep.__main__ as m;"
        "m.make_estimators = lambda n, fast: {'PCA': PCA(n)};"
        f"sys.exit(m.main([{str(table)!r}, '--label', 'kind', '--out', {str(tmp_path)!r}]));"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**__import__("os").environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "R?" in done.stdout


def test_a_mistyped_file_name_does_not_wait_for_torch():
    script = (
        "import sys; from skrep.__main__ import main; code = main(['none.csv']);"
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 2, done.stderr


def test_models_have_the_same_code_size_and_the_real_run_works(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    models = command.make_estimators(3, fast=True)
    assert {"PCA", "Autoencoder", "DenoisingAutoencoder", "SparseAutoencoder", "VAE"} < set(models)
    assert run("--fast", "--components", 3, "--out", tmp_path) == 0
    out = capsys.readouterr().out
    assert "Code sizes differ" not in out
    assert "failed" not in out
