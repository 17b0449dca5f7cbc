"""Vectors of many texts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skgnnrec import TextEmbedder, distributed

from ..text.conftest import save_bert

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.ray


def test_vectors_are_those_of_one_machine_in_order(cluster, titles, tmp_path):
    folder, texts = titles
    encoder = TextEmbedder(save_bert(tmp_path / "model", seed=0)).fit(texts)
    vectors = distributed.embed(texts, encoder, tmp_path / "a", rows_per_task=17)
    np.testing.assert_allclose(vectors, encoder.transform(texts), rtol=1e-5, atol=1e-6)
    files = distributed.embed(folder, encoder, tmp_path / "b", rows_per_task=17)
    np.testing.assert_allclose(files, vectors, rtol=1e-5, atol=1e-6)
    assert files.dtype == np.float32


def test_an_interrupted_call_continues(cluster, tmp_path):
    class Failing(TruncatedSVD):
        def transform(self, X):
            if X[0, 0] == 40 and not (tmp_path / "repaired").exists():
                raise OSError("the disk is full")
            (tmp_path / f"done-{int(X[0, 0])}").touch()
            return super().transform(X)

    X = np.arange(60.0).reshape(60, 1) * np.ones((1, 3))
    encoder = Failing(2).fit(X)
    with pytest.raises(OSError, match="the disk is full"):
        distributed.embed(X, encoder, tmp_path / "out", rows_per_task=10)
    done = sorted(path.name for path in tmp_path.glob("done-*"))
    assert done
    for path in tmp_path.glob("done-*"):
        path.unlink()
    (tmp_path / "repaired").touch()
    vectors = distributed.embed(X, encoder, tmp_path / "out", rows_per_task=10)
    np.testing.assert_allclose(vectors, TruncatedSVD.transform(encoder, X))
    again = sorted(path.name for path in tmp_path.glob("done-*"))
    assert "done-40" in again
    assert len(again) < 6
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["call.json", "vectors.npy"]
    np.testing.assert_array_equal(distributed.embed(X, encoder, tmp_path / "out", rows_per_task=10), vectors)


def test_several_columns_are_a_table(cluster, titles, tmp_path):
    folder, texts = titles
    data = pd.DataFrame({"text": texts, "price": range(60)})
    parts = (make_pipeline(TfidfVectorizer(), TruncatedSVD(3, random_state=0)), "text"), ("passthrough", ["price"])
    encoder = make_column_transformer(*parts).fit(data)
    vectors = distributed.embed(folder, encoder, tmp_path / "a", column=["text", "price"], rows_per_task=20)
    np.testing.assert_allclose(vectors, encoder.transform(data), atol=1e-12)
    np.testing.assert_array_equal(vectors[:, 3], np.arange(60))
    with pytest.raises(ValueError, match="encoder must return dense vectors; TfidfVectorizer returned"):
        distributed.embed(texts, TfidfVectorizer().fit(texts), tmp_path / "b")
