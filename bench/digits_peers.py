#!/usr/bin/env python3
"""The digits network in NumPy (im2col) and in PyTorch, timed for bench/digits, which runs this.

usage: digits_peers.py IMAGES.f32 LABELS.i32
IMAGES.f32 holds 960 images of 28x28 as raw float32, LABELS.i32 their labels as raw int32. Prints one JSON document:
{"NumPy im2col": {"forward": {"1": [seconds, ...], "32": [...]}, "forward+backward": {...}}, "PyTorch 1.13": ...}.
What cannot be imported is left out. Nothing is warmed up beyond one untimed call.
"""
import json
import os
import sys
import time

import numpy as np

LAYERS = [(1, 32, 28, 0), (32, 64, 14, 1), (64, 128, 8, 0)]  # channels, filters, size, padding; 2x2, stride 2


class NumpyNetwork:
    """Forward and backward as matrix products of im2col rows; gradients are kept, nothing is updated."""

    def __init__(self, rng):
        self.conv = [(rng.standard_normal((k, c * 4)).astype(np.float32) * (2 / (4 * c)) ** 0.5,
                      np.zeros(k, np.float32)) for c, k, _, _ in LAYERS]
        self.full = [(rng.standard_normal((m, k)).astype(np.float32) * (2 / k) ** 0.5, np.zeros(m, np.float32))
                     for k, m in ((2048, 250), (250, 10))]

    @staticmethod
    def im2col(x, padding):
        if padding:
            x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        n, c, h, w = x.shape  # 2x2 at stride 2: patches do not overlap, so they are a transposition
        patches = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 2, 4, 1, 3, 5)
        return patches.reshape(n * (h // 2) * (w // 2), c * 4), h // 2

    @staticmethod
    def col2im(cols, n, c, size, padding):
        x = cols.reshape(n, size, size, c, 2, 2).transpose(0, 3, 1, 4, 2, 5).reshape(n, c, 2 * size, 2 * size)
        return x[:, :, padding:-padding, padding:-padding] if padding else x

    def forward(self, x):
        self.saved = []
        for (weights, bias), (_, filters, _, padding) in zip(self.conv, LAYERS):
            cols, size = self.im2col(x, padding)
            y = np.maximum(cols @ weights.T + bias, 0)
            self.saved.append((cols, y, size))
            x = y.reshape(len(x), size, size, filters).transpose(0, 3, 1, 2)
        flat = np.ascontiguousarray(x).reshape(len(x), -1)
        hidden = np.maximum(flat @ self.full[0][0].T + self.full[0][1], 0)
        logits = hidden @ self.full[1][0].T + self.full[1][1]
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.dense = (flat, hidden, e / e.sum(axis=1, keepdims=True))
        return self.dense[2]

    def backward(self, labels):
        flat, hidden, p = self.dense
        n = len(flat)
        d = p.copy()
        d[np.arange(n), labels] -= 1
        d /= n
        gradients = [(d.T @ hidden, d.sum(axis=0))]
        d = (d @ self.full[1][0]) * (hidden > 0)
        gradients.append((d.T @ flat, d.sum(axis=0)))
        dy = (d @ self.full[0][0]).reshape(n, 128, 4, 4)
        for i in (2, 1, 0):
            cols, y, size = self.saved[i]
            channels, filters, _, padding = LAYERS[i]
            d = dy.transpose(0, 2, 3, 1).reshape(-1, filters) * (y > 0)
            gradients.append((d.T @ cols, d.sum(axis=0)))
            if i > 0:
                dy = self.col2im(d @ self.conv[i][0], n, channels, size, padding)
        return gradients


def torch_network(torch):
    layers = []
    for channels, filters, _, padding in LAYERS:
        layers += [torch.nn.Conv2d(channels, filters, 2, stride=2, padding=padding), torch.nn.ReLU()]
    layers += [torch.nn.Flatten(), torch.nn.Linear(2048, 250), torch.nn.ReLU(), torch.nn.Linear(250, 10)]
    return torch.nn.Sequential(*layers)


def timed(call, batches):
    call(*batches[0])
    times = []
    for images, labels in batches:
        start = time.perf_counter()
        call(images, labels)
        times.append(time.perf_counter() - start)
    return times


def measure(forward, both, images, labels):
    result = {"forward": {}, "forward+backward": {}}
    for size in (1, 32):
        batches = [(images[i:i + size], labels[i:i + size]) for i in range(0, len(images), size)]
        result["forward"][str(size)] = timed(forward, batches)
        result["forward+backward"][str(size)] = timed(both, batches)
    return result


def main():
    images = np.fromfile(sys.argv[1], np.float32).reshape(-1, 1, 28, 28)
    labels = np.fromfile(sys.argv[2], np.int32).astype(np.int64)
    network = NumpyNetwork(np.random.default_rng(1))
    results = {"NumPy im2col": measure(
        lambda x, _: network.forward(x),
        lambda x, t: (network.forward(x), network.backward(t)), images, labels)}
    try:
        import torch
    except ImportError:
        print(json.dumps(results))
        return
    torch.manual_seed(1)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = torch_network(torch)
    loss = torch.nn.CrossEntropyLoss()

    def forward(x, _):
        with torch.no_grad():
            torch.softmax(model(x), dim=1)

    def both(x, t):
        model.zero_grad(set_to_none=True)
        loss(model(x), t).backward()

    name = "PyTorch " + ".".join(torch.__version__.split(".")[:2])
    results[name] = measure(forward, both, torch.from_numpy(images), torch.from_numpy(labels))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
