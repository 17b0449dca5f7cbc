"""Loading models from folders: once, anew after a change, with errors that name the folder."""

import json
import threading

import pytest
import torch
from safetensors.torch import load_file, save_file

from skgnnrec.text import TextEmbedder, _model
from skgnnrec.text._model import load_model


def load(model, **options):
    defaults = {
        "revision": None,
        "trust_remote_code": False,
        "device": torch.device("cpu"),
        "dtype": torch.float32,
    }
    return load_model(model, **{**defaults, **options})


def test_a_folder_is_loaded_once(tiny_model):
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


def test_a_folder_that_changed_is_loaded_again(copied_model):
    before = load(copied_model)
    weights = load_file(copied_model / "model.safetensors")
    save_file({key: 2 * value for key, value in weights.items()}, copied_model / "model.safetensors")
    assert load(copied_model) is not before


def test_sizes_and_limits_are_found(tiny_model):
    model = load(tiny_model)
    assert (model.embedding_dim, model.max_length, model.position_limit) == (32, 512, 512)
    assert not model.network.training
    assert model.network.dtype == torch.float32


def test_the_maximal_length_of_the_settings_is_used(copied_model):
    (copied_model / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24}))
    assert load(copied_model).max_length == 24


def test_a_model_without_limits_reads_512_tokens(tiny_encoder_decoder):
    model = load(tiny_encoder_decoder)
    assert model.position_limit is None
    assert model.max_length == 512
    assert type(model.network).__name__ == "T5Stack"


def test_loading_prints_nothing_and_draws_no_random_numbers(copied_model, capfd):
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


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, AttributeError, OverflowError, RuntimeError])
def test_errors_of_the_libraries_name_the_model(copied_model, monkeypatch, error):
    def fail(*args, **options):
        raise error("Couldn't instantiate the backend tokenizer")

    monkeypatch.setattr(_model.AutoTokenizer, "from_pretrained", fail)
    with pytest.raises(
        ValueError, match=rf"model='.*' cannot be read: .* got {error.__name__}: .*Couldn't instantiate"
    ):
        load(copied_model)


def test_a_model_that_changes_while_it_is_read_is_refused(copied_model, monkeypatch):
    from_pretrained = _model.AutoModel.from_pretrained

    def change(*args, **options):
        (copied_model / "config_sentence_transformers.json").write_text('{"prompts": {"query": "a: "}}')
        return from_pretrained(*args, **options)

    monkeypatch.setattr(_model.AutoModel, "from_pretrained", change)
    with pytest.raises(OSError, match=r"model='.*' was changed while it was read"):
        load(copied_model)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_kept_model_can_be_trained_wherever_it_was_loaded_first(copied_model, mode):
    with mode():
        network = load(copied_model).network
    network(input_ids=torch.ones((1, 3), dtype=torch.int64)).last_hidden_state.sum().backward()
    assert all(parameter.grad is not None for name, parameter in network.named_parameters() if "layer" in name)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_default_type_of_torch_changes_no_vector(copied_model, dtype):
    expected = TextEmbedder(copied_model, cache=None, dtype="float32").fit_transform(["red mug"])
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        (copied_model / "sentence_bert_config.json").write_text("{}")  # so that it is loaded again
        vectors = TextEmbedder(copied_model, cache=None, dtype="float32").fit_transform(["red mug"])
        assert torch.get_default_dtype() is dtype
    finally:
        torch.set_default_dtype(before)
    assert (vectors == expected).all()


def test_empty_folder(tmp_path):
    with pytest.raises((OSError, ValueError), match=f"{tmp_path}"):
        load(tmp_path)


@pytest.mark.parametrize("model", ["/no/such/folder", "./missing/folder/here", "a b"])
def test_missing_folder(model):
    with pytest.raises(OSError, match="model must be an existing folder or a name on the Hugging Face Hub"):
        load(model)
