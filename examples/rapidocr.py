"""RapidOCR with its sessions replaced by clconv's: the same text from a picture, and the time of both.

usage: python examples/rapidocr.py PICTURE [ROUNDS]      (pip install . rapidocr-onnxruntime==1.4.4)

Nodes that clconv does not support stay with ONNX Runtime, and a line says which and why. CLCONV_RIGOR=measure has
clconv measure before it chooses; the first run of every size of a picture compiles.
"""

import statistics
import sys
import time

import clconv

clconv.pin_pocl_threads()  # before OpenCL is used

from rapidocr_onnxruntime import RapidOCR
from rapidocr_onnxruntime.utils import infer_engine


def replaced(path, sess_options=None, providers=None, **options):
    session = clconv.InferenceSession(path, sess_options, providers, fallback=True)
    for node in session.fallback_nodes:
        print(f"{str(path).rsplit('/', 1)[-1]} stays with ONNX Runtime: {node}")
    return session


def read(engine, picture):
    """The lines of text, and the seconds of detection, of turning and of recognition."""
    boxes, seconds = engine(picture)
    return [(text, float(score)) for _, text, score in boxes or []], seconds


def main():
    picture, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    engines = {"ONNX Runtime": RapidOCR()}
    infer_engine.InferenceSession = replaced
    engines["clconv"] = RapidOCR()
    results = {}
    for name, engine in engines.items():
        start = time.perf_counter()
        results[name] = read(engine, picture)[0]
        print(f"{name}: the first picture took {time.perf_counter() - start:.2f} s")
    times = {name: [] for name in engines}
    for _ in range(rounds):  # in turns, as machines are shared
        for name, engine in engines.items():
            times[name].append(read(engine, picture)[1])
    ours, theirs = results["clconv"], results["ONNX Runtime"]
    for text, score in ours:
        print(f"    {score:.3f}  {text}")
    same = [t for t, _ in ours] == [t for t, _ in theirs]
    difference = max((abs(a - b) for (_, a), (_, b) in zip(ours, theirs)), default=0.0)
    print(
        f"{len(ours)} lines, "
        + (f"the same as ONNX Runtime's; scores differ by {difference:.1e}" if same else "NOT THE SAME")
    )
    for part, what in enumerate(("detection", "turning", "recognition")):
        a, b = (statistics.median(t[part] for t in times[n]) for n in ("ONNX Runtime", "clconv"))
        print(f"{what:12} ONNX Runtime {a * 1e3:7.1f} ms, clconv {b * 1e3:7.1f} ms, {a / b:.2f}x as fast")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
