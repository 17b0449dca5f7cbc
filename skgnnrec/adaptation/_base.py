"""What adapters share: a text embedder whose network learns further in `fit`."""

from __future__ import annotations

import os
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from itertools import chain
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from skgnnrec._device import limit_torch_threads
from skgnnrec.text import TextEmbedder

if TYPE_CHECKING:
    from skgnnrec.text._model import TextModel
    from skgnnrec.text.networks import TrainableEncoder
    from skgnnrec.training import Checkpoint, Learner, Progress

__all__ = ["BaseAdapter", "Training", "shuffled_parts"]


class Training(NamedTuple):
    """A learner, and what its optimizer needs to know of it."""

    learner: Learner
    groups: list[dict[str, Any]]  # of parameters, each with its step size
    n_batches: int  # of an epoch
    data: list[np.ndarray]  # tells one fit from another


class BaseAdapter(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of the adapters: a copy of an embedder's network is trained, then embeds.

    A concrete adapter says what is learned (`_make_training`).
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "embedder": [HasMethods(["fit", "transform"]), None],
        "lora_rank": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), None],
        "warmup_fraction": [Interval(Real, 0, 1, closed="both")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "checkpoint_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
    }

    # Without `learning_rate_init`: of all weights, and of LoRA's.
    _learning_rates: ClassVar[tuple[float, float]]

    embedder: Any
    lora_rank: int | None
    batch_size: int
    max_iter: int
    learning_rate_init: float | None
    warmup_fraction: float
    alpha: float
    tol: float
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    checkpoint_dir: str | os.PathLike[str] | None
    random_state: Any

    @abstractmethod
    def _make_training(self, encoder: TrainableEncoder, texts: list[str], y: Any, seed: int) -> Training | None:
        """Return what is to be learned from the texts; None where there is nothing to learn from."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Train a copy of the embedder's network.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, n_columns)
            Texts: a list, an array, a Series or a DataFrame.
        y : object
            What the adapter learns from beside the texts, where it does.

        Returns
        -------
        self : object
            The fitted adapter.

        Raises
        ------
        ValueError
            If the texts are not ones, or the model cannot be trained in this way.
        ImportError
            If `lora_rank` is given and the package peft is absent.
        NonFiniteLossError
            If training diverges.
        """
        task = self._init_callback_context(max_subtasks=self.max_iter)
        task.call_on_fit_task_begin(estimator=self)
        y = self._check_target(X, y)
        self.embedder_ = self._check_embedder().fit(X)
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(self.embedder_, name):
                setattr(self, name, getattr(self.embedder_, name))
        self.embedding_dim_ = self.embedder_.embedding_dim_
        with limit_torch_threads():
            self._learn(self.embedder_._texts(X, reset=False), y)
        task.call_on_fit_task_end(estimator=self)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Embed texts with the adapted network.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, n_columns)
            Texts: a list, an array, a Series or a DataFrame.

        Returns
        -------
        vectors : ndarray of float32, shape (n_texts, embedding_dim)
            One vector a text, zero where there is no text. Another container after `set_output`.

        Raises
        ------
        ValueError
            As in the `transform` of the embedder.
        OSError
            If the model that training started from is absent.
        """
        check_is_fitted(self)
        return self._embed(self._load_model(packed=True), self._texts(X, reset=False), fitting=False)

    def save(self, folder: str | os.PathLike[str], *, merge: bool = True) -> None:
        """Write the adapted model to a folder.

        Parameters
        ----------
        folder : str or path-like
            Created if it is not there.
        merge : bool, default=True
            Whether to write the whole model, LoRA's matrices merged into it, which `TextEmbedder(folder)`,
            transformers and sentence-transformers read. False writes LoRA's matrices alone, in the format of peft.

        Raises
        ------
        ValueError
            If `merge=False` without `lora_rank`.
        """
        from skgnnrec.text.networks import save_model

        check_is_fitted(self)
        path = Path(folder)
        if not merge and self._weights.lora_rank is None:
            raise ValueError("merge=False writes LoRA's matrices, but lora_rank was None in fit: there are none.")
        path.mkdir(parents=True, exist_ok=True)
        if merge:
            save_model(self._load_model("float32"), self._reader, path)
        else:
            self._weights.save_lora(self.embedder_._load_model("float32"), path)

    def _check_target(self, X: Any, y: Any) -> Any:
        """Return what is learned from beside the texts."""
        return None

    def _check_embedder(self) -> Any:
        embedder = TextEmbedder() if self.embedder is None else self.embedder
        if not isinstance(embedder, TextEmbedder | BaseAdapter):
            raise ValueError(f"embedder must be a TextEmbedder or an adapter, got {type(embedder).__name__}.")
        return clone(embedder)

    def _learn(self, texts: list[str], y: Any) -> None:
        from skgnnrec.text.networks import TrainableEncoder
        from skgnnrec.training import Progress

        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        encoder = TrainableEncoder(self.embedder_._load_model("float32"), self._reader, self.lora_rank, seed)
        training = self._make_training(encoder, texts, y, seed)
        progress = Progress() if training is None else self._train(encoder, training, seed)
        self._weights = encoder.learned()
        self.n_trainable_, self.trainable_share_ = encoder.n_trainable, encoder.trainable_share
        self.loss_curve_, self.validation_scores_ = progress.losses, progress.scores
        self.n_iter_ = len(progress.losses)

    def _train(self, encoder: TrainableEncoder, training: Training, seed: int) -> Progress:
        import torch

        from skgnnrec.training import schedule_steps, train_estimator

        optimizer = torch.optim.AdamW(training.groups, lr=self._step_size(), weight_decay=self.alpha)
        schedule_steps(optimizer, self.max_iter * training.n_batches, self.warmup_fraction)
        devices = [encoder.device] if encoder.device.type == "cuda" else []
        with torch.random.fork_rng(devices):  # dropout and masks draw from torch's own numbers
            return train_estimator(
                self,
                training.learner,
                max_iter=self.max_iter,
                checkpoint=self._checkpoint(training, seed),
                reconstruct=lambda: {"_weights": encoder.learned()},
                held_out=(None, None),
                optimizer=optimizer,
            )

    def _step_size(self) -> float:
        if self.learning_rate_init is not None:
            return self.learning_rate_init
        return self._learning_rates[self.lora_rank is not None]

    def _checkpoint(self, training: Training, seed: int) -> Checkpoint | None:
        from skgnnrec.training import open_checkpoint

        steering = {**self.get_params(deep=False), **self._reader.get_params()}
        settings = [
            type(self).__name__,
            *(f"{name}={value}" for name, value in steering.items() if name not in ("embedder", "checkpoint_dir")),
        ]
        start = (parameter.detach().cpu().numpy() for parameter in training.learner.parameters())
        return open_checkpoint(self.checkpoint_dir, self.random_state, [seed, *settings], chain(training.data, start))

    # What an adapter needs of its embedder it offers itself, so that one can stand on another.

    @property
    def _reader(self) -> TextEmbedder:
        """Return the embedder at the bottom, which says how texts are read and pooled."""
        return self.embedder_._reader if isinstance(self.embedder_, BaseAdapter) else self.embedder_

    def _texts(self, X: Any, *, reset: bool) -> list[str]:
        return self.embedder_._texts(X, reset=reset)

    def _load_model(self, dtype: str | None = None, *, packed: bool = False) -> TextModel:
        base = self.embedder_._load_model("float32")
        return self._weights.put_into(base, dtype or self._reader.dtype, packed=packed)

    def _embed(self, model: TextModel, texts: Sequence[str], *, fitting: bool) -> np.ndarray:
        return self.embedder_._embed(model, texts, fitting=fitting)

    @property
    def _n_features_out(self) -> int:
        return self.embedding_dim_

    def __sklearn_tags__(self) -> Any:
        """Say that the samples are those of the embedder."""
        tags = super().__sklearn_tags__()
        if isinstance(self.embedder, BaseEstimator):
            tags.input_tags = get_tags(self.embedder).input_tags
        else:
            tags.input_tags = get_tags(TextEmbedder()).input_tags
        tags.transformer_tags.preserves_dtype = []
        return tags


def shuffled_parts(n: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what is learned from and what is held out, of n things: at least one of each where there are two."""
    order = np.random.default_rng(seed).permutation(n)
    n_held_out = min(max(1, round(fraction * n)), n - 1) if n and fraction else 0
    return order[n_held_out:], order[:n_held_out]
