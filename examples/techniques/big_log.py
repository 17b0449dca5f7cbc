"""
A log in files
==============

Logs grow beyond the memory of a machine long before the recommender does: a row of a table has a hundred bytes, an
interaction in the matrix has eight. ``LogRecommender`` takes the path of the files, reads them in blocks, and keeps the
matrix.
"""

import tempfile
import tracemalloc
from datetime import datetime
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from skgnnrec import GraphFilterRecommender, LogRecommender, PopularityRecommender
from skgnnrec.datasets import make_interactions

plt.style.use("skgnnrec.inspection.style")

# %%
# A year of purchases in four files, one for each quarter. Customers and products are numbers here; names work as well.
folder = Path(tempfile.mkdtemp())
events = make_interactions(12_000, 200, n_interactions=420_000, random_state=0).events
table = pa.table(
    {
        "customer": events["user_id"].to_numpy(),
        "product": events["item_id"].to_numpy(),
        "time": events["timestamp"].to_numpy(),
    }
)
quarters = [folder / f"quarter-{number}.parquet" for number in (1, 2, 3, 4)]
for number, path in enumerate(quarters):
    pq.write_table(table.slice(number * len(table) // 4, len(table) // 4), path)
print([f"{path.name}: {path.stat().st_size / 2**20:.1f} MiB" for path in quarters])

# %%
# A path stands in the place of a table: of a folder, or of files. The ids are those of the files.
columns = {"user": "customer", "item": "product"}
recommender = LogRecommender(GraphFilterRecommender(n_components=32), **columns).fit(folder)
customers = [7, 12]
print(recommender.recommend(customers, n_recommendations=5)[0])

# %%
# The matrix of the histories equals that of the table in memory, here of the first quarter.
by_file = LogRecommender(PopularityRecommender(), **columns).fit(quarters[0])
in_memory = LogRecommender(PopularityRecommender(), **columns).fit(pd.read_parquet(quarters[0]))
print((by_file.interactions_ != in_memory.interactions_).nnz, "differences")

# %%
# A dataset of pyarrow chooses rows before they are read, here those of the second half of the year.
late = ds.dataset(folder).filter(ds.field("time") >= datetime(2024, 7, 1))
print(LogRecommender(PopularityRecommender(), **columns).fit(late).interactions_.nnz, "interactions")


# %%
# The peak of memory of a fit, for one to four quarters: the path alone, and the table of pandas that is read first. The
# popularity ranking takes next to no memory itself. Buffers of pyarrow are not counted: a few MiB for a block.
def peak_mib(paths: list[Path], is_path: bool) -> float:
    """Return the peak of the memory of arrays and objects in a fit."""
    tracemalloc.start()
    log = paths if is_path else pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    LogRecommender(PopularityRecommender(), **columns).fit(log)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return peak


sizes = [len(table) // 4 * n for n in (1, 2, 3, 4)]
by_path, by_table = ([peak_mib(quarters[:n], is_path) for n in (1, 2, 3, 4)] for is_path in (True, False))

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(sizes, by_table, "o-", label="table in memory")
ax.plot(sizes, by_path, "s-", label="files, read in blocks")
ax.plot(sizes, [8 * n / 2**20 for n in sizes], "--", color="0.5", label="the matrix: 8 bytes an interaction")
ax.set(xlabel="interactions", ylabel="peak of memory in a fit, MiB", ylim=0)
ax.set_title("Files need less memory than a table", loc="left")
ax.legend()

# %%
# A block has up to 262,144 rows. Beyond, only the matrix and the positions of users and items grow, by 16 bytes an
# interaction. At 100 million interactions, reading needs at most 2.5 times the 0.8 GB of the matrix.
