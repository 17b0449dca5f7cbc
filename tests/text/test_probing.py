"""What networks can do: direction of attention, lower precision, and the number of positions."""

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from skgnnrec.text import TextEmbedder
from skgnnrec.text._model import load_model
from skgnnrec.text._probing import find_position_limit, is_causal

TITLES = ["red coffee mug", "garden hose", "crimson tea cup", "hose reel", "mug"]


def load(folder, dtype=torch.float32, **options):
    settings = {"revision": None, "trust_remote_code": False, "device": torch.device("cpu"), "dtype": dtype}
    return load_model(folder, **settings, **options)


# Direction ------------------------------------------------------------------------------------------------------------


def test_decoders_take_their_last_token(tiny_model, tiny_decoder, tiny_encoder_decoder):
    for folder, expected in ((tiny_model, False), (tiny_decoder, True), (tiny_encoder_decoder, False)):
        model = load(folder)
        assert is_causal(model.network, model.device) is expected
        assert model.pooling == ("last" if expected else "mean")
    automatic = TextEmbedder(tiny_decoder, dtype="float32").fit_transform(TITLES)
    last = TextEmbedder(tiny_decoder, pooling="last", dtype="float32").fit_transform(TITLES)
    np.testing.assert_array_equal(automatic, last)


# Positions ------------------------------------------------------------------------------------------------------------

SMALL = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
FAMILIES = {
    "Bert": {"max_position_embeddings": 20},
    "Roberta": {"max_position_embeddings": 20},
    "XLMRoberta": {"max_position_embeddings": 20},
    "Camembert": {"max_position_embeddings": 20, "pad_token_id": 1},
    "MPNet": {"max_position_embeddings": 20},
    "Data2VecText": {"max_position_embeddings": 20, "pad_token_id": 5},
    "Electra": {"max_position_embeddings": 20, "embedding_size": 16},
    "DistilBert": {"max_position_embeddings": 20, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32},
    "Albert": {"max_position_embeddings": 20, "embedding_size": 16},
    "GPT2": {"n_positions": 20, "n_embd": 16, "n_layer": 1, "n_head": 2},
    "OPT": {"max_position_embeddings": 20, "ffn_dim": 32, "word_embed_proj_dim": 16},
}


def make_network(family):
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**{**SMALL, **FAMILIES[family]})
    return getattr(transformers, f"{family}Model")(config).eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_limit_is_the_longest_text_that_the_network_reads(family):
    network = make_network(family)
    limit = find_position_limit(network)
    for n_tokens, is_read in ((limit, True), (limit + 1, False)):
        tokens = torch.full((1, n_tokens), 3)
        try:
            with torch.no_grad():
                network(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        except (IndexError, RuntimeError):
            assert not is_read
        else:
            assert is_read or limit == 20  # a network that states fewer positions than it has


def test_some_families_begin_to_count_after_the_padding():
    limits = {family: find_position_limit(make_network(family)) for family in ("Bert", "Roberta", "Data2VecText")}
    assert limits == {"Bert": 20, "Roberta": 18, "Data2VecText": 14}


def test_relative_positions_have_no_limit(tiny_encoder_decoder):
    assert load(tiny_encoder_decoder).position_limit is None


def test_the_stated_limit_of_long_tables_is_used():
    network = make_network("Bert")
    network.config.max_position_embeddings = 100_000
    assert find_position_limit(network) == 100_000


@pytest.fixture
def roberta(tiny_model, tmp_path):
    """Save a RoBERTa that can read 32 tokens and states 34 positions, with a tokenizer that states no maximum."""
    folder = tmp_path / "roberta"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        **{**SMALL, "vocab_size": len(tokenizer)}, max_position_embeddings=34, pad_token_id=1, initializer_range=0.2
    )
    transformers.RobertaModel(config).save_pretrained(folder)
    return folder


def test_long_texts_are_cut_at_the_limit(roberta):
    embedder = TextEmbedder(roberta, dtype="float32", cache=None)
    cut, longer = embedder.fit_transform(["a " * 30, "a " * 100])
    np.testing.assert_array_equal(cut, longer)
    assert TextEmbedder(roberta, max_length=32).fit(["a"])
    for max_length in (33, 34):
        with pytest.raises(ValueError, match=f"max_length must be at most the 32 tokens .*, got {max_length}"):
            TextEmbedder(roberta, max_length=max_length).fit(["a"])


# Precision ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def native_bfloat16(monkeypatch):
    """Let the processor compute in bfloat16, whatever it is."""
    monkeypatch.setattr("skgnnrec._device._computes_bfloat16", lambda device: True)


def chosen_dtype(folder):
    return load(folder, torch.bfloat16, checked=True).network.dtype


def test_bfloat16_is_used_only_if_vectors_stay_close(copied_model):
    assert chosen_dtype(copied_model) is torch.bfloat16
    # The first norm subtracts this again, but bfloat16 has no digits left for the rest.
    weights = load_file(copied_model / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] += 1000
    save_file(weights, copied_model / "model.safetensors", {"format": "pt"})
    assert chosen_dtype(copied_model) is torch.float32
    assert load(copied_model, torch.bfloat16).network.dtype is torch.bfloat16
    config = json.loads((copied_model / "config.json").read_text())
    (copied_model / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    assert chosen_dtype(copied_model) is torch.bfloat16


@pytest.mark.usefixtures("native_bfloat16")
def test_every_kind_of_network_is_measured(tiny_decoder, tiny_encoder_decoder):
    for folder in (tiny_decoder, tiny_encoder_decoder):
        assert np.isfinite(TextEmbedder(folder).fit_transform(TITLES)).all()


@pytest.mark.usefixtures("native_bfloat16")
def test_auto_is_bfloat16_for_minilm(minilm):
    automatic, half, exact = (
        TextEmbedder(minilm, dtype=dtype, cache=None).fit_transform(TITLES) for dtype in ("auto", "bfloat16", "float32")
    )
    np.testing.assert_array_equal(automatic, half)
    assert (automatic != exact).any()
