"""The network of `SequenceRecommender`: from the steps of histories to what comes next.

One code computes with torch in training and with NumPy afterwards: fitted recommenders answer without torch. In NumPy
all products are exact, so that the bits of a user do not depend on the other users.

At the start of training every head returns the last step plus a mean of all steps in which later ones count more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from skgnnrec.ranking import round_for_exact_sums

__all__ = ["EXACT", "HEADS", "Operations", "encode_steps", "head_parameters", "unit"]

HEADS = ("attention", "gru", "mlp")
Arrays = dict[str, np.ndarray]

DECAY = 0.75  # of the weight of a step from one place to the one before it, at the start
RECURRENT_SCALE = 0.1  # of the random weights of gates: at the start they are nearly constant
SMALLEST_SQUARE = 1e-12  # of a length: steps of items without an embedding stay zero


class Operations(NamedTuple):
    """A library of arrays, and its matrix product; `drop` sets random entries to zero in training."""

    xp: Any
    product: Callable[[Any, Any], Any]
    drop: Callable[[Any], Any]


def exact_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the product of matrices, or of stacks of them, float32; rounded factors make it exact."""
    n_inner = right.shape[-2]
    left = round_for_exact_sums(left, n_inner, axis=-1).astype(np.float64)
    right = round_for_exact_sums(right, n_inner, axis=-2).astype(np.float64)
    return np.matmul(left, right).astype(np.float32)


EXACT = Operations(np, exact_product, lambda x: x)


def head_parameters(head: str, n_layers: int, dim: int, max_length: int, seed: int) -> Arrays:
    """Return the parameters of a head at the start of training."""
    rng = np.random.default_rng([seed, n_layers])
    scale = dim**-0.5

    def draw(*shape: int) -> np.ndarray:
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    found: Arrays = {}
    for layer in range(n_layers):
        part: Arrays = {"value": np.eye(dim, dtype=np.float32)}
        if head != "gru":
            part["place"] = (np.log(DECAY) * np.arange(max_length)).astype(np.float32)
        if head == "attention":
            part |= {"query": np.zeros((dim, dim), dtype=np.float32), "key": draw(dim, dim)}
        if head == "gru":
            n_gates = 2 * dim  # of the update and the reset
            part |= {"gate": RECURRENT_SCALE * draw(dim, n_gates), "gate_state": RECURRENT_SCALE * draw(dim, n_gates)}
            odds = np.log((1 - DECAY) / DECAY)
            part["gate_bias"] = np.repeat(np.array([odds, 0], dtype=np.float32), dim)
            part["state"] = np.zeros((dim, dim), dtype=np.float32)
        part |= {"hidden": draw(dim, 2 * dim), "hidden_bias": np.zeros(2 * dim, dtype=np.float32)}
        part["output"] = np.zeros((2 * dim, dim), dtype=np.float32)
        found |= {f"{name}_{layer}": array for name, array in part.items()}
    return found


def encode_steps(ops: Operations, head: str, parameters: dict[str, Any], steps: Any, *, last: bool = False) -> Any:
    """Return the output at each step, (n_rows, n_steps, dim), or (n_rows, 1, dim) at the last one.

    The output at a step depends on this step and the earlier ones.
    """
    n_layers = sum(name.startswith("hidden_bias_") for name in parameters)
    x = ops.drop(unit(ops.xp, steps))
    for layer in range(n_layers):
        own = {name.removesuffix(f"_{layer}"): parameters[name] for name in parameters if name.endswith(f"_{layer}")}
        n_queries = 1 if last and layer == n_layers - 1 else x.shape[1]
        mixed = (_recur if head == "gru" else _mix)(ops, own, unit(ops.xp, x), n_queries)
        x = x[:, x.shape[1] - n_queries :] + ops.drop(mixed)
        hidden = ops.product(unit(ops.xp, x), own["hidden"]) + own["hidden_bias"]
        hidden = hidden * _sigmoid(ops.xp, hidden)
        x = x + ops.drop(ops.product(hidden, own["output"]))
    return x


def unit(xp: Any, x: Any) -> Any:
    """Return vectors divided by their lengths; zero vectors stay zero."""
    return x / xp.sqrt((x * x).sum(axis=-1, keepdims=True) + SMALLEST_SQUARE)


def _mix(ops: Operations, own: dict[str, Any], x: Any, n_queries: int) -> Any:
    """Return weighted means of the steps so far; the weights depend on places, and on the steps with attention."""
    xp, n_steps = ops.xp, x.shape[1]
    ages, mask = (xp.asarray(part, device=x.device) for part in _places(n_queries, n_steps, len(own["place"])))
    scores = (ages @ own["place"]) + mask  # (n_queries, n_steps); one term of each sum is not zero
    if "query" in own:
        query = ops.product(x[:, n_steps - n_queries :], own["query"])
        key = ops.product(x, own["key"])
        scores = ops.product(query, xp.swapaxes(key, 1, 2)) + scores
    powers = xp.exp(scores - xp.amax(scores, axis=-1, keepdims=True))
    weights = powers / powers.sum(axis=-1, keepdims=True)
    return ops.product(weights, ops.product(x, own["value"]))


@cache
def _places(n_queries: int, n_steps: int, max_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how many steps ago a step was, as indicators (n_queries, n_steps, max_length), and -inf for later ones."""
    age = np.arange(n_steps - n_queries, n_steps)[:, None] - np.arange(n_steps)
    indicators = (age[:, :, None] == np.arange(max_length)).astype(np.float32)
    return indicators, np.where(age < 0, -np.inf, 0).astype(np.float32)


def _recur(ops: Operations, own: dict[str, Any], x: Any, n_queries: int) -> Any:
    """Return the states of a gated recurrent unit after each step."""
    xp, dim = ops.xp, x.shape[2]
    gates, values = ops.product(x, own["gate"]) + own["gate_bias"], ops.product(x, own["value"])
    state, states = xp.zeros_like(x[:, 0]), []
    for step in range(x.shape[1]):
        both = _sigmoid(xp, gates[:, step] + ops.product(state, own["gate_state"]))
        update, reset = both[:, :dim], both[:, dim:]
        new = xp.tanh(values[:, step] + ops.product(reset * state, own["state"]))
        state = state + update * (new - state)
        states.append(state)
    return xp.stack(states[len(states) - n_queries :], 1)


def _sigmoid(xp: Any, x: Any) -> Any:
    return 0.5 * (1 + xp.tanh(0.5 * x))
