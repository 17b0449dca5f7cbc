"""Graphs of ONNX, built operation by operation."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Graph", "import_onnx"]

OPSET, IR_VERSION = 18, 9  # of 2022: runtimes of later years read it
LARGEST_FILE = 1_800_000_000  # bytes of arrays in one file; its format ends at 2 GiB


def import_onnx() -> Any:
    """Return the package onnx, or raise ImportError with the command that installs it."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError('to_onnx needs the package onnx: pip install "skgnnrec[export]".') from error
    return onnx


class Graph:
    """A graph of operations; values have names."""

    def __init__(self) -> None:
        self._onnx = import_onnx()
        self._nodes: list[Any] = []
        self._arrays: dict[str, np.ndarray] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, kind: type, shape: tuple) -> str:
        """Add an input; sizes that vary are named."""
        self._inputs.append(self._value(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: type, shape: tuple) -> None:
        """Give a value the name of an output."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._value(name, kind, shape))

    def constant(self, array: Any, kind: type | None = None) -> str:
        """Add an array and return its name."""
        name = f"array_{len(self._arrays)}"
        self._arrays[name] = np.ascontiguousarray(array, dtype=kind) if np.ndim(array) else np.array(array, dtype=kind)
        return name

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation and return the name of its result."""
        return self.add_all(operation, *inputs, n_results=1, **attributes)[0]

    def add_all(self, operation: str, *inputs: str, n_results: int, **attributes: Any) -> list[str]:
        """Add an operation and return the names of its results."""
        names = [f"value_{len(self._nodes)}_{number}" for number in range(n_results)]
        self._nodes.append(self._onnx.helper.make_node(operation, list(inputs), names, **attributes))
        return names

    def cast(self, value: str, kind: type) -> str:
        """Return a value in another type."""
        return self.add("Cast", value, to=self._kind(kind))

    def integers(self, *values: int) -> str:
        """Add a list of integers, for the axes and shapes of operations."""
        return self.constant(np.array(values, dtype=np.int64))

    def model(self, name: str, description: str, metadata: dict[str, str]) -> Any:
        """Return the model, checked."""
        helper = self._onnx.helper
        arrays = [self._onnx.numpy_helper.from_array(array, name) for name, array in self._arrays.items()]
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, arrays)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="skgnnrec",
            doc_string=description,
        )
        helper.set_model_props(model, metadata)
        return model

    def size(self) -> int:
        """Return the bytes of the arrays."""
        return sum(array.nbytes for array in self._arrays.values())

    def _value(self, name: str, kind: type, shape: tuple) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._kind(kind), shape)

    def _kind(self, kind: type) -> int:
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
