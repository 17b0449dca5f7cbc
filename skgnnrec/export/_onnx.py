"""Fitted recommenders, rating models and text embedders as graphs of ONNX."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgnnrec._files import replaced_file
from skgnnrec.export._graph import LARGEST_FILE, Graph, import_onnx
from skgnnrec.export._scorers import history_of, scores_of
from skgnnrec.export._text import model_of_embedder
from skgnnrec.interactions import Vocabulary, naming, pack
from skgnnrec.recommenders import BaseRecommender, GNNRatingRegressor, LogRecommender
from skgnnrec.text import TextEmbedder
from skgnnrec.text.finetuning import BaseFineTuner

__all__ = ["to_onnx"]

LARGE_ARRAY = 1 << 20  # bytes of an array that is written to a second file, where there is one


def to_onnx(estimator: Any, path: str | os.PathLike[str], *, exclude_seen: bool = True) -> None:
    """Write a fitted estimator as a graph of ONNX, which other programs run without this package and torch.

    Parameters
    ----------
    estimator : BaseRecommender, LogRecommender, GNNRatingRegressor, TextEmbedder or BaseFineTuner
        The fitted estimator. A `LogRecommender` is exported as its recommender.
    path : str or path-like
        The file. Arrays of more than 1.8 GB are written to a second file beside it, with the suffix ``.data``.
    exclude_seen : bool, default=True
        Whether the lists of a recommender leave out items of the history.

    Raises
    ------
    ImportError
        If the package onnx is absent; for a `TextEmbedder` also if torch or onnxscript are.
    TypeError
        If the estimator is of another kind.

    See Also
    --------
    skgnnrec.save : Writes a file that this package reads.

    Notes
    -----
    The graph [1]_ of a recommender has the inputs

    - ``positions`` of shape (n_users, n_history), int64: the items of each history, padded with -1,
    - ``weights`` of shape (n_users, n_history), float32: their weights, 1 where all count equally,
    - ``n`` of shape (1,), int64: the length of the lists,

    and the outputs ``items`` (int64, padded with -1) and ``scores`` (float32, padded with -inf), both of shape
    (n_users, n), best first. Users without history receive the popularity ranking. The memory of a call grows with the
    length of the histories times the number of items: pass few users at a time.

    The graph of a rating model has the inputs ``users`` and ``items`` of shape (n_pairs,), int64, with -1 for unknown
    ones, and the output ``ratings`` of shape (n_pairs,), float32.

    The graph of a text embedder has the inputs ``input_ids`` and ``attention_mask`` of shape (n_texts, n_tokens),
    int64, from the tokenizer of the model, and the output ``vectors`` of shape (n_texts, embedding_dim), float32. The
    columns, the prompt and the maximum length of the embedder are not part of it.

    The metadata of the graph have the ids of the items as a list of JSON, ``item_ids``, and of a rating model also
    ``user_ids``, where ids are known. Scores are computed in float32: items whose scores differ by rounding may change
    places.

    References
    ----------
    .. [1] https://onnx.ai

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import onnxruntime
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.export import to_onnx
    >>> rec = RidgeRecommender().fit(np.tri(5))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "ridge.onnx")
    ...     to_onnx(rec, path)
    ...     session = onnxruntime.InferenceSession(path)
    >>> inputs = {
    ...     "positions": np.array([[0, 1], [1, -1]]), "weights": np.ones((2, 2), dtype=np.float32), "n": np.array([2])
    ... }
    >>> session.run(["items"], inputs)[0].tolist()
    [[2, 3], [0, 2]]
    """
    import_onnx()
    with naming("path"):
        target = os.fsdecode(path)
    if isinstance(estimator, LogRecommender):
        check_is_fitted(estimator)
        _write(_graph_of_recommender(estimator.recommender_, exclude_seen), {"item_ids": estimator._items_}, target)
    elif isinstance(estimator, BaseRecommender):
        check_is_fitted(estimator)
        _write(_graph_of_recommender(estimator, exclude_seen), {"item_ids": estimator._vocabulary_}, target)
    elif isinstance(estimator, GNNRatingRegressor):
        check_is_fitted(estimator)
        ids = {"user_ids": estimator._users_, "item_ids": estimator._items_}
        _write(_graph_of_ratings(estimator), ids, target)
    elif isinstance(estimator, TextEmbedder | BaseFineTuner):
        check_is_fitted(estimator)
        _save(model_of_embedder(estimator), target)
    else:
        raise TypeError(
            "estimator must be a recommender, a LogRecommender, a GNNRatingRegressor or a TextEmbedder, got "
            f"{type(estimator).__name__}."
        )


def _graph_of_recommender(recommender: BaseRecommender, exclude_seen: bool) -> Graph:
    graph = Graph()
    shape = ("n_users", "n_history")
    positions, weights = graph.input("positions", np.int64, shape), graph.input("weights", np.float32, shape)
    n = graph.input("n", np.int64, (1,))
    history = history_of(graph, positions, weights)
    scorer = recommender._scorer_
    scores, lowest = scores_of(scorer, history), graph.constant(-np.inf, np.float32)
    if exclude_seen:  # padding marks a column that is added for it and removed again
        n_columns = graph.integers(scorer.n_columns)
        places = graph.add("Where", history.is_filled, history.positions, n_columns)
        padded = graph.add("Pad", scores, graph.integers(0, 0, 0, 1), lowest)
        marks = graph.add("Where", history.is_filled, lowest, lowest)  # (n_users, n_history)
        marked = graph.add("ScatterElements", padded, places, marks, axis=1)
        scores = graph.add("Slice", marked, graph.integers(0), n_columns, graph.integers(1))
    k = graph.add("Min", n, graph.integers(scorer.n_columns))
    best, items = graph.add_all("TopK", scores, k, n_results=2, axis=1)
    is_padding = graph.add("Equal", best, lowest)
    items = graph.add("Where", is_padding, graph.constant(-1, np.int64), items)
    graph.output("items", items, np.int64, ("n_users", "n_items"))
    graph.output("scores", best, np.float32, ("n_users", "n_items"))
    return graph


def _graph_of_ratings(model: GNNRatingRegressor) -> Graph:
    graph = Graph()
    pairs = [
        (graph.input("users", np.int64, ("n_pairs",)), model.user_bias_, model.user_embedding_),
        (graph.input("items", np.int64, ("n_pairs",)), model.item_bias_, model.item_embedding_),
    ]
    biases, vectors = [], []
    for positions, bias, embedding in pairs:  # position -1, of unknown users and items, is a last entry of zero
        biases.append(graph.add("Gather", graph.constant(np.append(bias, 0.0), np.float32), positions))
        table = np.vstack([embedding, np.zeros_like(embedding[:1])])
        vectors.append(graph.add("Gather", graph.constant(table, np.float32), positions, axis=0))
    product = graph.add("ReduceSum", graph.add("Mul", *vectors), graph.integers(1), keepdims=0)
    ratings = graph.add("Sum", graph.constant(model.mean_, np.float32), *biases, product)
    graph.output("ratings", ratings, np.float32, ("n_pairs",))
    return graph


def _write(graph: Graph, ids: Mapping[str, Vocabulary | None], path: str) -> None:
    metadata = {name: _as_json(vocabulary) for name, vocabulary in ids.items() if vocabulary is not None}
    model = graph.model("skgnnrec", "A model of skgnnrec.", {**metadata, "skgnnrec": version("skgnnrec")})
    is_large = graph.size() > LARGEST_FILE
    if not is_large:
        import_onnx().checker.check_model(model)
    _save(model, path, is_large=is_large)


def _as_json(vocabulary: Vocabulary) -> str:
    """Return ids as a list of JSON; an id of a type that JSON does not have is {name of the type: parts}."""
    ids = np.fromiter(vocabulary.ids.tolist(), dtype=object, count=len(vocabulary))
    packed = pack(ids)
    return packed["json"].tobytes().decode("utf-8", "replace") if isinstance(packed, dict) else repr(ids.tolist())


def _save(model: Any, path: str, *, is_large: bool = False) -> None:
    if is_large:  # the second file first: a reader of the first one finds it
        onnx, location = import_onnx(), f"{os.path.basename(path)}.data"
        with suppress(FileNotFoundError):
            os.unlink(f"{path}.data")  # it would be appended to
        onnx.external_data_helper.convert_model_to_external_data(model, location=location, size_threshold=LARGE_ARRAY)
        model = onnx.external_data_helper.write_external_data_tensors(model, os.path.dirname(os.path.abspath(path)))
    with replaced_file(path) as file:
        file.write(model.SerializeToString())
