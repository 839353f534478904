import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA, FactorAnalysis

from skrep import PerView
from skrep import __main__ as command
from skrep.datasets import make_low_rank, make_multiview
from skrep.inspection._baselines import MeanFilled


@pytest.fixture
def quick(monkeypatch):
    """Closed forms in place of networks: what is tested is the command around them."""

    def make(n_components, fast):
        return {"PCA": PCA(n_components), "FactorAnalysis": FactorAnalysis(n_components)}

    def make_pairs(n_components, fast):
        return {"PCA per view": PerView(PCA(n_components))}

    def make_incomplete(n_components, fast):
        return {"mean-filled": MeanFilled(PCA(n_components))}

    monkeypatch.setattr(command, "make_estimators", make)
    monkeypatch.setattr(command, "make_pair_estimators", make_pairs)
    monkeypatch.setattr(command, "make_incomplete_estimators", make_incomplete)


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


@pytest.fixture
def omics(tmp_path, seed):
    """Two views of 60 patients, of whom some lack one."""
    rna, protein = make_multiview(60, (4, 5), random_state=seed)
    lines = ["patient,kind," + ",".join([f"rna_{i}" for i in range(4)] + list("vwxyz"))]
    for i in range(60):
        cells = [[str(value) for value in view[i]] for view in (rna, protein)]
        if i < 8:
            cells[0] = [""] * 4
        elif i < 20:
            cells[1] = ["NA"] * 5
        lines.append(",".join([f"p{i}", "ab"[i % 2], *cells[0], *cells[1]]))
    path = tmp_path / "omics.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_samples_that_lack_views(quick, omics, capsys, tmp_path):
    report = tmp_path / "made" / "report.html"
    views = ["--views", "rna=rna_*", "protein=v,w,x,y,z"]
    assert run(omics, *views, "--label", "kind", "--out", tmp_path, "--report", report) == 0
    out = capsys.readouterr().out
    assert "omics: 60 samples, 2 views (rna 4, protein 5 columns), 2 classes." in out
    assert "Views are absent: rna from 8, protein from 12 of 60 samples." in out
    assert "Left out, being in no view: 1 column(s), 'patient'." in out
    assert "imputed R²" in out
    for row in ("mean-filled", "best present view", "CCA (scikit-learn) on complete rows"):
        assert f"\n{row}" in out
    # What two views share is not asked of samples that lack one.
    assert "in common" not in out
    assert f"Picture: {tmp_path / 'omics.png'}" in out
    assert f"Report: {report}" in out
    text = report.read_text(encoding="utf-8")
    assert "<h1>omics</h1>" in text
    assert "samples that lack a view: rna 8, protein 12" in text


def test_scaling_leaves_absent_rows_out(seed):
    from skrep.inspection._demo import _in_common_units
    from skrep.inspection._read_file import FileData

    left, right = make_multiview(50, (4, 3), random_state=seed)
    left = left * 1e3 + 7.0
    left[:10] = np.nan
    X, units = _in_common_units(FileData("x", {"a": left, "b": right}))
    np.testing.assert_array_equal(X.present, [[False, True]] * 10 + [[True, True]] * 40)
    present = np.asarray(X["a"])[10:]
    np.testing.assert_allclose(present.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(present.var(axis=0).sum(), 1.0, rtol=1e-5)
    scaler, weight = units["a"][1:]
    np.testing.assert_allclose(scaler.inverse_transform(present / weight), left[10:], rtol=1e-4)


def test_report_holds_both_tables(quick, seed, capsys, tmp_path):
    views = make_multiview(40, (4, 5), random_state=seed)
    path = tmp_path / "mine.npz"
    np.savez(path, left=views[0], right=views[1], more=views[0][:, :2])
    report = tmp_path / "report.html"
    chosen = ("--views", "left", "right", "--folds", 2, "--out", tmp_path)
    assert run(path, *chosen, "--report", report) == 0
    out = capsys.readouterr().out
    assert "Left out, being in no view: 1 column(s), 'more'." in out
    text = report.read_text(encoding="utf-8")
    assert "<h1>mine</h1>" in text
    assert "<h2>All columns, one code</h2>" in text
    assert "<h2>What left and right have in common</h2>" in text
    assert "Codes of 4 numbers, measured on held-out rows of 2 folds" in text
    assert "A code of 2 numbers for each view." in text


def test_a_failing_second_table_does_not_cost_the_first(quick, monkeypatch, seed, capsys, tmp_path):
    monkeypatch.setattr(command, "make_pair_estimators", lambda n, fast: {"PCA": PCA(100)})
    views = make_multiview(40, (4, 5), random_state=seed)
    path = tmp_path / "mine.npz"
    np.savez(path, left=views[0], right=views[1])
    assert run(path, "--folds", 2, "--out", tmp_path) == 0
    out = capsys.readouterr().out
    assert "Two views could not be compared: Every estimator failed. PCA: " in out
    assert "On held-out reconstruction" in out


def test_parquet(quick, seed, capsys, tmp_path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    X = make_low_rank(60, 6, rank=2, random_state=seed)
    frame = pd.DataFrame(X, columns=list("pqrstu")).assign(kind=["a", "b"] * 30)
    frame.to_parquet(tmp_path / "mine.parquet")
    assert run(tmp_path / "mine.parquet", "--label", "kind", "--out", tmp_path) == 0
    assert "mine: 60 samples, 6 columns, 2 classes." in capsys.readouterr().out


def test_same_seed_same_table(quick, table, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

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
        (["TABLE", "--report", "TABLE/x.html"], "skrep: The report cannot be written to"),
        (
            ["TABLE", "--report", "TABLE"],
            "(it is the file of the data). Name another with --report.",
        ),
        (["HEADER"], "header.csv' holds no rows of data."),
        (["TABLE", "--report", "."], "skrep: The report cannot be written to '.' (it is a folder)"),
        (["--views", "a=b*"], "skrep: --views names columns of a file; give the FILE too, before"),
        (["TABLE", "--views", "a=zz*"], "skrep: No column matches 'zz*' of the view 'a' in --vie"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, quick, table, capsys, tmp_path):
    constant = tmp_path / "constant.csv"
    constant.write_text("a,b\n" + "1,2\n" * 20)
    header = tmp_path / "header.csv"
    header.write_text("a,b\n")
    places = {
        **{"TABLE": table, "CONSTANT": constant, "HEADER": header},
        "TABLE/x.html": table / "x.html",
    }
    data = table.read_bytes()
    assert run(*[places.get(argument, argument) for argument in arguments]) == 2
    assert table.read_bytes() == data
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


def test_stopping_while_modules_load_is_quiet(monkeypatch, table, capsys):
    def stop(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_run", stop)
    assert run(table) == 130
    assert capsys.readouterr().err == "skrep: stopped.\n"


def test_a_picture_that_cannot_be_written_does_not_cost_the_report(quick, table, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    report = tmp_path / "report.html"
    assert run(table, "--label", "kind", "--out", table, "--report", report) == 2
    assert "The picture cannot be written" in capsys.readouterr().err
    assert "</html>" in report.read_text(encoding="utf-8")


def test_names_in_other_scripts_are_drawn_without_warnings(quick, table, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    named = table.rename(tmp_path / "数据.csv")
    assert run(named, "--label", "kind", "--out", tmp_path) == 0
    assert (tmp_path / "数据.png").is_file()


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


def test_models_of_incomplete_samples_run(omics, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    models = command.make_incomplete_estimators(3, fast=True)
    assert list(models) == ["MultimodalAutoencoder", "MultimodalVAE"]
    views = ("--views", "rna_", "protein=[v-z]")
    assert run(omics, *views, "--fast", "--components", 2, "--out", tmp_path) == 0
    out = capsys.readouterr().out
    assert "mean-filled PCA" in out
    assert "failed" not in out
    assert "Code sizes differ" not in out


def test_a_report_that_cannot_be_written_at_the_end(quick, table, monkeypatch, capsys, tmp_path):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    report = tmp_path / "report.html"
    assert run(table, "--label", "kind", "--out", tmp_path, "--report", report) == 2
    assert "(No space left on device). Name another with --report." in capsys.readouterr().err


def test_models_have_the_same_code_size_and_the_real_run_works(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    models = command.make_estimators(3, fast=True)
    assert {"PCA", "Autoencoder", "DenoisingAutoencoder", "SparseAutoencoder", "VAE"} < set(models)
    assert run("--fast", "--components", 3, "--out", tmp_path) == 0
    out = capsys.readouterr().out
    assert "Code sizes differ" not in out
    assert "failed" not in out
