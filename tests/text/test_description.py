"""Descriptions of models: fingerprints of their files, checksums, and models of the hub."""

import json
import os
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from skgnnrec.encoding import file_states
from skgnnrec.text import TextEmbedder
from skgnnrec.text._description import describe_model, write_checksums

TITLES = ["red coffee mug", "garden hose"]


def fingerprint(folder):
    return describe_model(str(folder), None).fingerprint


def scale_weights(folder, factor):
    weights = load_file(folder / "model.safetensors")
    save_file({name: factor * value for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})


def test_files_that_no_vector_depends_on_do_not_count(folder):
    before = fingerprint(folder)
    (folder / "README.md").write_text("Read me.")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_bytes(b"other weights")
    assert fingerprint(folder) == before


@pytest.mark.parametrize(
    "name", ["config.json", "1_Pooling/config.json", "config_sentence_transformers.json", "model.safetensors"]
)
def test_every_other_file_counts(folder, name):
    before = describe_model(str(folder), None)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    after = describe_model(str(folder), None)
    assert after.fingerprint != before.fingerprint
    assert (after.weights != before.weights) == name.endswith(".safetensors")


def test_the_path_does_not_count(folder):
    assert fingerprint(shutil.copytree(folder, folder.parent / "elsewhere")) == fingerprint(folder)


def replace_by_link(folder, other):
    current = folder.parent / "current"
    current.unlink(missing_ok=True)
    current.symlink_to(other)
    return current


def replace_by_move(folder, other):
    current = folder.parent / "moved"
    shutil.rmtree(current, ignore_errors=True)
    shutil.copytree(other, current, copy_function=shutil.copy2)
    return current


def replace_in_place(folder, other):
    current = folder.parent / "in place"
    current.mkdir(exist_ok=True)
    for path in other.iterdir():
        if path.is_file():
            stamp = path.stat()
            (current / path.name).write_bytes(path.read_bytes())
            os.utime(current / path.name, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    return current


@pytest.mark.parametrize("replace", [replace_by_link, replace_by_move, replace_in_place])
@pytest.mark.parametrize("cache", [None, "memory", "file"])
def test_a_model_of_equal_size_and_time_is_another_one(copied_model, other_model, tmp_path, replace, cache):
    cache = tmp_path / "texts.sqlite" if cache == "file" else cache
    folders = [copied_model, shutil.copytree(other_model, tmp_path / "other")]
    for path in [path for folder in folders for path in folder.iterdir()]:
        os.utime(path, (315532800, 315532800))
    expected = [TextEmbedder(folder, cache=None).fit_transform(TITLES) for folder in folders]
    assert not np.allclose(*expected, atol=1e-3)
    for folder, vectors in zip(folders, expected, strict=True):
        current = replace(copied_model, folder)
        np.testing.assert_array_equal(TextEmbedder(current, cache=cache).fit_transform(TITLES), vectors)


def test_a_fitted_embedder_refuses_a_replaced_model(copied_model):
    embedder = TextEmbedder(copied_model).fit(TITLES)
    scale_weights(copied_model, 1.01)
    with pytest.raises(ValueError, match=r"The weights of model='.*' are not those of the fit, .*: fit again"):
        embedder.transform(TITLES)
    embedder.fit(TITLES).transform(TITLES)


def test_other_settings_are_no_other_weights(folder):
    embedder = TextEmbedder(folder).fit(TITLES)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "mean"}))
    np.testing.assert_array_equal(embedder.transform(TITLES), TextEmbedder(folder).fit_transform(TITLES))


# Checksums ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_checksums(folder):
    """Return the model with the checksums of all of its files."""
    write_checksums(folder, list(file_states(folder)))
    return folder


def test_a_model_with_checksums_is_read(with_checksums):
    assert TextEmbedder(with_checksums).fit_transform(TITLES).shape == (2, 32)


def test_checksums_are_no_part_of_the_fingerprint(folder):
    before = fingerprint(folder)
    write_checksums(folder, list(file_states(folder)))
    assert fingerprint(folder) == before


def test_a_missing_file_is_refused(with_checksums):
    (with_checksums / "1_Pooling" / "config.json").unlink()
    with pytest.raises(ValueError, match=r"1_Pooling/config.json' must have the SHA-256 .*, got no such file"):
        TextEmbedder(with_checksums).fit(TITLES)


def test_a_changed_file_is_read_once_the_checksums_are_deleted(with_checksums):
    scale_weights(with_checksums, 2)
    with pytest.raises(ValueError, match=r"model.safetensors' must have the SHA-256 .* delete '.*checksums.json'"):
        TextEmbedder(with_checksums).fit(TITLES)
    (with_checksums / "skgnnrec_checksums.json").unlink()
    TextEmbedder(with_checksums).fit(TITLES)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "must hold JSON"),
        ("[]", "must hold an object"),
        ("{}", "must have the checksums of files under 'sha256', got none"),
        ('{"sha256": {"config.json": 3}}', "must have an object of strings under 'sha256'"),
        ('{"sha256": {"../../etc/passwd": "0"}}', "must have the SHA-256 0, got no such file"),
    ],
)
def test_checksums_that_cannot_be_read_are_refused(with_checksums, content, match):
    (with_checksums / "skgnnrec_checksums.json").write_text(content)
    with pytest.raises(ValueError, match=match):
        TextEmbedder(with_checksums).fit(TITLES)


# Models of the hub ----------------------------------------------------------------------------------------------------


def test_an_absent_model_has_no_description():
    assert describe_model("skgnnrec-tests/absent", None) is None
    assert describe_model("/no/such/folder", None) is None


@pytest.mark.parametrize("known", [None, "absent", "there"])
def test_a_model_of_the_hub_without_known_settings(monkeypatch, folder, known):
    # The client of the hub answers with a path, an object for "not in the repository", or None for "not known".
    answers = {"config.json": str(folder / "config.json")}
    answers["modules.json"] = {"absent": object(), "there": str(folder / "modules.json")}.get(known)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda source, name, revision: answers[name])
    assert (describe_model("a/b", None) is None) == (known is None)
    assert describe_model("a/b", None, strict=False) == describe_model(str(folder), None)
