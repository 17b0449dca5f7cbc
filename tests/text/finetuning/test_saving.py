"""Folders of trained models: settings, layers and checksums."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skgnnrec.text import TextEmbedder
from skgnnrec.text.finetuning import MaskedLMFineTuner
from skgnnrec.text.finetuning._saving import save_model

TITLES = ["red coffee mug", "garden hose", "a mug", "hose reel", "x"]


def test_prompt_and_dense_layers_are_saved(tiny_model, tmp_path, base_of, make_encoder):
    from skgnnrec.text.finetuning._encoder import TrainableEncoder

    embedder = TextEmbedder(tiny_model, dtype="float32", prompt="a: ", pooling="cls")
    torch.manual_seed(0)
    head = torch.nn.Sequential(torch.nn.Linear(32, 8), torch.nn.Tanh()).requires_grad_(False)
    base = replace(base_of(embedder), head=head, embedding_dim=8)
    encoder = TrainableEncoder(base, embedder, None, 0)
    with torch.no_grad():
        expected = torch.nn.functional.normalize(encoder.embed(encoder.tokenize(TITLES)), dim=1)
    assert expected.shape == (5, 8)
    save_model(base, embedder, tmp_path)
    assert_allclose(TextEmbedder(tmp_path, dtype="float32").fit_transform(TITLES), expected, atol=1e-5)


@pytest.mark.parametrize("lower_case", [True, False])
@pytest.mark.parametrize("max_length", [None, 7])
def test_limits_are_saved(tiny_model, tmp_path, base_of, lower_case, max_length):
    embedder = TextEmbedder(tiny_model, max_length=max_length, dtype="float32")
    base = base_of(embedder)
    base = replace(base, layout=replace(base.layout, lower_case=lower_case))
    save_model(base, embedder, tmp_path)
    settings = json.loads((tmp_path / "sentence_bert_config.json").read_text())
    assert settings == {"max_seq_length": max_length or 512, "do_lower_case": lower_case}


@pytest.fixture
def saved(tiny_model, tmp_path, base_of):
    """Save a small model."""
    embedder = TextEmbedder(tiny_model, dtype="float32", prompt="a: ")
    folder = tmp_path / "saved"
    folder.mkdir()
    save_model(base_of(embedder), embedder, folder)
    return folder


def test_only_files_of_the_model_have_checksums(saved, tiny_model, base_of):
    (saved / "results.json").write_text("{}")
    embedder = TextEmbedder(tiny_model, dtype="float32")
    for _ in range(2):
        save_model(base_of(embedder), embedder, saved)
        checksums = json.loads((saved / "skgnnrec_checksums.json").read_text())["sha256"]
        assert {"config.json", "model.safetensors", "modules.json", "1_Pooling/config.json"} <= set(checksums)
        assert not {"results.json", "skgnnrec_checksums.json"} & set(checksums)
        (saved / "results.json").write_text('{"changed": 1}')
        TextEmbedder(saved).fit(TITLES)


@pytest.fixture
def saved_lora(tiny_model, tmp_path):
    """Save LoRA's matrices, and copy the model that they belong to beside them: transformers reads both."""
    pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    embedder = TextEmbedder(tiny_model, dtype="float32")
    folder = tmp_path / "lora"
    MaskedLMFineTuner(embedder, lora_rank=2, max_iter=1, early_stopping=False).fit(TITLES).save(folder, merge=False)
    with pytest.raises(ValueError, match="has LoRA's matrices without their model: save"):
        TextEmbedder(folder).fit(TITLES)
    for path in tiny_model.iterdir():
        shutil.copyfile(path, folder / path.name)
    return folder


@pytest.mark.parametrize("kind", ["saved", "saved_lora"])
def test_no_changed_byte_loads_silently(kind, request):
    saved = request.getfixturevalue(kind)
    rng = np.random.default_rng(0)
    names = [str(path.relative_to(saved)) for path in saved.rglob("*") if path.is_file()]
    if kind == "saved_lora":  # the other files are copies; README.md is not read
        names = ["adapter_config.json", "adapter_model.safetensors", "skgnnrec_checksums.json"]
    assert len(names) >= 3
    for name in names:
        content = (saved / name).read_bytes()
        for place in rng.integers(0, len(content), 12).tolist():
            flipped = bytearray(content)
            flipped[place] ^= 1 << int(rng.integers(8))
            (saved / name).write_bytes(flipped)
            with pytest.raises(ValueError, match=str(saved)):
                TextEmbedder(saved).fit(TITLES)
        for length in rng.integers(0, len(content), 3).tolist():
            (saved / name).write_bytes(content[:length])
            with pytest.raises(ValueError, match=str(saved)):
                TextEmbedder(saved).fit(TITLES)
        (saved / name).write_bytes(content)
    TextEmbedder(saved).fit(TITLES)


def test_a_model_and_lora_are_not_saved_in_one_folder(saved, saved_lora, tiny_model):
    tuner = MaskedLMFineTuner(TextEmbedder(tiny_model), lora_rank=2, max_iter=1, early_stopping=False).fit(TITLES)
    for folder, merge, name in ((saved, False, "config.json"), (saved_lora, True, "adapter_config.json")):
        with pytest.raises(ValueError, match=rf"has the file {name}: .* Choose another folder"):
            tuner.save(folder, merge=merge)


def test_an_interrupted_save_is_noticed(saved, tmp_path):
    newer = shutil.copytree(saved, tmp_path / "newer")
    shutil.copyfile(newer / "config.json", saved / "config.json")
    (saved / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"model.safetensors' must have the SHA-256"):
        TextEmbedder(saved).fit(TITLES)
