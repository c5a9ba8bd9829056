"""The network as an ONNX file for onnxruntime: written by torch.onnx, quantised to 8 bits where that is asked for."""

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from enas.errors import ConfigError, RunError
from enas.export.description import Description
from enas.export.network import check_outputs, example_of
from enas.files import replacing

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

ONNX_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
SMALL = 16
_PRODUCTS = ("MatMul", "Gemm", "Conv")
MAX_BYTES = 2**31 - 1
"""What a file of protocol buffers may hold."""


def write_onnx(program: ExportedProgram, description: Description, folder: Path) -> None:
    """Write ``model.onnx``, atomically.

    Raises:
        ConfigError: the libraries are not installed.
        RunError: the network is too large for one ONNX file, or the disk refuses.
    """
    with _needing_onnx():
        import onnx
        import onnxscript  # noqa: F401  torch.onnx needs it
    names = ["logits", "probabilities"] if description.classes else ["values"]
    with _quiet():
        made = torch.onnx.export(
            program, (), dynamo=True, input_names=[description.input_name], output_names=names, verbose=False
        )
    assert made is not None, "torch.onnx returns the program unless it is given a file"
    model = made.model_proto
    if model.ByteSize() > MAX_BYTES:
        raise RunError("the network takes more than 2 GB, the most that an ONNX file holds; use --to torch or script")
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]  # notes for torch's developers, larger than small networks
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    model.producer_name = "enas"
    facts = {"input": description.input, "classes": json.dumps(description.classes, ensure_ascii=False)}
    onnx.helper.set_model_props(model, facts | {"targets": json.dumps(description.target_names, ensure_ascii=False)})
    with replacing(folder / ONNX_FILE) as partial:
        partial.write_bytes(model.SerializeToString())


def write_int8(folder: Path) -> None:
    """Write ``model.int8.onnx`` beside ``model.onnx``: weights of 8 bits, activations quantised as they come.

    Small weights stay as they are, see `_small_products`.

    Raises:
        ConfigError: a library is not installed.
        RunError: all weights are small, or the disk refuses.
    """
    with _needing_onnx():
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    with _quiet(), tempfile.TemporaryDirectory() as scratch, replacing(folder / INT8_FILE) as partial:
        quantised = Path(scratch, ONNX_FILE)
        model = onnx.load(folder / ONNX_FILE)
        del model.graph.value_info[:]  # shapes that the quantiser's own changes contradict
        small = _small_products(model)
        if len(small) == sum(node.op_type in _PRODUCTS for node in model.graph.node):
            raise RunError(f"no layer has {SMALL} inputs and outputs, 8 bits would gain nothing; leave --int8 out")
        quantize_dynamic(model, quantised, weight_type=QuantType.QUInt8, nodes_to_exclude=small)
        partial.write_bytes(quantised.read_bytes())


def _small_products(model: "ModelProto") -> list[str]:
    """Names of the nodes whose weights have a side below `SMALL`: first layers, shortcuts and heads, depthwise kernels.

    They hold few of the weights and cost most of the accuracy (on the demo, two thirds of the difference).
    """
    weights = [weight for weight in model.graph.initializer if len(weight.dims) > 1]
    sides = {weight.name: weight.dims[:2] if len(weight.dims) == 4 else weight.dims[-2:] for weight in weights}
    nodes = [node for node in model.graph.node if node.op_type in _PRODUCTS]
    return [node.name for node in nodes if any(min(sides.get(name, [SMALL])) < SMALL for name in node.input[:2])]


class OnnxNetwork:
    """An ONNX file, ready to compute.

    Args:
        file: the file.
        description: what it takes and gives.

    Raises:
        ConfigError: onnxruntime is not installed.
        RunError: the file is missing or damaged, or computes something else.
    """

    def __init__(self, file: Path, description: Description) -> None:
        if not file.is_file():
            raise RunError(f"{file} does not exist")
        self._session = _open_session(file)
        self._input = description.input_name
        try:
            check_outputs(self(example_of(description, 1)), description)
        except Exception as error:  # onnxruntime raises classes of its own
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{file} is damaged or of another model than model.json beside it: {reason}") from error

    def __call__(self, samples: NDArray[Any]) -> NDArray[np.float64]:
        """Logits, or values, (B, C) of samples (B, …)."""
        return self.compute_all(samples)[0]

    def compute_all(self, samples: NDArray[Any]) -> list[NDArray[np.float64]]:
        """Logits and probabilities, or values alone, (B, C) each."""
        found = self._session.run(None, {self._input: np.ascontiguousarray(samples)})
        return [np.asarray(part, np.float64) for part in found]


def _open_session(file: Path) -> "InferenceSession":
    with _needing_onnx():
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own
        raise RunError(f"{file} is damaged: onnxruntime cannot read it ({type(error).__name__})") from error


@contextmanager
def _needing_onnx() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(f'ONNX needs {error.name}; install it with: pip install "enas[onnx]"') from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the libraries have to say about themselves."""
    loggers = [logging.getLogger(), logging.getLogger("torch.onnx")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
