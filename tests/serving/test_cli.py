"""The command `skgnnrec serve`."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from skgnnrec.serving import read_journal
from skgnnrec.serving._cli import main

COMMAND = [sys.executable, "-m", "skgnnrec"]


def post(address, path, body, token=None):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urlopen(Request(address + path, json.dumps(body).encode(), headers), timeout=10) as answer:
        return json.load(answer)


def test_the_command_serves_a_file_until_it_is_stopped(path, tmp_path):
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    (tmp_path / "token").write_text("secret\n")
    options = ["--port", "0", "--token-file", str(tmp_path / "token"), "--max-recommendations", "5"]
    command = [*COMMAND, "serve", str(path), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        assert found, "".join(lines)
        try:
            body = {"interactions": [{"user": "newcomer", "item": "sku 1"}]}
            assert post(found[0], "/interactions", body, "secret")["learned"] == 1
            with pytest.raises(HTTPError, match="401"):
                post(found[0], "/interactions", body, "wrong")
            with pytest.raises(HTTPError, match="422"):
                post(found[0], "/recommendations", {"history": [], "n": 6}, "secret")
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()
    assert process.returncode in (0, -signal.SIGTERM), rest
    assert read_journal(f"{path}.journal").sequence == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], "No such file or directory: 'absent'"),
        (["damaged"], "'damaged' is no file of skgnnrec.save"),
        (["model", "--journal", "damaged"], "The journal 'damaged' is damaged after byte 0."),
        (["model", "--token-file", "empty"], "--token-file='empty' is empty."),
        (["model", "--max-batch", "0"], "The 'max_batch' parameter of Limits must be an int in the range"),
    ],
)
def test_errors_are_messages(path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(path.parent)
    path.rename("model")
    for name, content in {"damaged": "no recommender", "empty": ""}.items():
        (path.parent / name).write_text(content)
    started = time.monotonic()
    assert main(["serve", *arguments]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("skgnnrec: ")
    assert message in shown
    assert "Traceback" not in shown
    assert time.monotonic() - started < 30
    assert os.path.exists("model")


def test_the_version_and_the_commands_are_shown(capsys):
    for arguments, status, shown in ((["--version"], 0, "skgnnrec "), ([], 2, "usage: skgnnrec [-h] [--version] {")):
        with pytest.raises(SystemExit, match=str(status)):
            main(arguments)
        assert "".join(capsys.readouterr()).startswith(shown)


def test_the_journal_is_kept_by_default(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["serve", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--no-journal" in shown
    assert "SKGNNREC_TOKEN" in shown
    assert "--max-body N" in shown
