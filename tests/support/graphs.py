"""Small ONNX graphs, made here, whose weights mean nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["save_small_network"]


def save_small_network(path: Path, *, numbers: int = 32, batch: int | None = None, side: int = 112) -> Path:
    """An embedder's graph: two convolutions with PRelu between, an average, a matrix. Returns the path.

    batch: None takes any number of faces; a number takes just so many.
    """
    rng = np.random.default_rng(3)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array((rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32), name)

    first: int | str = "batch" if batch is None else batch
    nodes = [
        helper.make_node("Conv", ["faces", "w1"], ["a"], strides=[4, 4], kernel_shape=[5, 5]),
        helper.make_node("PRelu", ["a", "slope"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], strides=[2, 2], kernel_shape=[3, 3]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("MatMul", ["e", "w3"], ["vector"]),
    ]
    tensors = [weights("w1", 16, 3, 5, 5), weights("w2", 24, 16, 3, 3), weights("w3", 24, numbers)]
    tensors.append(numpy_helper.from_array(rng.uniform(-0.2, 0.5, (16, 1, 1)).astype(np.float32), "slope"))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, [first, 3, side, side])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [first, numbers])],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path
