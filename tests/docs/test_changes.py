"""The convention of the changelog's fragments."""

import re
from pathlib import Path

CHANGES = Path(__file__).parents[2] / "docs" / "changes"
NAME = re.compile(r"[a-z0-9-]+\.(feature|fix|api|speed|docs)\.md")


def test_fragments_are_named_by_kind():
    strange = [
        path.name
        for path in CHANGES.iterdir()
        if path.name != "README.md" and not NAME.fullmatch(path.name)
    ]
    assert not strange


def test_fragments_say_something():
    for path in CHANGES.iterdir():
        assert path.read_text(encoding="utf-8").strip().endswith(".")
