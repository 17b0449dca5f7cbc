"""The result of a benchmark: table, file, figure and HTML."""

import json
import sys

import pandas as pd
import pytest

from skgnnrec.model_selection import BenchmarkResult

METRICS = ["ndcg@10", "recall@10"]


def test_table_has_a_row_for_each_recommender_and_split(result):
    table = result.to_frame()
    assert table.groupby(["data", "protocol"], sort=False).size().to_dict() == {
        ("made", "future"): 2, ("made", "last"): 2, ("made", "new_users"): 2,
    }  # fmt: skip
    for name in METRICS:
        assert (table[f"{name} low"] <= table[name]).all()
        assert (table[name] <= table[f"{name} high"]).all()
    best = table.groupby("protocol", sort=False).head(1)
    assert best["ndcg@10 p"].isna().all()
    assert (table[["fit_s", "recommend_s", "model_mib"]] > 0).all(axis=None)
    assert table.set_index("protocol").loc["future", "early"].eq(0).all()
    assert table.set_index("protocol").loc["last", "early"].gt(0).all()


def test_file_holds_the_result(result, tmp_path):
    result.to_json(tmp_path / "result.json")
    stored = BenchmarkResult.from_json(tmp_path / "result.json")
    pd.testing.assert_frame_equal(stored.to_frame(), result.to_frame())
    content = json.loads((tmp_path / "result.json").read_text())
    assert content["recommenders"]["ridge"]["class"] == "RidgeRecommender"
    assert content["recommenders"]["ridge"]["parameters"]["alpha"] == 10.0
    assert {"numpy", "skgnnrec"} <= set(content["versions"])
    assert content["options"]["random_state"] == 0


@pytest.mark.parametrize(
    ("text", "message"), [("{", r"that to_json wrote; got '.*result.json': Expecting"), ("{}", r"file of format 1")]
)
def test_other_files_are_refused(tmp_path, text, message):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        BenchmarkResult.from_json(tmp_path / "result.json")


def test_content_is_checked():
    with pytest.raises(ValueError, match=r"content must have the keys .*; got \['results'\]"):
        BenchmarkResult({"results": []})


def test_figure_has_a_panel_for_each_split(result):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    figure = result.plot(metric="recall@10")
    assert [ax.get_title() for ax in figure.axes] == ["made, future", "made, last", "made, new_users"]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    expected = result.to_frame().query("protocol == 'future'").sort_values("recall@10")["recommender"]
    assert labels == expected.tolist()
    with pytest.raises(ValueError, match=r"metric must be one of \['ndcg@10', 'recall@10'\]; got 'auc'"):
        result.plot(metric="auc")
    pyplot.close("all")


def test_without_matplotlib(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'skgnnrec\[plot\]'"):
        result.plot()


def test_html_has_a_table_for_each_split_and_escapes_names(result):
    content = json.loads(json.dumps(result.content).replace("ridge", "<ridge>"))
    page = BenchmarkResult(content)._repr_html_()
    assert page.count("<table") == 3
    assert "&lt;ridge&gt;" in page
    assert "<ridge>" not in page
    assert f"{result.to_frame()['ndcg@10'][0]:.4f} [" in page
