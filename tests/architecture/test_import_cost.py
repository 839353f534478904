"""`import skrep` is cheap, and still lists what there is."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "skorch", "matplotlib", "tensorboard", "accelerate")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_after(code: str) -> set[str]:
    shown = run(f"import sys\n{code}\nprint(*sorted(m for m in sys.modules if '.' not in m))")
    return set(shown.split()) & set(HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        "import skrep",
        "import skrep; dir(skrep)",
        "import skrep; skrep.__version__",
        "from skrep import Views",
        "import skrep.exceptions",
    ],
)
def test_light_use_loads_nothing_heavy(code):
    assert loaded_after(code) == set()


def test_touching_an_estimator_loads_torch():
    assert "torch" in loaded_after("import skrep\nskrep.Autoencoder")


def test_dir_lists_the_public_names():
    shown = run("import skrep\nprint(*dir(skrep))").split()
    import skrep

    assert set(skrep.__all__) <= set(shown)


def test_unknown_name_is_an_attribute_error():
    import skrep

    with pytest.raises(AttributeError, match="Autoencodr"):
        _ = skrep.Autoencodr


def test_version_is_that_of_the_installed_package():
    from importlib.metadata import version

    import skrep

    assert skrep.__version__ == version("skrep")
