"""The behaviour of ImageEmbedder: values, cache, copies, state, files, progress."""

import pickle
import shutil
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from fitted_state import WAYS, foreign_values, same
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data
from transformers import AutoModel
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import ItemCatalog, RidgeRecommender, load, save
from skgnnrec.image import ImageEmbedder, _encode, _model


@pytest.fixture
def computed(monkeypatch):
    """Count the images of each batch that a network embeds."""
    counts = []
    embed = _encode._embed

    def count(model, pictures):
        counts.append(len(pictures))
        return embed(model, pictures)

    monkeypatch.setattr(_encode, "_embed", count)
    return counts


# Values ---------------------------------------------------------------------------------------------------------------


def test_vectors_do_not_depend_on_order_or_batch(tiny_model, images):
    embedder = ImageEmbedder(tiny_model, cache=None)
    vectors = embedder.fit_transform([*images, images[0]])
    assert vectors.shape == (6, 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[5])
    for size in (1, 2, 100):
        other = embedder.set_params(batch_size=size).transform(images[::-1])
        np.testing.assert_allclose(other, vectors[4::-1], atol=1e-6)


def test_each_distinct_image_is_computed_once(tiny_model, images, computed):
    ImageEmbedder(tiny_model, cache=None, batch_size=2).fit_transform([*images, None, *images[::-1]])
    assert computed == [2, 2, 1]


def test_other_settings_change_the_vectors_as_they_say(tiny_model, images):
    plain = ImageEmbedder(tiny_model, normalize=False).fit_transform(images)
    unit = ImageEmbedder(tiny_model).fit_transform(images)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)
    rough = ImageEmbedder(tiny_model, dtype="bfloat16").fit_transform(images)
    assert (rough != unit).any()
    assert (rough * unit).sum(axis=1).min() > 0.99


def test_memory_that_runs_out_halves_the_batch(tiny_model, images, monkeypatch):
    expected = ImageEmbedder(tiny_model).fit_transform(images)
    sizes = []
    embed = _encode._embed

    def scarce(model, pictures):
        sizes.append(len(pictures))
        if len(pictures) > 2:
            raise MemoryError
        return embed(model, pictures)

    monkeypatch.setattr(_encode, "_embed", scarce)
    vectors = ImageEmbedder(tiny_model, cache=None, batch_size=5).fit_transform(images)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert sizes == [5, 2, 2, 1]


# Cache ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "file", "folder"])
def cache(request, tmp_path):
    return {"memory": "memory", "file": tmp_path / "images.sqlite", "folder": tmp_path}[request.param]


def test_cached_vectors_are_the_same_bits_and_load_no_model(tiny_model, images, cache, computed, monkeypatch):
    embedder = ImageEmbedder(tiny_model, cache=cache)
    vectors = embedder.fit_transform([*images, None])
    assert sum(computed) == 5
    computed.clear()
    monkeypatch.setattr(_model, "load_model", None)
    np.testing.assert_array_equal(embedder.transform([*images, None]), vectors)
    again = ImageEmbedder(tiny_model, cache=cache, batch_size=1).fit_transform(images[::-1])
    np.testing.assert_array_equal(again, vectors[4::-1])
    ImageEmbedder(tiny_model, cache=cache, normalize=False).fit_transform(images)
    assert computed == []


def test_a_folder_gets_a_file_of_its_own(tiny_model, images, tmp_path):
    ImageEmbedder(tiny_model, cache=tmp_path).fit_transform(images)
    assert (tmp_path / "skgnnrec-images.sqlite").is_file()


def test_other_weights_and_types_are_other_vectors(tiny_model, other_model, images, cache, computed):
    for model, options in ((tiny_model, {}), (other_model, {}), (tiny_model, {"dtype": "bfloat16"})):
        expected = ImageEmbedder(model, cache=None, **options).fit_transform(images)
        computed.clear()
        for _ in range(2):
            vectors = ImageEmbedder(model, cache=cache, **options).fit_transform(images)
            np.testing.assert_array_equal(vectors, expected)
        assert sum(computed) == 5


def test_pixels_that_differ_in_shape_only_are_other_images(tiny_model, computed):
    line = np.arange(24, dtype=np.uint8)
    ImageEmbedder(tiny_model).fit_transform([line.reshape(4, 6), line.reshape(6, 4), line.reshape(2, 4, 3)])
    assert sum(computed) == 3


# Copies and state -----------------------------------------------------------------------------------------------------


def test_a_fitted_embedder_refuses_a_replaced_model(copied_model, other_model, images):
    embedder = ImageEmbedder(copied_model).fit(images)
    shutil.copy(other_model / "model.safetensors", copied_model)
    with pytest.raises(ValueError, match=r"The weights of model=.* are not those of the fit"):
        embedder.transform(images)
    assert np.isfinite(embedder.fit(images).transform(images)).all()


def test_hashes_differ_by_model(copied_model, other_model):
    before = joblib.hash(ImageEmbedder(copied_model))
    shutil.copy(other_model / "model.safetensors", copied_model)
    assert joblib.hash(ImageEmbedder(copied_model)) != before


def test_a_pickle_is_small(tiny_model, images):
    embedder = ImageEmbedder(tiny_model).fit(images)
    data = pickle.dumps(embedder)
    assert len(data) < 2000
    np.testing.assert_array_equal(pickle.loads(data).transform(images), embedder.transform(images))


def test_the_fitted_state_is_parameters_and_arrays(tiny_model, images):
    assert foreign_values(ImageEmbedder(str(tiny_model)).fit(images)) == []


@pytest.mark.parametrize(
    "step", ["image._embedder.read_pictures", "encoding._embedder.open_cache", "image._model.load_model"]
)
def test_an_interrupted_fit_changes_nothing(tiny_model, images, monkeypatch, step):
    def stop(*args, **options):
        raise KeyboardInterrupt("stop")

    embedder = ImageEmbedder(tiny_model, cache=None).fit(images)
    before, new = dict(vars(embedder)), ImageEmbedder(tiny_model, cache=None)
    monkeypatch.setattr(f"skgnnrec.{step}", stop)
    for method in ("fit", "fit_transform"):
        for each in (embedder, new):
            with pytest.raises(KeyboardInterrupt, match="stop"):
                getattr(each, method)(images[:2])
    assert vars(embedder) == before
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        new.transform(images)


@pytest.mark.parametrize("way", WAYS)
def test_a_recommender_of_images_is_saved_with_its_encoder(tiny_model, images, way):
    catalog = ItemCatalog({"picture": images, "title": list("abcde")}, ids=[f"item {row}" for row in range(5)])
    encoder = make_column_transformer(
        (ImageEmbedder(str(tiny_model)), "picture"), (TfidfVectorizer(analyzer="char"), "title")
    )
    recommender = RidgeRecommender(catalog=catalog, item_encoder=encoder).fit(np.eye(5)[:, [1, 0, 2, 3, 4]] + np.eye(5))
    new = ItemCatalog({"picture": [images[1][::-1], None], "title": ["c", "f"]}, ids=["x", "y"])
    loaded = WAYS[way](recommender)
    assert loaded.catalog == catalog
    assert same(loaded.recommend(np.eye(5), 2, candidates=new), recommender.recommend(np.eye(5), 2, candidates=new))


def test_a_file_with_the_model_needs_no_other(copied_model, images, tmp_path):
    embedder = ImageEmbedder(copied_model).fit(images)
    expected = embedder.transform(images)
    save(embedder, tmp_path / "file", include_models=True)
    shutil.rmtree(copied_model)
    loaded = load(tmp_path / "file", models_dir=tmp_path / "models")
    np.testing.assert_array_equal(loaded.set_params(cache=None).transform(images), expected)


# scikit-learn ---------------------------------------------------------------------------------------------------------


class PixelEmbedder(ImageEmbedder):
    """Draw the numbers of a row as gray pixels, for the checks of scikit-learn, which pass numbers only."""

    def _samples(self, X, *, reset):
        X = validate_data(self, X, reset=reset)
        rows = [np.ascontiguousarray(row, dtype=np.float32).view(np.uint8)[None, :] for row in X]
        return super()._samples(rows, reset=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.three_d_array = tags.input_tags.allow_nan = False
        tags.input_tags.two_d_array = True
        return tags


def test_check_estimator(tiny_model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(PixelEmbedder(tiny_model, cache=None), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"} == {}
    assert len(results) >= 46


# scikit-learn's own checks mix frames and arrays.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_other_checks(tiny_model, name):
    assert getattr(estimator_checks, name)("PixelEmbedder", PixelEmbedder(tiny_model, cache=None)) is None


def test_names_and_columns(tiny_model, images):
    table = pd.DataFrame({"picture": images, "title": list("abcde")})
    embedder = ImageEmbedder(tiny_model, column="picture").set_output(transform="pandas").fit(table)
    assert embedder.transform(table[["picture"]]).columns[0] == "imageembedder0"
    assert embedder.feature_names_in_.tolist() == ["picture", "title"]
    assert clone(embedder).get_params() == embedder.get_params()


# Towers of texts ------------------------------------------------------------------------------------------------------


def test_texts_and_images_of_clip_share_a_space(tiny_clip, images):
    embedder = ImageEmbedder(tiny_clip, normalize=False).fit(images)
    vectors, texts = embedder.transform(images), embedder.embed_texts(["red mug", "blue hose", "red mug"])
    assert vectors.shape[1] == texts.shape[1] == embedder.embedding_dim_ == 8
    np.testing.assert_allclose(texts[0], texts[2], atol=1e-6)
    assert np.abs(texts[0] - texts[1]).max() > 1e-3
    network = AutoModel.from_pretrained(tiny_clip)
    assert network.text_projection.out_features == 8
    assert embedder.embed_texts([]).shape == (0, 8)


def test_a_sentence_is_a_query_of_images(tiny_clip, images):
    embedder = ImageEmbedder(tiny_clip)
    recommender = RidgeRecommender(catalog=ItemCatalog(images), item_encoder=embedder).fit(np.eye(5))
    query = embedder.fit(images).embed_texts(["red mug", "blue hose"])
    with_query = recommender.recommend(np.eye(5)[:2], 3, query=query, query_weight=1.0)[1]
    assert with_query.shape == (2, 3)
    assert (with_query != recommender.recommend(np.eye(5)[:2], 3)[1]).any()


def test_models_without_a_tower_of_texts_embed_none(tiny_model, tiny_clip, images):
    with pytest.raises(ValueError, match="texts can be embedded by models with a tower of texts"):
        ImageEmbedder(tiny_model).fit(images).embed_texts(["mug"])
    embedder = ImageEmbedder(tiny_clip).fit(images)
    for wrong, got in (("mug", "str"), (["mug", None], "NoneType"), (5, "int")):
        with pytest.raises(ValueError, match=f"texts must be a sequence of strings, got {got}"):
            embedder.embed_texts(wrong)
