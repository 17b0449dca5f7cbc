"""A masked language model on top of an encoder: the loss and the gradients of transformers."""

import pytest
import torch
from numpy.testing import assert_allclose
from transformers import AutoModelForMaskedLM

from skgnnrec.text import TextEmbedder
from skgnnrec.text.finetuning._masked_lm_network import MaskedLM


@pytest.fixture
def batch(make_encoder, bert_with_head, shelf):
    """Return eight texts, every second token of which is hidden; the first text has no hidden token."""
    token_ids = make_encoder(TextEmbedder(bert_with_head)).tokenize(shelf[0][:8])
    longest = max(map(len, token_ids))
    inputs, labels = torch.zeros(8, longest, dtype=torch.int64), torch.full((8, longest), -100)
    for row, ids in enumerate(token_ids):
        inputs[row, : len(ids)] = torch.from_numpy(ids)
        if row:
            labels[row, 1 : len(ids) - 1 : 2] = inputs[row, 1 : len(ids) - 1 : 2]
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in token_ids])
    inputs[labels >= 0] = 4
    return {"input_ids": inputs, "attention_mask": mask, "labels": labels}


@pytest.fixture
def masked_lm(make_encoder, bert_with_head):
    """Return the masked language model of a network whose files hold a head."""
    embedder = TextEmbedder(bert_with_head, dtype="float32")
    return MaskedLM(make_encoder(embedder), embedder, 0)


def test_the_loss_is_that_of_transformers(masked_lm, bert_with_head, batch):
    masked_lm.model.eval()
    network = AutoModelForMaskedLM.from_pretrained(bert_with_head).eval()
    total, n_hidden = masked_lm.loss(batch)
    assert n_hidden == int((batch["labels"] >= 0).sum()) == 14
    assert float(total.detach()) / n_hidden == pytest.approx(float(network(**batch).loss.detach()), rel=1e-5)


def test_the_gradients_are_those_of_transformers(masked_lm, bert_with_head, batch):
    masked_lm.model.eval()
    total, n_hidden = masked_lm.loss(batch)
    (total / n_hidden).backward()
    network = AutoModelForMaskedLM.from_pretrained(bert_with_head).eval()
    network(**batch).loss.backward()
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.weight"):
        ours, theirs = (net.get_parameter(name).grad for net in (masked_lm.model.bert, network.bert))
        assert_allclose(ours, theirs, atol=1e-6)


def test_a_head_of_the_files_is_used_and_another_one_is_seeded(masked_lm, make_encoder, bert):
    assert not masked_lm.head_is_new
    embedder = TextEmbedder(bert, dtype="float32")
    heads = [MaskedLM(make_encoder(embedder), embedder, seed) for seed in (0, 0, 1)]
    assert all(head.head_is_new for head in heads)
    weights = [head.model.cls.predictions.transform.dense.weight for head in heads]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
