"""Threads share everything; a process forked after the first use says so."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
from problems import array

import clconv


def test_threads_compute_side_by_side(rng):
    w = array(rng, (8, 4, 3, 3), "f4")
    images = [array(rng, (1, 4, 10 + i % 3, 12), "f4") for i in range(8)]
    expected = [clconv.conv2d(x, w, padding=1) for x in images]
    clconv.default_context().trim()
    failures = []

    def work(x, y):
        try:
            for _ in range(20):
                assert np.array_equal(clconv.conv2d(x, w, padding=1), y)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(images, expected)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_the_interpreter_goes_on_during_a_call(rng):
    """The GIL is released: another thread counts while convolutions run."""
    x, w = array(rng, (8, 32, 56, 56), "f4"), array(rng, (64, 32, 3, 3), "f4")
    clconv.conv2d(x, w)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(10)  # nobody is asked to give the GIL up
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(1e-5)

    try:
        thread = threading.Thread(target=count)
        thread.start()
        before = counted[0]
        for _ in range(3):
            clconv.conv2d(x, w)
        during = counted[0] - before
        done.set()
        thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert during > 0


FORK = """
import os, sys, numpy as np, clconv
x, w = np.ones((1, 1, 4, 4), "f4"), np.ones((1, 1, 3, 3), "f4")
if sys.argv[1] == "after":
    clconv.conv2d(x, w)
    plan = clconv.default_context().plan("n1c1h4w4k1kh3kw3")
child = os.fork()
if child == 0:
    try:
        print(clconv.conv2d(x, w)[0, 0, 0, 0])
    except clconv.Error as error:
        print(type(error).__name__, error)
    sys.stdout.flush()
    if sys.argv[1] == "after":
        del plan
        clconv.set_default_context(None)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(clconv.conv2d(x, w)[0, 0, 0, 0])
"""


def _forked(when):
    return subprocess.run(
        [sys.executable, "-c", FORK, when], env=os.environ, capture_output=True, text=True, timeout=60, check=True
    ).stdout.splitlines()


def test_after_fork_an_error_says_why():
    child, parent = _forked("after")
    assert child.startswith("OpenCLError this process was forked from one that had used OpenCL") and "'spawn'" in child
    assert parent == "9.0"


def test_a_fork_before_the_first_use_is_fine():
    assert _forked("before") == ["9.0", "9.0"]
