"""Scorers as operations of ONNX: from histories to the scores of all candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from skgnnrec.export._graph import Graph
from skgnnrec.ranking import (
    ByRecency,
    Constant,
    DenseWeights,
    LowRank,
    Matrix,
    PopularityTerm,
    Quantized,
    Scorer,
    SparseWeights,
    Standardized,
    Sum,
    UserFactors,
    WithFallback,
)

__all__ = ["History", "history_of", "scores_of"]

SMALLEST_WEIGHT = 1e-30  # of an old interaction, so that it stays one


@dataclass(frozen=True)
class History:
    """The histories of a batch of users, of one length: n_history entries, of which some are padding."""

    graph: Graph
    positions: str  # (n_users, n_history), int64; 0 for padding
    weights: str  # (n_users, n_history), float32; 0 for padding
    is_filled: str  # (n_users, n_history), bool
    counts: str  # (n_users, 1), float32: the number of entries


def history_of(graph: Graph, positions: str, weights: str) -> History:
    """Return the histories of two inputs, in which negative positions and weights of zero or less are padding."""
    is_filled = graph.add(
        "And",
        graph.add("GreaterOrEqual", positions, graph.constant(0, np.int64)),
        graph.add("Greater", weights, graph.constant(0, np.float32)),
    )
    counts = graph.add("ReduceSum", graph.cast(is_filled, np.float32), graph.integers(1), keepdims=1)
    return History(
        graph,
        graph.add("Where", is_filled, positions, graph.constant(0, np.int64)),
        graph.add("Where", is_filled, weights, graph.constant(0, np.float32)),
        is_filled,
        counts,
    )


def scores_of(scorer: Scorer, history: History) -> str:
    """Return the scores of a scorer, (n_users, n_columns)."""
    for kind, build in BUILDERS.items():
        if isinstance(scorer, kind):
            return build(scorer, history)
    raise TypeError(
        "estimator must be a closed form, a GNNRecommender, or a composition of them; scores of the kind "
        f"{type(scorer).__name__} have no form in ONNX."
    )


def _constant(scorer: Constant, history: History) -> str:
    graph = history.graph
    zeros = graph.add("Mul", history.counts, graph.constant(0, np.float32))  # (n_users, 1)
    return graph.add("Add", zeros, graph.constant(scorer.values[None], np.float32))


def _dense(scorer: DenseWeights, history: History) -> str:
    return _weighted_rows(history, scorer.weights, history.weights)


def _weighted_rows(history: History, table: Matrix, weights: str) -> str:
    """Return the sum of the rows of a table at the positions of each history, weighted, (n_users, n_columns)."""
    graph = history.graph
    rows = _rows(history, table)
    product = graph.add("MatMul", graph.add("Unsqueeze", weights, graph.integers(1)), rows)
    return graph.add("Squeeze", product, graph.integers(1))


def _rows(history: History, table: Matrix) -> str:
    """Return the rows of a table at the positions of each history, (n_users, n_history, n_columns)."""
    graph = history.graph
    if not isinstance(table, Quantized):
        return graph.add("Gather", graph.constant(table, np.float32), history.positions, axis=0)
    values = graph.add("Gather", graph.constant(table.values), history.positions, axis=0)
    units = graph.add("Gather", graph.constant(table.units), history.positions)
    return graph.add("Mul", graph.cast(values, np.float32), graph.add("Unsqueeze", units, graph.integers(2)))


def _sparse(scorer: SparseWeights, history: History) -> str:
    """Add the stored weights of each row of the history: rows are padded to the longest one among them."""
    graph, weights = history.graph, sparse.csr_array(scorer.weights)
    ends = graph.constant(weights.indptr, np.int64)
    first = graph.add("Gather", ends, history.positions)
    last = graph.add("Gather", ends, graph.add("Add", history.positions, graph.constant(1, np.int64)))
    length = graph.add("Sub", last, first)
    longest = graph.add("ReduceMax", length, keepdims=0)
    steps = graph.add("Range", graph.constant(0, np.int64), longest, graph.constant(1, np.int64))  # (n_longest,)
    # (n_users, n_history, n_longest) from here on
    is_stored = graph.add("Less", steps, graph.add("Unsqueeze", length, graph.integers(2)))
    places = graph.add("Add", graph.add("Unsqueeze", first, graph.integers(2)), steps)
    places = graph.add("Where", is_stored, places, graph.constant(weights.nnz, np.int64))  # of the additional zero
    columns = graph.add("Gather", graph.constant(np.append(weights.indices, 0), np.int32), places)
    values = graph.add("Gather", graph.constant(np.append(weights.data, 0), np.float32), places)
    values = graph.add("Mul", values, graph.add("Unsqueeze", history.weights, graph.integers(2)))
    by_user = graph.integers(0, -1)
    return graph.add(
        "ScatterElements",
        _constant(Constant(np.zeros(scorer.n_columns, dtype=np.float32)), history),
        graph.cast(graph.add("Reshape", columns, by_user), np.int64),
        graph.add("Reshape", values, by_user),
        axis=1,
        reduction="add",
    )


def _products(history: History, users: str, items: Matrix) -> str:
    graph = history.graph
    if not isinstance(items, Quantized):
        return graph.add("Gemm", users, graph.constant(items, np.float32), transB=1)
    products = graph.add("Gemm", users, graph.cast(graph.constant(items.values), np.float32), transB=1)
    return graph.add("Mul", products, graph.constant(items.units[None]))


def _low_rank(scorer: LowRank, history: History) -> str:
    return _products(history, _weighted_rows(history, scorer.projection, history.weights), scorer.items)


def _balanced(history: History) -> str:
    """Return the weights of each history divided by their sum over the root of their number."""
    graph = history.graph
    total = graph.add("ReduceSum", history.weights, graph.integers(1), keepdims=1)
    total = graph.add("Max", total, graph.constant(np.finfo(np.float32).tiny, np.float32))
    return graph.add("Mul", graph.add("Div", history.weights, total), graph.add("Sqrt", history.counts))


def _user_factors(scorer: UserFactors, history: History) -> str:
    if hasattr(scorer, "layers"):
        users = _attend(scorer, history)
    else:
        users = _weighted_rows(history, scorer.projection, _balanced(history))
    if scorer.is_cosine:
        graph = history.graph
        length = graph.add("ReduceL2", users, graph.integers(1), keepdims=1)
        users = graph.add("Div", users, graph.add("Max", length, graph.constant(1e-30, np.float32)))
    return _products(history, users, scorer.items)


def _attend(scorer: UserFactors, history: History) -> str:
    """Return the embeddings of users who attend to the items of their histories in each layer."""
    graph, (first, *others) = history.graph, scorer.layers  # type: ignore[attr-defined]
    balanced = _balanced(history)
    with np.errstate(divide="ignore"):
        scale = np.where(scorer.item_degrees > 0, scorer.item_degrees**-0.5, 0)  # type: ignore[attr-defined]
    degrees = graph.add("Gather", graph.constant(scale, np.float32), history.positions)
    users = _weighted_rows(history, first, graph.add("Mul", balanced, degrees))
    layers = [users]
    logarithm = graph.add("Log", graph.add("Max", balanced, graph.constant(1e-38, np.float32)))
    for items in others:
        rows = _rows(history, items)
        dots = graph.add("MatMul", rows, graph.add("Unsqueeze", layers[-1], graph.integers(2)))
        dots = graph.add("Squeeze", dots, graph.integers(2))
        scores = graph.add("Add", graph.add("Mul", dots, graph.constant(items.shape[1] ** -0.5, np.float32)), logarithm)
        lowest = graph.constant(np.finfo(np.float32).min / 4, np.float32)
        attention = graph.add("Softmax", graph.add("Where", history.is_filled, scores, lowest), axis=1)
        attention = graph.add("Mul", attention, graph.cast(history.is_filled, np.float32))
        product = graph.add("MatMul", graph.add("Unsqueeze", attention, graph.integers(1)), rows)
        layers.append(graph.add("Squeeze", product, graph.integers(1)))
    kept = layers if scorer.keep_input or len(layers) == 1 else layers[1:]  # type: ignore[attr-defined]
    return graph.add("Mean", *kept)


def _popularity(scorer: PopularityTerm, history: History) -> str:
    graph = history.graph
    share, users = (
        _weighted_rows(history, table[:, None].astype(np.float32), history.weights)
        for table in (scorer.share, scorer.counts)
    )
    largest = graph.add("ReduceMax", history.weights, graph.integers(1), keepdims=1)
    largest = graph.add("Max", largest, graph.constant(np.finfo(np.float32).tiny, np.float32))
    enough = graph.constant(scorer.enough, np.float32)
    decrease = graph.add("Div", enough, graph.add("Add", enough, graph.add("Div", users, largest)))
    weight = graph.add("Mul", share, graph.add("Mul", decrease, decrease))
    return graph.add("Mul", weight, graph.constant(scorer.popularity[None], np.float32))


def _sum(scorer: Sum, history: History) -> str:
    return history.graph.add("Sum", *(scores_of(term, history) for term in scorer.terms))


def _with_fallback(scorer: WithFallback, history: History) -> str:
    graph = history.graph
    is_empty = graph.add("Equal", history.counts, graph.constant(0, np.float32))
    fallback = graph.constant(scorer.fallback[None], np.float32)
    return graph.add("Where", is_empty, fallback, scores_of(scorer.scorer, history))


def _by_recency(scorer: ByRecency, history: History) -> str:
    """Replace each weight by decay^r, with r the number of distinct larger weights in the history."""
    graph = history.graph
    rows, columns = (graph.add("Unsqueeze", history.weights, graph.integers(axis)) for axis in (2, 1))
    is_equal = graph.add("Equal", rows, columns)  # (n_users, n_history, n_history)
    before = graph.add("Trilu", graph.cast(is_equal, np.float32), graph.constant(-1, np.int64), upper=0)
    n_before = graph.add("ReduceSum", before, graph.integers(2), keepdims=0)
    is_first = graph.add("Equal", n_before, graph.constant(0, np.float32))
    is_larger = graph.add("And", graph.add("Less", rows, columns), graph.add("Unsqueeze", is_first, graph.integers(1)))
    place = graph.add("ReduceSum", graph.cast(is_larger, np.float32), graph.integers(2), keepdims=0)
    decayed = graph.add("Pow", graph.constant(scorer.decay, np.float32), place)
    decayed = graph.add("Max", decayed, graph.constant(SMALLEST_WEIGHT, np.float32))
    weights = graph.add("Where", history.is_filled, decayed, graph.constant(0, np.float32))
    return scores_of(scorer.scorer, replace(history, weights=weights))


def _standardized(scorer: Standardized, history: History) -> str:
    graph = history.graph
    reference = scores_of(scorer.reference, history)
    axis = graph.integers(1)
    mean = graph.add("ReduceMean", reference, axis, keepdims=1)
    centred = graph.add("Sub", reference, mean)
    deviation = graph.add("Sqrt", graph.add("ReduceMean", graph.add("Mul", centred, centred), axis, keepdims=1))
    spread = graph.add("Sub", graph.add("ReduceMax", reference, axis), graph.add("ReduceMin", reference, axis))
    is_constant = graph.add("Equal", spread, graph.constant(0, np.float32))
    inverse = graph.add("Div", graph.constant(scorer.weight, np.float32), deviation)
    scale = graph.add("Where", is_constant, graph.constant(0, np.float32), inverse)
    scores = reference if scorer.scorer is scorer.reference else scores_of(scorer.scorer, history)
    return graph.add("Mul", graph.add("Sub", scores, mean), scale)


BUILDERS = {
    Constant: _constant,
    DenseWeights: _dense,
    SparseWeights: _sparse,
    LowRank: _low_rank,
    UserFactors: _user_factors,
    PopularityTerm: _popularity,
    Sum: _sum,
    WithFallback: _with_fallback,
    ByRecency: _by_recency,
    Standardized: _standardized,
}
