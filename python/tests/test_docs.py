"""Every Python block of the README and of the pages in docs/ runs, in order. tests/docs_test.cpp runs the others."""

import importlib.util
import pathlib
import re

import numpy as np
import pytest
from onnx_model import model
from problems import array

import clconv

ROOT = pathlib.Path(__file__).parents[2]


def blocks_of(path):
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S)


PAGES = [str(p.relative_to(ROOT)) for p in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))) if blocks_of(p)]


def test_pages_were_found():
    assert {"README.md", "docs/python.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(page, tmp_path, monkeypatch, rng, capsys):
    blocks = blocks_of(ROOT / page)
    if any("pyopencl" in block for block in blocks):
        pytest.importorskip("pyopencl")
    if not clconv.supported()["importer"]:
        blocks = [b for b in blocks if ".onnx" not in b]
    if importlib.util.find_spec("torch") is None:
        blocks = [b for b in blocks if "import torch" not in b]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(model(array(rng, (5, 3, 3, 3), "f4"), array(rng, (5,), "f4")))
    names = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    if page == "docs/python.md":
        assert np.all(names["dx"][:, :, 4, 4] == 54)
        assert "w has shape (6, 3, 3, 3) with 3 channels a filter, expected 4" in capsys.readouterr().out
