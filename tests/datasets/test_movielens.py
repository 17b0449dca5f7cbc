"""fetch_movielens against a server on this machine, with archives made here."""

import hashlib
import http.server
import io
import threading
import zipfile
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skgnnrec.datasets import _movielens, fetch_movielens

NAMES = {"100k": "ml-100k", "1m": "ml-1m", "latest-small": "ml-latest-small", "25m": "ml-25m"}
NO_FLAGS = "|0" * 19
CSV_MEMBERS = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,10,4.0,300\n1,7,0.5,100\n5,7,5.0,200\n",
    "movies.csv": (
        "movieId,title,genres\n"
        '7,"Amélie, or so (2001)",Comedy|Romance\n'
        "10,Untitled ,(no genres listed)\n"
        "12,Heat (1995),Crime\n"
    ),
}
MEMBERS = {
    "100k": {
        "u.data": "1\t10\t4\t300\n1\t7\t1\t100\n5\t7\t5\t200\n",
        "u.item": (
            f"7|Amélie, or so (2001)|01-Jan-2001||http://x|{'0|' * 5}1|{'0|' * 8}1|0|0|0|0\n"
            f"10|Untitled |||{NO_FLAGS}\n"
            f"12|Heat (1995)|01-Jan-1995||http://x|{'0|' * 6}1|{'0|' * 11}0\n"
        ),
    },
    "1m": {
        "ratings.dat": "1::10::4::300\n1::7::1::100\n5::7::5::200\n",
        "movies.dat": "7::Amélie, or so (2001)::Comedy|Romance\n10::Untitled ::\n12::Heat (1995)::Crime\n",
    },
    "latest-small": CSV_MEMBERS,
    "25m": CSV_MEMBERS,
}


def make_zip(variant, members=None):
    encoding = "latin-1" if variant in ("100k", "1m") else "utf-8"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (members or MEMBERS[variant]).items():
            archive.writestr(f"{NAMES[variant]}/{name}", text.encode(encoding))
    return stream.getvalue()


def md5_of(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass
class Server:
    """What the server answers, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)  # statuses of the next answers, 0 for a broken connection
    announce_extra: int = 0
    requests: list[str] = field(default_factory=list)

    def publish(self, variant, *, content=None, md5="", md5_form="MD5 ({name}.zip) = {md5}\n"):
        content = make_zip(variant) if content is None else content
        name = NAMES[variant]
        self.files[f"{name}.zip"] = content
        if md5 is not None:
            text = md5_form.format(name=name, md5=md5 or md5_of(content))
            self.files[f"{name}.zip.md5"] = text.encode("ascii")
        return content


@pytest.fixture
def server(monkeypatch):
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("/")[2]
            state.requests.append(name)
            status = state.failures.pop(0) if state.failures else 200
            if status == 0:
                return
            if status == 200 and name not in state.files:
                status = 404
            if status != 200:
                self.send_error(status)
                return
            body = state.files[name]
            extra = state.announce_extra if name.endswith(".zip") else 0
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + extra))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{httpd.server_port}/movielens/"
    monkeypatch.setattr(_movielens, "_BASE_URL", state.url)
    monkeypatch.setenv("no_proxy", "*")
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def fetch(server, tmp_path):
    def fetch_here(variant="100k", **parameters):
        return fetch_movielens(variant, data_home=tmp_path, delay=0, **parameters)

    return fetch_here


def kept(tmp_path):
    return sorted(path.name for path in (tmp_path / "movielens").glob("*"))


@pytest.mark.parametrize("variant", list(NAMES))
def test_every_layout_is_read(variant, server, fetch, tmp_path):
    server.publish(variant)
    data = fetch(variant)

    low = 1.0 if variant in ("100k", "1m") else 0.5
    assert data.events["user_id"].tolist() == [1, 5, 1]
    assert data.events["item_id"].tolist() == [7, 7, 10]
    assert data.events["rating"].tolist() == [low, 5.0, 4.0]
    assert data.events["timestamp"].tolist() == [pd.Timestamp(s, unit="s") for s in (100, 200, 300)]
    assert data.events["timestamp"].dtype == "datetime64[s]"
    assert data.item_frame["item_id"].tolist() == [7, 10, 12]
    assert data.item_frame["title"].tolist() == ["Amélie, or so", "Untitled", "Heat"]
    assert data.item_frame["year"].tolist() == [2001, pd.NA, 1995]
    assert data.item_frame["genres"].tolist() == ["Comedy|Romance", "", "Crime"]
    np.testing.assert_array_equal(data.interactions.toarray(), [[low, 4, 0], [5, 0, 0]])
    assert data.interactions.dtype == np.float32
    np.testing.assert_array_equal(data.user_ids, [1, 5])
    np.testing.assert_array_equal(data.item_ids, [7, 10, 12])
    assert "3 ratings of 3 movies by 2 users" in data.DESCR
    assert kept(tmp_path) == [f"{NAMES[variant]}.zip", f"{NAMES[variant]}.zip.md5"]


def test_dtypes_are_those_of_the_other_data_sets(server, fetch):
    server.publish("1m")
    data = fetch("1m")
    assert [str(dtype) for dtype in data.events.dtypes] == ["int64", "int64", "datetime64[s]", "float32"]
    assert str(data.item_frame["year"].dtype) == "Int64"
    assert data.user_ids.dtype == data.item_ids.dtype == np.int64


def test_a_sound_copy_needs_no_network(server, fetch):
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


def test_a_wrong_checksum_leaves_nothing(server, fetch, tmp_path):
    content = server.publish("100k", md5="0" * 32)
    with pytest.raises(
        OSError, match=rf"ml-100k\.zip is damaged: expected the MD5 checksum 0{{32}}, got {md5_of(content)}"
    ):
        fetch()
    assert kept(tmp_path) == []


def test_a_truncated_download_leaves_nothing(server, fetch, tmp_path):
    content = make_zip("100k")
    server.publish("100k", content=content[:-40], md5=md5_of(content))
    with pytest.raises(OSError, match=rf"expected .* {md5_of(content)}, got {md5_of(content[:-40])}"):
        fetch()
    assert kept(tmp_path) == []


def test_a_broken_off_download_is_tried_again(server, fetch, tmp_path):
    content = make_zip("100k")
    server.publish("100k", content=content[:-40], md5=md5_of(content))
    server.announce_extra = 40
    with (
        pytest.warns(UserWarning, match=r"Retrying to download .*ml-100k\.zip"),
        pytest.raises(OSError, match=rf"ml-100k\.zip: .*expected .*{md5_of(content)}, got .*broke off after"),
    ):
        fetch(n_retries=2)
    assert server.requests == ["ml-100k.zip.md5"] + 3 * ["ml-100k.zip"]
    assert kept(tmp_path) == []


def test_without_a_published_checksum_the_zip_is_checked(server, fetch, tmp_path):
    server.publish("latest-small", md5=None)
    assert len(fetch("latest-small").events) == 3
    assert kept(tmp_path) == ["ml-latest-small.zip"]
    server.requests.clear()
    fetch("latest-small")
    assert server.requests == []


@pytest.mark.parametrize("damage", ["cut", "flip", "page"])
def test_without_a_published_checksum_a_damaged_zip_is_refused(damage, server, fetch, tmp_path):
    content = make_zip("100k")
    middle = len("ml-100k/u.data") + 45
    damaged = {
        "cut": content[:-40],
        "flip": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
        "page": b"<html>Please log in</html>",
    }[damage]
    server.publish("100k", content=damaged, md5=None)
    with pytest.raises(OSError, match=r"ml-100k\.zip is no sound zip file"):
        fetch()
    assert kept(tmp_path) == []


def test_a_page_instead_of_a_checksum_is_refused(server, fetch, tmp_path):
    server.publish("100k", md5_form="<html>Please log in</html>")
    with pytest.raises(OSError, match=r"ml-100k\.zip\.md5 holds no MD5 checksum: '<html>"):
        fetch()
    assert kept(tmp_path) == []


def test_a_missing_file_is_not_asked_for_again(server, fetch, tmp_path):
    with pytest.raises(OSError, match=r"Could not download http.*ml-100k\.zip: HTTP Error 404"):
        fetch()
    assert server.requests == ["ml-100k.zip.md5", "ml-100k.zip"]
    assert kept(tmp_path) == []


@pytest.mark.parametrize("failure", [503, 429, 0])
def test_a_first_failure_is_followed_by_a_second_try(failure, server, fetch):
    server.publish("100k")
    server.failures = [failure]
    with pytest.warns(UserWarning, match=r"Retrying to download .*ml-100k\.zip\.md5"):
        assert len(fetch().events) == 3
    assert server.requests == ["ml-100k.zip.md5", "ml-100k.zip.md5", "ml-100k.zip"]


def test_retries_come_to_an_end(server, fetch, tmp_path):
    server.publish("100k")
    server.failures = [200, 503, 503, 503]
    with (
        pytest.warns(UserWarning, match="Retrying"),
        pytest.raises(OSError, match=r"Could not download .*ml-100k\.zip: HTTP Error 503"),
    ):
        fetch(n_retries=2)
    assert server.requests == ["ml-100k.zip.md5"] + 3 * ["ml-100k.zip"]
    assert kept(tmp_path) == []


def test_no_server_at_all(fetch, server, monkeypatch):
    monkeypatch.setattr(_movielens, "_BASE_URL", "http://127.0.0.1:1/")
    with pytest.raises(OSError, match=r"Could not download http://127\.0\.0\.1:1/ml-100k"):
        fetch(n_retries=0)


def test_missing_and_not_to_be_downloaded(server, fetch):
    with pytest.raises(OSError, match=r"ml-100k\.zip is missing, and `download_if_missing` is False"):
        fetch(download_if_missing=False)
    assert server.requests == []


def test_a_damaged_copy_is_downloaded_again(server, fetch, tmp_path):
    content = server.publish("100k")
    fetch()
    path = tmp_path / "movielens" / "ml-100k.zip"
    path.write_bytes(b"damaged")
    with pytest.raises(OSError, match=r"ml-100k\.zip is damaged: expected .* and `download_if_missing`"):
        fetch(download_if_missing=False)
    with pytest.warns(UserWarning, match=r"ml-100k\.zip is damaged: .* again"):
        assert len(fetch().events) == 3
    assert path.read_bytes() == content


def test_a_failed_update_keeps_what_was_there(server, fetch, tmp_path):
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
    assert len(kept(tmp_path)) == 2


def test_an_archive_without_the_member(server, fetch):
    server.publish("1m", content=make_zip("1m", {"../../evil.dat": "1::1::1::1\n"}))
    with pytest.raises(OSError, match=r"must have the member ml-1m/ratings\.dat, got \['ml-1m/"):
        fetch("1m")


def test_nothing_is_unpacked(server, fetch, tmp_path):
    server.publish("1m", content=make_zip("1m", MEMBERS["1m"] | {"../../evil.dat": "x"}))
    fetch("1m")
    assert kept(tmp_path) == ["ml-1m.zip", "ml-1m.zip.md5"]
    assert not list(tmp_path.parent.rglob("evil.dat"))


def test_a_rating_of_an_unknown_movie(server, fetch):
    server.publish("1m", content=make_zip("1m", MEMBERS["1m"] | {"ratings.dat": "1::99::4::300\n"}))
    with pytest.raises(ValueError, match="got the unknown item 99"):
        fetch("1m")


def test_a_rating_of_zero_stars(server, fetch):
    server.publish("1m", content=make_zip("1m", MEMBERS["1m"] | {"ratings.dat": "1::7::0::300\n"}))
    with pytest.raises(ValueError, match=r"must be positive, got 0\.0"):
        fetch("1m")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"variant": "10m"}, "The 'variant' parameter of fetch_movielens must be a str among"),
        ({"n_retries": -1}, "The 'n_retries' parameter of fetch_movielens must be an int"),
        ({"delay": -1.0}, "The 'delay' parameter of fetch_movielens must be a float"),
        ({"data_home": 3}, "The 'data_home' parameter of fetch_movielens must be"),
    ],
)
def test_errors_name_the_parameter(parameters, message):
    with pytest.raises(ValueError, match=message):
        fetch_movielens(**parameters)


@given(title=st.text(alphabet="abc ()'1985,:é", min_size=1), year=st.none() | st.integers(1000, 9999))
def test_titles_and_years_are_told_apart(title, year):
    title = f"<{title.strip()}>"
    given_as = title if year is None else f"{title} ({year}) "
    movies = pd.DataFrame({"item_id": [1], "title": [given_as], "genres": [""]})
    split = _movielens._split_titles(movies)
    assert split["title"].tolist() == [title]
    assert split["year"].tolist() == [pd.NA if year is None else year]
