"""Explanations: how much each item of a history, its content and a query contribute to a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec.inspection._contributions import Contributions
from skgnnrec.inspection._gradients import check_gradients, integrated_gradients
from skgnnrec.interactions import Vocabulary, first_few, row_of_each
from skgnnrec.ranking import QUERY_WEIGHT, Scorer, fitted_recommender, rank_in_blocks
from skgnnrec.recommenders import BaseRecommender, LogRecommender

__all__ = ["COLUMNS", "check_explanation", "explain", "labels_of", "read_histories", "reasons"]

LEAST_SHARE = 0.1  # of the largest contribution: smaller ones are no reasons
OTHER_CLAUSES = {
    "query": "because it fits the query",
    "friends": "because of what friends have",
    "profile": "because of the profile",
}
COLUMNS = ["user", "item", "source", "kind", "contribution"]


def explain(
    recommender: Any,
    X: Any = None,
    items: Any = None,
    *,
    method: str = "additive",
    query: Any = None,
    query_weight: float = QUERY_WEIGHT,
    users: Any = None,
) -> pd.DataFrame:
    r"""Explain recommendations by the items of the histories.

    The score of an item is a sum over the items of the history,

    .. math:: s_j(x) = b_j(x) + \sum_i x_i W_{ij},

    and an explanation lists its terms. With item vectors, the weight :math:`W_{ij}` has two parts: the one that
    interactions have taught, and the one that content has taught. A filter adds up both. In a ridge regression with the
    Gram matrix G, the kernel w² K and P = (G + w² K + λ I)⁻¹, the off-diagonal elements of -λ P are those of P G, the
    part of the interactions, plus those of w² P K, the part of the content. The contributions of items without
    interactions are those of their content.

    Parameters
    ----------
    recommender : BaseRecommender or LogRecommender
        A fitted recommender. Fitted searches and pipelines are accepted.
    X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), list of ids, or log, default=None
        The histories. A `LogRecommender` takes the ids of users, whose histories are those of the fit; None takes all
        of its users. It also takes histories as in ``recommend(histories=...)``: a list of baskets, a mapping from
        users to baskets, or a log.
    items : array-like of shape (n_users, n_explained), default=None
        The items to explain for each user, as `recommend` returns them. None explains the items that are recommended.
    method : {"additive", "counterfactual", "integrated_gradients"}, default="additive"
        "additive" lists the terms of the score. Together they are the score. "counterfactual" lists the difference of
        the score and the score without the item of the history. These differences exist for all recommenders, and are
        no terms of a sum. "integrated_gradients" lists the integrated gradients [1]_ of a `GNNRecommender`, which are
        the score together with the baseline. It needs captum, which the extra ``explain`` installs.
    query : str or list of str, default=None
        The query of each user, as in `recommend`.
    query_weight : float, default=0.8
        The weight of the query, as in `recommend`.
    users : array-like of shape (n_users,) or table with n_users rows, default=None
        The users of the rows of X, as in the `recommend` of `SocialRecommender` and `UserContentRecommender`. For a
        `LogRecommender`, these are the ids in `X`.

    Returns
    -------
    explanation : DataFrame
        One row for each contribution, with the columns

        - ``user``: the id of the user, or the row of X;
        - ``item``: the explained item;
        - ``source``: the item of the history, None for other sources;
        - ``kind``: "interactions", "content", "query", "friends", "profile", "counterfactual", or "baseline" for what
          does not depend on single items of the history: popularity, constants of standardised scores, and with
          integrated gradients the score of the mean history;
        - ``contribution``: the contribution to the score.

        Rows are sorted by user, by the place of the item in the list, and by contribution, the largest first.
        Contributions of zero are left out. Notebooks show the table with bars.

    Raises
    ------
    ValueError
        If `X` is None for another recommender than a `LogRecommender`; if `items` does not have one row for each user,
        or holds unknown items; if `method` is "integrated_gradients" and the recommender is no `GNNRecommender` or
        there is a query.
    ImportError
        If `method` is "integrated_gradients" and captum is not installed.

    See Also
    --------
    reasons : Puts explanations into words.
    attention_weights : The weights of the items of a history in each layer of a `GNNRecommender` with attention.
    score_function : The score of one item as a function for other packages, such as shap and lime.

    Notes
    -----
    The parts of interactions and content are not told apart in `GNNRecommender`, nor in a `RidgeRecommender` with
    ``order_weight > 0`` or the sparse solver. Their contributions have the kind "interactions".

    The terms of a `GNNRecommender` keep the length of the user embedding, and the attention, of the whole history.
    Integrated gradients also count how each item changes them. With the weights x of the history, the mean history
    x̄ of the fit, and :math:`x_\alpha = \bar x + \alpha (x - \bar x)`, the contribution of item i is

    .. math:: (x_i - \bar x_i) \int_0^1 \frac{\partial s_j(x_\alpha)}{\partial x_i} \, d\alpha .

    Items outside the history are on the path too. Their terms are part of the baseline.

    References
    ----------
    .. [1] M. Sundararajan et al., "Axiomatic attribution for deep networks", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from skgnnrec import ItemCatalog, RidgeRecommender
    >>> from skgnnrec.inspection import explain
    >>> catalog = ItemCatalog(["red mug", "blue mug", "tea pot", "tea spoon", "garden chair", "garden lamp"])
    >>> X = np.array([[1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 1, 1]])
    >>> rec = RidgeRecommender(catalog=catalog, item_encoder=TfidfVectorizer(), n_recommendations=1).fit(X)
    >>> explanation = explain(rec, [[0, 0, 1, 0, 0, 0]])
    >>> explanation.round(3)
       user  item source          kind  contribution
    0     0     3      2  interactions         0.054
    1     0     3      2       content         0.024
    >>> rec.recommend([[0, 0, 1, 0, 0, 0]])[1].round(3)
    array([[0.078]], dtype=float32)
    """
    _check_options(method=method, query_weight=query_weight)
    fitted, X = fitted_recommender(recommender, X)
    task = _read(fitted, X, items, query, query_weight, users)
    if method == "integrated_gradients":
        check_gradients(task.recommender, query)
    parts = [TERMS[method](task, place) for place in range(task.columns.shape[1])]
    found = pd.concat(parts, ignore_index=True)
    found = found[found["contribution"] != 0]
    order = np.lexsort((-found["contribution"], found["place"], found["row"]))
    found = found.iloc[order].reset_index(drop=True)
    sources = np.full(len(found), None, dtype=object)
    is_item = found["entry"].to_numpy() >= 0
    sources[is_item] = task.items[found["entry"].to_numpy()[is_item]]
    return Contributions(
        {
            "user": task.users[found["row"]],
            "item": task.items[task.columns[found["row"], found["place"]]],
            "source": pd.Series(sources, dtype=object),
            "kind": found["kind"],
            "contribution": found["contribution"],
        },
        columns=COLUMNS,
    )


@validate_params(
    {
        "method": [StrOptions({"additive", "counterfactual", "integrated_gradients"})],
        "query_weight": [Interval(Real, -1, 1, closed="both")],
    },
    prefer_skip_nested_validation=True,
)
def _check_options(*, method: str, query_weight: float) -> None:
    """Refuse other options."""


@dataclass(frozen=True, eq=False)
class _Task:
    """What is to be explained, by position."""

    recommender: BaseRecommender
    scorer: Scorer
    X: sparse.csr_array  # the histories, with columns of queries after those of the items
    columns: np.ndarray  # of the explained items, (n_users, n_explained), -1 for padding
    users: np.ndarray  # ids
    items: np.ndarray  # ids


def read_histories(
    fitted: Any, X: Any, about: Any = None
) -> tuple[BaseRecommender, sparse.csr_array, np.ndarray, Vocabulary | None]:
    """Return the recommender of matrices, histories with data of users, their ids and the vocabulary of the items."""
    if isinstance(fitted, LogRecommender):
        check_is_fitted(fitted)
        histories, users, are_named = fitted._read_users_or_histories(about if X is None else X)
        inner = fitted.recommender_
        return inner, inner._with_data(histories, users if are_named else None), users, fitted._items_
    if X is None:
        raise ValueError(f"X must be the histories to explain, a {type(fitted).__name__} does not keep them; got None.")
    histories = fitted._check_histories(X)
    users = X.index.to_numpy() if isinstance(X, pd.DataFrame) else np.arange(histories.shape[0])
    if about is not None:
        histories = fitted._with_data(histories, about)
    return fitted, histories, users, fitted._vocabulary_


def labels_of(recommender: BaseRecommender, vocabulary: Vocabulary | None) -> np.ndarray:
    """Return the ids of the items, their positions where there are none."""
    return np.arange(recommender.n_features_in_) if vocabulary is None else vocabulary.ids


def _read(fitted: Any, X: Any, items: Any, query: Any, query_weight: float, about: Any) -> _Task:
    inner, histories, users, vocabulary = read_histories(fitted, X, about)
    labels = labels_of(inner, vocabulary)
    scorer: Scorer = inner._scorer_
    steered = histories
    if query is not None:
        scorer, steered = inner._steered(histories, scorer, np.arange(scorer.n_columns), None, query, query_weight)
    if items is None:
        columns, _ = rank_in_blocks(scorer, steered, int(inner.n_recommendations), histories[:, : len(labels)])
    else:
        columns = _positions(items, vocabulary, len(labels), len(users))
    return _Task(inner, scorer, steered, columns, users, labels)


def _positions(items: Any, vocabulary: Vocabulary | None, n_items: int, n_users: int) -> np.ndarray:
    """Return the columns of lists of items, -1 for padding."""
    try:
        given = np.asarray(items)
    except ValueError:  # rows of different lengths
        given = np.empty(0)
    if given.ndim != 2 or given.shape[0] != n_users:
        raise ValueError(
            f"items must have one row of items for each of {n_users} users of X, as recommend returns them; got a "
            f"{type(items).__name__} of the shape {given.shape}."
        )
    flat, own = given.ravel(), Vocabulary(np.arange(n_items)) if vocabulary is None else vocabulary
    is_padding = np.array([item is None or item is np.ma.masked or item == -1 for item in flat.tolist()], dtype=bool)
    columns = np.where(is_padding, -1, own.positions(flat, missing_ok=True))
    unknown = flat[(columns < 0) & ~is_padding]
    if len(unknown):
        raise ValueError(f"items holds {len(unknown)} items that were not in the fit: {first_few(unknown)}.")
    return columns.reshape(given.shape)


def _additive(task: _Task, place: int) -> pd.DataFrame:
    """Return the terms of the scores of one place of the lists."""
    columns = np.maximum(task.columns[:, place], 0)
    n_items = task.recommender.n_features_in_
    parts = task.scorer.contributions(task.X, columns)
    rows, is_item = row_of_each(parts), parts.indices < n_items
    content = np.zeros(parts.nnz)
    content[is_item] = _share_of_content(task.recommender, task.X[:, :n_items], columns)
    content *= parts.data
    own = np.where(is_item, parts.indices, -1)
    baseline = task.scorer.baseline(task.X, columns)
    kinds = _kinds(task, "interactions")[parts.indices]
    everyone = np.arange(len(columns))
    frame = pd.DataFrame(
        {
            "row": np.concatenate([rows, rows, everyone]),
            "place": place,
            "entry": np.concatenate([own, own, np.full(len(columns), -1)]),
            "kind": np.concatenate([kinds, np.full(len(rows), "content"), np.full(len(columns), "baseline")]),
            "contribution": np.concatenate([parts.data - content, content, baseline]),
        }
    )
    return frame[task.columns[frame["row"], place] >= 0]


def _kinds(task: _Task, of_items: str) -> np.ndarray:
    """Return the kind of the contributions of each column of the histories."""
    further = task.recommender._kinds_of_data()
    n_queries = task.X.shape[1] - task.recommender.n_features_in_ - len(further)
    return np.array([of_items] * task.recommender.n_features_in_ + further + ["query"] * n_queries, dtype=object)


def _share_of_content(recommender: BaseRecommender, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
    """Return the share of the contributions that content makes, for each entry of X."""
    total = recommender._scorer_.contributions(X, columns).data
    content = recommender._content_contributions(recommender._weigh(X), columns)
    if recommender.item_vectors_ is not None:
        is_cold = (recommender._item_counts_[columns] == 0)[row_of_each(X)]
        content = np.where(is_cold, total, content)
    return np.divide(content, total, out=np.zeros(X.nnz), where=total != 0)


def _counterfactual(task: _Task, place: int) -> pd.DataFrame:
    """Return the differences that single entries of the histories make to the scores of one place of the lists."""
    X, n_items = task.X, task.recommender.n_features_in_
    frames = []
    for row in np.flatnonzero(task.columns[:, place] >= 0):
        scorer = task.scorer.take(task.columns[row, place : place + 1])
        entries = slice(X.indptr[row], X.indptr[row + 1])
        columns, n = X.indices[entries], X.indptr[row + 1] - X.indptr[row]
        others = np.nonzero(~np.eye(n, dtype=bool))
        without = sparse.csr_array((X.data[entries][others[1]], (others[0], columns[others[1]])), (n, X.shape[1]))
        difference = scorer.scores(X[[row]])[0, 0].astype(np.float64) - scorer.scores(without)[:, 0]
        is_item = columns < n_items
        frames.append(
            pd.DataFrame(
                {
                    "row": row,
                    "place": place,
                    "entry": np.where(is_item, columns, -1),
                    "kind": _kinds(task, "counterfactual")[columns],
                    "contribution": difference,
                }
            )
        )
    empty = pd.DataFrame({name: [] for name in ("row", "place", "entry", "kind", "contribution")}, dtype=np.int64)
    return pd.concat(frames, ignore_index=True) if frames else empty


def _integrated(task: _Task, place: int) -> pd.DataFrame:
    """Return the integrated gradients of the scores of one place of the lists."""
    rows = np.flatnonzero(task.columns[:, place] >= 0)
    X = task.X[rows]
    parts, rest = integrated_gradients(task.recommender, X, task.columns[rows, place])
    kinds = np.repeat(np.array(["interactions", "baseline"], dtype=object), [X.nnz, len(rows)])
    return pd.DataFrame(
        {
            "row": np.concatenate([rows[row_of_each(X)], rows]),
            "place": place,
            "entry": np.concatenate([X.indices, np.full(len(rows), -1)]),
            "kind": kinds,
            "contribution": np.concatenate([parts, rest]),
        }
    )


TERMS = {"additive": _additive, "counterfactual": _counterfactual, "integrated_gradients": _integrated}


def reasons(explanation: pd.DataFrame, names: Mapping | pd.Series | None = None, n_reasons: int = 2) -> pd.Series:
    """Put the largest positive contributions of explanations into words, the largest first.

    Contributions below a tenth of the largest one are left out.

    Parameters
    ----------
    explanation : DataFrame
        The result of `explain`.
    names : mapping or Series, default=None
        The names of items by id. Without them, ids are the names.
    n_reasons : int, default=2
        Items of the history that are named for each recommended item, at most.

    Returns
    -------
    sentences : Series
        A sentence for each user and recommended item, indexed by both.

    Raises
    ------
    ValueError
        If `explanation` lacks a column of the result of `explain`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.inspection import explain, reasons
    >>> rec = RidgeRecommender(n_recommendations=1).fit(np.kron(np.eye(2), np.ones((3, 3))))
    >>> reasons(explain(rec, [[1, 1, 0, 0, 0, 0]]), names=dict(enumerate(["mug", "pot", "tea", "saw", "nail", "bolt"])))
    user  item
    0     2       Because of mug and pot.
    dtype: object
    """
    check_explanation(explanation, names)
    _check_number(n_reasons=n_reasons)
    given = {} if names is None else dict(names)

    def sentence(rows: pd.DataFrame) -> str:
        helpful = rows[rows["contribution"] > 0]
        is_item = helpful["source"].notna()
        others = helpful[~is_item].groupby("kind")["contribution"].sum()
        baseline = others.get("baseline", 0.0)
        named = {kind: others[kind] for kind in OTHER_CLAUSES if kind in others}
        best = helpful[is_item].groupby(["source", "kind"], sort=False)["contribution"].sum()
        best = best.sort_values(ascending=False, kind="stable").head(n_reasons)
        least = LEAST_SHARE * max([0.0, *named.values(), *best])
        best = best[best >= least]
        clauses = [(part, OTHER_CLAUSES[kind]) for kind, part in named.items() if part >= least]
        if baseline > helpful["contribution"].sum() - baseline or not (len(best) or clauses):
            clauses.append((baseline, "because it is popular"))
        for phrase, is_content in (("because of", False), ("because its description is close to that of", True)):
            own = best[(best.index.get_level_values("kind") == "content") == is_content]
            if len(own):
                sources = " and ".join(str(given.get(source, source)) for source, _ in own.index)
                clauses.append((own.sum(), f"{phrase} {sources}"))
        text = ", and ".join(clause for _, clause in sorted(clauses, key=lambda each: -each[0]))
        return f"{text[0].upper()}{text[1:]}."

    groups = explanation.groupby(["user", "item"], sort=False)
    return pd.Series({key: sentence(rows) for key, rows in groups}, dtype=object).rename_axis(["user", "item"])


def check_explanation(explanation: Any, names: Any) -> None:
    """Refuse other values than the result of `explain`, and other names than a mapping."""
    missing = [name for name in COLUMNS if name not in getattr(explanation, "columns", ())]
    if missing:
        raise ValueError(
            f"explanation must be the result of explain, which has the columns {COLUMNS}; "
            f"got a {type(explanation).__name__} without {missing}."
        )
    if not isinstance(names, Mapping | pd.Series | None):
        raise TypeError(
            "names must be a mapping or a Series from ids to names, such as table.set_index('id')['name']; "
            f"got a {type(names).__name__}."
        )


@validate_params({"n_reasons": [Interval(Integral, 1, None, closed="left")]}, prefer_skip_nested_validation=True)
def _check_number(*, n_reasons: int) -> None:
    """Refuse other numbers."""
