"""Fine-tuning with texts alone."""

import pytest
from numpy.testing import assert_array_equal
from transformers import AutoTokenizer

from skgnnrec import MaskedLMFineTuner, TextEmbedder


@pytest.fixture
def with_head(bert_with_head):
    return TextEmbedder(bert_with_head, dtype="float32")


def test_predictions_become_better_than_chance(embedder, shelf):
    titles = [f"{pair} {n}" for n in range(60) for pair in ["red mug", "tea cup", "hose reel", "spade rake"]]
    tuner = MaskedLMFineTuner(embedder, learning_rate_init=3e-3, max_iter=8, mask_probability=0.3)
    tuner.fit(titles)
    assert tuner.head_is_new_
    # A token of 37 costs 3.6 nats by chance; half of a pair determines the other half.
    assert tuner.validation_scores_[-1] > -2.5


def test_a_head_in_the_files_is_used(with_head, shelf):
    tuner = MaskedLMFineTuner(with_head, max_iter=1).fit(shelf[0])
    assert not tuner.head_is_new_


def test_models_without_mask_token_are_refused(decoder, shelf):
    with pytest.raises(ValueError, match=r"tokenizer of model=.* must have a mask token, which replaces hidden tokens"):
        MaskedLMFineTuner(TextEmbedder(decoder, dtype="float32")).fit(shelf[0])


def test_models_without_a_masked_form_are_refused(decoder, bert, shelf, tmp_path):
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((decoder / name).read_bytes())
    with pytest.raises(ValueError, match="must have a masked language model in transformers, it has none"):
        MaskedLMFineTuner(TextEmbedder(tmp_path, dtype="float32")).fit(shelf[0])


def test_y_is_ignored(embedder, shelf):
    titles, y, _ = shelf
    vectors = [
        MaskedLMFineTuner(embedder, max_iter=1).fit(titles, target).transform(titles) for target in (None, y, "x")
    ]
    assert_array_equal(vectors[0], vectors[1])
    assert_array_equal(vectors[0], vectors[2])
