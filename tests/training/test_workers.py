"""Sums over processes that train together."""

import socket
import subprocess
import sys

import numpy as np
import pytest
import torch

from skgnnrec.training import ALONE

SCRIPT = """
import sys
import numpy as np, torch
from skgnnrec.training import process_group

rank, port = int(sys.argv[1]), int(sys.argv[2])
with process_group(rank, 2, "127.0.0.1", port, torch.device("cpu")) as workers:
    assert workers.gathered({"rank": rank}) == [{"rank": 0}, {"rank": 1}]
    assert workers.from_first(["a", "b"][rank]) == "a"
    assert workers.total(np.array([rank, 5])).tolist() == [1, 10]
    assert workers.mean([1.0, 4.0][rank], [2, 1][rank]) == 2.0
    assert workers.mean(7.0, 0) == 0.0

    w = torch.tensor(3.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    workers.sum_gradients(optimizer)
    x, y, weight = torch.tensor([[2.0, 5.0][rank]]), [1.0, -1.0][rank], [3, 1][rank]
    loss = workers.mean_loss((workers.sum(w * x) - y).square().sum(), weight)
    assert loss.item() == (3 * 20.0**2 + 22.0**2) / 4  # 3 (2 + 5) = 21
    loss.backward()
    optimizer.step()
    assert abs(w.item() - (3 - 0.1 * (3 * 2 * 20.0 + 2 * 22.0) / 4 * 7)) < 1e-4

    if rank:  # a process without a loss has zero gradients
        w.grad = None
    else:
        w.grad = torch.tensor(2.0)
    before = w.item()
    optimizer.step()
    assert abs(w.item() - (before - 0.2)) < 1e-4
"""


def test_sums_have_the_values_and_gradients_of_all():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, rank, port], stderr=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors


def test_one_alone_has_its_own_values():
    values, loss = np.arange(3), torch.tensor(2.0)
    assert ALONE.total(values) is values
    assert ALONE.sum(loss) is ALONE.mean_loss(loss, 3) is loss
    assert ALONE.mean(0.3, 0) == pytest.approx(0.3)
    assert ALONE.gathered("a") == ["a"]
    assert ALONE.from_first("a") == "a"
