"""PyOpenCL's arrays, buffers, queues and events, without copies."""

import numpy as np
import pytest
from problems import array

import clconv

cl = pytest.importorskip("pyopencl")
import pyopencl.array as cl_array


@pytest.fixture(scope="module")
def queue():
    return cl.CommandQueue(clconv.default_context().opencl)


def test_every_function_gives_what_it_gives_on_the_host(rng, queue):
    x, w = array(rng, (2, 4, 9, 8), "f4"), array(rng, (6, 2, 3, 3), "f4")
    b, dy = array(rng, (6,), "f4"), array(rng, (2, 6, 9, 8), "f4")
    t = array(rng, (4, 3, 3, 3), "f4")
    cases = [
        (clconv.conv2d, (x, w, b), dict(padding=1, groups=2, activation="relu")),
        (clconv.conv2d_backward_data, (dy, w, x.shape), dict(padding=1, groups=2)),
        (clconv.conv2d_backward_weights, (x, dy, 3), dict(padding=1, groups=2, y=dy)),
        (clconv.conv2d_backward_bias, (dy,), {}),
        (clconv.conv_transpose2d, (x, t), dict(stride=2)),
        (clconv.im2col, (x, 3), {}),
        (clconv.col2im, (clconv.im2col(x, 3), x.shape, 3), {}),
        (clconv.max_pool2d, (x, 2), {}),
        (clconv.max_pool2d_backward, (clconv.max_pool2d(x, 2), x, 2), {}),
        (clconv.avg_pool2d, (x, 2), {}),
        (clconv.avg_pool2d_backward, (clconv.avg_pool2d(x, 2), x.shape, 2), {}),
    ]
    move = lambda a: cl_array.to_device(queue, a) if isinstance(a, np.ndarray) else a
    for function, arguments, more in cases:
        expected = (
            function(*arguments, deterministic=True, **more)
            if "conv" in function.__name__
            else function(*arguments, **more)
        )
        if "conv" in function.__name__:
            more = {**more, "deterministic": True}
        result = function(*map(move, arguments), **{k: move(v) for k, v in more.items()})
        assert isinstance(result, cl_array.Array), function.__name__
        assert np.array_equal(result.get(), expected), function.__name__


def test_parts_of_arrays_queues_and_events(rng, queue):
    x, w = array(rng, (32, 2, 8, 8), "f4"), array(rng, (3, 2, 3, 3), "f4")
    expected = clconv.conv2d(x[16:], w)
    xs, ws = cl_array.to_device(queue, x), cl_array.to_device(queue, w)
    assert np.array_equal(clconv.conv2d(xs[16:], ws).get(), expected)
    other = cl.CommandQueue(queue.context)
    out = cl_array.empty(other, expected.shape, "f4")
    event = cl.UserEvent(queue.context)
    assert clconv.conv2d(xs[16:], ws, out=out, queue=other, wait_for=[event]) is out
    assert out.events and out.events[-1].command_execution_status != cl.command_execution_status.COMPLETE
    event.set_status(cl.command_execution_status.COMPLETE)
    out.events[-1].wait()
    assert np.array_equal(out.get(), expected)
    with pytest.raises(ValueError, match="where the device cannot address it: copy it"):
        clconv.conv2d(xs.reshape(-1)[1 : 1 + 128].reshape(1, 2, 8, 8), ws)


def test_plan_on_buffers(rng, queue):
    x, w = array(rng, (1, 16, 14, 14), "f4"), array(rng, (32, 16, 3, 3), "f4")
    context = clconv.Context(queue)
    plan = context.plan("n1c16h14w14k32kh3kw3p1")
    expected = clconv.conv2d(x, w, padding=1).astype("f8")
    flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
    xs, ws = (cl.Buffer(queue.context, flags, hostbuf=a) for a in (x, w))
    y = np.zeros(expected.shape, "f4")
    ys = cl.Buffer(queue.context, flags, hostbuf=y)
    prepared, packed = plan.prepare(queue, ws)
    event = plan.execute(queue, x=xs, w=ws, prepared=prepared, y=ys, wait_for=[packed] if packed else None)
    cl.enqueue_copy(queue, y, ys, wait_for=[event])
    assert np.allclose(y, expected, atol=1e-3)
    plan.execute(queue, x=xs.int_ptr, w=ws.int_ptr, y=ys.int_ptr).wait()  # addresses will do
    assert plan.profile(x=xs, w=ws, y=ys)
    with pytest.raises(ValueError, match="y"):
        plan.execute(queue, x=xs, w=ws)
    with pytest.raises(ValueError, match="w"):
        plan.execute(queue, x=xs, w=xs, y=ys)  # too small


def test_contexts_are_found_again(queue):
    from clconv._context import context_of_queue

    assert context_of_queue(queue) is context_of_queue(cl.CommandQueue(queue.context))
    assert clconv.Context(queue.context).opencl == queue.context
    assert clconv.Context(queue).device == queue.device


def test_mixed_operands_are_refused(rng, queue):
    x, w = array(rng, (1, 2, 8, 8), "f4"), array(rng, (3, 2, 3, 3), "f4")
    with pytest.raises(ValueError, match="w is of type ndarray, expected a pyopencl.array.Array as x"):
        clconv.conv2d(cl_array.to_device(queue, x), w)
    with pytest.raises(ValueError, match="x ndarray, w Array"):
        clconv.conv2d(x, cl_array.to_device(queue, w))
    with pytest.raises(ValueError, match="x is a buffer, which has no shape"):
        clconv.conv2d(cl_array.to_device(queue, x).data, w)
    with pytest.raises(ValueError, match="out is of type ndarray"):
        clconv.conv2d(cl_array.to_device(queue, x), cl_array.to_device(queue, w), out=x)
