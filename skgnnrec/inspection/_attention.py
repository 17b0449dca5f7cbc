"""The attention weights of users, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skgnnrec.inspection._explain import labels_of, read_histories
from skgnnrec.interactions import row_of_each
from skgnnrec.ranking import fitted_recommender

__all__ = ["attention_weights"]


def attention_weights(recommender: Any, X: Any) -> pd.DataFrame:
    r"""List the attention of users to the items of their histories, layer by layer.

    The weight of item j in layer l is

    .. math:: a_j = \frac{x_j \exp(h_{l-1} \cdot h_{jl} / \sqrt{d})}{\sum_k x_k \exp(h_{l-1} \cdot h_{kl} / \sqrt{d})},

    with the embedding :math:`h_{l-1}` of the user in the layer before, the embeddings :math:`h_{jl}` of the items, of d
    dimensions, and the weights x of the history. The weights do not depend on the recommended item.

    Parameters
    ----------
    recommender : GNNRecommender or LogRecommender
        A fitted `GNNRecommender` with ``conv="attention"``, also inside a `LogRecommender`, a search or a pipeline.
    X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), or list of ids
        The histories; for a `LogRecommender` the ids of users.

    Returns
    -------
    weights : DataFrame
        One row for each user, layer and item of the history, with the columns

        - ``user``: the id of the user, or the row of X;
        - ``layer``: the layer, from 1 on;
        - ``item``: the item of the history;
        - ``weight``: the attention weight. The weights of a user sum to 1 in each layer.

        Rows are sorted by user, by layer and by weight, the largest first.

    Raises
    ------
    ValueError
        If the recommender is no `GNNRecommender` with attention.

    See Also
    --------
    explain : The contributions of the items of a history to a score.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import GNNRecommender
    >>> from skgnnrec.inspection import attention_weights
    >>> X = np.kron(np.eye(2), np.ones((3, 3)))
    >>> rec = GNNRecommender(embedding_dim=4, conv="attention", n_layers=2, max_iter=2).fit(X)
    >>> weights = attention_weights(rec, [[1, 1, 0, 0, 0, 0]])
    >>> weights[["user", "layer"]].to_numpy().tolist()
    [[0, 1], [0, 1], [0, 2], [0, 2]]
    >>> weights.groupby("layer")["weight"].sum().round(3).tolist()
    [1.0, 1.0]
    """
    fitted, X = fitted_recommender(recommender, X)
    check_is_fitted(fitted)
    inner, histories, users, vocabulary = read_histories(fitted, X)
    factors: Any = getattr(inner, "_factors_", None)
    if not hasattr(factors, "layers"):
        conv = f" with conv={inner.conv!r}" if hasattr(inner, "conv") else ""
        raise ValueError(
            "attention_weights requires a recommender that was fitted as GNNRecommender(conv='attention'); got a "
            f"{type(inner).__name__}{conv}."
        )
    n_layers, rows = len(factors.layers) - 1, row_of_each(histories)
    blocks = [np.array(by_layer[1:]) for _, _, by_layer in factors._attend(histories)]
    weights = np.concatenate([np.zeros((n_layers, 0)), *blocks], axis=1)  # (n_layers, n_entries)
    row, layer = np.tile(rows, n_layers), np.repeat(np.arange(1, n_layers + 1), len(rows))
    order = np.lexsort((-weights.ravel(), layer, row))
    items = labels_of(inner, vocabulary)[np.tile(histories.indices, n_layers)]
    return pd.DataFrame(
        {"user": users[row[order]], "layer": layer[order], "item": items[order], "weight": weights.ravel()[order]}
    )
