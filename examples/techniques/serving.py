"""
Serving: one user at a time, or many at once
============================================

A web page asks for one list and wants it now. :meth:`~skgnnrec.RidgeRecommender.ranker` answers single users without
the checks of a matrix, and :class:`~skgnnrec.recommenders.MicroBatcher` joins requests that come at the same time.
Both run behind ``skgnnrec serve`` too.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse

from skgnnrec import RidgeRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.recommenders import MicroBatcher

plt.style.use("skgnnrec.inspection.style")

# %%
# A recommender for 1,400 products, and the baskets of 600 customers.
data = load_online_retail()
is_sold = np.asarray((data.interactions > 0).sum(axis=0)).ravel() >= 60
X = sparse.csr_array(data.interactions[:, is_sold])
X = X[np.diff(X.indptr) > 0]
print(f"{X.shape[1]:,} products")
ridge = RidgeRecommender().fit(X)
rank = ridge.ranker()
rows = [X[[row]] for row in range(600)]
baskets = [row.indices for row in rows]

# %%
# Three ways to ask for the same lists: a matrix with one row, the ranker, and the ranker with several baskets at once.


def timed(call: Callable, *arguments: object) -> float:
    """Return the milliseconds of processor time of a call, which other programs do not disturb."""
    start = time.process_time()
    call(*arguments)
    return 1000 * (time.process_time() - start)


rank.batch(baskets[:50])  # the first calls are slower
milliseconds = {
    "recommend": np.array([timed(ridge.recommend, row) for row in rows]),
    "ranker": np.array([timed(rank, basket) for basket in baskets]),
    "ranker, 50 baskets a call": np.array([timed(rank.batch, baskets[i : i + 50]) / 50 for i in range(0, 600, 12)]),
}
same = (rank(baskets[0], rows[0].data, n=10)[0] == ridge.recommend(rows[0], 10)[0][0]).all()
print("the same list:", bool(same))

# %%
# Requests of concurrent tasks: those that come while others are computed are the next batch.


async def ask_all() -> list:
    """Ask for the lists of all baskets at the same time."""
    with MicroBatcher(rank) as batcher:
        return await asyncio.gather(*(batcher(basket, n=10) for basket in baskets))


def run(coroutine: Coroutine) -> list:
    """Run a coroutine in a thread of its own, because a notebook has a running event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


start = time.perf_counter()
answers = run(ask_all())
print(f"{len(answers)} concurrent requests, {1000 * (time.perf_counter() - start) / len(answers):.2f} ms for each")

# %%
# The time of a list: the box holds half of the requests, the whiskers eight of ten. The ranker takes less than half
# the time of ``recommend``, which checks its matrix, and several baskets in a call take even less.
figure, ax = plt.subplots(figsize=(8, 3.6))
parts = ax.boxplot(
    list(milliseconds.values()),
    orientation="horizontal",
    widths=0.5,
    whis=(10, 90),
    showfliers=False,
    patch_artist=True,
)
for place, box in enumerate(parts["boxes"]):
    box.set(facecolor=f"C{place}", alpha=0.5)
for line in parts["medians"]:
    line.set(color="black")
ax.set_yticks(range(1, 4), list(milliseconds))
ax.invert_yaxis()
ax.set(xlim=0, xlabel="milliseconds of processor time for a list", title="Time of one list")
ax.grid(axis="x")
plt.show()
