"""Downloads: checksums, damaged files, failures of the connection, killed processes and excessive archives."""

import os
import signal
import struct
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from skgnnrec.datasets import _download, _movielens


def test_valid_copy_needs_no_network(server, fetch):
    server.publish("100k")
    first = fetch()
    server.requests.clear()
    second = fetch(download_if_missing=False)
    assert server.requests == []
    pd.testing.assert_frame_equal(first.events, second.events)


@pytest.mark.parametrize("form", ["{md5}  {name}.zip\n", "MD5 ({name}.zip) = {md5}", "{md5}"])
def test_checksums_in_any_form(form, server, fetch):
    server.publish("100k", md5_form=form)
    assert len(fetch().events) == 3


def test_wrong_checksum_leaves_no_file(server, fetch):
    content = server.publish("100k", md5="0" * 32)
    with pytest.raises(
        OSError, match=rf"ml-100k\.zip is damaged: expected the MD5 checksum 0{{32}}, got {server.md5_of(content)}"
    ):
        fetch()
    assert server.kept() == []


def test_truncated_download_leaves_no_file(server, fetch):
    content = server.make_zip("100k")
    server.publish("100k", content=content[:-40], md5=server.md5_of(content))
    with pytest.raises(OSError, match=rf"expected .* {server.md5_of(content)}, got {server.md5_of(content[:-40])}"):
        fetch()
    assert server.kept() == []


def test_interrupted_download_is_retried(server, fetch):
    content = server.make_zip("100k")
    server.publish("100k", content=content[:-40], md5=server.md5_of(content))
    server.announce_extra = 40
    with (
        pytest.warns(UserWarning, match=r"Retrying to download .*ml-100k\.zip"),
        pytest.raises(
            OSError, match=rf"ml-100k\.zip: .*expected .*{server.md5_of(content)}, got .*the connection ended after"
        ),
    ):
        fetch(n_retries=2)
    assert server.requests == ["ml-100k.zip.md5"] + 3 * ["ml-100k.zip"]
    assert server.kept() == []


def test_without_a_published_checksum_the_zip_is_checked(server, fetch):
    server.publish("latest-small", md5=None)
    assert len(fetch("latest-small").events) == 3
    assert server.kept() == ["ml-latest-small.zip"]
    server.requests.clear()
    fetch("latest-small")
    assert server.requests == []


@pytest.mark.parametrize("damage", ["cut", "flip", "page"])
def test_without_a_published_checksum_a_damaged_zip_is_refused(damage, server, fetch):
    content = server.make_zip("100k")
    middle = len("ml-100k/u.data") + 45
    damaged = {
        "cut": content[:-40],
        "flip": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
        "page": b"<html>Please log in</html>",
    }[damage]
    server.publish("100k", content=damaged, md5=None)
    with pytest.raises(OSError, match=r"ml-100k\.zip is no valid zip file"):
        fetch()
    assert server.kept() == []


def test_web_page_instead_of_a_checksum_is_refused(server, fetch):
    server.publish("100k", md5_form="<html>Please log in</html>")
    with pytest.raises(OSError, match=r"ml-100k\.zip\.md5 contains no MD5 checksum: '<html>"):
        fetch()
    assert server.kept() == []


def test_status_404_is_not_retried(server, fetch):
    with pytest.raises(OSError, match=r"Could not download http.*ml-100k\.zip: HTTP Error 404"):
        fetch()
    assert server.requests == ["ml-100k.zip.md5", "ml-100k.zip"]
    assert server.kept() == []


@pytest.mark.parametrize("failure", [503, 429, 0])
def test_failed_request_is_retried(failure, server, fetch):
    server.publish("100k")
    server.failures = [failure]
    with pytest.warns(UserWarning, match=r"Retrying to download .*ml-100k\.zip\.md5"):
        assert len(fetch().events) == 3
    assert server.requests == ["ml-100k.zip.md5", "ml-100k.zip.md5", "ml-100k.zip"]


def test_number_of_retries_is_limited(server, fetch):
    server.publish("100k")
    server.failures = [200, 503, 503, 503]
    with (
        pytest.warns(UserWarning, match="Retrying"),
        pytest.raises(OSError, match=r"Could not download .*ml-100k\.zip: HTTP Error 503"),
    ):
        fetch(n_retries=2)
    assert server.requests == ["ml-100k.zip.md5"] + 3 * ["ml-100k.zip"]
    assert server.kept() == []


def test_unreachable_server_is_an_error(fetch, server, monkeypatch):
    monkeypatch.setattr(_movielens, "_BASE_URL", "http://127.0.0.1:1/")
    with pytest.raises(OSError, match=r"Could not download http://127\.0\.0\.1:1/ml-100k"):
        fetch(n_retries=0)


def test_missing_file_without_download_is_an_error(server, fetch):
    with pytest.raises(OSError, match=r"ml-100k\.zip is missing, and `download_if_missing` is False"):
        fetch(download_if_missing=False)
    assert server.requests == []


def test_damaged_copy_is_downloaded_again(server, fetch, tmp_path):
    content = server.publish("100k")
    fetch()
    path = tmp_path / "movielens" / "ml-100k.zip"
    path.write_bytes(b"damaged")
    with pytest.raises(OSError, match=r"ml-100k\.zip is damaged: expected .* and `download_if_missing`"):
        fetch(download_if_missing=False)
    with pytest.warns(UserWarning, match=r"ml-100k\.zip is damaged: .* again"):
        assert len(fetch().events) == 3
    assert path.read_bytes() == content


def test_failed_update_keeps_the_old_files(server, fetch, tmp_path):
    server.publish("100k")
    fetch()
    path = tmp_path / "movielens" / "ml-100k.zip"
    path.write_bytes(b"damaged")
    md5 = (tmp_path / "movielens" / "ml-100k.zip.md5").read_text()
    server.publish("100k", md5="f" * 32)
    with pytest.warns(UserWarning, match="again"), pytest.raises(OSError, match="expected the MD5 checksum f"):
        fetch()
    assert path.read_bytes() == b"damaged"
    assert (tmp_path / "movielens" / "ml-100k.zip.md5").read_text() == md5
    assert len(server.kept()) == 2


# Killed and simultaneous processes ----------------------------------------------------------------------------------

FETCH = """
import sys
from skgnnrec.datasets import _movielens
_movielens._BASE_URL = sys.argv[1]
_movielens.fetch_movielens("100k", data_home=sys.argv[2])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_next_download_removes_the_file_of_a_killed_download(server, fetch, tmp_path):
    server.publish("100k")
    server.pause = threading.Event()
    process = subprocess.Popen([sys.executable, "-c", FETCH, server.url, str(tmp_path)])
    try:
        while not any(name.endswith(".part") for name in server.kept()):
            assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert [name for name in server.kept() if name.endswith(".part")] == server.kept() != []
    server.pause.set()
    assert len(fetch().events) == 3
    assert server.kept() == ["ml-100k.zip", "ml-100k.zip.md5"]


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_file_of_another_process_is_not_removed(server, fetch):
    import fcntl

    server.publish("100k")
    server.folder.mkdir()
    used, abandoned = (server.folder / f"ml-100k.zip.{name}.part" for name in ("used", "abandoned"))
    abandoned.write_bytes(b"half")
    with used.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        fetch()
        assert server.kept() == ["ml-100k.zip", "ml-100k.zip.md5", used.name]


def test_simultaneous_downloads_result_in_one_file(server, fetch):
    server.publish("100k")
    server.pause = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(fetch) for _ in range(4)]
        while sum(name == "ml-100k.zip" for name in server.requests) < 4:
            assert not any(result.done() for result in results)
        server.pause.set()
        assert {len(result.result().events) for result in results} == {3}
    assert server.kept() == ["ml-100k.zip", "ml-100k.zip.md5"]


# Crafted and damaged archives ---------------------------------------------------------------------------------------


def with_sizes(content, size):
    """Return an archive whose directory states another size of each member."""
    content = bytearray(content)
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        struct.pack_into("<L", content, place + 24, size)
        place = content.find(b"PK\x01\x02", place + 4)
    return bytes(content)


@pytest.mark.parametrize("md5", ["", None], ids=["checksum", "no checksum"])
def test_members_that_state_too_large_a_size_are_refused(server, fetch, md5):
    server.publish("100k", content=with_sizes(server.make_zip("100k"), 2**32 - 2), md5=md5)
    with pytest.raises(OSError, match=r"is no valid zip file \(its content has 8589934588 bytes, at most 4294967296\)"):
        fetch()
    assert server.kept() == []


@pytest.mark.parametrize("md5", ["", None], ids=["checksum", "no checksum"])
def test_members_that_inflate_beyond_their_size_are_refused(server, fetch, md5, tmp_path):
    members = server.members["100k"] | {"u.data": server.members["100k"]["u.data"] + "\n" * 50_000_000}
    content = server.make_zip("100k", members)
    assert len(content) < 100_000
    server.publish("100k", content=with_sizes(content, 40), md5=md5)
    with pytest.raises(OSError, match=r"u\.data"):
        fetch()


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("md5", ["", None], ids=["checksum", "no checksum"])
def test_unbounded_compression_methods_are_refused(server, fetch, compression, md5):
    server.publish("100k", content=server.make_zip("100k", compression=compression), md5=md5)
    with pytest.raises(OSError, match=rf"u\.data has the unknown compression method {compression}"):
        fetch()


def test_encrypted_members_are_refused(server, fetch):
    content = bytearray(server.make_zip("100k"))
    content[content.find(b"PK\x01\x02") + 8] |= 1
    server.publish("100k", content=bytes(content))
    with pytest.raises(OSError, match=r"u\.data of .*ml-100k\.zip is damaged: .*encrypted"):
        fetch()


@pytest.mark.parametrize("announce", [0, None], ids=["length", "no length"])
def test_too_large_downloads_are_stopped(server, fetch, monkeypatch, announce):
    monkeypatch.setattr(_download, "MAX_DOWNLOAD_BYTES", 100)
    server.publish("100k")
    server.announce_extra = announce
    with pytest.raises(OSError, match=r"The download of .*ml-100k\.zip has \d+ or more bytes, at most 100"):
        fetch()
    assert server.kept() == []


@pytest.mark.parametrize("md5", ["", None], ids=["checksum", "no checksum"])
def test_damaged_copies_are_never_read_silently(server, fetch, md5):
    content = server.publish("100k", md5=md5)
    expected = fetch()
    path = server.folder / "ml-100k.zip"
    rng = np.random.default_rng(0)
    damaged = [content[:n] for n in rng.integers(len(content), size=20)]
    for place in rng.integers(len(content), size=100):
        damaged.append(content[:place] + bytes([content[place] ^ rng.integers(1, 256)]) + content[place + 1 :])
    for copy in damaged:
        path.write_bytes(copy)
        try:
            found = fetch(download_if_missing=False)
        except OSError:
            continue
        assert md5 is None  # without a checksum of the whole file, a flip in a time of the archive is not noticed
        pd.testing.assert_frame_equal(found.events, expected.events)
        pd.testing.assert_frame_equal(found.item_frame, expected.item_frame)
