"""Run a training loop for a number of batches, read from standard input, and print the seconds.

All drivers import this module, each in the environment of its package.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count, islice
from typing import Any

import torch


def paced(epochs: Callable[[int], Iterable[Any]]) -> Iterator[Any]:
    """Yield the batches of all epochs, and measure the time between requests.

    The training loop asks for the next batch when its step is done. The seconds therefore contain the drawing of the
    batches and the steps, and nothing else.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print to standard output
    batches = chain.from_iterable(epochs(epoch) for epoch in count())
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), file=answers, flush=True)
    for line in sys.stdin:
        before = time.perf_counter()
        yield from islice(batches, int(line))
        print(json.dumps({"seconds": time.perf_counter() - before}), file=answers, flush=True)
