"""Logs in files and readers: they are read as the same tables in memory are, and errors name the file."""

import builtins

import numpy as np
import pandas as pd
import pytest

from skgnnrec import LogRecommender, PopularityRecommender

pa = pytest.importorskip("pyarrow", reason="logs in files need pyarrow")
csv, ds, feather, pq = (pytest.importorskip(f"pyarrow.{name}") for name in ("csv", "dataset", "feather", "parquet"))

LOG = pa.table(
    {"user": [3, 1, 2, 1, 3, 3], "item": ["b", "a", "c", "a", "a", "b"], "stars": [1.0, 2.0, 0.5, 4.0, 0.0, 3.0]}
)


def fit(log, **parameters):
    return LogRecommender(PopularityRecommender(), **{"user": "user", "item": "item", **parameters}).fit(log)


def assert_equal(found, expected):
    assert found.user_ids_.tolist() == expected.user_ids_.tolist()
    assert found.item_ids_.tolist() == expected.item_ids_.tolist()
    assert found.user_ids_.dtype == expected.user_ids_.dtype
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(found.interactions_, name), getattr(expected.interactions_, name))


WRITERS = {
    "log.parquet": lambda table, path: pq.write_table(table, path, row_group_size=2),
    "log.csv": csv.write_csv,
    "log.feather": lambda table, path: feather.write_feather(table, path, chunksize=2),
    "log.arrow": lambda table, path: feather.write_feather(table, path, compression="uncompressed"),
    "log.csv.gz": lambda table, path: table.to_pandas().to_csv(path, index=False),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_fitted_as_the_table_in_memory(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](LOG, path)
    expected = fit(LOG, weight="stars")
    assert_equal(fit(path, weight="stars"), expected)
    assert_equal(fit(str(path), weight="stars"), expected)


def test_folders_lists_datasets_and_readers_are_fitted_as_the_table_in_memory(tmp_path):
    folder = tmp_path / "log" / "2024"
    folder.mkdir(parents=True)
    paths = [folder / "a.parquet", folder / "b.parquet"]
    pq.write_table(LOG.slice(0, 4), paths[0])
    pq.write_table(LOG.slice(4).append_column("more", pa.array([1, 2])), paths[1])
    (folder / "_SUCCESS").touch()
    expected = fit(LOG)
    sources = [folder.parent, paths, list(map(str, paths)), ds.dataset(paths), ds.dataset(LOG), LOG.to_reader(2)]
    for source in sources:
        assert_equal(fit(source), expected)
    dataset = ds.dataset(paths).filter(ds.field("stars") > 1)
    assert_equal(fit(dataset), fit(LOG.filter(np.asarray(LOG["stars"]) > 1)))


def test_columns_are_given_by_position_or_found(tmp_path):
    path = tmp_path / "log.parquet"
    pq.write_table(LOG, path)
    expected = fit(LOG, weight="stars")
    assert_equal(fit(path, user=0, item=1, weight=2), expected)
    found = fit(path, user=None, item=None, weight="stars")
    assert_equal(found, expected)
    assert found.feature_names_in_.tolist() == ["user", "item", "stars"]


def test_other_methods_take_files_too(tmp_path):
    first, further = tmp_path / "first.parquet", tmp_path / "further.parquet"
    pq.write_table(LOG.slice(0, 4), first)
    pq.write_table(LOG.slice(4), further)
    rec = fit(first, weight="stars").partial_fit(further)
    assert_equal(rec, fit(LOG, weight="stars"))
    np.testing.assert_array_equal(rec.predict(first), rec.predict(LOG.slice(0, 4)))
    assert fit(first).score(further) == fit(LOG.slice(0, 4)).score(LOG.slice(4))
    found = rec.recommend(histories=further, n_recommendations=1)[0]
    np.testing.assert_array_equal(found, rec.recommend(histories=LOG.slice(4), n_recommendations=1)[0])
    assert_equal(rec.forget(further), fit(LOG.slice(1, 3), weight="stars"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "absent.parquet", r"X must be a table, or the path .* no file '.*absent\.parquet'"),
        (lambda path: "absent", "X must be a table, or the path of a file or folder with a log; .* 'absent'"),
        (lambda path: [path / "a.parquet", path / "absent.csv"], r"there is no file '.*absent\.csv'"),
        (lambda path: path / "a.txt", r"X must name files that end in \.parquet, .*; got '.*a\.txt'"),
        (lambda path: path / "empty", "X is the folder '.*empty', which has no files"),
        (lambda path: path / "footer.parquet", r"footer\.parquet cannot be read: "),
        (lambda path: [path / "a.parquet", path / "pages.parquet"], r"pages\.parquet cannot be read: "),
        (lambda path: path / "broken.arrow", r"broken\.arrow cannot be read: "),
        (lambda path: path / "rows.csv", r"rows\.csv cannot be read: .*Expected 2 columns, got 3"),
        (
            lambda path: [path / "a.parquet", path / "types.parquet"],
            "'user' is of type int64 in .*a.parquet and of type",
        ),
        (
            lambda path: [path / "a.parquet", path / "names.parquet"],
            "'item' must be one column .*names.parquet has 'user'",
        ),
        (lambda path: ds.dataset(path / "names.parquet"), "item='item' is not a column of X, which has 1"),
        (lambda path: path / "none.parquet", "Found 0 sample"),
        (lambda path: path / "zero.parquet", r"X has no interaction: all of its weights \(weight='stars'\) are 0"),
    ],
)
def test_errors_name_the_file(make, message, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").touch()
    (tmp_path / "broken.arrow").write_bytes(b"ARROW1" + bytes(100))
    (tmp_path / "rows.csv").write_text("user,item\n1,2\n1,2,3\n")
    many = pa.table({"user": np.arange(5000), "item": np.arange(5000), "stars": np.ones(5000)})
    pq.write_table(many, tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "footer.parquet").write_bytes(content[:-9])
    (tmp_path / "pages.parquet").write_bytes(content[:100] + b"\xff" * 20_000 + content[20_100:])
    pq.write_table(many.set_column(0, "user", many["user"].cast("string")), tmp_path / "types.parquet")
    pq.write_table(many.select(["user"]), tmp_path / "names.parquet")
    pq.write_table(many.slice(0, 0), tmp_path / "none.parquet")
    pq.write_table(many.set_column(2, "stars", pa.array(np.zeros(5000))), tmp_path / "zero.parquet")
    with pytest.raises(ValueError, match=message):
        fit(make(tmp_path), weight="stars" if "zero" in str(make(tmp_path)) else None)


def test_a_failed_fit_keeps_what_was_learned(tmp_path):
    path = tmp_path / "log.parquet"
    pq.write_table(LOG, path)
    rec = fit(path)
    with pytest.raises(ValueError, match="there is no file"):
        rec.fit(tmp_path / "absent.parquet")
    assert_equal(rec, fit(LOG))


def test_the_package_pyarrow_is_named_where_it_is_absent(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    pd.DataFrame({"user": [1], "item": [2]}).to_csv(path, index=False)
    load = builtins.__import__

    def without_pyarrow(name, *arguments, **options):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return load(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(
        ImportError, match=r"X is a log in files, which needs the package pyarrow: .*skgnnrec\[bigdata\]"
    ):
        fit(path)
