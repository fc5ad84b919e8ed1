#!/usr/bin/env python3
"""Whole networks: clconv beside other runtimes, in one process, in turns of some runs each, medians.

usage: networks.py [--peers LIST] [--rounds N] [--runs N] [--batch N] [--threads N] [--dtype f32|f16] [--rigor N]
                   [--lib FOLDER] [--converted FOLDER] [--pause MS] [--distance PROGRAM] [--check | --totals]
                   MODEL[:NAME=1,3,H,W]...

Each model is an ONNX file; a shape is needed where the model leaves sizes open. The last lines are geometric means over
all models. --peers is a comma-separated list of onnxruntime, openvino, mnn, ncnn; by default the first two, where
Python finds them. Models for mnn and ncnn are looked for in --converted: NAME.mnn, as mnnconvert writes it, and
NAME.ncnn.param with NAME.ncnn.bin, as pnnx does; NAME is the ONNX file's without .onnx.

With --check, the largest difference to onnxruntime's outputs is printed instead of times; with --totals, the predicted
time of a run, the sum of its layers measured one by one, and the time of whole runs, for clconv alone. The libraries
are looked for in --lib (a build folder), else where the loader finds them. With --distance build/bench/core_distance,
each line says how far the cores are: on a virtual machine that may change at any time, and times with it.
"""
import argparse
import ctypes as C
import importlib.util
import json
import math
import os
import statistics
import subprocess
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
        self.core.clconv_free.argtypes = [C.c_void_p]
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

    def totals(self, rounds):
        """The totals of clconv_net_report(), with measured times. Inputs are what lies in the buffers."""
        ins = (C.c_void_p * len(self.inputs))(*[one[2] for one in self.inputs])
        outs = (C.c_void_p * len(self.outputs))(*[one[2] for one in self.outputs])
        text = C.c_char_p()
        self.check(self.net_lib.clconv_net_profile(self.net, C.c_int64(len(ins)), ins, C.c_int64(len(outs)), outs,
                                                   C.c_int64(rounds), C.byref(text)))
        totals = json.loads(text.value)["totals"]
        self.core.clconv_free(text)
        return totals

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


def for_shapes(path, shapes):
    """The model for other sizes than those it has: of an input, and none of what follows from them."""
    import onnx
    model = onnx.load(path)
    del model.graph.value_info[:]
    for value in model.graph.input:
        for dimension, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, [])):
            dimension.dim_value = size
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return model.SerializeToString()


def onnxruntime_session(path, shapes, arguments):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = for_shapes(path, shapes) if arguments.batch > 0 else path
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)


def openvino_session(path, shapes, arguments):
    import openvino
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({name: list(shape) for name, shape in shapes.items()})
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": arguments.threads,
                                                 "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    return lambda feed: request.infer(feed)


def converted(path, end, arguments):
    file = os.path.join(arguments.converted, os.path.basename(path)[:-len(".onnx")] + end)
    if not os.path.exists(file):
        raise FileNotFoundError(file)
    return file


def mnn_session(path, shapes, arguments):
    import MNN
    net = MNN.Interpreter(converted(path, ".mnn", arguments))
    session = net.createSession({"backend": "CPU", "numThread": arguments.threads, "precision": "high"})
    for name, shape in shapes.items():
        net.resizeTensor(net.getSessionInput(session, name), shape)
    net.resizeSession(session)

    def run(feed):
        for name, data in feed.items():
            host = MNN.Tensor(data.shape, MNN.Halide_Type_Float, data, MNN.Tensor_DimensionType_Caffe)
            net.getSessionInput(session, name).copyFrom(host)
        net.runSession(session)
        results = []
        for output in net.getSessionOutputAll(session).values():
            shape = output.getShape()
            host = MNN.Tensor(shape, MNN.Halide_Type_Float, np.empty(shape, np.float32), MNN.Tensor_DimensionType_Caffe)
            output.copyToHostTensor(host)
            results.append(np.array(host.getNumpyData(), copy=True))
        return results

    return run


def ncnn_session(path, shapes, arguments):
    import ncnn
    if any(shape[0] != 1 for shape in shapes.values()):
        raise ValueError("ncnn has no batches")
    net = ncnn.Net()
    net.opt.num_threads = arguments.threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    parameters = converted(path, ".ncnn.param", arguments)
    if net.load_param(parameters) != 0 or net.load_model(parameters[:-len("param")] + "bin") != 0:
        raise ValueError("ncnn cannot load " + parameters)

    def run(feed):
        extractor = net.create_extractor()
        for name, data in zip(net.input_names(), feed.values()):
            extractor.input(name, ncnn.Mat(data[0]).clone())
        results = []
        for name in net.output_names():
            status, value = extractor.extract(name)
            if status != 0:
                raise RuntimeError(f"ncnn cannot compute {name}: {status}")
            results.append(np.array(value))
        return results

    return run


SESSIONS = {"onnxruntime": ("onnxruntime", onnxruntime_session), "openvino": ("openvino", openvino_session),
            "mnn": ("MNN", mnn_session), "ncnn": ("ncnn", ncnn_session)}


def parsed(word):
    path, _, rest = word.partition(":")
    shapes = {}
    for part in filter(None, rest.split(":")):
        name, _, sizes = part.partition("=")
        shapes[name] = [int(size) for size in sizes.split(",")]
    return path, shapes


def peers_of(path, shapes, feed, arguments):
    """Those that can run the model; a line for each that cannot."""
    runners = {}
    for name in arguments.peers:
        try:
            runners[name] = SESSIONS[name][1](path, shapes, arguments)
            runners[name](feed)
        except Exception as error:  # of whatever kind a peer has
            runners.pop(name, None)
            print(f"{os.path.basename(path)}: {name} cannot run it: {error}", flush=True)
    return runners


def timed(runners, feed, arguments):
    """Milliseconds of every run that counts."""
    times = {runner: [] for runner in runners}
    for _ in range(arguments.rounds):
        for runner, run in runners.items():
            time.sleep(arguments.pause / 1e3)
            for turn in range(3 + arguments.runs):
                begin = time.perf_counter()
                run(feed)
                if turn >= 3:
                    times[runner].append((time.perf_counter() - begin) * 1e3)
    return times


def print_check(name, got, wanted):
    for one, other in zip(got, wanted):
        scale = max(float(np.abs(other).max()), 1e-30)
        largest = np.abs(one - other).max()
        print(f"{name:40} {str(other.shape):22} largest |value| {scale:9.3g}  largest difference {largest:9.3g}  "
              f"relative to it {largest / scale:9.3g}", flush=True)


def print_totals(name, totals, cores):
    whole = totals["measured_us"]

    def beside(field):
        return f"{totals[field] / 1e3:8.2f} ({(totals[field] / whole - 1) * 100:+.0f} %)"

    print(f"{name:36} whole {whole / 1e3:8.2f} ms  predicted {beside('predicted_us')}  "
          f"layers alone {beside('measured_layers_us')}  launches {totals['launches']}  {cores}", flush=True)


def distance(arguments):
    """Of the cores now, as text."""
    if not arguments.distance:
        return ""
    return subprocess.run([arguments.distance], check=True, capture_output=True, text=True).stdout.strip()


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def print_means(ratios):
    for peer, values in ratios.items():
        print(f"over {peer}: geometric mean {geometric_mean(values):.2f}x of {len(values)} models, "
              f"least {min(values):.2f}x", flush=True)


def arguments_of():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--peers", help="comma-separated; by default onnxruntime and openvino where they are found")
    parser.add_argument("--runs", type=int, default=9, help="of a turn, after 3 that do not count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pause", type=float, default=100, help="ms before each turn: other runtimes' threads spin on")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dtype", choices=["f32", "f16"], default="f32")
    parser.add_argument("--rigor", type=int, default=0, help="clconv_rigor: 2 estimate, 3 measure")
    parser.add_argument("--lib", default="")
    parser.add_argument("--converted", default=".", help="the folder of models for mnn and ncnn")
    parser.add_argument("--distance", help="build/bench/core_distance")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--totals", action="store_true")
    arguments = parser.parse_args()
    if arguments.peers is None:
        names = [name for name in ("onnxruntime", "openvino") if importlib.util.find_spec(SESSIONS[name][0])]
    else:
        names = [name for name in arguments.peers.split(",") if name]
    unknown = [name for name in names if name not in SESSIONS]
    if unknown:
        parser.error(f"--peers: unknown {', '.join(unknown)}; known are {', '.join(SESSIONS)}")
    arguments.peers = ["onnxruntime"] if arguments.check else [] if arguments.totals else names
    return arguments


def main():
    arguments = arguments_of()
    ratios = {}
    for word in arguments.models:
        path, shapes = parsed(word)
        begin = time.perf_counter()
        ours = Clconv(path, shapes, arguments.batch, arguments.rigor, 0 if arguments.dtype == "f32" else 1,
                      arguments.lib)
        compiled = time.perf_counter() - begin
        generator = np.random.default_rng(1)
        feed = {name: generator.random(shape, dtype=np.float32) for name, shape, _ in ours.inputs}
        name = os.path.basename(path)
        results = ours.run(feed)
        before = distance(arguments)
        if arguments.totals:
            print_totals(name, ours.totals(arguments.runs), before + " " + distance(arguments))
            continue
        runners = {"clconv": ours.run}
        runners.update(peers_of(path, {name: shape for name, shape, _ in ours.inputs}, feed, arguments))
        if arguments.check:
            if "onnxruntime" in runners:
                print_check(name, results, runners["onnxruntime"](feed))
            continue
        times = timed(runners, feed, arguments)
        medians = {runner: statistics.median(ms) for runner, ms in times.items()}
        over = {runner: median / medians["clconv"] for runner, median in medians.items() if runner != "clconv"}
        for runner, ratio in over.items():
            ratios.setdefault(runner, []).append(ratio)
        cells = [f"{runner} {medians[runner]:8.2f} ({min(ms):.2f})" for runner, ms in times.items()]
        print(f"{name:36} {'  '.join(cells)}  {' '.join(f'{ratio:.2f}x' for ratio in over.values())}  "
              f"compiled in {compiled:.1f} s  {before} {distance(arguments)}", flush=True)
    print_means(ratios)


if __name__ == "__main__":
    main()
