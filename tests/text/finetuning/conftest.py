"""Small random models, and a catalog whose interactions depend on the texts."""

import numpy as np
import pytest
import torch
from scipy import sparse
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizer, GPT2Config, GPT2Model

from skgnnrec.text import TextEmbedder
from skgnnrec.text._model import load_model
from skgnnrec.text.finetuning._encoder import TrainableEncoder

WORDS = [["red", "mug", "cup", "tea", "pot"], ["hose", "reel", "spade", "rake", "soil"]]
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS[0], *WORDS[1], *(f"{n}" for n in range(10))]
TOKENS += [f"##{n}" for n in (*range(10), *"-.")] + ["-", "."]


def save_bert(folder, network_type):
    BertTokenizer(vocab={token: number for number, token in enumerate(TOKENS)}, model_max_length=64).save_pretrained(
        folder
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(TOKENS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.1,
    )
    network_type(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """Save a random BERT of 32 dimensions whose tokens are words and digits; its files hold no head."""
    return save_bert(tmp_path_factory.mktemp("bert"), BertModel)


@pytest.fixture(scope="session")
def bert_with_head(tmp_path_factory):
    """Save the same network under a head for masked tokens."""
    return save_bert(tmp_path_factory.mktemp("bert_with_head"), BertForMaskedLM)


@pytest.fixture(scope="session")
def decoder(tmp_path_factory):
    """Save a random GPT-2, whose tokenizer has no mask token."""
    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = BertTokenizer(vocab={token: number for number, token in enumerate(TOKENS)}, model_max_length=64)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(TOKENS), n_positions=64, n_embd=16, n_layer=1, n_head=2)
    GPT2Model(config).save_pretrained(folder)
    return folder


@pytest.fixture
def embedder(bert):
    """Return an embedder with the random BERT, in float32."""
    return TextEmbedder(bert, dtype="float32")


@pytest.fixture(scope="session")
def shelf():
    """Return 60 titles of two kinds without common words, items × users with users of one kind each, and the kinds."""
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1], 30)
    titles = [f"{' '.join(rng.choice(WORDS[kind], 2))} {number}" for number, kind in enumerate(kinds)]
    has = (rng.random((60, 80)) < 0.2) & (kinds[:, None] == rng.integers(0, 2, 80))
    return titles, sparse.csr_array(has.astype(np.float32)), kinds


@pytest.fixture(scope="session")
def base_of():
    """Return a function that loads the float32 model of an embedder, from which a training starts."""

    def base_of(embedder):
        settings = {"revision": None, "trust_remote_code": False, "device": torch.device("cpu"), "dtype": torch.float32}
        return load_model(embedder.model, **settings)

    return base_of


@pytest.fixture(scope="session")
def make_encoder(base_of):
    """Return a function that copies the network of an embedder for a training."""

    def make_encoder(embedder, lora_rank=None, seed=0):
        return TrainableEncoder(base_of(embedder), embedder, lora_rank, seed)

    return make_encoder
