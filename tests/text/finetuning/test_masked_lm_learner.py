"""The training of a masked language model: batches, masks and scores."""

import pytest
import torch
from transformers import AutoTokenizer

from skgnnrec.text.finetuning._masked_lm_learner import MaskedLMLearner
from skgnnrec.text.finetuning._masked_lm_network import MaskedLM


@pytest.fixture
def make_learner(make_encoder):
    """Return a function that makes the learner of an embedder."""

    def make_learner(embedder, titles, held_out=(), seed=0, **more):
        encoder = make_encoder(embedder, seed=seed)
        masked_lm = MaskedLM(encoder, embedder, seed)
        settings = {"mask_probability": 0.3, "batch_size": 8, "seed": seed, **more}
        token_ids = encoder.tokenize(titles)
        learner = MaskedLMLearner(encoder, masked_lm, token_ids, [token_ids[row] for row in held_out], **settings)
        return learner, masked_lm

    return make_learner


def test_an_epoch_has_each_text_once(embedder, shelf, make_learner):
    learner, _ = make_learner(embedder, shelf[0], mask_probability=1e-9)
    batches = list(learner.batches(0))
    assert len(batches) == learner.n_batches == 8
    texts = [
        row[mask == 1].tolist()
        for batch in batches
        for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    expected = [AutoTokenizer.from_pretrained(embedder.model)(title)["input_ids"] for title in shelf[0]]
    assert sorted(texts) == sorted(expected)


def test_epochs_differ_and_can_be_drawn_again(embedder, shelf, make_learner):
    learner, _ = make_learner(embedder, shelf[0])
    first, again, other = ([b["input_ids"].tolist() for b in learner.batches(epoch)] for epoch in (0, 0, 1))
    assert first == again != other


def test_special_tokens_are_not_hidden(embedder, shelf, make_learner):
    learner, _ = make_learner(embedder, shelf[0], mask_probability=0.999)
    batch = next(iter(learner.batches(0)))
    special = torch.tensor(AutoTokenizer.from_pretrained(embedder.model).all_special_ids)
    assert not torch.isin(batch["labels"], special).any()
    assert (batch["labels"] != -100).any()


def test_a_batch_without_hidden_tokens_has_no_loss(embedder, shelf, make_learner):
    learner, _ = make_learner(embedder, shelf[0][:4], mask_probability=1e-9)
    (batch,) = learner.batches(0)
    loss = learner.loss(batch)
    loss.backward()
    assert float(loss.detach()) == 0.0


def test_an_empty_loss_is_no_score(embedder, shelf, make_learner):
    learner, _ = make_learner(embedder, shelf[0], held_out=[0, 1], mask_probability=1e-9)
    assert learner.validate() is None


def test_scores_do_not_depend_on_dropout_or_chance(embedder, shelf, make_learner):
    learner, _ = make_learner(embedder, shelf[0], held_out=range(20))
    scores = {learner.validate() for _ in range(3)}
    assert len(scores) == 1
    assert -10 < scores.pop() < 0
