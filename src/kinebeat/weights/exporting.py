"""Writing trained networks as the ONNX graphs that are shipped. Needs torch and onnx; nothing that plays imports it."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from kinebeat.weights import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

OPSET = 17
HALVED_FROM = 1024  # tensors smaller than this stay float32: nothing is won there


class _Call(nn.Module):
    """A method of a module as a module, which is what the exporter takes."""

    def __init__(self, net: nn.Module, method: Any) -> None:
        super().__init__()
        self.net, self.method = net, method

    def forward(self, *inputs: Tensor) -> Any:
        return self.method(*inputs)


def to_onnx(
    net: nn.Module, method: Any, inputs: Mapping[str, tuple[Tensor, str]], outputs: Mapping[str, str]
) -> NDArray[np.uint8]:
    """Export one method of a net, its weights stored in half precision, computed in single.

    Args:
        net: the module.
        method: a bound method of it that takes and gives tensors.
        inputs: example tensor and axes of each input; an axis that may vary has a letter, the others a dot.
        outputs: axes of each output.

    Returns:
        The graph's bytes.
    """
    axes = {name: axes for name, (_, axes) in inputs.items()} | dict(outputs)
    varying = {name: {i: axis for i, axis in enumerate(spec) if axis != "."} for name, spec in axes.items()}
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about shapes that it takes as constants, rightly
        torch.onnx.export(
            _Call(net, method).eval(),
            tuple(tensor for tensor, _ in inputs.values()),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=varying,
        )
    return np.frombuffer(_halved(onnx.load_from_string(buffer.getvalue())).SerializeToString(), np.uint8)


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float32 tensors as float16 with a cast after them, which onnxruntime folds away when it loads."""
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and values.size >= HALVED_FROM:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + ".half"))
            casts.append(helper.make_node("Cast", [name + ".half"], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    return model


def write_graphs(name: str, graphs: Mapping[str, bytes], folder: Path) -> dict[str, str]:
    """Write a model's graphs as `NAME.PART.onnx` in place of those it had, and give the sha256 of each part."""
    for old in folder.glob(f"{name}.*.onnx"):
        old.unlink()
    for part, content in graphs.items():
        (folder / f"{name}.{part}.onnx").write_bytes(content)
    return {part: hashlib.sha256(content).hexdigest() for part, content in graphs.items()}


def read_entries(folder: Path) -> dict[str, Any]:
    """The registry of a folder as it is on disk; empty where there is none."""
    path = folder / REGISTRY
    entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return entries


def write_entries(entries: Mapping[str, Any], folder: Path) -> None:
    """Write the registry of a folder."""
    (folder / REGISTRY).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
