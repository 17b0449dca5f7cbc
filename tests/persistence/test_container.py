"""Files are replaced at once, have a checksum of the whole, and are read within their bounds."""

import errno
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from skgnnrec import LogRecommender, PopularityRecommender, RidgeRecommender, load, save
from skgnnrec.exceptions import LoadError

ANY_ERROR = "damaged|truncated|newer|update skgnnrec"


@pytest.fixture
def saved(path):
    """Return the path and the bytes of a file."""
    save(LogRecommender(RidgeRecommender()).fit([[f"user {n % 7}", n % 5] for n in range(30)]), path)
    return path, path.read_bytes()


def test_no_flipped_byte_is_loaded(saved):
    path, content = saved
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.integers(0, len(content), 300), np.arange(60), len(content) - np.arange(1, 121)])
    assert len(places) >= 400
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        with pytest.raises(LoadError, match=ANY_ERROR):
            load(path)
    path.write_bytes(content)
    load(path)


def test_no_truncated_file_is_loaded(saved):
    path, content = saved
    rng = np.random.default_rng(0)
    lengths = {0, 1, 50, *range(len(content) - 20, len(content)), *rng.integers(0, len(content), 100).tolist()}
    assert len(lengths) > 100
    for length in lengths:
        path.write_bytes(content[:length])
        with pytest.raises(LoadError, match=r"truncated|damaged"):
            load(path)


@pytest.mark.parametrize("change", [lambda content: content + b"\n", lambda content: content[1:]])
def test_bytes_too_many_or_too_few_are_found(saved, change):
    path, content = saved
    path.write_bytes(change(content))
    with pytest.raises(LoadError, match=ANY_ERROR):
        load(path)


def test_a_newer_format_is_named(saved):
    path, content = saved
    assert content.count(b"format 000001") == 1
    path.write_bytes(content.replace(b"format 000001", b"format 000007"))
    with pytest.raises(
        LoadError, match="has format 7, this version of skgnnrec reads formats up to 1: update skgnnrec"
    ):
        load(path)


@pytest.mark.parametrize("content", [b"", b"hello", os.urandom(1000), b"PK\x05\x06" + bytes(300)])
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(LoadError, match=r"is no file of skgnnrec.save, or it is truncated"):
        load(path)


def test_an_absent_file_is_an_error_of_the_system(path):
    with pytest.raises(FileNotFoundError, match=r"model.skgnnrec"):
        load(path)


# Files with a right checksum that `save` does not write


def test_compressed_parts_are_refused(write_parts):
    path = write_parts({"arrays/0.npy": bytes(10_000_000)}, compress_type=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(LoadError, match="its parts are compressed or encrypted"):
        load(path)


@pytest.mark.parametrize("names", [("padding", "skgnnrec.json"), ("padding", "padding")], ids=["one name", "one place"])
def test_parts_that_overlap_are_refused(write_parts, seal, names):
    content = bytearray(write_parts({"padding": bytes(50_000), "passing": bytes(50_000)}).read_bytes())
    if names[1] == "padding":  # both entries of the index point to one part
        first, second = (content.rindex(b"PK\x01\x02", 0, content.rindex(name)) for name in (b"padding", b"passing"))
        content[second + 42 : second + 46] = content[first + 42 : first + 46]
        struct.pack_into("<II", content, second + 20, *[len(content) - 1000] * 2)
        struct.pack_into("<II", content, first + 20, *[len(content) - 1000] * 2)
    else:
        content = content.replace(b"passing", b"padding")
    with pytest.raises(LoadError, match="its parts overlap"):
        load(seal(content))


@pytest.mark.parametrize("name", ["skgnnrec.json", "estimator.skops", "arrays/0.npy"])
def test_an_absent_part_is_named(write_parts, name):
    with pytest.raises(LoadError, match=f"no description|has no part '{name}'"):
        load(write_parts({name: None}))


@pytest.mark.parametrize("about", [b"", b"{}", b"[]", b'{"versions": 3}', b"[" * 100_000])
def test_a_description_of_another_kind_is_refused(write_parts, about):
    with pytest.raises(LoadError, match="it has no description"):
        load(write_parts({"skgnnrec.json": about}))


def test_an_index_that_points_elsewhere_is_refused(write_parts, seal):
    content = bytearray(write_parts({}).read_bytes())
    struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 42, 7)  # the place of the last part
    with pytest.raises(LoadError, match=r"its part 'arrays/.*' is not where the index says"):
        load(seal(content))


# Writing


def kinds_of_path(tmp_path):
    class Location:
        def __fspath__(self):
            return str(tmp_path / "by protocol")

    return [str(tmp_path / "text"), tmp_path / "Path", Location(), os.fsencode(tmp_path / "bytes"), tmp_path / "é \n*?"]


def test_paths_of_all_kinds(tmp_path):
    for place in kinds_of_path(tmp_path):
        save(PopularityRecommender(3), place)
        assert load(place).n_recommendations == 3
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("path", [None, 3, ["a"], open])
def test_other_objects_are_no_paths(path):
    with pytest.raises(TypeError, match=r"expected str, bytes or os.PathLike object"):
        save(PopularityRecommender(), path)
    with pytest.raises(TypeError, match=r"expected str, bytes or os.PathLike object"):
        load(path)


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(PopularityRecommender(3), "model")
    assert load("model").n_recommendations == 3


def test_folders_are_no_files(tmp_path):
    with pytest.raises(IsADirectoryError, match="path must be a file"):
        save(PopularityRecommender(), tmp_path)
    with pytest.raises(FileNotFoundError, match="path must be in an existing folder"):
        save(PopularityRecommender(), tmp_path / "absent" / "model")
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="path must be in an existing folder"):
        save(PopularityRecommender(), tmp_path / "file" / "model")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="Permission denied"):
        save(PopularityRecommender(), tmp_path / "model")


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a folder of Linux in which nobody can write")
def test_a_folder_that_is_not_writable():
    with pytest.raises(OSError, match=r"skgnnrec-.*part"):
        save(PopularityRecommender(), "/proc/model")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_an_error_leaves_the_old_file_and_nothing_else(path, monkeypatch, at, error):
    save(PopularityRecommender(3), path)

    def fail(*arguments):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, at, fail)
        with pytest.raises(type(error), match=r"No space|^$"):
            save(PopularityRecommender(4), path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert load(path).n_recommendations == 3


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_and_links_are_kept(tmp_path):
    umask = os.umask(0)
    os.umask(umask)
    target, link = tmp_path / "target", tmp_path / "link"
    save(PopularityRecommender(1), target)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask
    target.chmod(0o640)
    link.symlink_to(target)
    save(PopularityRecommender(2), link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert load(target).n_recommendations == 2


def test_a_loaded_file_can_be_replaced(path):
    save(PopularityRecommender(3).fit(np.eye(3)), path)
    loaded = load(path)
    save(PopularityRecommender(4).fit(np.eye(5)), path)
    assert loaded.predict(np.eye(3)).shape == (3, 3)
    assert load(path).predict(np.eye(5)).shape == (5, 4)


KILLED = """
import json, os, signal, sys, time
import numpy as np
from skgnnrec import RidgeRecommender, load, save
from skgnnrec.exceptions import LoadError

path = sys.argv[1]
X = np.random.default_rng(0).random((30, 1000)) < 0.05
fitted = [RidgeRecommender(alpha=alpha, embedding_dim=2).fit(X) for alpha in (1.0, 2.0)]
expected = [rec.decision_function(X) for rec in fitted]
save(fitted[0], path)
found = []
for round in range(25):
    child = os.fork()
    if not child:
        while True:
            for rec in fitted:
                save(rec, path)
    time.sleep(0.02 + 0.005 * round)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    loaded = load(path)
    found.append([bool((loaded.decision_function(X) == scores).all()) for scores in expected].index(True))
print(json.dumps({"found": found, "files": os.listdir(os.path.dirname(path))}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_a_killed_process_leaves_a_valid_file(path):
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **one_thread},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    outcome = json.loads(run.stdout.splitlines()[-1])
    assert len(outcome["found"]) == 25
    assert set(outcome["found"]) == {0, 1}
    assert len(outcome["files"]) > 10  # most were killed while they wrote
