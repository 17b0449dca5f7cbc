"""Message passing: one protocol, two backends, the same tests for both."""

import builtins
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_limits

from skgnnrec.graph import message_passing
from skgnnrec.graph._propagation_dgl import DGLMessagePassing
from skgnnrec.graph._propagation_torch import TorchMessagePassing

try:
    DGLMessagePassing(sparse.csr_array(np.eye(2)))
    has_dgl = True
except ImportError:
    has_dgl = False
needs_dgl = pytest.mark.skipif(not has_dgl, reason="DGL has no wheel for this Python or platform")
BACKENDS = ["torch", pytest.param("dgl", marks=needs_dgl)]

weights = st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, -2.0])
tables = hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=weights)
operations = pytest.mark.parametrize(
    "operation", ["to_rows", "to_columns", "dot", "softmax_by_row", "softmax_by_column"]
)


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Return the name of each backend."""
    return request.param


@pytest.fixture
def isolated():
    """Return a matrix of weights with an empty row and an empty column."""
    W = sparse.random_array((9, 7), density=0.4, rng=np.random.default_rng(0), format="lil")
    W[4] = 0
    W[:, 2] = 0
    return sparse.csr_array(W)


def inputs_of(operation, W, dim=3, seed=0, dtype=torch.float64):
    """Return random arguments of an operation, with gradients."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns, edges = (
        torch.randn(shape, generator=generator, dtype=dtype, requires_grad=True)
        for shape in ((W.shape[0], dim), (W.shape[1], dim), (W.nnz,))
    )
    return {
        "to_rows": (columns, edges),
        "to_columns": (rows, edges),
        "dot": (rows, columns),
        "softmax_by_row": (edges,),
        "softmax_by_column": (edges,),
    }[operation]


def dense_answer(operation, W, *arguments):
    """Return the result of an operation, computed with dense matrices."""
    places = tuple(torch.from_numpy(index.astype(np.int64)) for index in W.tocoo().coords)

    def matrix(edges):
        return torch.zeros(W.shape, dtype=edges.dtype).index_put(places, edges)

    def softmax(edges, axis):
        scores = torch.full(W.shape, -torch.inf, dtype=edges.dtype).index_put(places, edges)
        return torch.softmax(scores, dim=axis)[places]

    return {
        "to_rows": lambda columns, edges: matrix(edges) @ columns,
        "to_columns": lambda rows, edges: matrix(edges).T @ rows,
        "dot": lambda rows, columns: (rows @ columns.T)[places],
        "softmax_by_row": lambda edges: softmax(edges, 1),
        "softmax_by_column": lambda edges: softmax(edges, 0),
    }[operation](*arguments)


def gradients(answer, arguments):
    return torch.autograd.grad((answer * torch.arange(1.0, 1 + answer.numel()).reshape(answer.shape)).sum(), arguments)


# Known answers --------------------------------------------------------------------------------------------------------


def test_one_weighted_step_worked_out_by_hand(backend):
    W = sparse.csr_array(np.array([[0.8, 0.2, 0.0], [0.6, 0.0, 0.4], [0.0, 0.8, 0.0]], dtype=np.float32))
    rows = message_passing(W, backend=backend).to_rows(torch.full((3, 2), 0.5))
    assert_allclose(rows, [[0.5, 0.5], [0.5, 0.5], [0.4, 0.4]], rtol=1e-6)


def test_softmax_of_equal_scores_shares_equally(backend):
    graph = message_passing(sparse.csr_array(np.array([[1.0, 1.0], [0.0, 1.0]])), backend=backend)
    assert_allclose(graph.softmax_by_row(torch.zeros(3)), [0.5, 0.5, 1.0])
    assert_allclose(graph.softmax_by_column(torch.zeros(3)), [1.0, 0.5, 0.5])


def test_large_scores_do_not_overflow(backend):
    graph = message_passing(sparse.csr_array(np.ones((1, 3))), backend=backend)
    assert_allclose(graph.softmax_by_row(torch.tensor([1e4, 1e4, -1e4])), [0.5, 0.5, 0.0])


# Forward and backward -------------------------------------------------------------------------------------------------


@operations
def test_forward_and_backward_are_those_of_dense_matrices(backend, isolated, operation):
    arguments = inputs_of(operation, isolated)
    answer = getattr(message_passing(isolated, backend=backend), operation)(*arguments)
    expected = dense_answer(operation, isolated, *arguments)
    assert_allclose(answer.detach(), expected.detach(), atol=1e-10)
    for found, wanted in zip(gradients(answer, arguments), gradients(expected, arguments), strict=True):
        assert_allclose(found, wanted, atol=1e-8)


@operations
@pytest.mark.parametrize("backend", BACKENDS)
@given(dense=tables, seed=st.integers(0, 3))
def test_any_graph_forward_and_backward_in_single_precision(backend, operation, dense, seed):
    W = sparse.csr_array(dense.astype(np.float32))
    arguments = inputs_of(operation, W, seed=seed, dtype=torch.float32)
    answer = getattr(message_passing(W, backend=backend), operation)(*arguments)
    expected = dense_answer(operation, W, *arguments)
    assert_allclose(answer.detach(), expected.detach(), rtol=1e-5, atol=1e-5)
    for found, wanted in zip(gradients(answer, arguments), gradients(expected, arguments), strict=True):
        assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_own_weights_are_those_of_the_matrix(backend, isolated):
    graph = message_passing(isolated, backend=backend)
    generator = torch.Generator().manual_seed(0)
    rows, columns = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in isolated.shape)
    assert_allclose(graph.to_columns(rows), isolated.T @ rows.numpy(), atol=1e-12)
    columns.requires_grad_()
    answer = graph.to_rows(columns)
    assert_allclose(answer.detach(), isolated @ columns.detach().numpy(), atol=1e-12)
    (gradient,) = torch.autograd.grad(answer.sum(), columns)
    assert_allclose(gradient, isolated.T @ np.ones((9, 4)), atol=1e-12)


@needs_dgl
@operations
def test_backends_agree(operation):
    W = sparse.random_array((300, 200), density=0.05, rng=np.random.default_rng(0), format="csr", dtype=np.float32)
    arguments = inputs_of(operation, W, dim=16, dtype=torch.float32)
    answers = [getattr(message_passing(W, backend=name), operation)(*arguments) for name in ("torch", "dgl")]
    assert_allclose(answers[0].detach(), answers[1].detach(), rtol=1e-5, atol=1e-5)


def test_graph_without_edges_sends_nothing(backend):
    graph = message_passing(sparse.csr_array((3, 2), dtype=np.float32), backend=backend)
    columns = torch.ones(2, 4, requires_grad=True)
    assert_array_equal(graph.to_rows(columns).detach(), np.zeros((3, 4)))
    assert_array_equal(graph.to_columns(torch.ones(3, 4)), np.zeros((2, 4)))
    assert graph.dot(torch.ones(3, 4), columns).shape == graph.softmax_by_row(torch.ones(0)).shape == (0,)


# Promises -------------------------------------------------------------------------------------------------------------


def test_threads_do_not_change_a_bit():
    W = sparse.random_array((2000, 1000), density=0.02, rng=np.random.default_rng(0), format="csr", dtype=np.float32)
    columns = torch.randn(1000, 32, generator=torch.Generator().manual_seed(0))
    answers = []
    before = torch.get_num_threads()
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            with threadpool_limits(n_threads):
                answers.append(message_passing(W).to_rows(columns).numpy())
    finally:
        torch.set_num_threads(before)
    assert_array_equal(*answers)


def test_the_matrix_is_left_alone(backend, isolated):
    for array in (isolated.data, isolated.indices, isolated.indptr):
        array.flags.writeable = False
    before = isolated.toarray()
    graph = message_passing(isolated, backend=backend)
    graph.to_rows(torch.ones(7, 2, dtype=torch.float64)).mul_(0)
    assert_array_equal(isolated.toarray(), before)


def test_torch_is_taken_unless_dgl_is_named(isolated):
    assert isinstance(message_passing(isolated), TorchMessagePassing)
    assert isinstance(message_passing(isolated, backend="torch"), TorchMessagePassing)


def test_dgl_is_required_only_when_named(monkeypatch, isolated):
    real_import = builtins.__import__

    def without_dgl(name, *args, **kwargs):
        if name.split(".")[0] == "dgl":
            raise ImportError("No module named 'dgl'")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_dgl)
    assert message_passing(isolated, backend="auto").n_rows == 9
    with pytest.raises(ImportError, match=r"backend='dgl' needs DGL.*backend='torch' needs nothing else"):
        message_passing(isolated, backend="dgl")


def test_importing_the_graph_does_not_import_torch():
    script = "import sys, skgnnrec.graph; sys.exit('torch' in sys.modules or 'dgl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@needs_dgl
def test_importing_dgl_writes_nothing_into_the_home(tmp_path):
    script = "from skgnnrec.graph._propagation_dgl import import_dgl; import_dgl()"
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert not (tmp_path / ".dgl").exists()
    assert run.stdout == ""


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@operations
def test_a_gpu_gives_the_same_results(isolated, operation):
    on_cpu = inputs_of(operation, isolated)
    on_gpu = [argument.detach().cuda().requires_grad_() for argument in on_cpu]
    answer = getattr(message_passing(isolated, device="cuda"), operation)(*on_gpu)
    expected = getattr(message_passing(isolated), operation)(*on_cpu)
    assert_allclose(answer.detach().cpu(), expected.detach(), atol=1e-10)
