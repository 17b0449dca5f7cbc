"""Keys, the cache of the process, the paths of caches, and texts that processes compute once."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from skgnnrec.encoding import _embedder
from skgnnrec.encoding._cache import MemoryCache, NoCache, embed_through, make_keys, memory_cache, open_cache
from skgnnrec.encoding._cache_file import FileCache
from skgnnrec.text import TextEmbedder, _encode, _model

TITLES = ["red coffee mug", "garden hose", "crimson tea cup", "hose reel", "mug"]


@pytest.fixture
def computed(monkeypatch):
    """Count the texts of each batch that a network embeds."""
    counts = []
    embed_tokens = _encode.embed_tokens

    def count(model, token_ids, *rest):
        counts.append(len(token_ids))
        return embed_tokens(model, token_ids, *rest)

    monkeypatch.setattr(_encode, "embed_tokens", count)
    return counts


@pytest.fixture(params=["memory", "file"])
def cache(request, tmp_path):
    return "memory" if request.param == "memory" else str(tmp_path / "texts.sqlite")


def vectors_of(keys):
    return np.array([np.frombuffer(key[:8], dtype=np.uint8) for key in keys], dtype=np.float32)


@pytest.fixture(params=["memory", "file"])
def any_cache(request, tmp_path):
    if request.param == "memory":
        yield MemoryCache(1 << 20)
    else:
        with FileCache(tmp_path / "texts.sqlite", 1 << 20) as file_cache:
            yield file_cache


# Keys -------------------------------------------------------------------------------------------------------


def test_keys_differ_by_text_and_recipe():
    texts = ["a", "b", "ab", "\u00e9", "e\u0301", "a "]
    keys = [*make_keys("one", texts), *make_keys("two", texts)]
    assert len(set(keys)) == len(keys)
    assert make_keys("one", texts) == keys[:6]


def test_settings_that_change_vectors_change_the_key(tiny_model, cache, computed):
    default = {"dtype": "float32", "pooling": "mean", "prompt": "", "max_length": 8}
    others = {"dtype": "bfloat16", "pooling": "cls", "prompt": "a: ", "max_length": 7}
    for changed in [None, *others]:
        settings = default if changed is None else {**default, changed: others[changed]}
        expected = TextEmbedder(tiny_model, cache=None, **settings).fit_transform(TITLES)
        computed.clear()
        for _ in range(2):
            vectors = TextEmbedder(tiny_model, cache=cache, **settings).fit_transform(TITLES)
            np.testing.assert_array_equal(vectors, expected)
        assert sum(computed) == 5


def test_settings_after_the_network_need_no_new_vectors(tiny_model, cache, computed):
    for settings in ({}, {"normalize": False}, {"truncate_dim": 8}, {"separator": ". "}):
        vectors = TextEmbedder(tiny_model, cache=cache, **settings).fit_transform(TITLES)
        computed_alone = TextEmbedder(tiny_model, cache=None, **settings).fit_transform(TITLES)
        np.testing.assert_allclose(vectors, computed_alone, atol=1e-6)
    assert sum(computed) == 5 + 4 * 5


def test_other_weights_are_another_model(tmp_path, tiny_model, cache, computed):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    before = TextEmbedder(folder, cache=cache).fit_transform(TITLES)
    weights = load_file(folder / "model.safetensors")
    save_file({name: value + 0.1 for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    after = TextEmbedder(folder, cache=cache).fit_transform(TITLES)
    assert sum(computed) == 10
    assert np.abs(before - after).max() > 0.01


# Hits -------------------------------------------------------------------------------------------------------


def test_hits_are_the_same_bits_and_load_no_model(tiny_model, cache, computed, monkeypatch):
    embedder = TextEmbedder(tiny_model, cache=cache)
    vectors = embedder.fit_transform([*TITLES, None, "\x00"])
    computed.clear()
    monkeypatch.setattr(_model, "load_model", None)
    np.testing.assert_array_equal(embedder.transform([*TITLES, None, "\x00"]), vectors)
    np.testing.assert_array_equal(TextEmbedder(tiny_model, cache=cache).fit_transform(TITLES[::-1]), vectors[4::-1])
    assert computed == []


def test_only_new_texts_are_computed(tiny_model, cache, computed):
    embedder = TextEmbedder(tiny_model, cache=cache).fit(TITLES)
    embedder.transform(TITLES[:3])
    embedder.transform(TITLES)
    assert sum(computed) == 5


def test_memory_is_the_default_and_none_keeps_nothing(tiny_model, computed):
    for times, cache in ((1, "memory"), (3, None)):
        embedder = TextEmbedder(tiny_model).set_params(**({} if cache else {"cache": None}))
        computed.clear()
        for _ in range(3):
            embedder.fit_transform(TITLES)
        assert sum(computed) == 5 * times


# What caches do ---------------------------------------------------------------------------------------------


def test_put_then_get(any_cache):
    keys = make_keys("", TITLES)
    assert any_cache.get(keys) == {}
    assert any_cache.claim(keys) == keys
    any_cache.put(keys[:3], vectors_of(keys[:3]))
    found = any_cache.get(keys)
    assert set(found) == set(keys[:3])
    np.testing.assert_array_equal(np.array([found[key] for key in keys[:3]]), vectors_of(keys[:3]))
    assert any_cache.claim(keys) == keys[3:]


def test_vectors_of_another_length_are_absent(any_cache):
    keys = make_keys("", TITLES)
    any_cache.put(keys, vectors_of(keys))
    assert any_cache.get(keys, 9) == {}
    assert any_cache.claim(keys, 9) == keys
    assert len(any_cache.get(keys, 8)) == 5
    assert any_cache.claim(keys, 8) == []


@pytest.mark.parametrize("n_damaged", [2, 5])
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_entries_of_another_length_are_computed_again(tiny_model, tmp_path, monkeypatch, kind, n_damaged):
    used = []
    monkeypatch.setattr(_embedder, "make_keys", lambda *args: used.append(make_keys(*args)) or used[-1])
    embedder = TextEmbedder(tiny_model, cache="memory" if kind == "memory" else tmp_path / "texts.sqlite")
    expected = embedder.fit_transform(TITLES)
    with open_cache(embedder.cache, None, "texts.sqlite") as cache:
        cache.put(used[-1][:n_damaged], np.ones((n_damaged, 7), dtype=np.float32))
    for _ in range(2):
        np.testing.assert_array_equal(embedder.transform(TITLES), expected)


# Paths ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cache",
    ["", "~nobody-of-this-name", "file:texts.sqlite", "sqlite:///texts.sqlite", ":memory:", "http://a/b", "a\0b"],
)
def test_strings_that_are_no_path_are_refused(tiny_model, tmp_path, monkeypatch, cache):
    monkeypatch.chdir(tmp_path)
    for method in ("fit", "fit_transform"):
        with pytest.raises(ValueError, match=r"cache must be None, 'memory' or the path of a file or folder, got"):
            getattr(TextEmbedder(tiny_model, cache=cache), method)(TITLES)
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_the_home_folder(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for cache, name in (("~", "skgnnrec-texts.sqlite"), ("~/a/texts", "a/texts"), (Path("~/b"), "b")):
        TextEmbedder(tiny_model, cache=cache).fit_transform(TITLES)
        assert (tmp_path / name).is_file()
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    ("cache", "name"),
    [("new/", "new/skgnnrec-texts.sqlite"), ("./file:x", "file:x"), ("a b/ü", "a b/ü"), (Path("memory"), "memory")],
)
def test_any_path_can_be_given(tiny_model, tmp_path, monkeypatch, cache, name):
    monkeypatch.chdir(tmp_path)
    TextEmbedder(tiny_model, cache=cache).fit_transform(TITLES)
    assert (tmp_path / name).is_file()


def test_the_least_recently_used_vector_is_dropped():
    cache = MemoryCache(limit=3 * 32)
    keys = make_keys("", TITLES)
    cache.put(keys[:3], vectors_of(keys[:3]))
    cache.get(keys[:1])
    cache.put(keys[3:4], vectors_of(keys[3:4]))
    assert set(cache.get(keys)) == {keys[0], keys[2], keys[3]}
    cache.put(keys[:1], vectors_of(keys[:1]))
    assert len(cache.get(keys)) == 3


def test_limits(tmp_path):
    with open_cache("memory", 3, "texts.sqlite") as cache:
        assert cache is memory_cache
        assert cache.limit == 3 << 20
    with open_cache("memory", None, "texts.sqlite") as cache:
        assert cache.limit == 256 << 20
    with open_cache(tmp_path, None, "texts.sqlite") as cache:
        assert cache.limit == 4096 << 20
        assert cache.path == tmp_path / "texts.sqlite"


def test_the_cache_keeps_copies_and_no_batches():
    cache, keys = MemoryCache(1 << 20), make_keys("", TITLES)
    vectors = vectors_of(keys)
    cache.put(keys, vectors)
    vectors[:] = 0
    assert all(vector.base is None and vector.any() for vector in cache.get(keys).values())


# Sharing the work -------------------------------------------------------------------------------------------


class OthersFirst(NoCache):
    """Claims of others that are delivered, or run out, after some questions."""

    def __init__(self, taken, delivered):
        self.taken, self.delivered, self.n_questions = set(taken), delivered, 0

    def claim(self, keys, embedding_dim=None):
        return [key for key in keys if key not in self.taken]

    def get(self, keys, embedding_dim=None):
        self.n_questions += 1
        if self.n_questions < 3:
            return {}
        self.taken.clear()
        return {key: vectors_of([key])[0] for key in keys} if self.delivered else {}


@pytest.mark.parametrize("delivered", [True, False])
def test_texts_of_other_processes_are_waited_for(delivered):
    keys = make_keys("", TITLES)
    batches = [np.array([0, 1, 2]), np.array([3, 4])]
    computed = []

    def compute(rows):
        computed.append(rows)
        return vectors_of([keys[row] for row in rows])

    cache = OthersFirst([keys[1], keys[3], keys[4]], delivered)
    vectors = embed_through(cache, keys, batches, compute, 8)
    np.testing.assert_array_equal([vectors[key] for key in keys], vectors_of(keys))
    assert computed == ([[0, 2]] if delivered else [[0, 2], [1], [3, 4]])


def test_a_failure_ends_the_claims(tmp_path):
    keys = make_keys("", TITLES)

    def fail(rows):
        raise KeyboardInterrupt("stop")

    path = tmp_path / "texts.sqlite"
    with FileCache(path, 1 << 20) as cache, pytest.raises(KeyboardInterrupt, match="stop"):
        embed_through(cache, keys, [np.arange(5)], fail, 8)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM claims").fetchone() == (0,)
