"""From a stream to a service
==========================

Pass interactions from a stream of Kafka or Redis to a service, each of them at least once and learned once.

::

    pip install confluent-kafka redis
    python examples/streams.py kafka localhost:9092 interactions
    python examples/streams.py redis localhost:6379 interactions

A message is a JSON object such as {"user": "ann", "item": "mug"}. In Redis it is the field "interaction" of an entry.
The place of a message in the stream is the key of the interaction. A message is acknowledged when the service has
written the interaction to its disk. After a failure, messages are read again, and the service leaves out known keys.
"""

import argparse
import json
import logging
import os
import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

BATCH, WAIT, GROUP = 500, 1.0, "skgnnrec"
logger = logging.getLogger("streams")


def interaction_of(text: str | bytes, key: str) -> dict[str, Any] | None:
    """Return the interaction of a message, None if it is none."""
    try:
        return {**json.loads(text), "key": key}
    except (ValueError, TypeError):
        logger.error("The message %s is no JSON object and is left out.", key)
        return None


def send(address: str, interactions: list[dict[str, Any]], token: str = "") -> None:
    """Return when a service has learned interactions; those that it refuses are left out."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    body = json.dumps({"interactions": interactions}).encode()
    while interactions:
        try:
            urlopen(Request(f"{address}/interactions", body, headers), timeout=60).close()
            return
        except HTTPError as error:
            if error.code == 422 and len(interactions) == 1:
                logger.error("Refused: %s %s", interactions[0], error.read().decode())
                return
            if error.code == 422:  # one of them is wrong: the others are learned
                for interaction in interactions:
                    send(address, [interaction], token)
                return
            if error.code not in (429, 503):
                raise
        except URLError as error:
            logger.warning("The service does not answer: %s", error.reason)
        time.sleep(WAIT)


def read_kafka(
    servers: str, topic: str, learn: Callable[[list[dict[str, Any]]], None], stop: Callable[[], bool]
) -> None:
    """Pass the messages of a topic to a function, and commit their offsets afterwards."""
    from confluent_kafka import Consumer, KafkaException

    settings = {"bootstrap.servers": servers, "group.id": GROUP, "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.subscribe([topic])
    try:
        while not stop():
            messages = consumer.consume(BATCH, WAIT)
            for message in messages:
                if message.error():
                    raise KafkaException(message.error())
            keyed = [(each.value(), f"{topic}/{each.partition()}/{each.offset()}") for each in messages]
            if messages:
                learn([found for message in keyed if (found := interaction_of(*message))])
                consumer.commit(asynchronous=False)
    finally:
        consumer.close()


def read_redis(
    server: str, stream: str, learn: Callable[[list[dict[str, Any]]], None], stop: Callable[[], bool]
) -> None:
    """Pass the entries of a stream to a function, and acknowledge them afterwards."""
    import redis

    client = redis.Redis.from_url(f"redis://{server}")
    try:
        client.xgroup_create(stream, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    start = "0"  # first the entries that were read before a failure and not acknowledged
    while not stop():
        found = client.xreadgroup(GROUP, "consumer", {stream: start}, BATCH, block=int(1000 * WAIT)) or []
        entries = [
            entry for _, of_stream in (found.items() if isinstance(found, dict) else found) for entry in of_stream
        ]
        if start == "0" and not entries:
            start = ">"
        keyed = [(fields.get(b"interaction", b""), f"{stream}/{entry.decode()}") for entry, fields in entries]
        if entries:
            learn([found for message in keyed if (found := interaction_of(*message))])
            client.xack(stream, GROUP, *(entry for entry, _ in entries))


def main() -> None:
    parser = argparse.ArgumentParser(description="Pass interactions from a stream to a service.")
    parser.add_argument("kind", choices=["kafka", "redis"])
    parser.add_argument("server", help="host and port of Kafka or Redis")
    parser.add_argument("stream", help="the topic of Kafka or the stream of Redis")
    parser.add_argument("--service", default="http://127.0.0.1:8000", help="default: %(default)s")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    read = {"kafka": read_kafka, "redis": read_redis}[given.kind]
    token = os.environ.get("SKGNNREC_TOKEN", "")
    read(given.server, given.stream, lambda interactions: send(given.service, interactions, token), lambda: False)


if __name__ == "__main__":
    main()
