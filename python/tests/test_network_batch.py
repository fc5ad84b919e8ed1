"""Networks over devices: every device, and where there is one only, that one twice."""

import numpy as np
import pytest
from onnx_model import model
from problems import array

import clconv

pytestmark = pytest.mark.skipif(not clconv.supported()["importer"], reason="this build reads no ONNX files")

NAMES = ([d["index"] for d in clconv.devices()] * 2)[:2]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    return model(array(rng, (5, 3, 3, 3), "f4"), array(rng, (5,), "f4"))


@pytest.fixture(scope="module")
def x():
    return array(np.random.default_rng(2), (5, 3, 8, 8), "f4")


def test_two_devices_are_one(data, x):
    expected = clconv.Network(data)(x)
    network = clconv.Network(data, batch=5, devices=NAMES)
    assert network.inputs == {"x": (5, 3, 8, 8)} and network.outputs["mean"] == (5, 5, 1, 1)
    assert sum(part["images"] for part in network.parts) == 5 and network.parts[0]["first"] == 0
    assert all(part["image_us"] > 0 for part in network.parts)
    for name, value in network(x).items():
        assert np.allclose(value, expected[name], atol=1e-5), name
    uneven = clconv.Network(data, batch=5, devices=network.contexts, images=[4, 1])
    assert uneven.parts == [dict(first=0, images=4, image_us=None), dict(first=4, images=1, image_us=None)]
    assert uneven.report(1)["inputs"][0]["shape"] == [1, 3, 8, 8] and "Conv" in str(uneven.report())
    one = clconv.Network(data, batch=4, context=network.contexts[0])
    assert uneven.memory()["weights_bytes"] == 2 * one.memory()["weights_bytes"]
    first = uneven.run({"x": x})
    # Each device has the network of its images: the same bits as that network alone.
    assert np.array_equal(first["y"][:4], one(x[:4])["y"])
    # Other shapes are divided anew.
    divided = clconv.Network(data, devices=network.contexts, plan_capacity=2)
    for n in (3, 2, 5, 3):
        assert np.allclose(divided(x[:n])["y"], expected["y"][:n], atol=1e-5)
    assert len(divided._batches) == 2 and divided.output_shapes({"x": (3, 3, 8, 8)})["y"] == (3, 5, 8, 8)


def test_session(data, x):
    session = clconv.InferenceSession(data, devices=NAMES)
    assert np.allclose(session.run(["y"], {"x": x})[0], clconv.Network(data)(x)["y"], atol=1e-5)


def test_what_is_wrong_is_said(data, x):
    for text, options in (
        ("images sum up to 4, the inputs have 5", dict(devices=NAMES, images=[2, 2])),
        ("images has 1 numbers, expected one for each of 2 devices", dict(devices=NAMES, images=[5])),
        ("devices is empty, expected at least one", dict(devices=[])),
        ("images is given without devices", dict(images=[5])),
        ("context and devices are both given", dict(devices=NAMES, context=clconv.default_context())),
    ):
        with pytest.raises(ValueError, match=text):
            clconv.Network(data, batch=5, **options)
    network = clconv.Network(data, batch=5, devices=NAMES, images=[0, 5])
    with pytest.raises(ValueError, match="device 0 has no images"):
        network.report()
    with pytest.raises(ValueError, match="device is 2, expected 0 to 1"):
        network.report(2)
    with pytest.raises(ValueError, match=r"profile\(\) is of one device, this network has 2: run\(\) computes on all"):
        network.profile()
    with pytest.raises(ValueError, match="parts are those of a Network"):
        clconv.Network(data).parts
    w = np.ones((8, 3, 3, 3), "f4")
    with pytest.raises(clconv.Unsupported, match="'act' .*: computes along the images"):
        clconv.Network(model(w, w[:, 0, 0, 0], op="MeanVarianceNormalization"), batch=5, devices=NAMES)
