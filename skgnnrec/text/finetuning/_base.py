"""The base of fine-tuners: text embedders whose network is trained further in `fit`."""

from __future__ import annotations

import os
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import HasMethods, Interval
from skgnnrec._device import torch_settings
from skgnnrec._fitted_state import new_state
from skgnnrec.text import TextEmbedder

if TYPE_CHECKING:
    from skgnnrec.text._model import TextModel
    from skgnnrec.text.finetuning._encoder import TrainableEncoder
    from skgnnrec.training import Checkpoint, Learner, Progress

__all__ = ["BaseFineTuner", "Training", "shuffled_parts"]

# Parameters that do not change the state of a training; the digest of the weights takes the place of `model`.
NOT_IDENTIFYING = {"embedder", "model", "checkpoint_dir", "cache", "cache_limit", "device", "random_state"}


class Training(NamedTuple):
    """A learner, and the settings of its optimizer."""

    learner: Learner
    groups: list[dict[str, Any]]  # parameters and their step sizes
    n_batches: int  # of an epoch
    data: list[np.ndarray]  # by which a checkpoint tells one fit from another


class BaseFineTuner(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of the fine-tuners: `fit` trains a copy of an embedder's network, and `transform` embeds with it.

    A concrete fine-tuner defines its training (`_make_training`).
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

    # The defaults of `learning_rate_init`: for all weights, and for LoRA's matrices.
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
        """Return the training on texts and target, None where there is nothing to learn from."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Train a copy of the embedder's network.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, n_columns)
            Texts: a list, an array, a Series or a DataFrame.
        y : object
            The target of fine-tuners that learn from more than texts.

        Returns
        -------
        self : object
            The fitted fine-tuner.

        Raises
        ------
        ValueError
            If X has values that are neither texts nor missing, or the model cannot be trained.
        ImportError
            If `lora_rank` is given and the package peft is absent.
        NonFiniteLossError
            If training diverges.
        """
        task = self._init_callback_context(max_subtasks=self.max_iter)
        task.call_on_fit_task_begin(estimator=self)
        y = self._check_target(X, y)
        with new_state(self) as fresh:
            fresh.embedder_ = self._check_embedder().fit(X)
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(fresh.embedder_, name):
                    setattr(fresh, name, getattr(fresh.embedder_, name))
            fresh.embedding_dim_ = fresh.embedder_.embedding_dim_
            with torch_settings():
                fresh._learn(fresh.embedder_._texts(X, reset=False), y, previous=self)
            task.call_on_fit_task_end(estimator=fresh)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Embed texts with the trained network.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, n_columns)
            Texts: a list, an array, a Series or a DataFrame.

        Returns
        -------
        vectors : ndarray of float32, shape (n_texts, embedding_dim)
            One vector per text, the zero vector for missing texts. Another container after `set_output`.

        Raises
        ------
        ValueError
            As in the `transform` of the embedder, also if the model that training started from has been replaced.
        OSError
            If the model that training started from is absent.
        """
        check_is_fitted(self)
        return self._embed(self._load_model(packed=True), self._texts(X, reset=False), fitting=False)

    def save(self, folder: str | os.PathLike[str], *, merge: bool = True) -> None:
        """Write the trained model to a folder.

        Parameters
        ----------
        folder : str or path-like
            The folder, created if it is absent.
        merge : bool, default=True
            Whether to write the whole model, LoRA's matrices merged into it, for `TextEmbedder(folder)`, transformers
            and sentence-transformers. False writes LoRA's matrices alone, in the format of peft.

        Raises
        ------
        ValueError
            If `merge=False` without `lora_rank`, or if a whole model and LoRA's matrices would be in one folder.

        Notes
        -----
        Of the settings of the embedder, pooling, normalisation, prompt and `max_length` become those of the model;
        `columns` and `truncate_dim` are not written. The file ``skgnnrec_checksums.json`` lists the checksums of all
        files: `TextEmbedder` refuses a damaged folder.
        """
        from skgnnrec.text.finetuning._saving import save_lora, save_model

        check_is_fitted(self)
        constraints = {"folder": [str, os.PathLike], "merge": ["boolean"]}
        validate_parameter_constraints(constraints, {"folder": folder, "merge": merge}, "save")
        path = Path(folder)
        if not merge and self._weights_.lora_rank is None:
            raise ValueError("merge=False writes LoRA's matrices and needs lora_rank, got a fit with lora_rank=None.")
        other = "adapter_config.json" if merge else "config.json"
        if (path / other).exists():
            raise ValueError(
                f"folder={str(path)!r} has the file {other}: a model and LoRA's matrices in one folder would be read "
                "together. Choose another folder."
            )
        path.mkdir(parents=True, exist_ok=True)
        if merge:
            save_model(self._load_model("float32"), self._reader, path)
        else:
            save_lora(self._weights_, self.embedder_._load_model("float32"), path)

    def _check_target(self, X: Any, y: Any) -> Any:
        """Return the checked target, None where it is not used."""
        return None

    def _check_embedder(self) -> Any:
        embedder = TextEmbedder() if self.embedder is None else self.embedder
        if not isinstance(embedder, TextEmbedder | BaseFineTuner):
            raise ValueError(f"embedder must be a TextEmbedder or a fine-tuner, got {type(embedder).__name__}.")
        return clone(embedder)

    def _learn(self, texts: list[str], y: Any, previous: Any) -> None:
        from skgnnrec.text.finetuning._encoder import TrainableEncoder
        from skgnnrec.training import Progress

        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        encoder = TrainableEncoder(self.embedder_._load_model("float32"), self._reader, self.lora_rank, seed)
        training = self._make_training(encoder, texts, y, seed)
        progress = Progress() if training is None else self._train(encoder, training, seed, previous)
        self._weights_ = encoder.learned()
        self.n_trainable_, self.trainable_share_ = encoder.n_trainable, encoder.trainable_share
        self.loss_curve_, self.validation_scores_ = progress.losses, progress.scores
        self.n_iter_ = len(progress.losses)

    def _train(self, encoder: TrainableEncoder, training: Training, seed: int, previous: Any) -> Progress:
        import torch

        from skgnnrec.training import schedule_steps, train_estimator

        optimizer = torch.optim.AdamW(training.groups, lr=self._step_size(), weight_decay=self.alpha)
        schedule_steps(optimizer, self.max_iter * training.n_batches, self.warmup_fraction)
        devices = [encoder.device] if encoder.device.type == "cuda" else []
        with torch.random.fork_rng(devices):  # dropout and masks draw from the global generator
            return train_estimator(
                self,
                training.learner,
                max_iter=self.max_iter,
                checkpoint=self._checkpoint(training, seed),
                reconstruct=lambda: {"_weights_": encoder.learned()},
                held_out=(None, None),
                original=previous,
                optimizer=optimizer,
            )

    def _step_size(self) -> float:
        if self.learning_rate_init is not None:
            return self.learning_rate_init
        return self._learning_rates[self.lora_rank is not None]

    def _checkpoint(self, training: Training, seed: int) -> Checkpoint | None:
        from skgnnrec.training import open_checkpoint

        settings = {**self.get_params(deep=False), **self._reader.get_params()}
        settings = {name: value for name, value in settings.items() if name not in NOT_IDENTIFYING}
        start = [parameter.detach().cpu().numpy() for parameter in training.learner.parameters()]
        identity = (type(self).__name__, seed, settings, self._reader._weights_digest_, training.data, start)
        return open_checkpoint(self.checkpoint_dir, self.random_state, identity)

    # The methods of an embedder that a fine-tuner uses: one fine-tuner can start from another.

    @property
    def _reader(self) -> TextEmbedder:
        """Return the first embedder, which defines how texts are read and pooled."""
        return self.embedder_._reader if isinstance(self.embedder_, BaseFineTuner) else self.embedder_

    def _texts(self, X: Any, *, reset: bool) -> list[str]:
        return self.embedder_._texts(X, reset=reset)

    def _load_model(self, dtype: str | None = None, *, packed: bool = False) -> TextModel:
        base = self.embedder_._load_model("float32")
        return self._weights_.put_into(base, dtype or self._reader.dtype, packed=packed)

    def _embed(self, model: TextModel, texts: Sequence[str], *, fitting: bool) -> np.ndarray:
        return self.embedder_._embed(model, texts, fitting=fitting)

    def _as_module(self) -> Any:
        return self._reader._as_module(self._load_model("float32"))

    @property
    def _n_features_out(self) -> int:
        return self.embedding_dim_

    def __sklearn_tags__(self) -> Any:
        """Return the input tags of the embedder."""
        tags = super().__sklearn_tags__()
        if isinstance(self.embedder, BaseEstimator):
            tags.input_tags = get_tags(self.embedder).input_tags
        else:
            tags.input_tags = get_tags(TextEmbedder()).input_tags
        tags.transformer_tags.preserves_dtype = []
        return tags


def shuffled_parts(n: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions to train on and those to hold out, of n: at least one of each where there are two."""
    order = np.random.default_rng(seed).permutation(n)
    n_held_out = min(max(1, round(fraction * n)), n - 1) if n and fraction else 0
    return order[n_held_out:], order[:n_held_out]
