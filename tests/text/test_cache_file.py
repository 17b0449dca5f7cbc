"""The file of vectors: shared by processes, of limited size, and verified when it is read."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skgnnrec import GraphFilterRecommender, ItemCatalog
from skgnnrec.datasets import make_interactions
from skgnnrec.encoding import _cache_file
from skgnnrec.encoding._cache import embed_through, make_keys
from skgnnrec.encoding._cache_file import FileCache
from skgnnrec.exceptions import CacheWarning
from skgnnrec.text import TextEmbedder

TITLES = ["red coffee mug", "garden hose", "crimson tea cup", "hose reel", "mug"]
KEYS = make_keys("", TITLES)
VECTORS = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "texts.sqlite"


@pytest.fixture
def cache(path):
    with FileCache(path, 1 << 30) as cache:
        yield cache


def execute(path, *statement):
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(*statement).fetchall()
    finally:
        connection.close()


# Processes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_embeds_each_text_once_in_all_processes(tiny_model, path, n_jobs):
    data = make_interactions(60, 40, n_interactions=600, random_state=0)
    texts = 2 * data.item_frame["text"][:20].tolist()
    embedder = TextEmbedder(tiny_model, cache=path, batch_tokens=64, dtype="float32")
    recommender = GraphFilterRecommender(catalog=ItemCatalog(texts), item_encoder=embedder)
    search = GridSearchCV(recommender, {"content_weight": [0.1, 0.3, 1.0]}, cv=5, n_jobs=n_jobs, error_score="raise")
    search.fit(data.interactions)
    # A row that is written again gets a new number.
    assert execute(path, "SELECT COUNT(*), MAX(rowid) FROM vectors") == [(20, 20)]


def test_processes_share_the_work(path, tiny_model):
    texts = [f"{number} mug" for number in range(60)]
    embedder = TextEmbedder(tiny_model, cache=path, batch_tokens=64, dtype="float32").fit(texts)
    expected = TextEmbedder(tiny_model, cache=None, dtype="float32").fit_transform(texts)
    results = joblib.Parallel(n_jobs=2)(joblib.delayed(embedder.transform)(texts) for _ in range(4))
    for vectors in results:
        np.testing.assert_allclose(vectors, expected, atol=1e-6)
    # A row that is written again gets a new number.
    assert execute(path, "SELECT COUNT(*), MAX(rowid) FROM vectors") == [(60, 60)]
    assert execute(path, "SELECT COUNT(*) FROM claims") == [(0,)]


def test_claims_exclude_others_until_they_end(path, cache, monkeypatch):
    def claim_elsewhere():
        with FileCache(path, 1 << 30) as other:
            return other.claim(KEYS)

    assert cache.claim(KEYS[:2]) == KEYS[:2]
    assert cache.claim(KEYS[:2]) == KEYS[:2]  # a callback that embeds does not wait for its own thread
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(claim_elsewhere).result() == KEYS[2:]
        assert cache.claim(KEYS) == KEYS[:2]
        now = time.time()
        monkeypatch.setattr(_cache_file.time, "time", lambda: now + 31)
        assert thread.submit(claim_elsewhere).result() == KEYS
        monkeypatch.setattr(_cache_file.time, "time", lambda: now - 3600)  # the clock is set back
        assert cache.claim(KEYS) == KEYS


KILLED = """
import sys, time
import numpy as np
from skgnnrec.encoding import _cache_file
from skgnnrec.encoding._cache import embed_through, make_keys
_cache_file._LEASE_S = 0.5
keys = make_keys("", [str(number) for number in range(40)])
def compute(rows):
    if rows[0] >= 20:
        print("half", flush=True)
        time.sleep(60)
    return np.full((len(rows), 4), rows[0], dtype=np.float32)
with _cache_file.FileCache(sys.argv[1], 1 << 30) as cache:
    embed_through(cache, keys, np.arange(40).reshape(8, 5), compute, 4)
"""


def test_a_killed_writer_loses_nothing(path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    computed = []

    def compute(rows):
        computed.extend(rows)
        return np.full((len(rows), 4), -1, dtype=np.float32)

    keys = make_keys("", [str(number) for number in range(40)])
    with FileCache(path, 1 << 30) as cache:
        found = cache.get(keys)
        assert set(found) == set(keys[:20])
        vectors = embed_through(cache, keys, [np.arange(20, 30), np.arange(30, 40)], compute, 4)
    assert sorted(computed) == list(range(20, 40))
    assert len(vectors) == 20
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]


def test_threads_can_open_and_write_at_once(path):
    def work(number):
        with FileCache(path, 1 << 30) as cache:
            for key, vector in zip(KEYS, VECTORS, strict=True):
                cache.put([key], vector[None])
            return len(cache.get(KEYS))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == [5] * 8


# Damage and other files ---------------------------------------------------------------------------------------


def make_text(path):
    path.write_text("red coffee mug\n" * 100)


def make_database(path):
    execute(path, "CREATE TABLE customers (name TEXT)")


def make_marked_database(path):
    execute(path, "PRAGMA user_version = 7")


def make_cache_with_a_trigger(path):
    with FileCache(path, 1 << 30):
        pass
    execute(path, "CREATE TRIGGER evil AFTER INSERT ON vectors BEGIN DELETE FROM claims; END")


def make_cache_of_another_format(path):
    with FileCache(path, 1 << 30):
        pass
    execute(path, "PRAGMA user_version = 99")


@pytest.mark.parametrize(
    "make",
    [make_text, make_database, make_marked_database, make_cache_with_a_trigger, make_cache_of_another_format],
)
def test_files_of_another_kind_are_refused_and_not_changed(path, tiny_model, make):
    make(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"cache=.* must be a new file or one that this version of skgnnrec made, got"):
        TextEmbedder(tiny_model, cache=path).fit(TITLES)
    with pytest.raises(ValueError, match="It is left as it is"):
        TextEmbedder(tiny_model, cache=path).fit_transform(TITLES)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_an_error(tmp_path, tiny_model):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cache=.* cannot be opened"):
        TextEmbedder(tiny_model, cache=tmp_path / "file" / "texts.sqlite").fit_transform(TITLES)


def test_empty_files_and_new_folders_are_fine(tmp_path, tiny_model):
    empty = tmp_path / "empty"
    empty.touch()
    for path in (empty, tmp_path / "a" / "b" / "texts"):
        TextEmbedder(tiny_model, cache=path).fit_transform(TITLES)
        assert execute(path, "SELECT COUNT(*) FROM vectors") == [(5,)]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE vectors SET vector = zeroblob(128)",
        "UPDATE vectors SET vector = substr(vector, 1, 64)",
        "UPDATE vectors SET vector = 'text'",
        "UPDATE vectors SET checksum = 1",
        "UPDATE vectors SET checksum = 'text', vector = 3",
        "UPDATE vectors SET used = 'text', vector = zeroblob(128)",
        "UPDATE vectors SET key = 'text' WHERE rowid = 1",
    ],
)
def test_damaged_entries_are_computed_again(path, tiny_model, damage):
    embedder = TextEmbedder(tiny_model, cache=path)
    expected = embedder.fit_transform(TITLES)
    execute(path, damage)
    for _ in range(2):
        np.testing.assert_array_equal(embedder.fit_transform(TITLES), expected)
    assert execute(path, "SELECT MAX(rowid) >= 6 FROM vectors") == [(1,)]


def test_damaged_times_of_use_are_written_again(path, tiny_model):
    embedder = TextEmbedder(tiny_model, cache=path)
    expected = embedder.fit_transform(TITLES)
    execute(path, "UPDATE vectors SET used = 'text'")
    np.testing.assert_array_equal(embedder.fit_transform(TITLES), expected)
    assert execute(path, "SELECT COUNT(*), MAX(rowid), TYPEOF(MAX(used)) FROM vectors") == [(5, 5, "integer")]


def test_no_changed_byte_changes_a_vector(path, cache, tmp_path):
    cache.put(KEYS, VECTORS)
    execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    content, rng = path.read_bytes(), np.random.default_rng(0)
    used = np.flatnonzero(np.frombuffer(content, dtype=np.uint8))  # most pages are empty
    n_found = 0
    for number, place in enumerate(rng.choice(used, 200)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        damaged = tmp_path / f"{number}.sqlite"
        damaged.write_bytes(flipped)
        found, message = {}, str(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            try:
                with FileCache(damaged, 1 << 30) as other:
                    found = other.get(KEYS, 8)
            except (ValueError, OSError) as error:
                message = str(error)
        assert str(damaged) in message
        n_found += len(found)
        for key, vector in found.items():
            np.testing.assert_array_equal(vector, VECTORS[KEYS.index(key)])
    assert n_found > 100


def test_vectors_belong_to_their_keys(path, cache):
    cache.put(KEYS[:1], VECTORS[:1])
    execute(path, "UPDATE vectors SET key = ?", (KEYS[1],))
    assert cache.get(KEYS) == {}


def test_values_that_are_not_finite_are_absent(cache):
    cache.put(KEYS[:1], np.full((1, 8), np.nan))
    assert cache.get(KEYS) == {}


def test_a_damaged_file_is_not_used_any_longer(path, tiny_model):
    texts = [f"{number} mug" for number in range(200)]
    embedder = TextEmbedder(tiny_model, cache=path)
    expected = embedder.fit_transform(texts)
    assert not Path(f"{path}-wal").exists()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    with pytest.warns(CacheWarning, match=r"The cache .* fails \(.*\) and is not used any longer: vectors are"):
        vectors = embedder.fit_transform(texts)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_a_full_disk_is_no_error(path, cache, monkeypatch):
    def fail(*args):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(_cache_file, "_store", fail)
    many = make_keys("", [str(number) for number in range(500)])
    with pytest.warns(CacheWarning, match="database or disk is full"):
        vectors = embed_through(cache, many, [np.arange(500)], lambda rows: np.ones((len(rows), 8), np.float32), 8)
    assert len(vectors) == 500
    # From then on the cache is empty.
    assert cache.get(many) == {}
    assert cache.claim(KEYS) == KEYS
    cache.put(KEYS, VECTORS)
    cache.release(KEYS)


# Size -------------------------------------------------------------------------------------------------------


def test_the_file_stays_within_its_limit(path):
    limit = 1 << 20
    rng = np.random.default_rng(0)
    with FileCache(path, limit) as cache:
        for number in range(40):
            keys = make_keys(str(number), [str(row) for row in range(100)])
            cache.put(keys, rng.standard_normal((100, 128)).astype(np.float32))
            assert len(cache.get(keys)) == 100
        assert cache.get(make_keys("0", ["1"])) == {}
    ((n_rows,),) = execute(path, "SELECT COUNT(*) FROM vectors")
    assert 1000 < n_rows < 2000
    assert path.stat().st_size < 1.2 * limit


def test_the_least_recently_used_vectors_are_dropped(path, cache, monkeypatch):
    now = time.time()
    keys = make_keys("", [str(row) for row in range(300)])
    vectors = np.ones((300, 1024), dtype=np.float32)
    cache.put(keys, vectors)
    monkeypatch.setattr(_cache_file.time, "time", lambda: now + 7200)
    assert len(cache.get(keys[:100])) == 100  # their use is written, since the last one is long ago
    cache.limit = 1 << 20
    cache.put(KEYS[:1], vectors[:1])
    assert set(cache.get(keys)) >= set(keys[:100])
    assert len(cache.get(keys)) < 250
    assert len(cache.get(KEYS[:1])) == 1


def test_reading_writes_nothing(path, cache):
    cache.put(KEYS, VECTORS)
    with closing(sqlite3.connect(path)) as watching:
        versions = []
        for _ in range(2):  # the version changes with every change by another connection
            versions.append(watching.execute("PRAGMA data_version").fetchone())
            assert len(cache.get(KEYS)) == 5
    assert versions[0] == versions[1]


def test_more_keys_than_a_statement_takes(cache):
    keys = make_keys("", [str(number) for number in range(2500)])
    assert cache.claim(keys) == keys
    cache.put(keys, np.ones((2500, 2), dtype=np.float32))
    assert len(cache.get(keys)) == 2500
    assert cache.claim(keys) == []
