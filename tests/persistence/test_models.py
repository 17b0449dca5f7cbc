"""Language models: named by default, included on request, unpacked where the user says and verified."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender, TextEmbedder, load, save
from skgnnrec.exceptions import LoadError

TITLES = ["red mug", "blue mug", "tea pot", "garden hose", "red pot", "blue hose"]
X = np.random.default_rng(0).random((40, 6)) < 0.4
NEW = ItemCatalog(["red tea mug", "garden pot"], ids=["x", "y"])


@pytest.fixture
def embedder(static_model):
    return TextEmbedder(static_model, cache=None)


@pytest.fixture
def ridge(embedder):
    return RidgeRecommender(catalog=ItemCatalog(TITLES, ids=list("abcdef")), item_encoder=embedder).fit(X)


@pytest.fixture
def models_dir(tmp_path):
    return tmp_path / "unpacked"


def about(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("skgnnrec.json"))


def test_a_model_is_saved_by_name_and_fingerprint(ridge, path, static_model):
    save(ridge, path)
    (model,) = about(path)["models"]
    assert (model["model"], model["included"], len(model["fingerprint"])) == (str(static_model), False, 64)
    assert path.stat().st_size < 100_000
    assert_array_equal(load(path).recommend(X, candidates=NEW)[1], ridge.recommend(X, candidates=NEW)[1])


def test_other_weights_in_the_folder_are_refused_when_they_are_used(ridge, path, static_model, write_model):
    save(ridge, path)
    write_model(static_model, seed=1)
    loaded = load(path)
    assert_array_equal(loaded.predict(X), ridge.predict(X))  # needs no model
    with pytest.raises(ValueError, match="are not those of the fit, the model was replaced"):
        loaded.recommend(X, candidates=NEW)


def test_an_absent_model_is_an_error_when_it_is_used(ridge, path, static_model):
    save(ridge, path)
    shutil.rmtree(static_model)
    loaded = load(path)
    with pytest.raises(OSError, match="static"):
        loaded.recommend(X, candidates=NEW)


HOLDERS = {
    "recommender": lambda embedder: RidgeRecommender(catalog=ItemCatalog(TITLES), item_encoder=embedder),
    "pipeline": lambda embedder: GraphFilterRecommender(
        catalog=ItemCatalog(TITLES), item_encoder=make_pipeline(embedder, StandardScaler())
    ),
    "search": lambda embedder: GridSearchCV(
        RidgeRecommender(catalog=ItemCatalog(TITLES)), {"item_encoder": [embedder], "alpha": [1.0, 10.0]}, cv=2
    ),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_file_with_its_model_needs_no_other(name, embedder, static_model, path, models_dir):
    fitted = HOLDERS[name](embedder).fit(X)
    inner = getattr(fitted, "best_estimator_", fitted)
    expected = inner.recommend(X, candidates=NEW)
    save(fitted, path, include_models=True)
    shutil.rmtree(static_model)
    loaded = load(path, models_dir=models_dir)
    loaded = getattr(loaded, "best_estimator_", loaded)
    assert_array_equal(loaded.recommend(X, candidates=NEW)[1], expected[1])
    assert_array_equal(loaded.fit(X).recommend(X, candidates=NEW)[1], expected[1])  # the unfitted encoder has it too
    assert len(list(models_dir.iterdir())) == 1


def test_logs_and_embedders_include_their_model(embedder, static_model, path, models_dir):
    log = [[user, "abcdef"[item]] for user, item in np.argwhere(X)]
    catalog = ItemCatalog(TITLES, ids=list("abcdef"))
    rec = LogRecommender(RidgeRecommender(catalog=catalog, item_encoder=embedder)).fit(log)
    expected = rec.recommend(candidates=NEW)[1]
    save(rec, path, include_models=True)
    shutil.rmtree(static_model)
    loaded = load(path, models_dir=str(models_dir))
    assert_array_equal(loaded.recommend(candidates=NEW)[1], expected)
    save(loaded.recommender.item_encoder, path, include_models=True)  # from the unpacked model
    assert load(path, models_dir=models_dir).fit_transform(TITLES).shape == (6, 6)


def test_the_embedder_that_is_saved_keeps_its_model(embedder, static_model, path):
    save(embedder, path, include_models=True)
    assert embedder.model == static_model


def test_vectors_in_a_cache_are_those_of_the_unpacked_model(static_model, tmp_path, path, models_dir, count_calls):
    embedder = TextEmbedder(static_model, cache=str(tmp_path / "texts.sqlite"))
    vectors = embedder.fit_transform(TITLES)
    save(embedder, path, include_models=True)
    calls = count_calls("skgnnrec.text._encode.embed_texts")
    assert_array_equal(load(path, models_dir=models_dir).transform(TITLES), vectors)
    assert calls == []


def test_a_second_load_uses_the_unpacked_model(ridge, path, models_dir):
    save(ridge, path, include_models=True)
    first, second = (load(path, models_dir=models_dir) for _ in range(2))
    assert first.item_encoder.model == second.item_encoder.model
    assert [entry.name for entry in models_dir.iterdir()] == [about(path)["models"][0]["fingerprint"]]


def test_the_default_folder_is_the_cache_of_the_user(ridge, path, tmp_path, monkeypatch):
    save(ridge, path, include_models=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert load(path).item_encoder.model.startswith(str(tmp_path / "cache" / "skgnnrec" / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load(path).item_encoder.model.startswith(str(tmp_path / "home" / ".cache" / "skgnnrec" / "models"))


@pytest.mark.parametrize("change", [lambda file: file.write_bytes(b"{}"), lambda file: file.unlink()])
def test_a_changed_unpacked_model_is_refused(ridge, path, models_dir, change):
    save(ridge, path, include_models=True)
    change(next((load(path, models_dir=models_dir) and models_dir).glob("*/config.json")))
    with pytest.raises(LoadError, match="of an unpacked model was changed: delete it"):
        load(path, models_dir=models_dir)


def test_an_absent_model_cannot_be_included(path, tmp_path):
    with pytest.raises(OSError, match="absent"):
        save(TextEmbedder(str(tmp_path / "absent")), path, include_models=True)
    assert not path.exists()


# Models that `save` does not write


@pytest.fixture
def write_model_parts(ridge, path, write_parts):
    """Return a function that writes a recommender with its model after a change of the parts."""

    def write(change):
        save(ridge, path, include_models=True)
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        return write_parts({**dict.fromkeys(parts), **change(parts)})

    return write


def with_file(name):
    def change(parts):
        fingerprint = next(part.split("/")[1] for part in parts if part.startswith("models/"))
        return {**parts, f"models/{fingerprint}/{name}": b"x"}

    return change


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", ".hidden", "a/b/c/d", "a\\b", "é", "a\nb", ""]
)
def test_names_outside_the_folder_are_refused(write_model_parts, models_dir, tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LoadError, match="names that are not allowed"):
        load(write_model_parts(with_file(name)), models_dir=models_dir)
    assert [file for file in sorted(tmp_path.rglob("*")) if file not in before] == [tmp_path / "model.skgnnrec"]


def test_too_many_files_are_refused(write_model_parts, models_dir):
    def change(parts):
        for number in range(300):
            parts = with_file(f"file{number}")(parts)
        return parts

    with pytest.raises(LoadError, match="names that are not allowed"):
        load(write_model_parts(change), models_dir=models_dir)


@pytest.mark.parametrize(
    "change",
    [
        with_file("more.json"),
        lambda parts: {name: content + b" " * name.endswith("config.json") for name, content in parts.items()},
        lambda parts: {name: content for name, content in parts.items() if not name.endswith("config.json")},
        lambda parts: {name: content for name, content in parts.items() if not name.startswith("models/")},
    ],
    ids=["more", "changed", "fewer", "none"],
)
def test_a_model_without_its_fingerprint_is_refused(write_model_parts, models_dir, change):
    with pytest.raises(LoadError, match="contains a model that does not have its fingerprint"):
        load(write_model_parts(change), models_dir=models_dir)
    assert not models_dir.exists()
