"""Learning from texts alone."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from transformers import AutoModelForMaskedLM, AutoTokenizer

from skgnnrec import MaskedLMAdapter, TextEmbedder
from skgnnrec.adaptation._masked_lm_learner import MaskedLMLearner
from skgnnrec.text.networks import MaskedLM, TrainableEncoder


@pytest.fixture
def with_head(bert_with_head):
    return TextEmbedder(bert_with_head, dtype="float32")


def make_learner(reader, titles, held_out=(), seed=0, **more):
    encoder = TrainableEncoder(reader.fit(titles)._load_model("float32"), reader, None, seed)
    settings = {"mask_probability": 0.3, "batch_size": 8, "seed": seed, **more}
    token_ids = encoder.tokenize(titles)
    return MaskedLMLearner(
        encoder, MaskedLM(encoder, reader, seed), token_ids, [token_ids[row] for row in held_out], **settings
    )


def test_the_loss_is_that_of_transformers(with_head, bert_with_head, shelf):
    learner = make_learner(with_head, shelf[0][:8])
    (batch,) = learner.batches(0)
    learner._masked_lm.model.eval()
    network = AutoModelForMaskedLM.from_pretrained(bert_with_head).eval()
    assert float(learner.loss(batch).detach()) == pytest.approx(float(network(**batch).loss.detach()), rel=1e-5)


def test_gradients_are_those_of_transformers(with_head, bert_with_head, shelf):
    learner = make_learner(with_head, shelf[0][:8])
    (batch,) = learner.batches(0)
    learner._masked_lm.model.eval()
    learner.loss(batch).backward()
    network = AutoModelForMaskedLM.from_pretrained(bert_with_head).eval()
    network(**batch).loss.backward()
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.weight"):
        ours, theirs = (net.get_parameter(name).grad for net in (learner._encoder.network, network.bert))
        assert_allclose(ours, theirs, atol=1e-6)


def test_an_epoch_has_each_text_once(embedder, shelf):
    learner = make_learner(embedder, shelf[0], mask_probability=1e-9)
    batches = list(learner.batches(0))
    assert len(batches) == learner.n_batches == 8
    texts = [
        row[mask == 1].tolist()
        for batch in batches
        for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    expected = [AutoTokenizer.from_pretrained(embedder.model)(title)["input_ids"] for title in shelf[0]]
    assert sorted(texts) == sorted(expected)


def test_epochs_differ_and_can_be_drawn_again(embedder, shelf):
    learner = make_learner(embedder, shelf[0])
    first, again, other = ([b["input_ids"].tolist() for b in learner.batches(epoch)] for epoch in (0, 0, 1))
    assert first == again != other


def test_special_tokens_are_not_hidden(embedder, shelf):
    learner = make_learner(embedder, shelf[0], mask_probability=0.999)
    batch = next(iter(learner.batches(0)))
    special = torch.tensor(learner._encoder.tokenizer.all_special_ids)
    assert not torch.isin(batch["labels"], special).any()
    assert (batch["labels"] != -100).any()


def test_a_batch_without_hidden_tokens_costs_nothing(embedder, shelf):
    learner = make_learner(embedder, shelf[0][:4], mask_probability=1e-9)
    (batch,) = learner.batches(0)
    loss = learner.loss(batch)
    loss.backward()
    assert float(loss.detach()) == 0.0


def test_a_loss_of_nothing_is_no_score(embedder, shelf):
    assert make_learner(embedder, shelf[0], held_out=[0, 1], mask_probability=1e-9).validate() is None


def test_scores_do_not_depend_on_dropout_or_chance(embedder, shelf):
    learner = make_learner(embedder, shelf[0], held_out=range(20))
    scores = {learner.validate() for _ in range(3)}
    assert len(scores) == 1
    assert -10 < scores.pop() < 0


def test_guessing_becomes_better_than_chance(embedder, shelf):
    titles = [f"{pair} {n}" for n in range(60) for pair in ["red mug", "tea cup", "hose reel", "spade rake"]]
    adapter = MaskedLMAdapter(embedder, learning_rate_init=3e-3, max_iter=8, mask_probability=0.3)
    adapter.fit(titles)
    assert adapter.head_is_new_
    # One of 37 tokens costs 3.6 nats; half of a pair gives the other half away.
    assert adapter.validation_scores_[-1] > -2.5


def test_a_head_in_the_files_is_used(with_head, shelf):
    adapter = MaskedLMAdapter(with_head, max_iter=1).fit(shelf[0])
    assert not adapter.head_is_new_


def test_models_without_mask_token_are_refused(decoder, shelf):
    with pytest.raises(ValueError, match=r"tokenizer of model=.* must have a mask token"):
        MaskedLMAdapter(TextEmbedder(decoder, dtype="float32")).fit(shelf[0])


def test_models_without_a_masked_form_are_refused(decoder, bert, shelf, tmp_path):
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((decoder / name).read_bytes())
    with pytest.raises(ValueError, match="has no form as a masked language model"):
        MaskedLMAdapter(TextEmbedder(tmp_path, dtype="float32")).fit(shelf[0])


def test_y_is_ignored(embedder, shelf):
    titles, y, _ = shelf
    vectors = [MaskedLMAdapter(embedder, max_iter=1).fit(titles, target).transform(titles) for target in (None, y, "x")]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])
