"""Loading models: folders, the process's cache, and a hub that is out of reach."""

import json
import shutil
import socket
import threading
import time

import pytest
import torch
from huggingface_hub import close_session
from safetensors.torch import load_file, save_file

from skgnnrec.text import _model
from skgnnrec.text._model import load_model


def load(model, **options):
    defaults = {
        "revision": None,
        "trust_remote_code": False,
        "device": torch.device("cpu"),
        "dtype": torch.float32,
    }
    return load_model(model, **{**defaults, **options})


@pytest.fixture(autouse=True)
def forget_models():
    yield
    _model._load_once.cache_clear()


@pytest.fixture
def copied_model(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "model")


def test_folder_is_loaded_once(tiny_model):
    assert load(tiny_model) is load(str(tiny_model))
    assert load(tiny_model) is not load(tiny_model, dtype=torch.bfloat16)


def test_threads_load_once(copied_model):
    models = []
    threads = [threading.Thread(target=lambda: models.append(load(copied_model))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 4
    assert len(set(map(id, models))) == 1


def test_folder_saved_anew_is_loaded_anew(copied_model):
    before = load(copied_model)
    weights = load_file(copied_model / "model.safetensors")
    save_file({key: 2 * value for key, value in weights.items()}, copied_model / "model.safetensors")
    assert load(copied_model) is not before


def test_model_is_described(tiny_model):
    model = load(tiny_model)
    assert (model.embedding_dim, model.max_length, model.position_limit) == (32, 512, 512)
    assert not model.network.training
    assert model.network.dtype == torch.float32


def test_length_of_a_sentence_transformer_is_read(copied_model):
    (copied_model / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24}))
    assert load(copied_model).max_length == 24


def test_length_of_a_model_without_limits(tiny_encoder_decoder):
    model = load(tiny_encoder_decoder)
    assert model.position_limit is None
    assert model.max_length == 512
    assert type(model.network).__name__ == "T5Stack"


def test_loading_prints_nothing_and_moves_no_random_numbers(copied_model, capfd):
    weights = load_file(copied_model / "model.safetensors")
    without_pooler = {key: value for key, value in weights.items() if "pooler" not in key}
    assert len(without_pooler) < len(weights)
    save_file(without_pooler, copied_model / "model.safetensors", metadata={"format": "pt"})
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load(copied_model)
    assert torch.rand(1) == expected
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_weights_with_gaps_are_refused(copied_model):
    weights = load_file(copied_model / "model.safetensors")
    weights = {key: value for key, value in weights.items() if "layer.1" not in key}
    save_file(weights, copied_model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"The weights of model=.* must cover its network, 16 are missing"):
        load(copied_model)


def test_pickled_weights_are_not_read(copied_model):
    torch.save(load_file(copied_model / "model.safetensors"), copied_model / "pytorch_model.bin")
    (copied_model / "model.safetensors").unlink()
    with pytest.raises(OSError, match=r"model\.safetensors"):
        load(copied_model)


@pytest.mark.parametrize("kept", [(), ("tokenizer_config.json",)])
def test_model_without_its_tokenizer_is_refused(copied_model, kept):
    for path in copied_model.glob("*"):
        if path.name not in ("config.json", "model.safetensors", *kept):
            path.unlink()
    with pytest.raises(OSError, match="must come with the files of its tokenizer, its vocabulary is empty"):
        load(copied_model)


def test_tokenizer_that_cannot_be_read(copied_model, monkeypatch):
    def fail(*args, **options):
        raise ValueError("Couldn't instantiate the backend tokenizer")

    monkeypatch.setattr(_model.AutoTokenizer, "from_pretrained", fail)
    with pytest.raises(OSError, match=r"The tokenizer of model=.* cannot be read: Couldn't instantiate"):
        load(copied_model)


def test_empty_folder(tmp_path):
    with pytest.raises((OSError, ValueError), match=f"{tmp_path}"):
        load(tmp_path)


@pytest.mark.parametrize("model", ["/no/such/folder", "./missing/folder/here", "a b"])
def test_missing_folder(model):
    with pytest.raises(OSError, match="model must be an existing folder or a name on the Hugging Face Hub"):
        load(model)


def time_to_failure(match):
    start = time.perf_counter()
    with pytest.raises(OSError, match=match):
        load("skgnnrec-tests/absent")
    return time.perf_counter() - start


@pytest.fixture
def online(monkeypatch):
    """Let the hub's client try, although the test run as a whole may be set to offline."""
    monkeypatch.setattr(_model.constants, "HF_HUB_OFFLINE", False)
    # An open connection would need no name lookup.
    close_session()


def test_offline_mode_fails_fast(monkeypatch):
    monkeypatch.setattr(_model.constants, "HF_HUB_OFFLINE", True)
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


def test_cached_hub_model_is_read_without_the_hub(monkeypatch, tiny_model):
    def read(source, device, dtype, *, local_files_only, **options):
        assert local_files_only
        return tiny_model

    def answer():
        raise AssertionError("the hub was asked for a model that is cached")

    monkeypatch.setattr(_model, "_read_model", read)
    monkeypatch.setattr(_model, "_hub_answers", answer)
    assert load("skgnnrec-tests/cached") is tiny_model


@pytest.mark.usefixtures("online")
def test_uncached_hub_model_is_downloaded(monkeypatch, tiny_model):
    asked = []

    def read(source, device, dtype, *, local_files_only, **options):
        asked.append(local_files_only)
        if local_files_only:
            raise OSError("not in the cache")
        return tiny_model

    monkeypatch.setattr(_model, "_read_model", read)
    monkeypatch.setattr(_model, "_hub_answers", lambda: True)
    assert load("skgnnrec-tests/uncached") is tiny_model
    assert asked == [True, False]
