#!/usr/bin/env python3
"""PyTorch's conv2d and its gradients on NCHW, timed for clconv-bench, which starts this and talks to it.

usage: peers.py THREADS [pinned]
Standard input: JSON lines. {"prepare": [problem, ...]}, followed by each problem's operands x, w, b, dy as raw
float32 where its direction takes them, answers "ready" or "no"; {"time": N} answers the seconds that N calls took,
each computing all problems once; {"result": true} answers the last problem's result as raw float32. Prints PyTorch's
version first.
"""
import json
import math
import os
import sys
import time

import numpy as np
import torch

FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS = 0, 1, 2  # clconv_direction


def tensor(shape):
    values = np.frombuffer(bytearray(sys.stdin.buffer.read(4 * math.prod(shape))), np.float32)
    return torch.from_numpy(values).reshape(shape)


def prepared(p):
    """A function that computes the problem."""
    direction = p["direction"]
    x = tensor(p["x"]) if direction != BACKWARD_DATA else torch.empty(p["x"])
    w = tensor(p["w"]) if direction != BACKWARD_WEIGHTS else torch.empty(p["w"])
    b = tensor(p["w"][:1]) if direction == FORWARD and p["bias"] else None
    geometry = p["stride"], p["padding"], p["dilation"]
    if direction == FORWARD:
        return lambda: torch.nn.functional.conv2d(x, w, b, *geometry, p["groups"])
    dy = tensor(p["y"])
    wanted = [direction == BACKWARD_DATA, direction == BACKWARD_WEIGHTS, False]

    def gradient():
        return torch.ops.aten.convolution_backward(dy, x, w, None, *geometry, False, [0, 0], p["groups"],
                                                   wanted)[0 if wanted[0] else 1]
    return gradient


def pin_threads():
    """One core for each thread of OpenMP's, which start with the first convolution (see threads.hpp)."""
    cores = sorted(os.sched_getaffinity(0))
    known = os.listdir("/proc/self/task")
    torch.nn.functional.conv2d(torch.rand(1, 64, 28, 28), torch.rand(64, 64, 3, 3))
    os.sched_setaffinity(0, cores[:1])
    for i, thread in enumerate(t for t in os.listdir("/proc/self/task") if t not in known):
        os.sched_setaffinity(int(thread), [cores[(i + 1) % len(cores)]])


def answer(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main():
    torch.set_num_threads(int(sys.argv[1]))
    if "pinned" in sys.argv:
        pin_threads()
    answer(torch.__version__)
    calls, result = [], None
    with torch.inference_mode():
        while line := sys.stdin.buffer.readline():
            request = json.loads(line)
            if "prepare" in request:
                calls = []  # gives the last problem's memory back
                calls = [prepared(p) for p in request["prepare"]]
                answer("ready")
            elif "time" in request:
                start = time.perf_counter()
                for _ in range(request["time"]):
                    for call in calls:
                        result = call()
                answer(repr(time.perf_counter() - start))
            else:
                sys.stdout.buffer.write(result.contiguous().numpy().tobytes())
                sys.stdout.flush()


if __name__ == "__main__":
    main()
