"""conv2d() on NumPy arrays beside PyTorch's on tensors, over the layers of a suite: medians of interleaved calls.

usage: PYTHONPATH=build/python python bench/python_conv2d.py tests/suites/core.txt [PART-OF-A-NAME] [ROUNDS]

Both pack the weights and allocate the result in every call. Bias and ReLU: fused here, two calls there. OpenMP's idle
threads spin for 5 ms, on cores that the other needs: each turn begins with a pause.
"""

import statistics
import sys
import time

import clconv

clconv.pin_pocl_threads()  # before OpenCL is used

import numpy as np
import torch

PAUSE_SECONDS = 0.01


def layers(path, part):
    for line in open(path):
        words = line.split("#")[0].split()
        if len(words) == 2 and part in words[0]:
            yield words[0], clconv.Problem(words[1])


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    part, rounds = sys.argv[2] if len(sys.argv) > 2 else "", int(sys.argv[3]) if len(sys.argv) > 3 else 11
    rng = np.random.default_rng(1)
    ratios = []
    for name, p in layers(sys.argv[1], part):
        if (p.pt, p.pl) != (p.pb, p.pr):
            continue  # PyTorch has no such padding
        x, w, b = (rng.random(s, "f4") for s in (p.x_shape, p.w_shape, (p.k,)))
        stride, padding, dilation = (p.sh, p.sw), (p.pt, p.pl), (p.dh, p.dw)
        tx, tw, tb = map(torch.from_numpy, (x, w, b))
        with torch.no_grad():
            calls = (
                lambda: clconv.conv2d(x, w, b, stride, padding, dilation, p.g, "relu"),
                lambda: torch.relu_(torch.nn.functional.conv2d(tx, tw, tb, stride, padding, dilation, p.g)),
            )
            difference = np.abs(calls[0]() - calls[1]().numpy()).max()
            times = [[], []]
            for i in range(rounds + 2):
                for call, own in zip(calls, times):
                    time.sleep(PAUSE_SECONDS)
                    call()  # the caches are the other's
                    own.append(seconds(call))
        ours, theirs = (statistics.median(t[2:]) * 1e6 for t in times)
        ratios.append(theirs / ours)
        print(
            f"{name:24} clconv {ours:8.0f} us, PyTorch {theirs:8.0f} us, {theirs / ours:5.2f}x  "
            f"(differ by {difference:.1e})"
        )
    print(f"geometric mean {statistics.geometric_mean(ratios):.2f}x, least {min(ratios):.2f}x")


if __name__ == "__main__":
    main()
