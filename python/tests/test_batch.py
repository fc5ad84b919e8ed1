"""Batches over devices: every device, and where there is one only, that one twice."""

import numpy as np
import pytest

import clconv

NAMES = ([d["index"] for d in clconv.devices()] * 2)[:2]
TEXT = "n5c4h9w8k6kh3kw3p1"


def one(problem, **arrays):
    return clconv.Context(NAMES[0]).plan(problem, strategy="naive").run(**arrays)


def test_two_devices_are_one(rng):
    problem = clconv.Problem(TEXT, bias=True, activation="relu")
    shapes = {"x": problem.x_shape, "w": problem.w_shape, "b": problem.k}
    arrays = {name: rng.standard_normal(shape).astype("f4") for name, shape in shapes.items()}
    batch = clconv.Batch(problem, devices=NAMES, strategy="naive")
    assert sum(part["images"] for part in batch.parts) == 5
    assert all(part["image_us"] > 0 and (part["strategy"] == "naive" or part["images"] == 0) for part in batch.parts)
    expected = one(problem, **arrays)
    assert np.array_equal(batch.run(**arrays), expected)
    uneven = clconv.Batch(problem, devices=batch.contexts, images=[4, 1], strategy="naive")
    assert repr(uneven) == f"<Batch of {TEXT}: 4 + 1 images>" and uneven.parts[1]["first"] == 4
    weights = arrays.pop("w")
    with pytest.raises(ValueError, match="w is missing"):
        uneven.run(**arrays)
    uneven.prepare(weights)
    out = np.empty(problem.y_shape, "f4")
    assert uneven.run(out, **arrays) is out and np.array_equal(out, expected)


def test_gradients_are_added_up(rng):
    problem = clconv.Problem(TEXT, direction="backward-weights", accumulate=True)
    x, dy = rng.standard_normal(problem.x_shape).astype("f4"), rng.standard_normal(problem.y_shape).astype("f4")
    before = rng.standard_normal(problem.w_shape).astype("f4")
    batch = clconv.Batch(problem, devices=NAMES, images=[2, 3])
    assert np.allclose(batch.run(before.copy(), x=x, dy=dy), one(problem, out=before.copy(), x=x, dy=dy), atol=1e-4)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="images sum up to 4, the problem has 5"):
        clconv.Batch(TEXT, devices=NAMES, images=[2, 2])
    with pytest.raises(ValueError, match="images has 1 numbers, expected one for each of 2 devices"):
        clconv.Batch(TEXT, devices=NAMES, images=[5])
    with pytest.raises(ValueError, match="count is 0"):
        clconv.Batch(TEXT, devices=[])
    with pytest.raises(clconv.ConstraintError, match=r"device 0 of the batch \(.*\): "):
        clconv.Batch(TEXT, devices=NAMES, strategy="depthwise")
