"""Plain graphs of any input size out of ONNX files of fixed size or with block-quantised weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.core.errors import ModelError

__all__ = ["plain_graph"]


def plain_graph(path: Path, *, split_prelu: bool = False) -> bytes:
    """Read an ONNX file and return it as a plain float32 graph whose inputs and outputs may have any length.

    Block-quantised files (`*_int8bq.onnx` of OpenCV's model zoo) keep their weights as int8 and a scale per block, and
    restore them with DequantizeLinear at every call; ONNX Runtime refuses some of them, and all are small. So every
    DequantizeLinear of a constant is worked out once, here: weight = (q - zero_point) * scale, the scale repeated
    `block_size` times along `axis` (ONNX operator DequantizeLinear, opset 21).

    split_prelu: write every PRelu as sums and products of what ONNX Runtime computes in its own memory layout on a CPU.
    It knows no PRelu there and would rearrange the data before and after each one, which doubles SFace's time.

    Raises ModelError when the file cannot be read or is no ONNX graph.
    """
    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load(str(path))
    except OSError as error:
        raise ModelError(f"model file {path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # protobuf's own, which has no public base
        raise ModelError(f"{path} is no ONNX file: {error}") from error
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    folded: dict[str, NDArray[np.float32]] = {}
    spent: set[str] = set()
    nodes = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            folded[node.output[0]] = _dequantized(node, constants)
            spent.update(node.input)
        else:
            nodes.append(node)
    keep = [tensor for tensor in graph.initializer if tensor.name not in spent]
    keep += [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in folded.items()]
    used = {name for node in nodes for name in node.input}
    given = {tensor.name for tensor in keep} | set(constants)
    inputs = [value for value in graph.input if value.name in used and value.name not in given]
    for field, items in (("node", nodes), ("initializer", keep), ("input", inputs), ("value_info", [])):
        graph.ClearField(field)
        getattr(graph, field).extend(items)
    if split_prelu:
        _split_prelu(graph)
    if not graph.node or not graph.input:
        raise ModelError(f"{path} is no ONNX file: it holds no graph")
    for value in [*graph.input, *graph.output]:
        for index, dimension in enumerate(value.type.tensor_type.shape.dim):
            dimension.dim_param = f"{value.name}_{index}"
    serialized: bytes = model.SerializeToString()
    return serialized


def _split_prelu(graph: Any) -> None:
    """PRelu(x) = slope * x + (1 - slope) * Relu(x), each product as a convolution of every channel by itself."""
    from onnx import helper, numpy_helper

    slopes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        slope = slopes.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is None or slope.size < 2 or slope.size != slope.shape[0]:  # only one slope per channel
            nodes.append(node)
            continue
        x, y, channels = node.input[0], node.output[0], slope.size
        slope = slope.reshape(channels, 1, 1, 1).astype(np.float32)
        nodes.append(helper.make_node("Relu", [x], [f"{y}/relu"]))
        for source, factor, name in ((x, slope, f"{y}/all"), (f"{y}/relu", 1 - slope, f"{y}/above")):
            graph.initializer.append(numpy_helper.from_array(factor, f"{name}/factor"))
            nodes.append(helper.make_node("Conv", [source, f"{name}/factor"], [name], group=channels))
        nodes.append(helper.make_node("Add", [f"{y}/all", f"{y}/above"], [y]))
    graph.ClearField("node")
    graph.node.extend(nodes)


def _dequantized(node: Any, constants: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    quantized = constants[node.input[0]].astype(np.float32)
    scale = constants[node.input[1]].astype(np.float32)
    has_zero = len(node.input) > 2 and node.input[2]
    zero = constants[node.input[2]].astype(np.float32) if has_zero else np.zeros_like(scale)
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    axis, block = attributes.get("axis", 1), attributes.get("block_size", 0)
    if block:
        within = tuple(slice(0, length) for length in quantized.shape)
        scale, zero = (np.repeat(array, block, axis=axis)[within] for array in (scale, zero))
    elif scale.size > 1:
        per_axis = [-1 if dimension == axis else 1 for dimension in range(quantized.ndim)]
        scale, zero = scale.reshape(per_axis), zero.reshape(per_axis)
    else:
        scale, zero = scale.reshape(()), zero.reshape(())
    return np.asarray((quantized - zero) * scale, np.float32)
