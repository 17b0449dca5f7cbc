"""What embedders of texts and of images have in common: distinct samples, the cache, progress, copies."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks

from skgnnrec._device import ForkSafeLock, torch_settings
from skgnnrec.encoding._cache import VectorCache, make_keys, open_cache
from skgnnrec.encoding._model_files import Described

__all__ = ["BaseEmbedder", "Loaded", "scale_to_unit_length"]

# In pickles and hashes only.
_CONTENT = "_content_of_model"

Report = Callable[[Sequence[np.ndarray]], Iterable[np.ndarray]]


class Loaded(Protocol):
    """A model that is ready to compute."""

    @property
    def embedding_dim(self) -> int:
        """Dimensions of a vector."""

    @property
    def description(self) -> Described | None:
        """Description of the files that were read, None where they are not known."""

    @property
    def computing(self) -> ForkSafeLock:
        """The lock that is held while vectors are computed."""


class BaseEmbedder(CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """Base of transformers that embed samples with a pretrained model, each distinct sample once.

    A subclass reads samples, describes, loads and runs the model, and finishes the vectors.
    """

    model: str | os.PathLike[str]
    cache: str | os.PathLike[str] | None
    cache_limit: int | None
    embedding_dim_: int
    _model_dim_: int

    _cache_name: ClassVar[str]  # of the file in a folder

    @abstractmethod
    def _samples(self, X: Any, *, reset: bool) -> Sequence[Any]:
        """Return one hashable sample per row, a false one for a missing sample."""

    @abstractmethod
    def _distinct(self, samples: Sequence[Any]) -> tuple[list[Any], Sequence[str | bytes]]:
        """Return the distinct samples that are not missing, and the content of each."""

    @abstractmethod
    def _describe_files(self) -> Described | None:
        """Return the description of the model, None where it is not on this machine."""

    @abstractmethod
    def _describe(self) -> Described:
        """Return the description of the model, which has to be found."""

    @abstractmethod
    def _load_to_embed(self) -> Any:
        """Return the loaded model, a `Loaded`."""

    @abstractmethod
    def _recipe(self, description: Any) -> str:
        """Return all that a vector depends on beside the sample, as the cache sees it."""

    @abstractmethod
    def _compute(
        self, model: Any, samples: Sequence[Any], keys: Sequence[bytes], cache: VectorCache, report: Report
    ) -> dict[bytes, np.ndarray]:
        """Compute the vectors of distinct samples and store them in the cache."""

    @abstractmethod
    def _finish(self, vectors: np.ndarray, description: Any) -> np.ndarray:
        """Return vectors of the model as the parameters ask for them."""

    @abstractmethod
    def _set_dim(self, model_dim: int) -> None:
        """Set the fitted attributes that depend on the dimensions of the model."""

    @abstractmethod
    def _check_settings(self, model: Any) -> None:
        """Raise ValueError if a parameter does not fit the model."""

    @with_callbacks
    def _check_model(self, X: Any) -> None:
        """Load the model and check the samples and the settings against it."""
        self._samples(X, reset=True)
        model = self._load_to_embed()
        self._check_settings(model)
        with open_cache(self.cache, self.cache_limit, self._cache_name):
            pass
        self._weights_digest_ = "" if model.description is None else model.description.weights
        self._set_dim(model.embedding_dim)
        root = self._init_callback_context()
        root.call_on_fit_task_begin(estimator=self)
        root.call_on_fit_task_end(estimator=self)

    @with_callbacks
    def _embed_fitted(self, X: Any) -> np.ndarray:
        return self._embed(None, self._samples(X, reset=True), fitting=True)

    def _check_weights(self, description: Described | None) -> None:
        """Raise ValueError if a fitted embedder finds other weights than in its fit."""
        fitted = getattr(self, "_weights_digest_", "")
        if fitted and description is not None and description.weights not in ("", fitted):
            raise ValueError(
                f"The weights of model={os.fspath(self.model)!r} are not those of the fit, the model was replaced: fit "
                "again."
            )

    def _embed(self, model: Any, samples: Sequence[Any], *, fitting: bool) -> np.ndarray:
        """Embed each distinct sample once and return the vectors of all samples.

        Without a model, it is the one of the parameters, and the cache is used; the cache does not know other models.
        """
        description: Any = self._describe() if model is None else self._description_of(model)
        if fitting:
            self._weights_digest_ = description.weights
        distinct, contents = self._distinct(samples)
        keys = make_keys(self._recipe(description), contents)
        # A model without fingerprint cannot be told from others.
        cache_of_model = self.cache if description.fingerprint else None
        with open_cache(cache_of_model, self.cache_limit, self._cache_name) as cache:
            vectors = self._embed_distinct(model, description, cache, keys, distinct, fitting=fitting)
        if fitting:
            self._set_dim(vectors.shape[1])
        vectors = self._finish(vectors, description)
        row_of: dict[Hashable, int] = {sample: row for row, sample in enumerate(distinct)}
        embedded = np.zeros((len(samples), vectors.shape[1]), dtype=np.float32)
        # Rows of missing samples stay zero.
        filled = [row for row, sample in enumerate(samples) if sample]
        embedded[filled] = vectors[[row_of[samples[row]] for row in filled]]
        return embedded  # (n_samples, embedding_dim)

    def _description_of(self, model: Any) -> Described:
        """Return the description of a model that is not the one of the parameters."""
        return model.description

    def _embed_distinct(
        self,
        model: Any,
        description: Described,
        cache: VectorCache,
        keys: Sequence[bytes],
        samples: Sequence[Any],
        *,
        fitting: bool,
    ) -> np.ndarray:
        """Return the vectors of distinct samples, (n_samples, model_dim), and compute those that the cache lacks."""
        found = cache.get(keys, None if fitting or model is not None else self._model_dim_)
        report: Report = self._report if fitting else iter
        if len(found) == len(keys) > 0 and len({len(vector) for vector in found.values()}) == 1:
            list(report([]))  # the progress bar of a fit without work is a full one
            return np.stack([found[key] for key in keys])
        if model is None:
            model = self._load_to_embed()
            if model.description is not None and model.description.fingerprint != description.fingerprint:
                raise OSError(f"model={os.fspath(self.model)!r} was changed while it was read; embed again.")
        dim = model.embedding_dim
        if fitting:  # callbacks of the batches may embed with what is fitted so far
            self._set_dim(dim)
        vectors = {key: vector for key, vector in found.items() if len(vector) == dim}
        missing = [row for row, key in enumerate(keys) if key not in vectors]
        with model.computing, torch_settings():
            own = [samples[row] for row in missing], [keys[row] for row in missing]
            vectors.update(self._compute(model, *own, cache, report))
        return np.array([vectors[key] for key in keys], dtype=np.float32).reshape(len(keys), dim)

    def _report(self, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the batches; the callbacks of scikit-learn see the begin and the end of each."""
        root = self._init_callback_context("fit_transform", max_subtasks=len(batches))
        root.call_on_fit_task_begin(estimator=self)
        for batch in batches:
            task = root.subcontext("batch")
            task.call_on_fit_task_begin(estimator=self)
            yield batch
            task.call_on_fit_task_end(estimator=self)
        root.call_on_fit_task_end(estimator=self)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with a digest of the model, so that `joblib.hash` differs where the model does."""
        return {**super().__getstate__(), _CONTENT: self._fingerprint()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state without the digest of the model."""
        super().__setstate__({name: value for name, value in state.items() if name != _CONTENT})

    def _fingerprint(self) -> str | None:
        """Return the fingerprint of the model, None where it is not on this machine."""
        try:
            described = self._describe_files()
        except (OSError, ValueError, TypeError):  # of a parameter or a model that a fit would refuse
            return None
        return None if described is None else described.fingerprint

    @property
    def _n_features_out(self) -> int:
        return self.embedding_dim_


def scale_to_unit_length(vectors: np.ndarray) -> np.ndarray:
    """Divide vectors by their Euclidean length; zero vectors stay zero."""
    # Squares of small and large float32 values need the range of float64.
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, np.newaxis]
    with np.errstate(under="ignore"):
        return (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
