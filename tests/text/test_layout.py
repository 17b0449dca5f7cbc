"""The settings in the files of a model: steps, pooling, prompts, limits; and embeddings that follow them."""

import json
import shutil

import numpy as np
import pytest

from skgnnrec.text import TextEmbedder
from skgnnrec.text._layout import read_layout
from skgnnrec.text._settings import Settings

TITLES = ["red coffee mug", "garden hose", "crimson tea cup", "hose reel", "mug"]
NETWORK = {"type": "sentence_transformers.models.Transformer", "path": ""}
POOLING = {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}
NORMALIZE = {"type": "sentence_transformers.base.modules.normalize.Normalize", "path": "2_Normalize"}


def layout_of(**files):
    files = {name.replace("__", "/") + ".json": content for name, content in files.items()}
    return read_layout(lambda name: Settings(name, files.get(name, {}), exists=name in files))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}, "mean"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len"),
        ({"pooling_mode_weightedmean_tokens": True}, "weighted_mean"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode": ["cls"]}, "cls"),
        ({"pooling_mode": ["cls", "mean"]}, "cls+mean"),
        ({"embedding_dimension": 8}, "mean"),
    ],
)
def test_pooling_that_is_stated(stated, expected):
    layout = layout_of(modules=[NETWORK, POOLING], **{"1_Pooling__config": stated})
    assert layout.pooling == expected
    assert layout.normalize is False


def test_steps_prompts_and_limits_are_read():
    layout = layout_of(
        modules=[NETWORK, POOLING, {"type": "a.b.Dense", "path": "2_Dense"}, NORMALIZE],
        sentence_bert_config={"max_seq_length": 24, "do_lower_case": True},
        config_sentence_transformers={"prompts": {"query": "find: ", "sts": "like: "}, "default_prompt_name": "sts"},
        **{"1_Pooling__config": {"pooling_mode": "cls", "include_prompt": False}},
    )
    assert (layout.path, layout.dense, layout.normalize, layout.includes_prompt) == ("", ("2_Dense",), True, False)
    assert (layout.max_length, layout.lower_case, layout.default_prompt) == (24, True, "like: ")
    assert [layout.prompt(name) for name in ("query", "document", "sts")] == ["find: ", "", "like: "]
    with pytest.raises(ValueError, match=r"prompt_name must be one of the model's \['document', .* got 'none'"):
        layout.prompt("none")


def test_plain_networks_have_no_settings():
    layout = layout_of(config={"model_type": "bert"})
    assert (layout.pooling, layout.normalize, layout.is_static) == (None, None, False)
    assert layout_of(config={"model_type": "model2vec", "normalize": True}).is_static


@pytest.mark.parametrize(
    ("modules", "match"),
    [
        ([NETWORK, {"type": "models.CNN", "path": "1_CNN"}], "Element 1 of modules.json has a type .*, 'models.CNN'"),
        ([POOLING], "modules.json must list a network"),
        (
            [NETWORK, {"type": "models.Pooling"}],
            "Element 1 of modules.json must have a string under 'path', got nothing",
        ),
        ([{"path": ""}], "Element 0 of modules.json must have a string under 'type', got nothing"),
        ({}, "modules.json must hold a list, got {}"),
        ([3], "Element 0 of modules.json must hold an object, got 3"),
    ],
)
def test_other_steps_are_refused(modules, match):
    with pytest.raises(ValueError, match=match):
        layout_of(modules=modules)


@pytest.mark.parametrize("path", ["/etc", "..", "../other", "a/../../b", "a\\b", "a\0b"])
def test_folders_outside_of_the_model_are_refused(path):
    with pytest.raises(ValueError, match="must have a folder inside the model under 'path', got"):
        layout_of(modules=[NETWORK, {**POOLING, "path": path}])


def state(folder, name, **changed):
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


# Defaults of the model --------------------------------------------------------------------------------------


def equal(first, second):
    return np.allclose(first, second, atol=1e-6)


def test_defaults_are_those_of_the_model(tiny_model, folder):
    vectors = TextEmbedder(folder).fit_transform(TITLES)
    assert equal(vectors, TextEmbedder(tiny_model, pooling="cls", normalize=False).fit_transform(TITLES))
    assert not equal(vectors, TextEmbedder(tiny_model).fit_transform(TITLES))
    asked_for = TextEmbedder(folder, pooling="max", normalize=True).fit_transform(TITLES)
    assert equal(asked_for, TextEmbedder(tiny_model, pooling="max").fit_transform(TITLES))


def test_prompts_by_name(folder):
    def embed(**settings):
        return TextEmbedder(folder, dtype="float32", **settings).fit_transform(TITLES)

    queries = embed(prompt_name="query")
    assert equal(queries, embed(prompt="find: "))
    assert equal(embed(prompt_name="document"), embed())
    assert not equal(queries, embed())
    state(folder, "config_sentence_transformers.json", default_prompt_name="query")
    assert equal(embed(), queries)
    assert not equal(embed(prompt=""), queries)
    with pytest.raises(ValueError, match="prompt_name must be one of"):
        embed(prompt_name="title")
    with pytest.raises(ValueError, match="Only one of prompt and prompt_name"):
        TextEmbedder(folder, prompt="", prompt_name="query").fit(TITLES)


def test_prompt_that_is_not_pooled(folder):
    # The first token is one of the prompt: without it, pooling begins after the prompt.
    def embed(includes, **settings):
        state(folder, "1_Pooling/config.json", include_prompt=includes)
        return TextEmbedder(folder, prompt="a b ", dtype="float32", **settings).fit_transform(TITLES)

    for pooling in ("mean", "cls", "max"):
        assert not equal(embed(True, pooling=pooling), embed(False, pooling=pooling))
    assert equal(embed(True, pooling="last"), embed(False, pooling="last"))
    with pytest.raises(ValueError, match="special tokens and the 2 tokens of the prompt 'a b ', got 4"):
        embed(False, max_length=4)


def test_pooling_that_is_not_known_must_be_chosen(folder):
    state(folder, "1_Pooling/config.json", pooling_mode=["cls", "mean"])
    with pytest.raises(ValueError, match=r"pools by 'cls\+mean', which is not supported; set pooling to one of"):
        TextEmbedder(folder).fit(TITLES)
    TextEmbedder(folder, pooling="mean").fit(TITLES)


def test_lower_case(folder):
    (folder / "sentence_bert_config.json").write_text(json.dumps({"do_lower_case": True, "max_seq_length": 8}))
    vectors = TextEmbedder(folder, dtype="float32").fit_transform(["Red MUG", "red mug"])
    assert equal(vectors[0], vectors[1])


def test_network_in_a_folder_of_its_own(tiny_model, folder, tmp_path):
    expected = TextEmbedder(folder).fit_transform(TITLES)
    nested = tmp_path / "nested"
    shutil.copytree(folder, nested, ignore=shutil.ignore_patterns("*token*", "config.json", "vocab*", "*.safetensors"))
    shutil.copytree(tiny_model, nested / "0_BERT")
    shutil.copytree(folder / "1_Pooling", nested / "1_Pooling", dirs_exist_ok=True)
    modules = [NETWORK | {"path": "0_BERT"}, POOLING]
    (nested / "modules.json").write_text(json.dumps(modules))
    assert equal(TextEmbedder(nested).fit_transform(TITLES), expected)


def test_it_agrees_with_sentence_transformers(folder):
    package = pytest.importorskip("sentence_transformers", reason="the reference is not installed")
    for changed in ({}, {"pooling_mode_cls_token": False, "pooling_mode_weightedmean_tokens": True}):
        state(folder, "1_Pooling/config.json", **changed)
        model = package.SentenceTransformer(str(folder), device="cpu")
        embedder = TextEmbedder(folder, dtype="float32").fit(TITLES)
        np.testing.assert_allclose(embedder.transform(TITLES), model.encode(TITLES), atol=1e-5)
        queries = embedder.set_params(prompt_name="query").transform(TITLES)
        np.testing.assert_allclose(queries, model.encode_query(TITLES), atol=1e-5)
