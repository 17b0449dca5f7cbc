"""A service of a shop
===================

Recommend the products of an online shop over HTTP, from the log of its purchases, with a page to try it.
Install the service by ``pip install "skgnnrec[serve]"`` and start it by ``python examples/serve.py``. The page is at
http://127.0.0.1:8000. The service learns the interactions that it receives, and keeps them in a journal.
"""

from pathlib import Path

import uvicorn
from fastapi import FastAPI

from skgnnrec import ItemCatalog, LogRecommender, RidgeRecommender, save
from skgnnrec.datasets import load_online_retail
from skgnnrec.serving import create_app


def build(folder: Path) -> FastAPI:
    """Return the service of the shop; its recommender and its journal are files in a folder."""
    path = folder / "shop.skgnnrec"
    if not path.exists():
        data = load_online_retail()
        catalog = ItemCatalog(data.item_frame[["item_id", "description"]], ids="item_id")
        recommender = LogRecommender(
            RidgeRecommender(catalog=catalog, content_weight=0),  # the descriptions are for the page
            user="user_id",
            item="item_id",
            timestamp="timestamp",
            rank_decay=0.75,
        )
        save(recommender.fit(data.events), path)
    return create_app(path, journal=folder / "shop.journal")


if __name__ == "__main__":
    uvicorn.run(build(Path.cwd()), host="127.0.0.1", port=8000)
