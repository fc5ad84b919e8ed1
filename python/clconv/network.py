"""Whole networks: Network, and InferenceSession with the calls of onnxruntime's."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from . import _arrays, _core, _onnx_file
from ._context import Context, default_context, event_of
from ._errors import InvalidArgument, Unsupported
from ._fallback import CannotDivide, Divided
from ._report import NetworkReport

Shape = Tuple[int, ...]
_FLOAT32 = np.dtype(np.float32)
_SHAPES_KEPT = 64  # of outputs, by shapes of inputs


def supported() -> Dict[str, Any]:
    """``{"importer", "operators": [{"domain", "operator", "since"}], "passes": [...]}``."""
    return json.loads(_core.net_supported())


def _load(model: Any) -> _core.Model:
    if isinstance(model, (bytes, bytearray, memoryview)):
        return _core.parse_model(bytes(model), None)
    try:
        return _core.load_model(os.fspath(model))
    except TypeError:
        raise InvalidArgument(f"model is of type {type(model).__name__}, expected a path or bytes") from None


class Network:
    """A model compiled for a context, or for several. Safe with threads; runs may overlap.

    Args:
        model: path of an ONNX file, or its bytes (without external data).
        shapes: shapes of inputs, by name. Inputs that are not named keep the model's, whose open sizes become `batch`
            in front; open sizes elsewhere are given when the network runs.
        batch: the first size of every input; 0: the model's, 1 where it is open.
        dtype: of weights and activations in memory: ``"float32"``, ``"float16"``, ``"bfloat16"``. Inputs and outputs
            stay float32.
        context: a Context; None: the default one.
        rigor, time_limit_s, workspace_limit_bytes, deterministic, expected_runs: of every layer, as for Context.plan().
        skip_passes: names of passes that are not run.
        plan_capacity: sets of shapes that stay compiled; 0: 8.
        math: of every layer, as for Context.plan().
        devices: instead of `context`, a Context for each device, or what Context() takes for one, such as
            ``["0:0", "1:0"]``. The images, the first size of every input and output, are divided among them; they
            compute at once. run() is then the only way to compute.
        images: how many images each device takes; None: divided so that the last device is done as early as possible,
            by measured times with ``rigor="measure"``, else by predicted ones.

    Raises:
        FileError, InvalidModel, Unsupported: the text names the node. With `devices` also where images are not
            computed one by one.
        InvalidArgument: a shape is unknown; `images` does not sum up to the inputs'.
    """

    def __init__(
        self,
        model: Union[str, os.PathLike, bytes],
        shapes: Optional[Mapping[str, Sequence[int]]] = None,
        *,
        batch: int = 0,
        dtype: str = "float32",
        context: Optional[Context] = None,
        rigor: str = "default",
        time_limit_s: float = 0.0,
        workspace_limit_bytes: int = -1,
        deterministic: bool = False,
        expected_runs: int = 0,
        skip_passes: Sequence[str] = (),
        plan_capacity: int = 0,
        math: str = "float32",
        devices: Optional[Sequence[Any]] = None,
        images: Optional[Sequence[int]] = None,
    ) -> None:
        self._model = _load(model)
        self._description = json.loads(self._model.describe())
        self._divided = devices is not None
        self._images = None if images is None else [int(n) for n in images]
        #: Of each device.
        self.contexts: List[Context] = self._contexts_of(context, devices)
        self.context = self.contexts[0]
        self.input_names: Tuple[str, ...] = tuple(i["name"] for i in self._description["inputs"])
        self.output_names: Tuple[str, ...] = tuple(o["name"] for o in self._description["outputs"])
        self._options = _core.NetOptions(
            batch,
            rigor,
            time_limit_s,
            workspace_limit_bytes,
            deterministic,
            expected_runs,
            dtype,
            ",".join(skip_passes) or None,
            plan_capacity,
            math,
        )
        self._lock = threading.Lock()
        self._compiled: Any = None  # a _core.Network, or with devices a _core.NetworkBatch; of the first shapes
        self._batches: "OrderedDict[Tuple[Shape, ...], Tuple[_core.NetworkBatch, List[Shape]]]" = OrderedDict()
        self._capacity = plan_capacity if plan_capacity > 0 else 8
        self._output_shapes: "OrderedDict[Tuple[Shape, ...], List[Shape]]" = OrderedDict()
        given = {name: tuple(int(s) for s in shape) for name, shape in (shapes or {}).items()}
        if not self._open_sizes(given, batch):
            self._compile(given)
        elif given:
            unknown = [n for n in given if n not in self.input_names]
            if unknown:
                raise InvalidArgument(f"shapes has '{unknown[0]}', the inputs are {', '.join(self.input_names)}")
        self._given = given

    def _open_sizes(self, given: Mapping[str, Shape], batch: int) -> bool:
        """Whether a size is open that neither `given` nor the batch says."""
        for tensor in self._description["inputs"]:
            if tensor["name"] not in given and any(not isinstance(s, int) or s < 0 for s in tensor["shape"][1:]):
                return True
        return False

    def _contexts_of(self, context: Optional[Context], devices: Optional[Sequence[Any]]) -> List[Context]:
        if devices is None:
            if self._images is not None:
                raise InvalidArgument("images is given without devices")
            return [context if context is not None else default_context()]
        if context is not None:
            raise InvalidArgument("context and devices are both given, expected one of them")
        if len(devices) == 0:
            raise InvalidArgument("devices is empty, expected at least one")
        return [d if isinstance(d, Context) else Context(d) for d in devices]

    def _compile(self, shapes: Mapping[str, Shape]) -> None:
        names, sizes = list(shapes), [list(s) for s in shapes.values()]
        if not self._divided:
            self._compiled = _core.compile_model(self.context._core, self._model, names, sizes, self._options)
            return
        batch = _core.compile_network_batch(
            [c._core for c in self.contexts], self._model, names, sizes, self._options, self._images
        )
        key = tuple(shape for _, shape in batch.inputs())
        self._batches[key] = batch, [shape for _, shape in batch.outputs()]
        if self._compiled is None:
            self._compiled = batch
        while len(self._batches) > self._capacity:
            self._batches.popitem(last=False)

    def _batch_for(self, key: Tuple[Shape, ...]) -> Tuple[_core.NetworkBatch, List[Shape]]:
        """The network over devices, and the outputs' shapes for these of the inputs."""
        with self._lock:
            if key not in self._batches:
                self._compile(dict(zip(self.input_names, key)))
            self._batches.move_to_end(key)
            return self._batches[key]

    def _for(self, shapes: Sequence[Shape]) -> Tuple[Any, List[Shape]]:
        """The network, and the outputs' shapes for these of the inputs."""
        key = tuple(shapes)
        if self._divided:
            return self._batch_for(key)
        with self._lock:
            known = self._output_shapes.get(key)
            if known is not None and self._compiled is not None:
                self._output_shapes.move_to_end(key)
                return self._compiled, known
            if self._compiled is None:
                self._compile(dict(zip(self.input_names, key)))
            network = self._compiled
            assert network is not None
        found = network.prepare([list(s) for s in key])
        with self._lock:
            self._output_shapes[key] = found
            while len(self._output_shapes) > _SHAPES_KEPT:
                self._output_shapes.popitem(last=False)
        return network, found

    def _needed(self) -> Any:
        if self._compiled is None:
            raise InvalidArgument("the model leaves sizes of its inputs open: give shapes, or run it once")
        return self._compiled

    def _of_one_device(self, call: str) -> None:
        if self._divided:
            count = len(self.contexts)
            raise InvalidArgument(f"{call} is of one device, this network has {count}: run() computes on all")

    @property
    def parts(self) -> List[Dict[str, Any]]:
        """What each of the `devices` does, for the shapes that were compiled first.

        ``first`` image, ``images``, and ``image_us`` (None where `images` was given).
        """
        if not self._divided:
            raise InvalidArgument("parts are those of a Network(..., devices=[...])")
        return self._needed().parts()

    @property
    def inputs(self) -> Dict[str, Shape]:
        """Shapes of the inputs by name, as the network was compiled first."""
        return dict(self._needed().inputs())

    @property
    def outputs(self) -> Dict[str, Shape]:
        """Shapes of the outputs by name, as the network was compiled first."""
        return dict(self._needed().outputs())

    @property
    def description(self) -> Dict[str, Any]:
        """Of the model: opset, producer, inputs with their shapes, numbers of nodes, operators and parameters."""
        return self._description

    def output_shapes(self, shapes: Mapping[str, Sequence[int]]) -> Dict[str, Shape]:
        """Compiles for these shapes of all inputs, unless that was done, and gives the outputs'."""
        ordered = [tuple(int(s) for s in self._value(shapes, n)) for n in self.input_names]
        return dict(zip(self.output_names, self._for(ordered)[1]))

    def _value(self, given: Mapping[str, Any], name: str) -> Any:
        if name not in given:
            raise InvalidArgument(f"input '{name}' is missing: the inputs are {', '.join(self.input_names)}")
        return given[name]

    def _ordered(self, inputs: Any) -> List[Any]:
        """The inputs in the model's order, from a dictionary, a sequence or, where there is one, that one."""
        if isinstance(inputs, Mapping):
            unknown = [n for n in inputs if n not in self.input_names]
            if unknown:
                raise InvalidArgument(f"there is no input '{unknown[0]}': the inputs are {', '.join(self.input_names)}")
            return [self._value(inputs, n) for n in self.input_names]
        if not isinstance(inputs, (list, tuple)):
            inputs = [inputs]
        if len(inputs) != len(self.input_names):
            raise InvalidArgument(
                f"{len(inputs)} inputs are given, there are {len(self.input_names)}: {', '.join(self.input_names)}"
            )
        return list(inputs)

    def _on_host(self, inputs: Any) -> List[np.ndarray]:
        arrays = []
        for name, value in zip(self.input_names, self._ordered(inputs)):
            array = _arrays.operand(value, f"input '{name}'")
            if not isinstance(array, np.ndarray):
                raise InvalidArgument(
                    f"input '{name}' is of type {type(value).__name__}, expected a host array: "
                    "Network.execute() takes buffers of PyOpenCL"
                )
            if array.dtype != _FLOAT32:
                raise InvalidArgument(f"input '{name}' has type {array.dtype}, expected float32")
            arrays.append(np.ascontiguousarray(array))
        return arrays

    def run(self, inputs: Any) -> Dict[str, np.ndarray]:
        """Computes on host arrays, and waits.

        Args:
            inputs: float32 arrays: a dictionary by name, a list in the order of `input_names`, or the only one. Other
                shapes than before compile the network for them, once.

        Returns:
            float32 arrays by name.
        """
        arrays = self._on_host(inputs)
        shapes = [a.shape for a in arrays]
        network, found = self._for(shapes)
        alignment = max(context._core.alignment for context in self.contexts)
        outputs = [_arrays.empty(s, _FLOAT32, alignment) for s in found]
        if self._divided:
            network.run(arrays, outputs)
        else:
            network.run([list(s) for s in shapes], arrays, outputs)
        return dict(zip(self.output_names, outputs))

    __call__ = run

    def execute(
        self,
        queue: Any,
        inputs: Any,
        outputs: Sequence[Any],
        *,
        shapes: Optional[Mapping[str, Sequence[int]]] = None,
        wait_for: Optional[Sequence[Any]] = None,
    ) -> Any:
        """Enqueues a run on buffers of PyOpenCL and does not wait.

        Args:
            queue: a ``pyopencl.CommandQueue`` of the context's device.
            inputs: buffers or arrays of PyOpenCL, float32, as for run().
            outputs: the same, in the order of `output_names`; distinct from all others.
            shapes: of all inputs, where they differ from those that the network was compiled for.
            wait_for: events.

        Returns:
            The ``pyopencl.Event`` of the last command.
        """
        self._of_one_device("execute()")
        network = self._needed() if shapes is None else None
        given: List[List[int]] = []
        if shapes is not None:
            given = [[int(s) for s in self._value(shapes, n)] for n in self.input_names]
            network = self._for([tuple(s) for s in given])[0]
        assert network is not None
        return event_of(network.execute(queue, given, self._ordered(inputs), list(outputs), wait_for))

    def report(self, device: int = 0) -> NetworkReport:
        """What the network is, layer by layer: a dictionary that prints and shows as a table.

        `device` is the number of one of `devices`.
        """
        if not 0 <= device < len(self.contexts):
            raise InvalidArgument(f"device is {device}, expected 0 to {len(self.contexts) - 1}")
        text = self._needed().report(device) if self._divided else self._needed().report()
        if text is None:
            raise InvalidArgument(f"device {device} has no images")
        return NetworkReport(json.loads(text))

    def _operands(self, inputs: Any) -> Tuple[_core.Network, List[np.ndarray], List[np.ndarray]]:
        network = self._needed()
        sizes = network.inputs()
        arrays = self._on_host([np.zeros(s, _FLOAT32) for _, s in sizes] if inputs is None else inputs)
        for array, (name, shape) in zip(arrays, sizes):
            _arrays.require(array, f"input '{name}'", shape, f"{shape}, which the network was compiled for")
        outputs = [_arrays.empty(s, _FLOAT32, self.context._core.alignment) for _, s in network.outputs()]
        return network, arrays, outputs

    def profile(self, inputs: Any = None, rounds: int = 5) -> NetworkReport:
        """The report with the measured time of every layer, in microseconds. Inputs of zeros unless given."""
        self._of_one_device("profile()")
        network, arrays, outputs = self._operands(inputs)
        return NetworkReport(json.loads(network.profile(arrays, outputs, rounds)))

    def check(self, inputs: Any) -> NetworkReport:
        """Compares every convolution with the plainest way to compute it: the report with ``"ok"``."""
        self._of_one_device("check()")
        network, arrays, outputs = self._operands(inputs)
        return NetworkReport(json.loads(network.check(arrays, outputs)))

    def memory(self) -> Dict[str, int]:
        """Bytes of weights, activations and workspace, of all devices."""
        return self._needed().memory()


class NodeArg:
    """An input or output, as onnxruntime describes it."""

    def __init__(self, name: str, type_: str, shape: List[Any]) -> None:
        self.name, self.type, self.shape = name, type_, shape

    def __repr__(self) -> str:
        return f"NodeArg(name='{self.name}', type='{self.type}', shape={self.shape})"


class ModelMetadata:
    """What a model says of itself, as onnxruntime's ModelMetadata."""

    def __init__(self, d: _onnx_file.Description) -> None:
        self.producer_name = d.producer
        self.graph_name = d.graph
        self.domain = d.domain
        self.description = d.description
        self.version = d.version
        self.custom_metadata_map = d.metadata


_FLOATING = (0, 1, 10, 11, 16)  # and not said; networks take float32 for all of them
_TYPE_WORDS = {1: "float", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "double"}


class InferenceSession:
    """A network with the calls of onnxruntime.InferenceSession, so that a program changes one import.

    Args:
        path_or_bytes: an ONNX file.
        sess_options, providers, provider_options: taken and ignored, but for `sess_options` where onnxruntime computes.
        fallback: nodes that clconv does not support are computed by onnxruntime, where that is installed;
            `fallback_nodes` says which and why. Where the model cannot be taken apart, onnxruntime computes all of it.
        options: those of Network.

    Inputs and outputs are float32, but for those of nodes that onnxruntime computes. ``run`` options are ignored.
    """

    def __init__(
        self,
        path_or_bytes: Any,
        sess_options: Any = None,
        providers: Any = None,
        provider_options: Any = None,
        *,
        fallback: bool = False,
        **options: Any,
    ) -> None:
        #: Why clconv does not compute all of the model; None where it does.
        self.fallback_reason: Optional[str] = None
        self._other: Any = None  # computes all of the model
        self._divided: Optional[Divided] = None
        self._fallback = (path_or_bytes, sess_options) if fallback else None
        self._options = {k: v for k, v in options.items() if k not in ("shapes", "batch")}
        self.network: Optional[Network] = None
        try:
            self.network = Network(path_or_bytes, **options)
        except Unsupported as error:
            self._fall_back(error)
        is_bytes = isinstance(path_or_bytes, (bytes, bytearray, memoryview))
        self._said = _onnx_file.describe(path_or_bytes) if is_bytes else _onnx_file.describe_file(path_or_bytes)
        integers = [t for t in self._said.inputs if t.element_type not in _FLOATING]
        if fallback and self.network is not None and integers:
            self._fall_back(Unsupported(f"input '{integers[0].name}' is not float32"))

    @property
    def fallback_nodes(self) -> List[str]:
        """The nodes that onnxruntime computes, each with the reason; what the first runs find out is added."""
        if self._divided is not None:
            return [self._divided.reasons[i] for i in sorted(self._divided.reasons)]
        return [] if self._other is None else ["all nodes"]

    def _fall_back(self, error: Unsupported) -> None:
        """From now on onnxruntime computes what clconv does not support, where that is wanted."""
        if self._fallback is None:
            raise error
        import onnxruntime  # noqa: F401 (where it is missing, that is the error)

        self.fallback_reason = str(error)
        self.network = None
        model = self._fallback[0]
        try:
            if isinstance(model, (bytes, bytearray, memoryview)):
                data = bytes(model)
            else:
                with open(model, "rb") as file:
                    data = file.read()
            operators = {(o["domain"], o["operator"]) for o in supported()["operators"]}
            self._divided = Divided(data, operators, self._network_of, self._session_of)
        except CannotDivide:
            self._run_whole()

    def _run_whole(self) -> None:
        assert self._fallback is not None
        self._divided = None
        self._other = self._session_of(self._fallback[0])

    def _network_of(self, data: bytes, inputs: Dict[str, np.ndarray]) -> Any:
        return Network(data, {name: array.shape for name, array in inputs.items()}, **self._options).run

    def _session_of(self, model: Any) -> Any:
        import onnxruntime

        assert self._fallback is not None
        return onnxruntime.InferenceSession(model, self._fallback[1], providers=["CPUExecutionProvider"])

    def _checked(self, output_names: Optional[Sequence[str]], known: Sequence[str]) -> List[str]:
        names = list(output_names) if output_names else list(known)
        for name in names:
            if name not in known:
                raise InvalidArgument(f"there is no output '{name}': the outputs are {', '.join(known)}")
        return names

    def _run_divided(
        self, divided: Divided, output_names: Optional[Sequence[str]], input_feed: Mapping[str, Any], run_options: Any
    ) -> List[Any]:
        names = self._checked(output_names, [t.name for t in self._said.outputs])
        inputs = [t.name for t in self._said.inputs]
        if set(inputs) != set(input_feed):
            raise InvalidArgument(f"the inputs are {', '.join(inputs)}, given are {', '.join(input_feed) or 'none'}")
        try:
            results = divided.run({name: np.asarray(input_feed[name]) for name in inputs})
        except CannotDivide:
            self._run_whole()
            return self.run(output_names, input_feed, run_options)
        return [results[n] for n in names]

    def run(
        self, output_names: Optional[Sequence[str]], input_feed: Mapping[str, Any], run_options: Any = None
    ) -> List[Any]:
        """Computes the outputs that are named, all where that is None, in their order."""
        network, divided = self.network, self._divided
        if network is None:
            if divided is not None:
                return self._run_divided(divided, output_names, input_feed, run_options)
            return self._other.run(output_names, input_feed, run_options)
        names = self._checked(output_names, network.output_names)
        try:
            results = network.run(input_feed)
        except Unsupported as error:  # found when shapes are known
            self._fall_back(error)
            return self.run(output_names, input_feed, run_options)
        return [results[n] for n in names]

    def _described(self, tensors: Sequence[_onnx_file.TensorType]) -> List[Any]:
        words = [_TYPE_WORDS.get(t.element_type, "float") if self._divided is not None else "float" for t in tensors]
        shapes = [t.shape if t.shape is not None else [] for t in tensors]
        return [NodeArg(t.name, f"tensor({word})", shape) for t, word, shape in zip(tensors, words, shapes)]

    def get_inputs(self) -> List[Any]:
        """Name, type and shape of every input; open sizes by their names."""
        return self._other.get_inputs() if self._other is not None else self._described(self._said.inputs)

    def get_outputs(self) -> List[Any]:
        """Name, type and shape of every output, as the model declares them."""
        return self._other.get_outputs() if self._other is not None else self._described(self._said.outputs)

    def get_modelmeta(self) -> Any:
        """What the model says of itself."""
        return self._other.get_modelmeta() if self._other is not None else ModelMetadata(self._said)

    def get_providers(self) -> List[str]:
        """Who computes."""
        if self._other is not None:
            return self._other.get_providers()
        return ["ClconvExecutionProvider"] + (["CPUExecutionProvider"] if self._divided is not None else [])
