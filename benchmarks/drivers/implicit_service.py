"""The neighbours of items of implicit behind FastAPI, as its users would write it, in the environment of implicit."""

import json
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import uvicorn
from fastapi import FastAPI
from implicit.nearest_neighbours import CosineRecommender
from pydantic import BaseModel, Field
from scipy import sparse
from threadpoolctl import threadpool_limits

N_NEIGHBORS = 200
Id = int | str


class ListRequest(BaseModel):
    """A request for the best items for a user."""

    user: Id
    n: Annotated[int, Field(ge=1, le=1000)] = 10


class SimilarRequest(BaseModel):
    """A request for similar items."""

    items: Annotated[list[Id], Field(max_length=100)]
    n: Annotated[int, Field(ge=1, le=1000)] = 10


def create_app(folder: Path) -> FastAPI:
    """Return the application, after a fit to the interactions in a folder."""
    X = sparse.csr_matrix(sparse.load_npz(folder / "X.npz"))
    users, items = json.loads((folder / "ids.json").read_text())
    rows, columns = ({each: place for place, each in enumerate(ids)} for ids in (users, items))
    model = CosineRecommender(K=N_NEIGHBORS, num_threads=1)
    model.fit(X, show_progress=False)
    app = FastAPI()

    def scored(found: np.ndarray, scores: np.ndarray) -> list[dict]:
        pairs = zip(found.tolist(), scores.tolist(), strict=True)
        return [{"item": items[place], "score": score} for place, score in pairs]

    @app.post("/recommendations")
    def recommend(request: ListRequest) -> dict:
        row = rows[request.user]
        with threadpool_limits(1, "blas"):
            return {"items": scored(*model.recommend(row, X[row], N=request.n))}

    @app.post("/items/similar")
    def similar(request: SimilarRequest) -> dict:
        lists = [model.similar_items(columns[item], N=request.n + 1) for item in request.items]
        return {"lists": [{"items": scored(found[1:], scores[1:])} for found, scores in lists]}

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(Path(sys.argv[1])), port=0, access_log=False)
