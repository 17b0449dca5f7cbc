"""Models of the Hugging Face Hub: the local cache first, and a hub that is out of reach."""

import socket
import threading
import time

import pytest
import torch
from huggingface_hub import close_session, constants

from skgnnrec.text import _model
from skgnnrec.text._hub import hub_answers
from skgnnrec.text._model import load_model


def load(model):
    settings = {"revision": None, "trust_remote_code": False, "device": torch.device("cpu"), "dtype": torch.float32}
    return load_model(model, **settings)


def time_to_failure(match):
    start = time.perf_counter()
    with pytest.raises(OSError, match=match):
        load("skgnnrec-tests/absent")
    return time.perf_counter() - start


@pytest.fixture
def online(monkeypatch, tmp_path):
    """Let the client of the hub try to connect, although the tests may run offline."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # A new user of the client has no list of agents, and the client would ask the hub for it.
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(tmp_path / "agents.json"), raising=False)
    monkeypatch.setattr("huggingface_hub.utils._detect_agent._registry", None, raising=False)
    # An open connection would need no name lookup.
    close_session()


def test_offline_mode_fails_fast(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert time_to_failure(r"neither a folder nor in the local cache .* HF_HUB_OFFLINE forbids") < 2.0


@pytest.mark.usefixtures("online")
def test_no_network_fails_fast(monkeypatch):
    asked = []

    def refuse(host, *args, **kwargs):
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert time_to_failure(r"did not answer within .* Pass the folder of a downloaded model") < 2.0
    assert asked


@pytest.mark.usefixtures("online")
def test_hanging_name_lookup_fails_fast(monkeypatch):
    released = threading.Event()

    def hang(*args, **kwargs):
        released.wait(30)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        assert 1.0 < time_to_failure("did not answer within") < 2.0
    finally:
        released.set()


@pytest.fixture
def tiny(tiny_model):
    """Return the loaded model that stands for one of the hub."""
    return load(tiny_model)


def test_a_cached_model_is_read_without_the_hub(monkeypatch, tiny):
    def read(source, device, dtype, *, local_files_only, **options):
        assert local_files_only
        return tiny

    def answer():
        raise AssertionError("the hub was asked for a model that is cached")

    monkeypatch.setattr(_model, "_read_model", read)
    monkeypatch.setattr(_model, "hub_answers", answer)
    assert load("skgnnrec-tests/cached").network is tiny.network


@pytest.mark.usefixtures("online")
def test_an_absent_model_is_downloaded(monkeypatch, tiny):
    asked = []

    def read(source, device, dtype, *, local_files_only, **options):
        asked.append(local_files_only)
        if local_files_only:
            raise OSError("not in the cache")
        return tiny

    monkeypatch.setattr(_model, "_read_model", read)
    monkeypatch.setattr("skgnnrec.text._hub.hub_answers", lambda: True)
    assert load("skgnnrec-tests/uncached").network is tiny.network
    assert asked == [True, False]


def test_a_model_whose_settings_are_not_known_is_looked_up(monkeypatch, tiny):
    asked = []

    def read(source, device, dtype, *, local_files_only, **options):
        asked.append(local_files_only)
        return tiny

    monkeypatch.setattr(_model, "_read_model", read)
    monkeypatch.setattr(_model, "settings_are_unknown", lambda source, revision: True)
    for answers, expected in ((True, False), (False, True)):
        monkeypatch.setattr(_model, "hub_answers", lambda answers=answers: answers)
        load(f"skgnnrec-tests/unknown-{answers}")
        assert asked.pop() is expected


def test_the_hub_is_not_asked_where_downloads_are_forbidden(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert hub_answers() is False
