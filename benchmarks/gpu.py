"""What a GPU gives: one prepared script of at most eight minutes, which also runs on a CPU and at a small size.

    python benchmarks/gpu.py [--device cuda] [--quick] [--minutes 8] [--to FILE]

- embedding: texts per second, compared with sentence-transformers at equal precision, and the least cosine.
- propagation: sums over the items of each user (SpMM), dot products for each edge (SDDMM) and the softmax over the
  edges of a user, by the message passing of skgnnrec with the backends torch and DGL, by the sparse products of torch,
  and by scipy. They take turns.
- epoch: seconds of a training epoch, compared with the formula of RecBole's LightGCN in plain torch: 3 products with
  the whole graph in each step, vectors of users and items, BPR loss, Adam, the same batch size and dimensions.
- ridge: the fit of the ridge at 30,000 items, and the same inverse by torch on the device.
- correctness: the largest differences between the device and the CPU.

The number of bytes is a model, which is the same for all rows of an operation: each vector that an edge reads, each
vector that is written, and for each edge a weight and an index of 4 bytes. Reads from caches are counted too, so that
the rate can exceed the bandwidth of the memory, which is the best of several copies of a large array, with reads and
writes. Sections that do not start within the time are left out, and so are packages that are not installed.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Rows, in_turn, machine, ratios, spread, timed, write_json
from models import text_embedder
from scipy import sparse
from sklearn.base import clone
from tasks import DATA, TASKS

from skgnnrec import GNNRecommender, RidgeRecommender
from skgnnrec._device import torch_settings
from skgnnrec.datasets import make_interactions
from skgnnrec.graph import inverse_power, item_degrees, message_passing, rescale

RUNS, WARM_UP, COPIED_BYTES = 21, 3, 1 << 28
DIMS, BATCH, RATE = (64, 128), 2048, 1e-3
LIGHTGCN = {"embedding_dim": 64, "conv": "lightgcn", "n_layers": 1, "keep_input": True, "early_stopping": False}
LIGHTGCN |= {"loss": "bpr", "batch_size": BATCH, "learning_rate_init": RATE, "n_negatives": 1}
QUICK, GOWALLA, LARGE = (300, 200, 4_000), (29_858, 40_981, 810_128), (60_000, 30_000, 2_000_000)
N_TEXTS = {"online_retail": 2000, "beauty": 1000, "movietweetings": 1500}

Call = Callable[[], Any]


def draw_texts(quick: bool) -> dict[str, list[str]]:
    """Return distinct texts of data sets, and long texts."""
    rng, sets = np.random.default_rng(0), {}
    for task, n_texts in N_TEXTS.items():
        if task != "beauty" or (DATA / "amazon_beauty").exists():
            texts = sorted({text for text in TASKS[task]("test").texts if text and not text.isspace()})
            sets[task] = rng.permutation(texts)[: 40 if quick else n_texts].tolist()
        if quick:
            return sets
    parts = [rng.choice(sets["online_retail"], rng.integers(10, 61)) for _ in range(100)]
    return {**sets, "online_retail, 10 to 60 descriptions in one text": ["; ".join(each) for each in parts]}


def embedding(device: str, quick: bool = False) -> Rows:
    """Yield the texts per second of each set of texts and floating-point type."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        SentenceTransformer = None
    runs = 2 if quick else 5
    for name, texts in draw_texts(quick).items():
        exact = text_embedder(device="cpu", cache=None).fit_transform(texts[:500])
        for dtype in ("float32", "bfloat16"):
            ours = text_embedder(device=device, dtype=dtype, cache=None).fit([])
            calls: dict[str, Call] = {"ours": lambda e=ours, texts=texts: e.transform(texts)}
            if SentenceTransformer is not None:
                theirs = SentenceTransformer(ours.model, device=device).to(getattr(torch, dtype))
                calls["theirs"] = lambda e=theirs, texts=texts: e.encode(texts, convert_to_tensor=True).cpu()
            taken = in_turn(calls, runs, warm_up=1)
            rates = {who: round(len(texts) / spread(seconds)["median"]) for who, seconds in taken.items()}
            row = {"texts": name, "n": len(texts), "dtype": dtype, "runs": runs, "texts/s": rates["ours"]}
            if "theirs" in taken:
                faster = ratios(taken["theirs"], taken["ours"])
                row |= {"sentence-transformers, texts/s": rates["theirs"], "times faster": faster["median"]}
                row |= {"least": faster["min"], "most": faster["max"]}
            found = ours.transform(texts[:500])
            norms = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
            least = min(1.0, float((np.einsum("ij,ij->i", found, exact) / norms).min()))
            yield {**row, "least cosine": float(np.floor(1e7 * least) / 1e7)}


def interactions(size: tuple[int, int, int]) -> sparse.csr_array:
    """Return Gowalla where its file is, else random interactions of a size."""
    if size == GOWALLA and (DATA / "gowalla").exists():
        return TASKS["gowalla"]("test").history
    data = make_interactions(size[0], size[1], n_interactions=size[2], random_state=0)
    return sparse.csr_array(data.interactions)


def wait(device: torch.device) -> None:
    """Wait until a GPU has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def bandwidth(device: torch.device, n_bytes: int) -> float:
    """Return the bytes that a copy reads and writes in a second."""
    source = torch.ones(n_bytes // 4, device=device)
    target = torch.empty_like(source)
    taken = in_turn({"copy": lambda: (target.copy_(source), wait(device))}, RUNS, WARM_UP)["copy"]
    return 2 * n_bytes / min(taken)


def passing(X: sparse.csr_array, device: torch.device) -> dict[str, Any]:
    """Return the message passing of each backend that is there."""
    found = {}
    for backend in ("torch", "dgl"):
        try:
            found[f"skgnnrec, {backend}"] = message_passing(X, backend=backend, device=device)
        except Exception as error:  # the backend is absent or was built without this device
            print(f"{backend}: {str(error).splitlines()[0]}", flush=True)
    return found


def sums(X: sparse.csr_array, device: torch.device) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """Return the functions that sum vectors of items for each user."""
    arrays = [torch.tensor(array, device=device) for array in (X.indptr, X.indices, X.data)]
    csr = torch.sparse_csr_tensor(*arrays, X.shape, check_invariants=True)
    coo = csr.to_sparse_coo().coalesce()
    found = {name: each.to_rows for name, each in passing(X, device).items()}
    found["torch.sparse.mm, CSR"] = lambda source: torch.sparse.mm(csr, source)
    found["torch.sparse.mm, COO"] = lambda source: torch.sparse.mm(coo, source)
    return found


def without(function: Callable, *inputs: torch.Tensor) -> Call:
    """Return a call of a function without gradients."""
    return torch.no_grad()(lambda: function(*inputs))


def with_gradients(function: Callable, *inputs: torch.Tensor) -> Call:
    """Return a call of a function with its gradients."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    ones = torch.ones_like(without(function, *inputs)())
    return lambda: torch.autograd.grad(function(*leaves), leaves, ones)


def propagation(name: str, quick: bool = False) -> Rows:
    """Yield the milliseconds and the rates of message passing."""
    device, X = torch.device(name), interactions(QUICK if quick else GOWALLA)
    X = rescale(X, inverse_power(X.sum(axis=1), 0.5), inverse_power(item_degrees(X), 0.5))
    speed = bandwidth(device, 1 << 20 if quick else COPIED_BYTES)
    graphs, functions, rng = passing(X, device), sums(X, device), np.random.default_rng(0)
    yield {"operation": "copy", "who": "torch", "gb_s": round(speed / 1e9, 1), "of_copy": 1.0}
    for dim in DIMS[:1] if quick else DIMS:
        items = rng.standard_normal((X.shape[1], dim)).astype(np.float32)
        vectors, users = (torch.tensor(array, device=device) for array in (items, X @ items))
        scores = torch.tensor(rng.standard_normal(X.nnz), dtype=torch.float32, device=device)
        for who, function in functions.items():
            found = without(function, vectors)().cpu()
            np.testing.assert_allclose(found, X @ items, rtol=1e-3, atol=1e-4, err_msg=who)
        each, edges = X.nnz * (4 * dim + 8), X.nnz * (8 * dim + 8)
        written, back = 4 * X.shape[0] * dim, 2 * each + 4 * sum(X.shape) * dim
        # The functions and inputs of each operation, and the bytes of its forward pass and of both passes.
        operations = {
            "sum": (functions, (vectors,), each + written, back),
            "dot": ({who: each.dot for who, each in graphs.items()}, (users, vectors), edges, edges + back),
        }
        if dim == DIMS[0]:
            softmax = {who: each.softmax_by_row for who, each in graphs.items()}
            operations["softmax by user"] = (softmax, (scores,), 12 * X.nnz, 28 * X.nnz)
        for operation, (of, inputs, *sizes) in operations.items():
            for says, prepare, n_bytes in zip(("", PASSES), (without, with_gradients), sizes, strict=True):
                calls = {who: prepare(function, *inputs) for who, function in of.items()}
                if operation + says == "sum" and device.type == "cpu":
                    calls["scipy"] = lambda items=items: X @ items
                waiting = {who: lambda call=call: (call(), wait(device)) for who, call in calls.items()}
                for who, taken in in_turn(waiting, 3 if quick else RUNS, WARM_UP).items():
                    row = {"operation": operation + says, "dim": "" if "softmax" in operation else dim, "who": who}
                    row |= {f"{key}_ms": value for key, value in spread([1e3 * each for each in taken]).items()}
                    rate = n_bytes / (row["median_ms"] / 1e3)
                    yield {**row, "gb_s": round(rate / 1e9, 1), "of_copy": round(rate / speed, 2)}


PASSES = ", forward and backward"


def epoch(device: str, quick: bool = False) -> Rows:
    """Yield the seconds of an epoch of LightGCN by `GNNRecommender` and by the formula of RecBole in plain torch."""
    X, more = interactions(QUICK if quick else GOWALLA), 20 if quick else 2
    start = GNNRecommender(**LIGHTGCN, device=device, random_state=0)
    clone(start).set_params(max_iter=1).fit(interactions(QUICK))  # the first call on a device loads libraries
    one, many = (timed(lambda n=n: clone(start).set_params(max_iter=n).fit(X))[0] for n in (1, 1 + more))
    ours = max(1e-9, (many - one) / more)
    n_steps = -(-X.nnz // BATCH)
    step = recbole_step(X, torch.device(device))
    theirs = n_steps * spread(in_turn({"step": step}, 2 if quick else 10, WARM_UP)["step"], 6)["median"]
    row = {"model": "LightGCN", "who": "skgnnrec", "s_per_epoch": round(ours, 3), "steps": n_steps}
    yield {**row, "epoch": "no user vectors: 2 products with half of the graph, the third for all users"}
    row |= {"who": "RecBole's formula in plain torch", "s_per_epoch": round(theirs, 3)}
    yield {**row, "epoch": "3 products with the whole graph", "ratio": round(theirs / ours, 2)}


def recbole_step(X: sparse.csr_array, device: torch.device, dim: int = 64, decay: float = 1e-5) -> Call:
    """Return a training step of RecBole's LightGCN: embeddings, 3 layers, BPR and the L2 penalty, Adam."""
    n_users, n_items = X.shape
    A = sparse.csr_array(sparse.block_array([[None, X], [X.T, None]]))
    norm = inverse_power(A.sum(axis=1), 0.5)
    A = sparse.coo_array(rescale(A, norm, norm))
    places = torch.tensor(np.stack(A.coords).astype(np.int64))
    adjacency = torch.sparse_coo_tensor(places, torch.tensor(A.data), A.shape, check_invariants=True)
    adjacency = adjacency.to(device).coalesce()
    embedding = torch.nn.Embedding(n_users + n_items, dim, device=device)
    torch.nn.init.xavier_uniform_(embedding.weight)
    optimizer = torch.optim.Adam(embedding.parameters(), lr=RATE)
    pairs = torch.tensor(np.column_stack(X.nonzero()).astype(np.int64), device=device)

    def step() -> None:
        layers = [embedding.weight]
        for _ in range(3):
            layers.append(torch.sparse.mm(adjacency, layers[-1]))
        final = torch.stack(layers, dim=1).mean(dim=1)
        drawn = pairs[torch.randint(len(pairs), (BATCH,), device=device)]
        negative = torch.randint(n_items, (BATCH,), device=device) + n_users
        places = (drawn[:, 0], drawn[:, 1] + n_users, negative)
        user, liked, other = (final[each] for each in places)
        loss = -torch.nn.functional.logsigmoid((user * (liked - other)).sum(dim=1)).mean()
        loss = loss + decay * sum(embedding.weight[each].norm(2) for each in places) / BATCH
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wait(device)

    return step


def ridge(device: str, quick: bool = False) -> Rows:
    """Yield the seconds of a ridge with many items: the whole fit, and the inverse alone by torch on the device."""
    X = interactions(QUICK if quick else LARGE)
    seconds, model = timed(lambda: RidgeRecommender().fit(X))
    row = {"items": X.shape[1], "interactions": X.nnz}
    yield {**row, "what": "fit of RidgeRecommender, CPU", "s": round(seconds, 2)}
    G = torch.tensor((X.T @ X).toarray(), dtype=torch.float32, device=device)
    G.diagonal().add_(model.alpha * float(G.diagonal().mean()))

    def invert() -> torch.Tensor:
        found = torch.cholesky_inverse(torch.linalg.cholesky(G))
        wait(G.device)
        return found

    if G.device.type == "cuda":
        invert()  # the first call loads a library
    seconds, found = timed(invert)
    error = float((G[:50] @ found - torch.eye(X.shape[1], device=device)[:50]).abs().max())
    row |= {"what": f"Cholesky inverse by torch, {device}", "s": round(seconds, 2)}
    yield {**row, "largest error of G · G⁻¹": float(f"{error:.2g}")}


def correctness(device: str, quick: bool = False) -> Rows:
    """Yield the largest differences between the device and the CPU."""
    texts, X = draw_texts(True)["online_retail"], interactions(QUICK)
    vectors, scores = {}, {}
    for name in {"cpu", device}:
        vectors[name] = text_embedder(device=name, cache=None).fit_transform(texts)
        scores[name] = GNNRecommender(**LIGHTGCN, max_iter=2, device=name, random_state=0).fit(X).score(X)
    yield {"what": "text vectors, float32", "difference": float(np.abs(vectors[device] - vectors["cpu"]).max())}
    items = np.random.default_rng(0).standard_normal((X.shape[1], 64)).astype(np.float32)
    for who, function in sums(X, torch.device(device)).items():
        found = without(function, torch.tensor(items, device=device))().cpu().numpy()
        yield {"what": f"sum, {who}", "difference": float(np.abs(found - X @ items).max())}
    yield {"what": "NDCG@10 of a training of 2 epochs", "difference": abs(scores[device] - scores["cpu"])}


SECTIONS = {each.__name__: each for each in (embedding, propagation, epoch, ridge, correctness)}


def main(arguments: list[str] | None = None) -> None:
    """Measure all sections within the time, print the rows, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="a small size, as the tests use")
    parser.add_argument("--minutes", type=float, default=8, help="start no section after this time")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--to", type=Path, help="a JSON file")
    given = parser.parse_args(arguments)
    on = {"gpu": torch.cuda.get_device_name(given.device)} if given.device.startswith("cuda") else {}
    content, end = {}, time.monotonic() + 60 * given.minutes
    for name in given.only:
        if time.monotonic() > end:
            print(f"{name}: left out, the time is over", flush=True)
            continue
        content[name] = {"machine": {**machine(), **on}, "rows": []}
        with torch_settings():
            for row in SECTIONS[name](given.device, given.quick):
                print(name, json.dumps(row), flush=True)
                content[name]["rows"].append(row)
        if given.to:
            write_json(given.to, content)


if __name__ == "__main__":
    main()
