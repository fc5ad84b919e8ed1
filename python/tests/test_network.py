"""Whole networks, and the session with onnxruntime's calls."""

import numpy as np
import pytest
from onnx_model import model
from problems import array

import clconv

pytestmark = pytest.mark.skipif(not clconv.supported()["importer"], reason="this build reads no ONNX files")


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(1)
    return array(rng, (5, 3, 3, 3), "f4"), array(rng, (5,), "f4"), array(rng, (2, 3, 8, 8), "f4")


def expected(parts, x):
    y = clconv.conv2d(x, parts[0], parts[1], padding=1, activation="relu")
    return {"y": y, "mean": y.mean((2, 3), keepdims=True)}


def near(results, wanted):
    assert list(results) == ["y", "mean"]
    for name, value in wanted.items():
        assert results[name].shape == value.shape and np.allclose(results[name], value, atol=1e-5), name


def test_network(parts, tmp_path):
    w, b, x = parts
    path = tmp_path / "small.onnx"
    path.write_bytes(model(w, b))
    network = clconv.Network(path)
    assert (network.input_names, network.output_names) == (("x",), ("y", "mean"))
    assert network.inputs == {"x": (1, 3, 8, 8)} and network.outputs == {"y": (1, 5, 8, 8), "mean": (1, 5, 1, 1)}
    for given in ({"x": x}, [x], x):
        near(network(given), expected(parts, x))
    near(network.run(x[:1]), expected(parts, x[:1]))
    assert network.output_shapes({"x": (4, 3, 8, 8)}) == {"y": (4, 5, 8, 8), "mean": (4, 5, 1, 1)}
    assert network.memory()["plans"] == 3 and network.description["opset"] == 13
    report = network.report()
    assert isinstance(report, dict) and "Conv" in str(report) and "<table>" in report._repr_html_()
    assert network.profile(rounds=2)["totals"]["measured_us"] > 0
    assert network.check(x[:1])["ok"] is True
    near(clconv.Network(path, batch=2, skip_passes=["activations"])(x), expected(parts, x))
    near(clconv.Network(path, {"x": (2, 3, 8, 8)})(x), expected(parts, x))


def test_network_on_buffers(parts):
    cl = pytest.importorskip("pyopencl")
    cl_array = pytest.importorskip("pyopencl.array")
    w, b, x = parts
    network = clconv.Network(model(w, b), batch=2)
    queue = cl.CommandQueue(network.context.opencl)
    outputs = [cl_array.empty(queue, s, "f4") for s in network.outputs.values()]
    network.execute(queue, cl_array.to_device(queue, x), outputs).wait()
    near({n: a.get() for n, a in zip(network.output_names, outputs)}, expected(parts, x))
    one = cl_array.to_device(queue, x[:1])
    network.execute(queue, [one], outputs, shapes={"x": (1, 3, 8, 8)}).wait()
    assert np.allclose(outputs[0].get()[:1], expected(parts, x[:1])["y"], atol=1e-5)


def test_session(parts, tmp_path):
    w, b, x = parts
    path = tmp_path / "small.onnx"
    path.write_bytes(model(w, b))
    for source in (str(path), path.read_bytes()):
        session = clconv.InferenceSession(source, providers=["CPUExecutionProvider"])
        wanted = expected(parts, x)
        mean, y = session.run(["mean", "y"], {"x": x})
        assert np.allclose(mean, wanted["mean"], atol=1e-5) and np.allclose(y, wanted["y"], atol=1e-5)
        assert [a.shape for a in session.run(None, {"x": x})] == [(2, 5, 8, 8), (2, 5, 1, 1)]
        tensor = session.get_inputs()[0]
        assert (tensor.name, tensor.type, tensor.shape) == ("x", "tensor(float)", ["N", 3, 8, 8])
        assert [(t.name, t.shape) for t in session.get_outputs()] == [("y", ["N", 5, 8, 8]), ("mean", ["N", 5, 1, 1])]
        meta = session.get_modelmeta()
        assert meta.custom_metadata_map == {"character": "a\nb"} and meta.version == 3
        assert (meta.producer_name, meta.graph_name, meta.domain) == ("clconv's tests", "small", "org.example")
        assert session.get_providers() == ["ClconvExecutionProvider"] and session.fallback_reason is None


def test_wrong_inputs(parts):
    w, b, x = parts
    session = clconv.InferenceSession(model(w, b))
    for feed, names, text in (
        ({"z": x}, None, "there is no input 'z': the inputs are x"),
        ({}, None, "input 'x' is missing: the inputs are x"),
        ({"x": x.astype("f8")}, None, "input 'x' has type float64, expected float32"),
        ({"x": x}, ["z"], "there is no output 'z': the outputs are y, mean"),
        ([x, x], None, "2 inputs are given, there are 1: x"),
    ):
        with pytest.raises(ValueError, match=text):
            session.run(names, feed)
    with pytest.raises(clconv.InvalidModel, match="conv"):
        session.run(None, {"x": x[:, :2].copy()})
    with pytest.raises(clconv.InvalidModel):
        clconv.Network(b"no model")
    with pytest.raises(ValueError, match="model is of type int, expected a path or bytes"):
        clconv.Network(3)


def test_sizes_that_are_open(parts):
    w, b, x = parts
    network = clconv.Network(model(w, b, h="H"))
    with pytest.raises(ValueError, match="leaves sizes of its inputs open: give shapes, or run it once"):
        network.report()
    low = np.ascontiguousarray(x[:, :, :6])
    near(network(low), expected(parts, low))
    assert network.inputs == {"x": (2, 3, 6, 8)}
    near(network(x), expected(parts, x))
    assert clconv.Network(model(w, b, h="H"), {"x": (1, 3, 5, 8)}).outputs["y"] == (1, 5, 5, 8)
