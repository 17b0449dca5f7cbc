"""A server on this machine with archives in the layouts of MovieLens."""

import hashlib
import http.server
import io
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

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


@dataclass
class Server:
    """The files that the server has, and the requests that it received."""

    url: str = ""
    folder: Path = Path()  # of the cache
    files: dict[str, bytes] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)  # statuses of the next answers, 0 for a broken connection
    announce_extra: int | None = 0  # bytes beyond the content; None announces no length
    pause: threading.Event | None = None  # what an answer waits for after its first half
    requests: list[str] = field(default_factory=list)
    names = NAMES
    members = MEMBERS

    @staticmethod
    def make_zip(variant, members=None, compression=zipfile.ZIP_DEFLATED):
        encoding = "latin-1" if variant in ("100k", "1m") else "utf-8"
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as archive:
            for name, text in (members or MEMBERS[variant]).items():
                archive.writestr(f"{NAMES[variant]}/{name}", text.encode(encoding))
        return stream.getvalue()

    @staticmethod
    def md5_of(content):
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    def publish(self, variant, *, content=None, md5="", md5_form="MD5 ({name}.zip) = {md5}\n"):
        content = self.make_zip(variant) if content is None else content
        name = NAMES[variant]
        self.files[f"{name}.zip"] = content
        if md5 is not None:
            text = md5_form.format(name=name, md5=md5 or self.md5_of(content))
            self.files[f"{name}.zip.md5"] = text.encode("ascii")
        return content

    def kept(self):
        """Return the names of the files in the cache."""
        return sorted(path.name for path in self.folder.glob("*"))


@pytest.fixture
def server(monkeypatch, tmp_path):
    state = Server(folder=tmp_path / "movielens")

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
            if extra is not None:
                self.send_header("Content-Length", str(len(body) + extra))
            self.end_headers()
            half = len(body) // 2 if name.endswith(".zip") else 0
            self.wfile.write(body[:half])
            if half and state.pause is not None:
                self.wfile.flush()
                state.pause.wait(30)
            self.wfile.write(body[half:])

        def log_message(self, format, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{httpd.server_port}/movielens/"
    monkeypatch.setattr(_movielens, "_BASE_URL", state.url)
    monkeypatch.setenv("no_proxy", "*")
    yield state
    if state.pause is not None:
        state.pause.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def fetch(server, tmp_path):
    def fetch_here(variant="100k", **parameters):
        return fetch_movielens(variant, data_home=tmp_path, delay=0, **parameters)

    return fetch_here
