"""fetch_movielens: archives in every layout, the folder of the cache, and errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import get_data_home

from skgnnrec.datasets import fetch_movielens
from skgnnrec.exceptions import MemoryLimitError

VARIANTS = ["100k", "1m", "latest-small", "25m"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_layout_is_read(variant, server, fetch):
    server.publish(variant)
    data = fetch(variant)

    low = 1.0 if variant in ("100k", "1m") else 0.5
    assert data.events["user_id"].tolist() == [1, 5, 1]
    assert data.events["item_id"].tolist() == [7, 7, 10]
    assert data.events["rating"].tolist() == [low, 5.0, 4.0]
    assert data.events["timestamp"].tolist() == [pd.Timestamp(s, unit="s") for s in (100, 200, 300)]
    assert data.events["timestamp"].dtype == "datetime64[s]"
    assert data.item_frame["item_id"].tolist() == [7, 10, 12]
    assert data.item_frame["title"].tolist() == ["Amélie, or so", "Untitled", "Heat"]
    assert data.item_frame["year"].tolist() == [2001, pd.NA, 1995]
    assert data.item_frame["genres"].tolist() == ["Comedy|Romance", "", "Crime"]
    np.testing.assert_array_equal(data.interactions.toarray(), [[low, 4, 0], [5, 0, 0]])
    assert data.interactions.dtype == np.float32
    np.testing.assert_array_equal(data.user_ids, [1, 5])
    np.testing.assert_array_equal(data.item_ids, [7, 10, 12])
    assert "3 ratings of 3 movies by 2 users" in data.DESCR
    assert server.kept() == [f"{server.names[variant]}.zip", f"{server.names[variant]}.zip.md5"]


def test_dtypes_are_those_of_the_other_data_sets(server, fetch):
    server.publish("1m")
    data = fetch("1m")
    assert [str(dtype) for dtype in data.events.dtypes] == ["int64", "int64", "datetime64[s]", "float32"]
    assert str(data.item_frame["year"].dtype) == "Int64"
    assert data.user_ids.dtype == data.item_ids.dtype == np.int64


def test_archive_without_the_member_is_refused(server, fetch):
    server.publish("1m", content=server.make_zip("1m", {"../../evil.dat": "1::1::1::1\n"}))
    with pytest.raises(OSError, match=r"must have the member ml-1m/ratings\.dat; got \['ml-1m/"):
        fetch("1m")


def test_nothing_is_unpacked(server, fetch, tmp_path):
    server.publish("1m", content=server.make_zip("1m", server.members["1m"] | {"../../evil.dat": "x"}))
    fetch("1m")
    assert server.kept() == ["ml-1m.zip", "ml-1m.zip.md5"]
    assert not list(tmp_path.parent.rglob("evil.dat"))


def test_rating_of_an_unknown_movie_is_refused(server, fetch):
    server.publish("1m", content=server.make_zip("1m", server.members["1m"] | {"ratings.dat": "1::99::4::300\n"}))
    with pytest.raises(ValueError, match="got the unknown item 99"):
        fetch("1m")


def test_rating_of_zero_stars_is_refused(server, fetch):
    server.publish("1m", content=server.make_zip("1m", server.members["1m"] | {"ratings.dat": "1::7::0::300\n"}))
    with pytest.raises(ValueError, match=r"must be positive; got 0\.0"):
        fetch("1m")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"variant": "10m"}, "The 'variant' parameter of fetch_movielens must be a str among"),
        ({"n_retries": -1}, "The 'n_retries' parameter of fetch_movielens must be an int"),
        ({"delay": -1.0}, "The 'delay' parameter of fetch_movielens must be a float"),
        ({"data_home": 3}, "The 'data_home' parameter of fetch_movielens must be"),
    ],
)
def test_errors_name_the_parameter(parameters, message):
    with pytest.raises(ValueError, match=message):
        fetch_movielens(**parameters)


@pytest.mark.parametrize("data_home", [None, "~/data", "~nobody-of-this-name/data"])
def test_unknown_home_folder_is_an_error(data_home, monkeypatch, tmp_path):
    for name in ("HOME", "USERPROFILE", "SCIKIT_LEARN_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a user without an entry in /etc/passwd
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"data_home must be given.* unknown. Pass data_home=.*HOME or SCIKIT_LEARN"):
        fetch_movielens("100k", data_home=data_home, n_retries=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data_home", ["", "file:///tmp/data"])
def test_data_home_other_than_a_path_is_refused(data_home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="data_home must be the path of a folder; got"):
        fetch_movielens("100k", data_home=data_home)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variable", ["SCIKIT_LEARN_DATA", "HOME"])
def test_the_default_folder_is_that_of_scikit_learn(variable, server, monkeypatch, tmp_path):
    server.publish("100k")
    monkeypatch.delenv("SCIKIT_LEARN_DATA", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    fetch_movielens("100k")
    assert (Path(get_data_home()) / "movielens" / "ml-100k.zip").exists()
    assert Path(get_data_home()).is_relative_to(tmp_path)


def test_a_member_beyond_the_memory_is_refused(server, fetch, monkeypatch):
    monkeypatch.setattr("skgnnrec._memory.available_memory", lambda: 10)
    monkeypatch.setattr("skgnnrec._memory.SMALL", 0)
    server.publish("100k")
    with pytest.raises(MemoryLimitError, match=r"The member ml-100k/u.data of .* needs .* Choose a smaller variant"):
        fetch()


def test_titles_and_years_are_separated(server, fetch):
    rng = np.random.default_rng(0)
    titles = [f"<{''.join(rng.choice(list('abc ()1985,:é'), size=i % 12)).strip()}>" for i in range(600)]
    years = [None if i % 3 == 0 else int(rng.integers(1000, 10_000)) for i in range(600)]
    given = [title if year is None else f"{title} ({year}) " for title, year in zip(titles, years, strict=True)]
    movies = pd.DataFrame({"movieId": range(600), "title": given, "genres": "Crime"}).to_csv(index=False)
    content = server.make_zip("25m", server.members["25m"] | {"movies.csv": movies})
    server.publish("25m", content=content)
    frame = fetch("25m").item_frame
    assert frame["title"].tolist() == titles
    assert frame["year"].tolist() == [pd.NA if year is None else year for year in years]
