"""The journal: what was acknowledged survives, whatever happens to the process or to the file."""

import errno
import json
import os
import subprocess
import sys

import pytest

from skgnnrec.serving import read_journal


def history_of(client, user):
    return client.post("/recommendations", json={"user": user}).json()["history_length"]


def test_changes_are_made_again_after_a_restart(serve, fitted, journal, buy):
    with serve(fitted, journal=journal) as client:
        buy(client, ("newcomer", "sku 1"), ("newcomer", "sku 2"), key="a")
        buy(client, ("newcomer", "sku 3"), key="b")
        client.delete("/users/user 1")
        buy(client, ("user 1", "sku 4"))
    client = serve(fitted, journal=journal)
    assert (history_of(client, "newcomer"), history_of(client, "user 1")) == (2, 1)
    assert client.post("/recommendations", json={"user": "newcomer"}).json()["sequence"] == 4
    assert buy(client, ("newcomer", "sku 5"), key="b").json() == {"sequence": 4, "learned": 0, "repeated": 1}


def test_an_application_can_start_again(serve, fitted, journal, buy):
    with serve(fitted, journal=journal) as client:
        buy(client, ("newcomer", "sku 1"))
        with serve(fitted, journal=journal.with_suffix(".other")) as other:
            assert history_of(other, "newcomer") == 0
    with client:
        assert buy(client, ("newcomer", "sku 2")).json()["sequence"] == 2
        assert history_of(client, "newcomer") == 2


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_that_was_cut_off_is_left_out(serve, fitted, journal, buy, cut):
    with serve(fitted, journal=journal) as client:
        buy(client, ("newcomer", "sku 1"))
        complete = journal.stat().st_size
        buy(client, ("newcomer", "sku 2"))
    os.truncate(journal, journal.stat().st_size - cut)
    assert len(read_journal(journal).interactions) == 1
    with serve(fitted, journal=journal) as client:
        assert history_of(client, "newcomer") == 1
        assert journal.stat().st_size == complete
        assert buy(client, ("newcomer", "sku 3")).json()["sequence"] == 2
    assert [each["item"] for each in read_journal(journal).interactions] == ["sku 1", "sku 3"]


def test_a_changed_byte_is_found(serve, fitted, journal, buy):
    with serve(fitted, journal=journal) as client:
        for item in (1, 2, 3):
            buy(client, ("newcomer", f"sku {item}"))
    content = bytearray(journal.read_bytes())
    start = content.index(b"sku 1")
    for place in range(start - 40, start):
        journal.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(OSError, match=r"The journal .* is damaged after byte \d+"):
            read_journal(journal)


@pytest.mark.parametrize("text", ["milk\neggs\n", "milk\n", "milk"])
def test_another_file_is_no_journal(serve, fitted, tmp_path, text):
    (tmp_path / "notes").write_text(text)
    with pytest.raises(OSError, match=r"notes' is damaged after byte 0"):
        serve(fitted, journal=tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == text


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked on Windows")
def test_one_process_uses_a_journal(serve, fitted, journal):
    serve(fitted, journal=journal)
    with pytest.raises(OSError, match=r"The journal is in use by another process, which holds .*\.lock"):
        serve(fitted, journal=journal)


def test_a_forgotten_user_leaves_the_journal(serve, fitted, journal, buy):
    client = serve(fitted, journal=journal)
    buy(client, ("newcomer", "sku 1"), ("user 2", "sku 2"), key=None)
    buy(client, ("newcomer", "sku 3"), key="order 3")
    client.delete("/users/newcomer")
    content = read_journal(journal)
    assert content == ([{"user": "user 2", "item": "sku 2"}], ["newcomer"], 3)
    assert b"sku 3" not in journal.read_bytes()
    assert buy(client, ("newcomer", "sku 3"), key="order 3").json()["repeated"] == 1  # sent again, late


def test_a_full_disk_changes_nothing(serve, fitted, journal, buy, monkeypatch):
    client = serve(fitted, journal=journal)
    buy(client, ("newcomer", "sku 1"))
    size, sync = journal.stat().st_size, os.fsync
    failures = []

    def full(descriptor):
        if not failures:
            failures.append(descriptor)
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    answer = buy(client, ("newcomer", "sku 2"))
    assert (answer.status_code, answer.json()["detail"]) == (503, "The service cannot write changes now.")
    assert history_of(client, "newcomer") == 1
    assert journal.stat().st_size == size
    assert buy(client, ("newcomer", "sku 3")).json()["sequence"] == 2  # there is space again


def test_a_disk_that_stays_broken_ends_changes(serve, fitted, journal, buy, monkeypatch):
    client = serve(fitted, journal=journal)

    def broken(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    assert buy(client, ("newcomer", "sku 2")).status_code == 503
    monkeypatch.undo()
    assert buy(client, ("newcomer", "sku 3")).status_code == 503
    assert client.get("/ready").status_code == 503
    assert client.post("/recommendations", json={"user": "user 1"}).status_code == 200


KILLED = """
import json, os, random, signal, sys, time
from fastapi.testclient import TestClient
from skgnnrec import load
from skgnnrec.serving import create_app, read_journal

journal = sys.argv[2]
app = create_app(load(sys.argv[1]), journal=journal)
lost, repeated, n_acknowledged = [], [], 0
for round in range(25):
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        with TestClient(app) as client:
            for number in range(10_000):
                user = f"buyer {round} {number}"
                body = {"interactions": [{"user": user, "item": f"sku {number % 30}", "key": user}]}
                if client.post("/interactions", json=body).status_code == 200:
                    os.write(write_end, user.encode() + b"\\n")
    os.close(write_end)
    with os.fdopen(read_end, "rb") as acknowledgements:
        acknowledged = [acknowledgements.readline()]  # the service has started
        time.sleep(random.Random(round).random() * 0.05)
        os.kill(child, signal.SIGKILL)
        acknowledged += acknowledgements.read().splitlines()
    os.waitpid(child, 0)
    users = [each["user"] for each in read_journal(journal).interactions]
    lost += [user for user in acknowledged if user.decode().strip() not in users]
    n_acknowledged += len(acknowledged)
with TestClient(app) as client:
    for user in users:
        if client.post("/recommendations", json={"user": user}).json()["history_length"] != 1:
            lost.append(user)
print(json.dumps({"lost": lost and str(lost), "acknowledged": n_acknowledged, "learned": len(users)}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_a_killed_process_loses_nothing_that_it_acknowledged(path, journal):
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(journal)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **one_thread},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    outcome = json.loads(run.stdout.splitlines()[-1])
    assert not outcome["lost"]
    assert outcome["acknowledged"] >= 25
    # A change that was on the disk, but not acknowledged when the process was killed, is there as well: at most one.
    assert outcome["acknowledged"] <= outcome["learned"] <= outcome["acknowledged"] + 25
