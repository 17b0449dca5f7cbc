"""The examples: a service of a shop, and interactions that it reads from streams."""

import importlib.util
import json
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def module(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def started():
    """Return a function that starts an application inside the process."""
    testclient = pytest.importorskip("fastapi.testclient", reason="the extra serve is not installed")
    return testclient.TestClient


def test_the_shop_is_served(started, tmp_path):
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    assert len((EXAMPLES / "serve.py").read_text().splitlines()) <= 40
    build = module("serve").build
    with started(build(tmp_path)) as client:
        assert "<h1>" in client.get("/").text
        found = client.get("/items", params={"search": "red mug"}).json()["items"]
        assert {"VINTAGE RED MUG"} <= {each["text"] for each in found}
        body = {"interactions": [{"user": 99999, "item": found[0]["item"], "timestamp": "2011-12-10T12:00:00"}]}
        assert client.post("/interactions", json=body).json()["learned"] == 1
    with started(build(tmp_path)) as client:  # from the files
        answer = client.post("/recommendations", json={"user": 99999, "texts": True}).json()
        assert answer["history_length"] == 1
        assert any("MUG" in each["text"] for each in answer["items"])


MESSAGES = [
    b'{"user": "newcomer", "item": "sku 1"}',
    b'{"user": "newcomer", "item": "sku 2"}',
    b"no JSON",
    b'{"user": "newcomer", "item": "sku of old"}',
    b'{"user": "other", "item": "sku 3"}',
]


@pytest.fixture
def streams():
    """Return the example, which waits less than it does for others."""
    found = module("streams")
    found.WAIT = 0.1
    return found


@pytest.fixture
def kafka():
    """Return the address of the mock cluster of librdkafka, to which the messages were sent."""
    confluent_kafka = pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")
    producer = confluent_kafka.Producer({"test.mock.num.brokers": 1})
    for message in MESSAGES:
        producer.produce("interactions", message, partition=0)
    assert producer.flush(10) == 0
    yield str(next(iter(producer.list_topics(timeout=10).brokers.values()))).partition("/")[0]
    producer.flush()  # the cluster lives as long as the producer


@pytest.fixture
def redis(tmp_path):
    """Return the address of a server of Redis, to which the messages were sent."""
    client_module = pytest.importorskip("redis", reason="redis is not installed")
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen([server, *options], stdout=subprocess.DEVNULL) as process:
        client = client_module.Redis(port=port)
        for _ in range(100):
            with suppress(client_module.ConnectionError):
                client.ping()
                break
            time.sleep(0.05)
        for message in MESSAGES:
            client.xadd("interactions", {"interaction": message})
        yield f"127.0.0.1:{port}"
        process.terminate()


def check_learned(address):
    headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
    for user, expected in {"newcomer": 2, "other": 1}.items():
        body = json.dumps({"user": user}).encode()
        with urlopen(Request(f"{address}recommendations", body, headers), timeout=10) as answer:
            assert json.load(answer)["history_length"] == expected
    with urlopen(f"{address}metrics", timeout=10) as answer:
        assert b'skgnnrec_changes_total{kind="learned"} 3.0' in answer.read()


def test_a_stream_of_redis_is_read_again_after_a_failure(address, redis, streams):
    seen = []

    def learn(interactions):
        streams.send(address.rstrip("/"), interactions, "secret")
        seen.extend(each["user"] for each in interactions)
        if seen.count("other") == 1:
            raise ConnectionResetError("the process fails before it acknowledges the messages")

    with pytest.raises(ConnectionResetError, match="before it acknowledges"):
        streams.read_redis(redis, "interactions", learn, lambda: False)
    streams.read_redis(redis, "interactions", learn, lambda: seen.count("other") > 1)
    assert seen.count("other") == 2  # the last message was read again
    check_learned(address)


def test_a_topic_of_kafka_is_committed_when_it_is_learned(address, kafka, streams):
    confluent_kafka = pytest.importorskip("confluent_kafka")
    places = [confluent_kafka.TopicPartition("interactions", 0)]
    observer = confluent_kafka.Consumer({"bootstrap.servers": kafka, "group.id": streams.GROUP})
    # An earlier process has sent two of the messages, and failed before it committed their offsets.
    first = [{**json.loads(message), "key": f"interactions/0/{place}"} for place, message in enumerate(MESSAGES[:2])]
    streams.send(address.rstrip("/"), first, "secret")
    seen, offsets = [], []

    def learn(interactions):
        offsets.append(observer.committed(places, timeout=10)[0].offset)
        streams.send(address.rstrip("/"), interactions, "secret")
        seen.extend(each["user"] for each in interactions)

    streams.read_kafka(kafka, "interactions", learn, lambda: "other" in seen)
    assert offsets[0] == confluent_kafka.OFFSET_INVALID
    assert observer.committed(places, timeout=10)[0].offset == len(MESSAGES)
    observer.close()
    check_learned(address)
