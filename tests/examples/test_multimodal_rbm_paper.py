"""The script on the multimodal RBM runs, and prints what it says it prints."""

import runpy
from pathlib import Path

import pytest

PAPERS = Path(__file__).parents[2] / "examples" / "papers"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(PAPERS / "multimodal_rbm.py"))


def test_every_part_is_printed(script, folder, printed_rows):
    script["main"](["--data", str(folder), "--quick"])
    label, few, halves = printed_rows()
    assert label[0].startswith("label from image, 32 hidden units")
    assert few[0].startswith("100 labels, 300 images without")
    assert float(label[1]) > 30  # ten classes
    assert 0 <= float(few[1]) <= 100
    assert float(halves[1].split()[0]) > 0
    assert "ridge" in halves[2]


def test_parts_can_be_chosen(script, folder, printed_rows):
    script["main"](["--data", str(folder), "--quick", "--only", "halves"])
    assert len(printed_rows()) == 1
