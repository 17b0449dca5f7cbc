"""A training loop is fed its own batches, as many as standard input asks for, and the seconds are answered.

Read by every driver, in the environment of each peer.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count, islice
from typing import Any

import torch


def paced(epochs: Callable[[int], Iterable[Any]]) -> Iterator[Any]:
    """Yield the batches of one epoch after the other, in portions.

    The loop comes back for the next batch when its step is done: the seconds of a portion are those of drawing its
    batches and of taking its steps, and of nothing else.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    batches = chain.from_iterable(epochs(epoch) for epoch in count())
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), file=answers, flush=True)
    for line in sys.stdin:
        before = time.perf_counter()
        yield from islice(batches, int(line))
        print(json.dumps({"seconds": time.perf_counter() - before}), file=answers, flush=True)
