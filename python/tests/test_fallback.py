"""InferenceSession(fallback=True): what clconv does not support goes to onnxruntime."""

import sys
import types

import numpy as np
import pytest
from onnx_model import field, model, node, tensor_type, weights
from problems import array

import clconv
from clconv._onnx_graph import Graph

pytestmark = pytest.mark.skipif(not clconv.supported()["importer"], reason="this build reads no ONNX files")


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(1)
    return array(rng, (5, 3, 3, 3), "f4"), array(rng, (5,), "f4"), array(rng, (2, 3, 8, 8), "f4")


@pytest.fixture
def asked(monkeypatch):
    """A stand-in for onnxruntime, which knows "Hardmax9" (a ReLU), and the models that it was asked for."""
    models = []

    class Session:
        def __init__(self, data, options, providers):
            models.append(data)
            self._graph = Graph(data)

        def run(self, names, feed, options=None):
            assert set(feed) == set(self._graph.inputs)
            if [node.op for node in self._graph.nodes] == ["Hardmax9"]:
                return [np.maximum(next(iter(feed.values())), 0)]
            return [names, feed]

        def get_inputs(self):
            return ["inputs"]

    monkeypatch.setitem(sys.modules, "onnxruntime", types.SimpleNamespace(InferenceSession=Session))
    return models


def test_a_node_goes_to_onnxruntime(parts, asked):
    w, b, x = parts
    data = model(w, b, op="Hardmax9")
    with pytest.raises(clconv.Unsupported, match="Hardmax9"):
        clconv.InferenceSession(data)
    session = clconv.InferenceSession(data, fallback=True, batch=2)
    assert "Hardmax9" in session.fallback_reason and asked == []
    assert session.fallback_nodes == ["node 'act' (Hardmax9): this operator is not supported"]
    expected = clconv.InferenceSession(model(w, b))
    for images in (x, x[:1], x):  # other shapes, the same parts
        for found, wanted in zip(session.run(None, {"x": images}), expected.run(None, {"x": images})):
            assert np.allclose(found, wanted, atol=1e-5)
    assert [node.op for node in Graph(asked[0]).nodes] == ["Hardmax9"] and len(asked) == 1
    assert session.run(["mean"], {"x": x})[0].shape == (2, 5, 1, 1)
    assert session.get_inputs()[0].shape == ["N", 3, 8, 8] and session.get_inputs()[0].type == "tensor(float)"
    assert session.get_providers() == ["ClconvExecutionProvider", "CPUExecutionProvider"]
    for names, feed, text in (
        (["z"], {"x": x}, "there is no output 'z': the outputs are y, mean"),
        (None, {"z": x}, "the inputs are x, given are z"),
    ):
        with pytest.raises(ValueError, match=text):
            session.run(names, feed)


def test_a_node_that_is_refused_later(parts, asked, monkeypatch):
    """Found when the part is compiled: the node is named by the part's model."""
    w, b, x = parts
    compiled = clconv.Network.__init__

    def refuse(self, data, *arguments, **options):
        if isinstance(data, bytes) and any(node.op == "Relu" for node in Graph(data).nodes):
            name = next(n.shown for n in Graph(data).nodes if n.op == "Relu")
            raise clconv.Unsupported(f"node '{name}' (Relu, opset 13): no such luck")
        compiled(self, data, *arguments, **options)

    monkeypatch.setattr(clconv.Network, "__init__", refuse)
    session = clconv.InferenceSession(model(w, b), fallback=True)
    monkeypatch.setattr(sys.modules["onnxruntime"], "InferenceSession", lambda *a, **k: Relu())

    class Relu:
        def run(self, names, feed, options=None):
            return [np.maximum(next(iter(feed.values())), 0)]

    y, mean = session.run(None, {"x": x})
    assert session.fallback_nodes == ["node 'act' (Relu): no such luck"]
    monkeypatch.undo()
    expected = clconv.InferenceSession(model(w, b)).run(None, {"x": x})
    assert np.allclose(y, expected[0], atol=1e-5) and np.allclose(mean, expected[1], atol=1e-5)


def test_all_of_a_model(parts, asked, monkeypatch):
    w, b, x = parts
    data = model(w, b, op="Hardmax9")
    monkeypatch.setattr(clconv.network, "supported", lambda: {"operators": []})
    session = clconv.InferenceSession(data, fallback=True)
    assert asked == [data] and session.fallback_nodes == ["all nodes"]
    assert session.run(["y"], {"x": x}) == [["y"], {"x": x}] and session.get_inputs() == ["inputs"]
    monkeypatch.undo()
    with pytest.raises(clconv.Unsupported, match="Hardmax9"):
        clconv.InferenceSession(data)


def test_found_in_a_run(parts, asked, monkeypatch):
    """Found when the sizes are known, at the first run; the text names no node."""
    w, b, x = parts
    late = clconv.InferenceSession(model(w, b, h="H"), fallback=True)
    monkeypatch.setattr(clconv.Network, "run", lambda self, feed: (_ for _ in ()).throw(clconv.Unsupported("node 7")))
    assert late.fallback_reason is None and late.fallback_nodes == []
    assert late.run(["y"], {"x": x}) == [["y"], {"x": x}] and late.fallback_reason == "node 7"
    with pytest.raises(clconv.Unsupported, match="node 7"):
        clconv.InferenceSession(model(w, b)).run(None, {"x": x})


def test_integers_of_the_caller(asked, monkeypatch):
    """They go to onnxruntime, whose result clconv goes on with."""
    table = np.arange(12, dtype="f4").reshape(6, 2) - 5
    graph = field(1, node("Gather", "rows", ["table", "ids"], ["e"])) + field(1, node("Relu", "act", ["e"], ["y"]))
    graph += field(5, weights("table", table)) + field(11, tensor_type("ids", ["n"], 7))
    data = field(1, 7) + field(7, graph + field(12, tensor_type("y", ["n", 2]))) + field(8, field(2, 13))

    class Rows:
        def __init__(self, model, options, providers):
            self.types = Graph(model).inputs

        def run(self, names, feed, options=None):
            assert names == ["e"] and self.types == {"ids": 7}
            return [table[feed["ids"]]]

    monkeypatch.setattr(sys.modules["onnxruntime"], "InferenceSession", Rows)
    session = clconv.InferenceSession(data, fallback=True)
    assert session.get_inputs()[0].type == "tensor(int64)"
    ids = np.array([1, 5], "i8")
    assert np.array_equal(session.run(None, {"ids": ids})[0], np.maximum(table[ids], 0))
    assert session.fallback_nodes == ["node 'rows' (Gather) reads 'ids', which is int64 here"]


def test_beside_onnxruntime(parts):
    onnxruntime = pytest.importorskip("onnxruntime")
    w, b, x = parts
    data = model(w, b, op="Hardmax")
    session = clconv.InferenceSession(data, fallback=True)
    assert session.fallback_nodes == ["node 'act' (Hardmax): this operator is not supported"]
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    for found, wanted in zip(session.run(None, {"x": x}), expected):
        assert found.shape == wanted.shape and np.allclose(found, wanted, atol=1e-5)
