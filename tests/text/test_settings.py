"""Settings of a model with wrong types, missing keys and huge numbers: errors that name the file and the key."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skgnnrec.text import TextEmbedder
from skgnnrec.text._settings import Settings, load_settings, load_tensors

TITLES = ["red coffee mug", "garden hose"]


def change(folder, name, **changed):
    path = folder / name
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **changed}))


@pytest.mark.parametrize(
    ("name", "key", "value", "expected"),
    [
        ("sentence_bert_config.json", "max_seq_length", 0, "a positive integer"),
        ("sentence_bert_config.json", "max_seq_length", "24", "a positive integer"),
        ("sentence_bert_config.json", "max_seq_length", -1, "a positive integer"),
        ("sentence_bert_config.json", "max_seq_length", 2.5, "a positive integer"),
        ("sentence_bert_config.json", "max_seq_length", True, "a positive integer"),
        ("sentence_bert_config.json", "do_lower_case", "yes", "true or false"),
        ("config_sentence_transformers.json", "prompts", ["query"], "an object of strings"),
        ("config_sentence_transformers.json", "prompts", {"query": 3}, "an object of strings"),
        ("config_sentence_transformers.json", "default_prompt_name", 3, "a string"),
        ("1_Pooling/config.json", "pooling_mode", {"a": 1}, "a string or a list of strings"),
        ("1_Pooling/config.json", "include_prompt", 1, "true or false"),
        ("config.json", "model_type", 3, "a string"),
        ("config.json", "hidden_size", "32", "an integer from 1 to"),
        ("config.json", "num_hidden_layers", 10**30, "an integer from 1 to"),
        ("config.json", "vocab_size", 0, "an integer from 1 to"),
        ("config.json", "torch_dtype", 16, "a string"),
        ("tokenizer_config.json", "model_max_length", 0, "a positive number"),
        ("tokenizer_config.json", "model_max_length", "x", "a positive number"),
    ],
)
def test_wrong_values_are_refused_with_file_and_key(folder, name, key, value, expected):
    change(folder, name, **{key: value})
    if key == "torch_dtype":
        change(folder, name, dtype=None)
    with pytest.raises(ValueError, match=rf"{name}'? must have {expected}.* under '{key}', got"):
        TextEmbedder(folder).fit(TITLES)


@pytest.mark.parametrize("name", ["config.json", "modules.json", "1_Pooling/config.json"])
@pytest.mark.parametrize("content", ["", "[", "\ud800", "3", "null", '"text"', "[" * 100_000])
def test_files_that_hold_other_things_are_refused(folder, name, content):
    (folder / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=rf"{name}' must hold (JSON|an object|a list), got"):
        TextEmbedder(folder).fit(TITLES)


def test_a_large_file_is_not_read(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b" " * (1 << 24) + b"{}")
    with pytest.raises(ValueError, match=r"config.json' must have at most 16,777,216 bytes, got 16,777,218"):
        load_settings(path)


def test_an_absent_file_has_no_settings(tmp_path):
    absent = load_settings(tmp_path / "config.json")
    assert not absent.exists
    assert (absent.text("a"), absent.flag("a"), absent.count("a"), absent.texts("a"), absent.names("a")) == (
        None,
        None,
        None,
        [],
        {},
    )


def test_long_values_are_shortened_in_messages():
    with pytest.raises(ValueError, match=r"must have a string under 'a', got a huge number\."):
        Settings("x", {"a": 10**10_000}).text("a")
    with pytest.raises(ValueError, match=r"must have a string under 'a', got \[0, 0, .*\.\.\.\.") as caught:
        Settings("x", {"a": [0] * 10_000}).text("a")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("length", [0, 4, 100, 20_000])
def test_damaged_tensors_are_refused(folder, length):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="must hold tensors in the format of safetensors"):
        load_tensors(path)
    with pytest.raises(ValueError, match=r"model='.*' cannot be read: config.json and the weights must fit each other"):
        TextEmbedder(folder).fit(TITLES)


FILES = [
    "modules.json",
    "1_Pooling/config.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "config.json",
    "tokenizer_config.json",
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**9, 10**30, -(10**30), 2**31, 2**40])
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@given(name=st.sampled_from(FILES), value=values, data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_junk_in_a_model_is_an_error_that_names_it(folder, name, value, data):
    change(folder, "sentence_bert_config.json", max_seq_length=24, do_lower_case=False)
    before = (folder / name).read_text()
    content = json.loads(before)
    if isinstance(content, list):
        content[data.draw(st.integers(0, 1))]["type" if data.draw(st.booleans()) else "path"] = value
    else:
        content[data.draw(st.sampled_from(sorted(content)))] = value
    message = str(folder)
    try:
        (folder / name).write_text(json.dumps(content))
        TextEmbedder(folder, cache=None).fit(TITLES)
    except (ValueError, OSError) as error:
        message = str(error)
    finally:
        (folder / name).write_text(before)
    assert str(folder) in message or "max_length must leave room" in message or "pools by" in message
