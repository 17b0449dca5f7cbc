"""Measure the speed of message passing on the graph of Gowalla, and compare with the bandwidth of the memory.

    python benchmarks/propagation.py [device ...]

The operations are sums over the items of each user (SpMM), dot products for each edge (SDDMM) and the softmax over the
edges of a user. The script compares the message passing of skgnnrec with the backends torch and DGL, the sparse
products of torch with their gradients, and scipy. They take turns. Devices are the CPU and a GPU, if there is one. The
results of other devices are kept.

The number of bytes is a model, which is the same for all rows of an operation: each vector that an edge reads, each
vector that is written, and for each edge a weight and an index of 4 bytes. Reads from caches are counted too, so that
the rate can exceed the bandwidth of the memory. The bandwidth is the best of several copies of a large array, with
reads and writes.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from run import machine
from scipy import sparse
from tasks import gowalla

from skgnnrec._device import torch_settings
from skgnnrec.graph import MessagePassing, inverse_power, item_degrees, message_passing, rescale

HERE = Path(__file__).parent
DIMS = (64, 128)
RUNS, WARM_UP = 21, 3
COPIED_BYTES = 1 << 28
BACKENDS = ("torch", "dgl")

Call = Callable[[], Any]


def measure(calls: dict[str, Call], device: torch.device) -> dict[str, dict[str, float]]:
    """Return the median, minimum and maximum of the milliseconds of calls that take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for run in range(WARM_UP + RUNS):
        for name, call in calls.items():
            synchronize(device)
            before = time.perf_counter()
            call()
            synchronize(device)
            if run >= WARM_UP:
                seconds[name].append(time.perf_counter() - before)
    return {
        name: {of: round(1e3 * f(taken), 3) for of, f in (("median_ms", median), ("min_ms", min), ("max_ms", max))}
        for name, taken in seconds.items()
    }


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def copy_bandwidth(device: torch.device) -> float:
    """Return the bytes that a copy reads and writes in a second."""
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    taken = measure({"copy": lambda: target.copy_(source)}, device)["copy"]["min_ms"]
    return 2 * COPIED_BYTES / (taken / 1e3)


def forward(function: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> Call:
    """Return a call of the function without gradients."""

    def call() -> torch.Tensor:
        with torch.no_grad():
            return function(*inputs)

    return call


def both(function: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> Call:
    """Return a call of the function with its gradients."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    with torch.no_grad():
        gradient = torch.ones_like(function(*inputs))
    return lambda: torch.autograd.grad(function(*leaves), leaves, gradient)


def sums(
    X: sparse.csr_array, graphs: dict[str, MessagePassing], items: np.ndarray, device: torch.device
) -> Iterator[tuple[str, int, dict[str, Call]]]:
    """Yield operation, bytes and calls of the sums over items, without and with gradients."""
    vectors = torch.tensor(items, device=device)
    arrays = [torch.tensor(array, device=device) for array in (X.indptr, X.indices, X.data)]
    csr = torch.sparse_csr_tensor(*arrays, X.shape, check_invariants=True)
    coo = csr.to_sparse_coo().coalesce()
    functions = {name: graph.to_rows for name, graph in graphs.items()}
    functions["torch.sparse.mm, CSR"] = lambda source: torch.sparse.mm(csr, source)
    functions["torch.sparse.mm, COO"] = lambda source: torch.sparse.mm(coo, source)
    (n_users, dim), n_items = (X.shape[0], items.shape[1]), X.shape[1]
    edges = X.nnz * (4 * dim + 8)
    calls = {name: forward(function, vectors) for name, function in functions.items()}
    expected = X @ items
    for call in calls.values():
        np.testing.assert_allclose(call().cpu(), expected, rtol=1e-3, atol=1e-4)
    if device.type == "cpu":
        calls["scipy"] = lambda: X @ items
    yield "sum", edges + 4 * n_users * dim, calls
    n_bytes = 2 * edges + 4 * (n_users + n_items) * dim
    yield "sum, forward and backward", n_bytes, {name: both(f, vectors) for name, f in functions.items()}


def edge_operations(
    X: sparse.csr_array, graphs: dict[str, MessagePassing], items: np.ndarray, device: torch.device
) -> Iterator[tuple[str, int, dict[str, Call]]]:
    """Yield operation, bytes and calls of dot products and the softmax, without and with gradients."""
    dim = items.shape[1]
    vectors = torch.tensor(items, device=device)
    users = torch.tensor(X @ items, device=device)
    # Two vectors, an index and a result for each edge; the backward pass is a sum to either side.
    n_bytes = X.nnz * (8 * dim + 8)
    back = 2 * X.nnz * (4 * dim + 8) + 4 * sum(X.shape) * dim
    yield "dot", n_bytes, {name: forward(graph.dot, users, vectors) for name, graph in graphs.items()}
    calls = {name: both(graph.dot, users, vectors) for name, graph in graphs.items()}
    yield "dot, forward and backward", n_bytes + back, calls
    if dim > DIMS[0]:
        return
    # A score, an index and a result for each edge; the backward pass reads two values and writes one.
    scores = torch.tensor(np.random.default_rng(0).standard_normal(X.nnz), dtype=torch.float32, device=device)
    calls = {name: forward(graph.softmax_by_row, scores) for name, graph in graphs.items()}
    yield "softmax by user", 12 * X.nnz, calls
    calls = {name: both(graph.softmax_by_row, scores) for name, graph in graphs.items()}
    yield "softmax by user, forward and backward", 28 * X.nnz, calls


def run(device: torch.device) -> dict[str, Any]:
    """Return the rows of a device."""
    X = gowalla("test").history
    X = rescale(X, inverse_power(X.sum(axis=1), 0.5), inverse_power(item_degrees(X), 0.5))
    graphs, missing = {}, {}
    for backend in BACKENDS:
        try:
            graphs[f"skgnnrec, {backend}"] = message_passing(X, backend=backend, device=device)
        except Exception as error:  # the backend is absent or was built without this device
            missing[f"skgnnrec, {backend}"] = str(error).splitlines()[0]
            print(f"{device}: skgnnrec, {backend}: {missing[f'skgnnrec, {backend}']}", flush=True)
    speed = copy_bandwidth(device)
    print(f"{device}: {X.nnz} edges, {torch.get_num_threads()} threads, copies {speed / 1e9:.1f} GB/s", flush=True)
    print(f"{'operation':38} {'dim':>3} {'who':22} {'ms':>8} {'least':>8} {'most':>8} {'GB/s':>6} {'of copy':>7}")
    rows = []
    for dim in DIMS:
        items = np.random.default_rng(0).standard_normal((X.shape[1], dim)).astype(np.float32)
        for operations in (sums, edge_operations):
            for operation, n_bytes, calls in operations(X, graphs, items, device):
                for name, taken in measure(calls, device).items():
                    rows.append(row_of(operation, dim, name, taken, n_bytes, speed))
    return {"copy_gb_s": round(speed / 1e9, 1), "threads": torch.get_num_threads(), "missing": missing, "rows": rows}


def row_of(operation: str, dim: int, name: str, taken: dict[str, float], n_bytes: int, speed: float) -> dict[str, Any]:
    """Print and return a row."""
    rate = n_bytes / (taken["median_ms"] / 1e3)
    width = {} if operation.startswith("softmax") else {"dim": dim}
    print(
        f"{operation:38} {width.get('dim', ''):>3} {name:22} {taken['median_ms']:8.2f} {taken['min_ms']:8.2f} "
        f"{taken['max_ms']:8.2f} {rate / 1e9:6.1f} {rate / speed:7.2f}",
        flush=True,
    )
    rates = {"model_mb": round(n_bytes / 1e6, 1), "gb_s": round(rate / 1e9, 1), "of_copy": round(rate / speed, 2)}
    return {"operation": operation, **width, "who": name, **taken, **rates}


def main(names: list[str]) -> None:
    """Measure the devices and write propagation.json."""
    path = HERE / "propagation.json"
    results = json.loads(path.read_text()) if path.exists() else {"command": "python benchmarks/propagation.py"}
    for name in names:
        with torch_settings():
            measured = run(torch.device(name))
        on = machine() | ({} if "skgnnrec, dgl" in measured["missing"] else {"dgl": version("dgl")})
        if name.startswith("cuda"):
            on["device"] = torch.cuda.get_device_name(name)
        results[name] = {"machine": on, "runs": RUNS, **measured}
        path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
