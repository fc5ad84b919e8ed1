"""clconv.torch beside PyTorch, where that is installed."""

import numpy as np
import pytest
from problems import COUNT, TYPES, close, random_problem, window

torch = pytest.importorskip("torch")

import clconv.torch
from clconv.torch import Conv2d, conv2d


def leaf(*shape):
    return (torch.rand(*shape) * 2 - 1).requires_grad_()


@pytest.mark.parametrize("case", range(4))
def test_as_pytorch(case):
    torch.manual_seed(case)
    stride, padding, dilation, groups = [(1, 0, 1, 1), (2, 1, 1, 2), (1, "same", 2, 1), ((1, 2), (0, 1), 1, 1)][case]
    x, w, b = leaf(2, 4, 9, 8), leaf(6, 4 // groups, 3, 3), leaf(6)
    activation = (None, "relu", "tanh", "sigmoid")[case]
    y = conv2d(x, w, b, stride, padding, dilation, groups, activation)
    expected = torch.nn.functional.conv2d(x, w, b, stride, padding, dilation, groups)
    if activation:
        expected = getattr(torch, activation)(expected)
    assert torch.allclose(y, expected, atol=1e-4)
    dy = torch.rand_like(y)
    for ours, theirs in zip(torch.autograd.grad(y, (x, w, b), dy), torch.autograd.grad(expected, (x, w, b), dy)):
        assert torch.allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("seed", range(COUNT))
def test_random_problems(seed):
    """With gradients, beside PyTorch's own in double precision."""
    rng = np.random.default_rng(3000 + seed)
    p, name = random_problem(rng), list(TYPES)[seed % len(TYPES)]
    shapes = (p["n"], p["c"], p["h"], p["w"]), (p["k"], p["c"] // p["g"], p["kh"], p["kw"]), (p["k"],)
    ours = [torch.from_numpy(rng.uniform(-1, 1, s)).to(getattr(torch, name)).requires_grad_() for s in shapes]
    exact = [t.detach().double().requires_grad_() for t in ours]
    sizes = [t.detach().abs().requires_grad_() for t in exact]

    def theirs(x, w, b):
        padded = torch.nn.functional.pad(x, (p["pl"], p["pr"], p["pt"], p["pb"]))
        return torch.nn.functional.conv2d(padded, w, b, (p["sh"], p["sw"]), 0, (p["dh"], p["dw"]), p["g"])

    y, expected, size = conv2d(*ours, **window(p)), theirs(*exact), theirs(*sizes)
    dy = torch.from_numpy(rng.uniform(-1, 1, tuple(y.shape))).to(y.dtype)
    results = [y, *torch.autograd.grad(y, ours, dy)]
    wanted = [expected, *torch.autograd.grad(expected, exact, dy.double())]
    sums = [size, *torch.autograd.grad(size, sizes, dy.double().abs())]
    for result, want, total in zip(results, wanted, sums):
        assert result.dtype == y.dtype
        close(result.detach().double().numpy(), want.detach().numpy(), total.detach().numpy() + 1, name)


@pytest.mark.filterwarnings("ignore:Input #")
def test_gradcheck():
    """In float32, so with differences of a size that float32 can tell."""
    torch.manual_seed(1)
    x, w, b = leaf(1, 2, 5, 4), leaf(3, 2, 3, 2), leaf(3)
    assert torch.autograd.gradcheck(
        lambda *t: conv2d(*t, stride=(2, 1), padding=1), (x, w, b), eps=0.05, atol=1e-3, rtol=1e-3
    )


def test_training():
    """A small network learns to tell rows from columns, with PyTorch's optimizer."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), Conv2d(4, 2, 8))
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    x, label = torch.zeros(32, 1, 8, 8), torch.arange(32) % 2
    for i in range(32):
        x[i, 0, i // 2 % 8, :] = 1
        if label[i]:
            x[i, 0] = x[i, 0].t().clone()
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(network(x)[:, :, 0, 0], label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[0] > 0.5 and losses[-1] < 0.05


def test_types_and_errors():
    x, w = torch.ones(1, 2, 4, 4), torch.ones(3, 2, 3, 3)
    assert torch.all(conv2d(x.half(), w.half()) == 18) and conv2d(x.half(), w.half()).dtype == torch.float16
    pytest.importorskip("ml_dtypes")
    assert torch.all(conv2d(x.bfloat16(), w.bfloat16()) == 18)
    assert torch.all(conv2d(x.transpose(2, 3), w) == 18)
    with pytest.raises(ValueError, match="x has type float64"):
        conv2d(x.double(), w)
    with pytest.raises(ValueError, match="whose gradient cannot be computed from its result"):
        conv2d(x.requires_grad_(), w, activation="silu")
    with pytest.raises(ValueError, match="padding_mode is 'reflect'"):
        Conv2d(2, 3, 3, padding_mode="reflect")(x)
