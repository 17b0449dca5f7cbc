"""Build the data files in skgnnrec/datasets/data from the raw data sets.

    python tools/package_datasets.py ../shared/data

The raw folder contains `online_retail/transactions.csv.gz` (the lines of the UCI data set as CSV),
`movietweetings/{movies,ratings}.csv.gz` and `movietweetings/LICENSE`. The same input gives the same bytes.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
import pandas as pd

DATA_DIR = Path(__file__).resolve().parents[1] / "skgnnrec" / "datasets" / "data"
MAX_BYTES = 1_500_000
# Carriage and packing have codes in the format of product codes.
SERVICE_CODES = ("23444", "23574")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("raw_dir", type=Path, help="folder of the raw data sets")
    parser.add_argument("--out", type=Path, default=DATA_DIR, help="folder to write to")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    package_online_retail(arguments.raw_dir / "online_retail", arguments.out)
    package_movietweetings(arguments.raw_dir / "movietweetings", arguments.out)
    for name in ("online_retail", "movietweetings"):
        report_size(name, arguments.out)


def package_online_retail(raw_dir: Path, out_dir: Path) -> None:
    lines = pd.read_csv(raw_dir / "transactions.csv.gz", dtype=str, keep_default_na=False)
    lines = clean_lines(lines)
    invoices = collect_invoices(lines)
    items = collect_products(lines)
    events = merge_lines(lines, invoices, items)
    np.savez_compressed(
        out_dir / "online_retail_events.npz",
        invoice_user=invoices["user_id"].to_numpy().astype(np.uint16),
        invoice_minute=invoices["minute"].to_numpy().astype(np.int32),
        invoice=events["invoice"].to_numpy().astype(np.uint16),
        item=events["item"].to_numpy().astype(np.uint16),
        quantity=events["quantity"].to_numpy().astype(np.int32),
        unit_price=events["unit_price"].to_numpy().astype(np.int32),
    )
    write_csv_gz(items, out_dir / "online_retail_items.csv.gz")


def clean_lines(lines: pd.DataFrame) -> pd.DataFrame:
    """Keep the sales of products to known customers."""
    quantity = lines["quantity"].astype(int)
    code = lines["stock_code"]
    is_product = code.str.fullmatch(r"\d{5}[A-Za-z]*") & ~code.isin(SERVICE_CODES)
    is_sale = ~lines["invoice"].str.startswith("C") & (quantity > 0)
    keep = (lines["customer_id"] != "") & is_sale & is_product
    return pd.DataFrame(
        {
            "invoice": lines["invoice"],
            "user_id": lines["customer_id"],
            "item_id": code,
            "description": lines["description"].str.split().str.join(" "),
            "quantity": quantity,
            "pence": (lines["unit_price"].astype(float) * 100).round().astype(int),
            "minute": to_minutes(lines["invoice_date"]),
        }
    )[keep].astype({"user_id": int})


def to_minutes(dates: pd.Series) -> np.ndarray:
    return pd.to_datetime(dates).to_numpy().astype("datetime64[m]").astype(np.int64)


def collect_invoices(lines: pd.DataFrame) -> pd.DataFrame:
    """Return one row per invoice, in the order of time. The time is that of the first line."""
    invoices = lines.groupby("invoice", as_index=False).agg(
        user_id=("user_id", "first"), n_users=("user_id", "nunique"), minute=("minute", "min")
    )
    assert (invoices["n_users"] == 1).all(), "an invoice has two customers"
    return invoices.sort_values(["minute", "invoice"], ignore_index=True)


def collect_products(lines: pd.DataFrame) -> pd.DataFrame:
    """Return one row per stock code: the most frequent description (ties by the alphabet) and the median price."""
    counts = lines.groupby(["item_id", "description"], as_index=False).size()
    counts = counts.sort_values(["item_id", "size", "description"], ascending=[True, False, True])
    items = counts.drop_duplicates("item_id")[["item_id", "description"]].reset_index(drop=True)
    median = lines.groupby("item_id")["pence"].median().loc[items["item_id"]]
    return items.assign(unit_price=(median / 100).to_numpy())


def merge_lines(lines: pd.DataFrame, invoices: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Return one row per invoice and item, with the sum of the quantities and the mean price in whole pence.

    The rows are sorted by item, because equal prices in sequence are compressed well.
    """
    events = lines.assign(
        invoice=pd.Index(invoices["invoice"]).get_indexer(lines["invoice"]),
        item=pd.Index(items["item_id"]).get_indexer(lines["item_id"]),
        total=lines["pence"] * lines["quantity"],
    )
    events = events.groupby(["item", "invoice"], as_index=False)[["quantity", "total"]].sum()
    return events.assign(unit_price=(events["total"] / events["quantity"]).round().astype(int))


def package_movietweetings(raw_dir: Path, out_dir: Path) -> None:
    movies = pd.read_csv(raw_dir / "movies.csv.gz", keep_default_na=False).sort_values("movie_id")
    ratings = pd.read_csv(raw_dir / "ratings.csv.gz")
    assert not ratings.duplicated(["user_id", "movie_id"]).any(), "a user rates a movie twice"
    ratings = ratings.sort_values(["timestamp", "user_id", "movie_id"])
    np.savez_compressed(
        out_dir / "movietweetings_events.npz",
        user_id=ratings["user_id"].to_numpy().astype(np.uint16),
        item=pd.Index(movies["movie_id"]).get_indexer(ratings["movie_id"]).astype(np.uint16),
        rating=ratings["rating"].to_numpy().astype(np.uint8),
        seconds_since_last=np.diff(ratings["timestamp"].to_numpy(), prepend=0).astype(np.int32),
    )
    parts = movies["title"].str.extract(r"^(.*) \((\d{4})\)$")
    assert parts.notna().all().all(), "a title without a year"
    items = pd.DataFrame(
        {"item_id": movies["movie_id"], "title": parts[0], "year": parts[1], "genres": movies["genres"]}
    )
    write_csv_gz(items, out_dir / "movietweetings_items.csv.gz")
    notice = (raw_dir / "LICENSE").read_text(encoding="utf-8")
    (out_dir / "movietweetings_LICENSE.txt").write_text(notice, encoding="utf-8")


def write_csv_gz(frame: pd.DataFrame, path: Path) -> None:
    """Write a compressed CSV file without time stamp and file name."""
    text = frame.to_csv(index=False, lineterminator="\n").encode("utf-8")
    path.write_bytes(gzip.compress(text, compresslevel=9, mtime=0))


def report_size(name: str, out_dir: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in sorted(out_dir.glob(f"{name}*"))}
    total = sum(sizes.values())
    print(f"{name}: {total:,} bytes {sizes}")
    if total > MAX_BYTES:
        raise SystemExit(f"{name} takes {total:,} bytes, more than {MAX_BYTES:,}.")


if __name__ == "__main__":
    main()
