"""The project files agree with each other."""

import re
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def dependencies() -> list[Requirement]:
    listed = [Requirement(text) for text in requires("skrep")]
    return [need for need in listed if need.marker is None]


@pytest.mark.parametrize("need", dependencies(), ids=lambda need: need.name)
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.13"])
def test_known_good_set_satisfies_every_dependency(need, python):
    environment = {"python_version": python}
    pinned = [
        pin
        for pin in pins()
        if pin.name == need.name and (pin.marker is None or pin.marker.evaluate(environment))
    ]
    assert len(pinned) == 1, f"constraints.txt pins {need.name} {len(pinned)} times"
    (specifier,) = pinned[0].specifier
    assert specifier.operator == "=="
    assert Version(specifier.version) in need.specifier


def test_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "Makefile", ".ci/run"])
def test_no_package_index_is_named(name):
    """Where packages come from is the business of the machine's own pip."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)
