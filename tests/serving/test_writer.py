"""The writer: changes in order, each state whole, new files without a lost request."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skgnnrec import GraphFilterRecommender, LogRecommender, PopularityRecommender, RidgeRecommender, save


def sequence_of(client):
    return client.post("/recommendations", json={"history": []}).json()["sequence"]


def test_concurrent_changes_are_made_in_order_and_none_is_lost(serve, fitted, journal, buy):
    client = serve(fitted, journal=journal)

    def learn(number):
        answer = buy(client, (f"buyer {number}", "sku 1"), (f"buyer {number}", "sku 2"))
        seen = client.post("/recommendations", json={"user": f"buyer {number}"}).json()
        return answer.json()["sequence"], seen["sequence"], seen["history_length"]

    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(learn, range(40)))
    assert all(length == 2 for _, _, length in results)  # each client sees its change when it is acknowledged
    assert all(seen >= made for made, seen, _ in results)
    assert sequence_of(client) == max(made for made, _, _ in results) <= 40


def test_a_wrong_change_fails_alone(serve, fitted, buy):
    client = serve(fitted)
    with ThreadPoolExecutor(16) as threads:
        pairs = [(f"buyer {number}", f"sku {number % 40}") for number in range(40)]
        answers = list(threads.map(lambda pair: buy(client, pair).status_code, pairs))
    assert answers == [200] * 30 + [422] * 10


def test_threads_of_earlier_states_end(serve, fitted, buy):
    client = serve(fitted)
    n_threads = []
    for number in range(30):
        buy(client, (f"buyer {number}", "sku 1"))
        client.post("/recommendations", json={"history": ["sku 1"]})
        n_threads.append(threading.active_count())
    assert n_threads[-1] <= n_threads[4] + 2


def test_answers_go_on_while_a_file_is_read_again(serve, log, catalog, path, journal, buy):
    client = serve(path, journal=journal)
    buy(client, ("newcomer", "sku 1"))
    graph = GraphFilterRecommender(n_components=4, catalog=catalog, content_weight=0)
    other = LogRecommender(graph, user="user", item="item").fit(log)
    stop, statuses = threading.Event(), []

    def ask():
        while not stop.is_set():
            statuses.append(client.post("/recommendations", json={"user": "newcomer", "n": 4}).status_code)

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask) for _ in range(4)]
        save(other, path)
        answer = client.post("/reload", json={})
        stop.set()
    assert not any(each.exception() for each in asking)
    assert answer.json() == {"sequence": 1, "replayed": 1}
    assert set(statuses) == {200}
    found = client.post("/recommendations", json={"user": "newcomer", "n": 4}).json()["items"]
    other.partial_fit({"user": ["newcomer"], "item": ["sku 1"]})
    assert [each["item"] for each in found] == other.recommend(["newcomer"], 4)[0][0].tolist()


def test_changes_that_a_file_contains_leave_the_journal(serve, fitted, path, journal, buy):
    with serve(path, journal=journal) as client:
        buy(client, ("newcomer", "sku 1"), key="a")
        size = journal.stat().st_size
        save(client.app.state.writer.current.recommender, path)
        buy(client, ("newcomer", "sku 2"), key="b")
        assert client.post("/reload", json={"included": 9}).json()["detail"].endswith("but the last change is 2.")
        assert client.post("/reload", json={"included": 1}).json() == {"sequence": 2, "replayed": 1}
        assert client.post("/reload", json={"included": 2}).json() == {"sequence": 2, "replayed": 0}
        assert journal.stat().st_size < size
        assert buy(client, ("newcomer", "sku 1"), key="a").json()["repeated"] == 1
    client = serve(path, journal=journal)
    assert sequence_of(client) == 2
    assert buy(client, ("newcomer", "sku 1"), key="a").json()["repeated"] == 1


def test_a_damaged_file_changes_nothing(serve, path):
    client = serve(path)
    before = client.post("/recommendations", json={"user": "user 1"}).json()
    path.write_bytes(path.read_bytes()[:-1])
    answer = client.post("/reload", json={})
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("The recommender stays as it is: ")
    assert client.post("/recommendations", json={"user": "user 1"}).json() == before


def test_journals_are_made_again_on_a_new_file_of_a_log(serve, fitted, log, path, journal, buy, caplog):
    with serve(path, journal=journal) as client:
        buy(client, ("newcomer", "sku 1"), ("newcomer", "sku 7"))
    few = log[log["item"] != "sku 7"]
    save(LogRecommender(PopularityRecommender(), user="user", item="item").fit(few), path)
    client = serve(path, journal=journal)
    assert client.post("/recommendations", json={"user": "newcomer"}).json()["history_length"] == 1
    assert "The journal belongs to another file of the recommender" in caplog.text
    assert "1 interactions of the journal have unknown items." in caplog.text


def test_histories_are_not_learned_twice(serve, tmp_path, journal):
    path = tmp_path / "ridge.skgnnrec"
    save(RidgeRecommender().fit(np.tri(6)), path)
    with serve(path, journal=journal) as client:
        client.post("/interactions", json={"interactions": [{"items": [0, 5]}]})
        answer = client.post("/reload", json={})
        assert answer.status_code == 409
        assert "included must be given" in answer.json()["detail"]
        assert client.post("/reload", json={"included": 0}).json() == {"sequence": 1, "replayed": 1}
    save(RidgeRecommender(alpha=3.0).fit(np.tri(6)), path)
    with pytest.raises(OSError, match="belongs to another file of the recommender, and histories"):
        serve(path, journal=journal)


def test_a_recommender_without_file_cannot_be_read_again(serve, fitted):
    assert serve(fitted).post("/reload", json={}).status_code == 404
