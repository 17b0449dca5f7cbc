"""The service under load, on Online Retail.

32 clients send one request after another for 60 seconds, each over a connection of its own, in this process. The
service runs in another process. Both share the cores of the machine. "mixed" are lists for users and for baskets,
similar items, searches, interactions of known and of new users, and forgotten users; "lists" are lists for users and
similar items. The service of implicit answers the latter with the same framework: it has no updates. Errors are answers
with another status than 200. The memory is that of the service, on average over the second and over the last quarter.
"""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import EXPERIMENTS, Row, Rows, Section, rounded
from process import DRIVERS, NoFigureError, environment, variables_of
from scipy import sparse

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender, save
from skgnnrec.datasets import load_online_retail

N, PAGE, STARTED = 10, os.sysconf("SC_PAGE_SIZE"), re.compile(r"http://([\d.]+):(\d+)")
SECONDS, N_CLIENTS = float(os.environ.get("SKGNNREC_SECONDS", "60")), 32
SHARES: dict[str, dict[str, float]] = EXPERIMENTS["service"]  # of the requests
OURS = {"RidgeRecommender": RidgeRecommender, "GraphFilterRecommender": GraphFilterRecommender}
SYSTEMS = [*(f"{name}, {kind}" for kind in SHARES for name in OURS), "implicit CosineRecommender, lists"]


def command_of(name: str, data: Any, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command that starts a service, and its environment variables."""
    if name not in OURS:
        sparse.save_npz(folder / "X.npz", sparse.csr_matrix(data.interactions).astype(np.float32))
        (folder / "ids.json").write_text(json.dumps([data.user_ids.tolist(), data.item_ids.tolist()]))
        python = environment("implicit-service")
        return [str(python), str(DRIVERS / "implicit_service.py"), str(folder)], variables_of("implicit")
    catalog = ItemCatalog(data.item_frame[["item_id", "description"]], ids="item_id")
    recommender = LogRecommender(OURS[name](catalog=catalog, content_weight=0), user="user_id", item="item_id")
    save(recommender.fit(data.events[["user_id", "item_id"]]), folder / "model")
    main = "import sys; from skgnnrec.serving._cli import main; sys.exit(main())"
    return [sys.executable, "-c", main, "serve", str(folder / "model"), "--port", "0"], dict(os.environ)


@contextmanager
def running(name: str, data: Any) -> Iterator[tuple[int, str, int]]:
    """Yield the process, the host and the port of a service."""
    with tempfile.TemporaryDirectory() as folder:
        command, variables = command_of(name, data, Path(folder))
        log = Path(folder, "log")
        with log.open("w") as file, subprocess.Popen(command, stderr=file, env=variables) as process:
            try:
                while not (found := STARTED.search(log.read_text())):
                    if process.poll() is not None:
                        raise NoFigureError(log.read_text()[-500:])
                    time.sleep(0.1)
                yield process.pid, found[1], int(found[2])
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)


def requests(shares: dict[str, float], data: Any, seed: int) -> Iterator[tuple[str, str, str, Any]]:
    """Yield the kinds of requests, their methods, their paths and their bodies."""
    draw, mine, number = random.Random(seed), [], 0
    users, items = data.user_ids.tolist(), data.item_ids.tolist()
    words = [text.split()[0].lower() for text in data.item_frame["description"] if text]
    while True:
        (kind,) = draw.choices(list(shares), list(shares.values()))
        number += 1
        if kind == "user":
            yield kind, "POST", "/recommendations", {"user": draw.choice(users), "n": N}
        elif kind == "basket":
            yield kind, "POST", "/recommendations", {"history": draw.sample(items, 5), "n": N}
        elif kind == "similar":
            yield kind, "POST", "/items/similar", {"items": [draw.choice(items)], "n": N}
        elif kind == "search":
            yield kind, "GET", f"/items?search={draw.choice(words)}&n=8", None
        elif kind == "forget" and mine:
            yield kind, "DELETE", f"/users/{mine.pop()}", None
        else:
            user = draw.choice(users) if draw.random() < 0.8 else 10**6 * (seed + 1) + number
            mine += [user] if user >= 10**6 else []
            given = [{"user": user, "item": item, "key": f"{seed}/{number}/{item}"} for item in draw.sample(items, 2)]
            yield "interactions", "POST", "/interactions", {"interactions": given}


async def client(host: str, port: int, made: Iterator[Any], end: float, times: Any, errors: Counter) -> None:
    """Send requests until a time."""
    reader, writer = await asyncio.open_connection(host, port)
    for kind, method, path, content in made:
        body = b"" if content is None else json.dumps(content).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        start = time.perf_counter()
        if start > end:
            break
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer, flags=re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        times[kind].append(1000 * (time.perf_counter() - start))
        if not answer.startswith(b"HTTP/1.1 200"):
            errors[f"{kind}: {answer.splitlines()[0].decode()}"] += 1
    writer.close()


async def load(pid: int, host: str, port: int, made: list[Iterator[Any]], seconds: float) -> Row:
    """Return the figures of clients that send requests for some seconds."""
    times: dict[str, list[float]] = defaultdict(list)
    errors: Counter[str] = Counter()
    memory: list[float] = []
    end = time.perf_counter() + seconds
    clients = asyncio.gather(*(client(host, port, each, end, times, errors) for each in made))
    while not clients.done():
        memory.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20)
        await asyncio.sleep(min(1, seconds / 20))
    await clients
    together, quarter = np.concatenate(list(times.values())), max(len(memory) // 4, 1)
    row = {"requests/s": len(together) / seconds, "errors": sum(errors.values()), "kinds of errors": dict(errors)}
    row |= {f"p{share}, ms": np.percentile(together, share) for share in (50, 99)}
    row["p99 of lists for users, ms"] = np.percentile(times["user"], 99)
    row["memory, MiB"] = np.mean(memory[quarter : 2 * quarter])
    return rounded(row | {"memory at the end, MiB": np.mean(memory[-quarter:])}, 2)


def rows_of(system: str) -> Rows:
    """Yield the figures of a service."""
    data, (name, kind) = load_online_retail(), system.rsplit(", ", 1)
    try:
        with running(name, data) as (pid, host, port):
            # The first update of a ridge solves its system again: it is not part of the load.
            warm_up = [requests(SHARES[kind], data, seed) for seed in (1000, 1001)]
            asyncio.run(load(pid, host, port, warm_up, min(SECONDS / 5, 5)))
            made = [requests(SHARES[kind], data, seed) for seed in range(N_CLIENTS)]
            yield {"service": system, **asyncio.run(load(pid, host, port, made, SECONDS))}
    except NoFigureError as error:
        yield {"service": system, "failed": str(error)}


TITLE = f"The service under load: {N_CLIENTS} clients, {SECONDS:.0f} s, Online Retail"
SECTIONS = {"load": Section(TITLE, rows_of, tuple(SYSTEMS), "service")}
