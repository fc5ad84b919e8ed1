#!/usr/bin/env python3
"""Whole networks: clconv beside other runtimes, in one process, in turns of some runs each, medians.

usage: networks.py [--rounds N] [--runs N] [--batch N] [--threads N] [--dtype f32|f16] [--rigor N] [--lib FOLDER]
                   [--pause MS] [--check] MODEL[:NAME=1,3,H,W]...

Each model is an ONNX file; a shape is needed where the model leaves sizes open. Peers are used where Python finds them:
onnxruntime, openvino. With --check, the largest difference to onnxruntime's outputs is printed instead of times. The
libraries are looked for in --lib (a build folder), else where the loader finds them.
"""
import argparse
import ctypes as C
import importlib.util
import os
import statistics
import time

import numpy as np


class Shape(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("name", C.c_char_p), ("rank", C.c_int64), ("sizes", C.c_int64 * 8)]


class Options(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("num_shapes", C.c_int64), ("shapes", C.POINTER(Shape)),
                ("batch", C.c_int64), ("rigor", C.c_int32), ("time_limit_s", C.c_double),
                ("workspace_limit_bytes", C.c_int64), ("deterministic", C.c_int), ("expected_runs", C.c_int64),
                ("data_type", C.c_int32), ("skip_passes", C.c_char_p), ("plan_capacity", C.c_int64)]


class Info(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("name", C.c_char_p), ("type", C.c_int32), ("rank", C.c_int64),
                ("sizes", C.c_int64 * 8), ("bytes", C.c_int64)]


class Clconv:
    """A network through the C ABI, with buffers on a queue of its own."""

    def __init__(self, path, shapes, batch, rigor, data_type, folder):
        where = folder + "/" if folder else ""
        self.core = C.CDLL(where + "libclconv.so", mode=C.RTLD_GLOBAL)
        self.net_lib = C.CDLL(where + "libclconv-net.so")
        self.cl = C.CDLL("libOpenCL.so.1")
        self.core.clconv_last_error.restype = C.c_char_p
        self.cl.clCreateCommandQueue.restype = self.cl.clCreateBuffer.restype = C.c_void_p
        self.cl.clCreateBuffer.argtypes = [C.c_void_p, C.c_uint64, C.c_size_t, C.c_void_p, C.c_void_p]
        self.cl.clCreateCommandQueue.argtypes = [C.c_void_p, C.c_void_p, C.c_uint64, C.c_void_p]
        transfer = [C.c_void_p, C.c_void_p, C.c_uint32, C.c_size_t, C.c_size_t, C.c_void_p, C.c_uint32, C.c_void_p,
                    C.c_void_p]
        self.cl.clEnqueueWriteBuffer.argtypes = self.cl.clEnqueueReadBuffer.argtypes = transfer
        self.cl.clFinish.argtypes = [C.c_void_p]
        self.core.clconv_pin_pocl_threads()
        self.context, self.model, self.net = C.c_void_p(), C.c_void_p(), C.c_void_p()
        self.check(self.core.clconv_context_create_on(None, None, C.byref(self.context)))
        self.check(self.net_lib.clconv_net_model_load(path.encode(), C.byref(self.model)))
        options = Options()
        self.net_lib.clconv_net_options_defaults(C.byref(options), C.c_size_t(C.sizeof(options)))
        given = (Shape * max(1, len(shapes)))()
        for one, (name, sizes) in zip(given, shapes.items()):
            one.struct_size, one.name, one.rank = C.sizeof(Shape), name.encode(), len(sizes)
            one.sizes = (C.c_int64 * 8)(*sizes)
        options.num_shapes, options.shapes = len(shapes), given
        options.batch, options.rigor, options.data_type = batch, rigor, data_type
        self.check(self.net_lib.clconv_net_create(self.context, self.model, C.byref(options), C.byref(self.net)))
        cl_context, device = C.c_void_p(), C.c_void_p()
        self.check(self.core.clconv_context_get(self.context, C.byref(cl_context), C.byref(device)))
        self.queue = self.cl.clCreateCommandQueue(cl_context, device, 0, None)
        counts = C.c_int64(), C.c_int64()
        self.check(self.net_lib.clconv_net_counts(self.net, C.byref(counts[0]), C.byref(counts[1])))
        self.inputs = [self.edge(cl_context, i, self.net_lib.clconv_net_input) for i in range(counts[0].value)]
        self.outputs = [self.edge(cl_context, i, self.net_lib.clconv_net_output) for i in range(counts[1].value)]

    def check(self, status):
        if status:
            raise RuntimeError(self.core.clconv_last_error().decode())

    def edge(self, cl_context, index, query):
        info = Info(struct_size=C.sizeof(Info))
        self.check(query(self.net, C.c_int64(index), C.byref(info)))
        buffer = self.cl.clCreateBuffer(cl_context, 1, max(info.bytes, 1), None, None)
        return info.name.decode(), tuple(info.sizes[:info.rank]), buffer

    def run(self, feed):
        """As a peer's call: from arrays to arrays."""
        for name, shape, buffer in self.inputs:
            data = np.ascontiguousarray(feed[name], dtype=np.float32)
            assert data.shape == shape, (name, data.shape, shape)
            self.cl.clEnqueueWriteBuffer(self.queue, buffer, 1, 0, data.nbytes, data.ctypes.data, 0, None, None)
        ins = (C.c_void_p * len(self.inputs))(*[one[2] for one in self.inputs])
        outs = (C.c_void_p * len(self.outputs))(*[one[2] for one in self.outputs])
        self.check(self.net_lib.clconv_net_run(self.net, C.c_void_p(self.queue), C.c_int64(0), None,
                                               C.c_int64(len(ins)), ins, C.c_int64(len(outs)), outs, 0, None, None))
        results = []
        for _, shape, buffer in self.outputs:
            data = np.empty(shape, dtype=np.float32)
            self.cl.clEnqueueReadBuffer(self.queue, buffer, 1, 0, data.nbytes, data.ctypes.data, 0, None, None)
            results.append(data)
        return results


def onnxruntime_session(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)


def openvino_session(path, threads, shapes):
    import openvino
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({name: list(shape) for name, shape in shapes.items()})
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads,
                                                 "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    return lambda feed: request.infer(feed)


def parsed(word):
    path, _, rest = word.partition(":")
    shapes = {}
    for part in filter(None, rest.split(":")):
        name, _, sizes = part.partition("=")
        shapes[name] = [int(size) for size in sizes.split(",")]
    return path, shapes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--runs", type=int, default=9, help="of a turn, after 3 that do not count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pause", type=float, default=100, help="ms before each turn: other runtimes' threads spin on")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dtype", choices=["f32", "f16"], default="f32")
    parser.add_argument("--rigor", type=int, default=0, help="clconv_rigor: 2 estimate, 3 measure")
    parser.add_argument("--lib", default="")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    found = {name for name in ("onnxruntime", "openvino") if importlib.util.find_spec(name)}
    for word in arguments.models:
        path, shapes = parsed(word)
        begin = time.perf_counter()
        ours = Clconv(path, shapes, arguments.batch, arguments.rigor, 0 if arguments.dtype == "f32" else 1,
                      arguments.lib)
        compiled = time.perf_counter() - begin
        generator = np.random.default_rng(1)
        feed = {name: generator.random(shape, dtype=np.float32) for name, shape, _ in ours.inputs}
        actual = {name: shape for name, shape, _ in ours.inputs}
        runners = {"clconv": ours.run}
        if "onnxruntime" in found:
            runners["onnxruntime"] = onnxruntime_session(path, arguments.threads)
        if "openvino" in found and not arguments.check:
            runners["openvino"] = openvino_session(path, arguments.threads, actual)
        name = os.path.basename(path)
        if arguments.check:
            got, wanted = runners["clconv"](feed), runners["onnxruntime"](feed)
            for one, other in zip(got, wanted):
                scale = max(float(np.abs(other).max()), 1e-30)
                print(f"{name:40} {str(other.shape):22} largest |value| {scale:9.3g}  "
                      f"largest difference {np.abs(one - other).max():9.3g}  relative to it "
                      f"{np.abs(one - other).max() / scale:9.3g}", flush=True)
            continue
        times = {runner: [] for runner in runners}
        for _ in range(arguments.rounds):
            for runner, run in runners.items():
                time.sleep(arguments.pause / 1e3)
                for turn in range(3 + arguments.runs):
                    begin = time.perf_counter()
                    run(feed)
                    if turn >= 3:
                        times[runner].append((time.perf_counter() - begin) * 1e3)
        cells = [f"{runner} {statistics.median(ms):8.2f} ({min(ms):.2f})" for runner, ms in times.items()]
        ratios = [f"{statistics.median(ms) / statistics.median(times['clconv']):.2f}x"
                  for runner, ms in times.items() if runner != "clconv"]
        print(f"{name:36} {'  '.join(cells)}  {' '.join(ratios)}  compiled in {compiled:.1f} s", flush=True)


if __name__ == "__main__":
    main()
