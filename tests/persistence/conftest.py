"""A small language model, and files with given content."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from skgnnrec import PopularityRecommender, save
from skgnnrec._files import replaced_file
from skgnnrec.persistence._container import new_archive

WORDS = ["[UNK]", "red", "blue", "tea", "mug", "pot", "garden", "hose"]


def write_static_model(folder, seed=0):
    """Write a table with a vector for each word, in the layout of model2vec."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(seed).standard_normal((len(WORDS), 6), dtype=np.float32)
    save_file({"embeddings": table}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    return folder


@pytest.fixture
def static_model(tmp_path):
    """Return the folder of a small static model."""
    return write_static_model(tmp_path / "static")


@pytest.fixture
def write_model():
    """Return the function that writes a model."""
    return write_static_model


@pytest.fixture
def path(tmp_path):
    """Return the path of a file that does not exist."""
    return tmp_path / "model.skgnnrec"


@pytest.fixture
def seal(path):
    """Return a function that writes the bytes of a file with the checksum that they should have."""

    def write(content):
        content = bytes(content)[:-64]
        blocks = [content[start : start + 2**24] for start in range(0, len(content), 2**24)]
        digest = hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()
        path.write_bytes(content + digest.encode())
        return path

    return write


@pytest.fixture
def write_parts(path):
    """Return a function that writes a file with a right checksum from the parts of a saved recommender and others."""

    def write(parts, **options):
        save(PopularityRecommender().fit(np.eye(3)), path)
        with zipfile.ZipFile(path) as archive:
            known = {name: archive.read(name) for name in archive.namelist()}
        with replaced_file(str(path)) as file, new_archive(file) as archive:
            for name, content in {**known, **parts}.items():
                if content is not None:
                    archive.writestr(name, content, **options)
        return path

    return write


def skops_file(schema):
    """Return a file of skops with a given description."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("schema.json", json.dumps({**schema, "protocol": 2, "_skops_version": "0.16"}))
    return content.getvalue()


@pytest.fixture
def write_schema(write_parts):
    """Return a function that writes a file whose estimator has a given description by skops."""
    return lambda schema: write_parts({"estimator.skops": skops_file(schema)})
