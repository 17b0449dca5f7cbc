"""The script that builds the packaged files, run on small raw data."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "package_datasets.py"
HEADER = "invoice,stock_code,description,quantity,invoice_date,unit_price,customer_id,country\n"
LINES = [
    "1,20001A,RED  MUG ,2,2011-01-03 10:00:00,1.00,12346,UK",
    "1,20001A,RED MUG,1,2011-01-03 10:01:00,4.00,12346,UK",  # one event with the line before
    "2,20001A,MUG,1,2011-01-02 09:00:00,2.00,12347,UK",  # earlier, and the rarer description
    "2,10002,GLOBE,5,2011-01-02 09:00:00,0,12347,UK",
    "3,10002,GLOBE,5,2011-01-04 09:00:00,0.85,,UK",  # no customer
    "C4,10002,GLOBE,5,2011-01-04 09:00:00,0.85,12347,UK",  # cancelled
    "5,10002,GLOBE,-5,2011-01-04 09:00:00,0.85,12347,UK",  # taken back
    "6,POST,POSTAGE,1,2011-01-04 09:00:00,18,12347,UK",
    "6,23444,Next Day Carriage,1,2011-01-04 09:00:00,15,12347,UK",
    "6,M,Manual,1,2011-01-04 09:00:00,15,12347,UK",
]


@pytest.fixture
def script():
    if not SCRIPT.exists():
        pytest.skip("the script is part of the source repository, not of the package")
    spec = importlib.util.spec_from_file_location("package_datasets", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_gz(path, text):
    path.write_bytes(gzip.compress(text.encode("utf-8")))


def test_online_retail_is_cleaned(script, tmp_path):
    write_gz(tmp_path / "transactions.csv.gz", HEADER + "\n".join(LINES) + "\n")
    script.package_online_retail(tmp_path, tmp_path)
    items = pd.read_csv(tmp_path / "online_retail_items.csv.gz", dtype={"item_id": str})
    assert items["item_id"].tolist() == ["10002", "20001A"]
    assert items["description"].tolist() == ["GLOBE", "RED MUG"]
    assert items["unit_price"].tolist() == [0, 2]
    with np.load(tmp_path / "online_retail_events.npz", allow_pickle=False) as events:
        assert events["invoice_user"].tolist() == [12347, 12346]
        assert events["invoice"].tolist() == [0, 0, 1]
        assert events["item"].tolist() == [0, 1, 1]
        assert events["quantity"].tolist() == [5, 1, 3]
        assert events["unit_price"].tolist() == [0, 200, 200]
        assert np.diff(events["invoice_minute"]).tolist() == [25 * 60]


def test_movietweetings_keeps_every_rating(script, tmp_path):
    (tmp_path / "LICENSE").write_text("The MIT License (MIT)")
    write_gz(tmp_path / "movies.csv.gz", "movie_id,title,genres\n9,Él (1953),Drama\n3,M (I) (1931),\n")
    write_gz(tmp_path / "ratings.csv.gz", "user_id,movie_id,rating,timestamp\n1,9,10,1365029107\n2,3,0,1365029100\n")
    script.package_movietweetings(tmp_path, tmp_path)
    items = pd.read_csv(tmp_path / "movietweetings_items.csv.gz", keep_default_na=False)
    assert items["item_id"].tolist() == [3, 9]
    assert items["title"].tolist() == ["M (I)", "Él"]
    assert items["year"].tolist() == [1931, 1953]
    with np.load(tmp_path / "movietweetings_events.npz", allow_pickle=False) as events:
        assert events["user_id"].tolist() == [2, 1]
        assert events["item"].tolist() == [0, 1]
        assert events["rating"].tolist() == [0, 10]
        assert np.cumsum(events["seconds_since_last"]).tolist() == [1365029100, 1365029107]


def test_the_same_input_gives_the_same_bytes(script, tmp_path):
    write_gz(tmp_path / "transactions.csv.gz", HEADER + "\n".join(LINES) + "\n")
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        script.package_online_retail(tmp_path, tmp_path / name)
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert contents[0] == contents[1]


def test_too_large_files_are_refused(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "MAX_BYTES", 10)
    (tmp_path / "online_retail_items.csv.gz").write_bytes(b"x" * 11)
    with pytest.raises(SystemExit, match="online_retail takes 11 bytes, more than 10"):
        script.report_size("online_retail", tmp_path)
    assert "online_retail: 11 bytes" in capsys.readouterr().out
