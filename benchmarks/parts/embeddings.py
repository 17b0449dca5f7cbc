"""Item vectors from interactions, by the functions of embeddings.py."""

from collections.abc import Iterator

from common import Section, timed
from embeddings import DIMENSIONS, VECTORS, row_of
from models import embed
from scipy import sparse
from tasks import TASKS

from skgnnrec.model_selection import split_interactions


def rows_of() -> Iterator[dict]:
    """Yield the rows of all vectors."""
    task = TASKS["online_retail"]("test")
    halves = split_interactions(sparse.csr_array(task.held_out), hold_out="random", test_size=0.5, random_state=0)
    yield row_of("texts, MiniLM", embed("online_retail", task), task, halves, "")
    for n in DIMENSIONS:
        for name, learn in VECTORS.items():
            seconds, vectors = timed(lambda learn=learn, n=n: learn(task, n))
            yield row_of(name, vectors, task, halves, round(seconds, 1))


TITLE = "Item vectors from interactions: Online Retail, ranked by ContentRecommender"
SECTIONS = {"embeddings": Section(TITLE, rows_of)}
