"""Give each recommender matrices made to hurt it, and print what happens, one line of JSON a case.

Run as a script, in a process of its own: what should be an error may be a crash, and then the last line names it.
"""

import json
import sys

import numpy as np
from scipy import sparse

import skgnnrec._memory
from skgnnrec import GraphFilterRecommender, PopularityRecommender, RidgeRecommender

N = 6
RECOMMENDERS = (PopularityRecommender, RidgeRecommender, GraphFilterRecommender)


def broken(name, dtype=np.float32, **attributes):
    X = sparse.csr_array(np.eye(N, dtype=dtype)).asformat(name)
    for attribute, value in attributes.items():
        setattr(X, attribute, value)
    return X


def broken_dok(key):
    X = sparse.dok_array((N, N))
    X._dict[key] = 1.0
    return X


def index(bad, dtype):
    return np.array([0, bad, 2, 3, 4, 5], dtype=dtype)


def lists(*values):
    return np.fromiter(values, dtype=object, count=len(values))


def compressed_matrices():
    """Yield a name, a matrix of compressed rows, columns or blocks, and a word of the error."""
    for name in ("csr", "csc", "bsr"):
        for dtype in (np.int32, np.int64):
            for bad in (N, 10**6, 2**31 - 1, -1, -(2**31)):
                yield f"{name} {dtype.__name__} index {bad}", broken(name, indices=index(bad, dtype)), "not a valid"
        yield f"{name} index 2**60", broken(name, indices=index(2**60, np.int64)), "not a valid"
        yield f"{name} fractions as indices", broken(name, indices=np.arange(N) + 0.5), "not a valid"
        yield f"{name} NaN as indices", broken(name, indices=np.full(N, np.nan)), "not a valid"
        yield f"{name} strings as indices", broken(name, indices=np.array(list("abcdef"))), "not a valid"
        yield f"{name} a list as indices", broken(name, indices=list(range(N))), "not a valid"
        yield f"{name} pointers beyond the end", broken(name, indptr=np.array([0, 1, 2, 3, 4, 5, 10**9])), "not a valid"
        yield f"{name} pointers that go back", broken(name, indptr=np.array([0, 5, 1, 3, 4, 5, 6])), "not a valid"
        yield f"{name} negative pointers", broken(name, indptr=np.array([0, -7, 2, 3, 4, 5, 6])), "not a valid"
        yield f"{name} two pointers", broken(name, indptr=np.array([0, N])), "not a valid"
        yield f"{name} no pointers", broken(name, indptr=np.array([], dtype=int)), "not a valid"
        yield f"{name} too few rows", broken(name, _shape=(2, 2)), "not a valid"
    yield "csr with too little data", broken("csr", data=np.ones(2, dtype=np.float32)), "not a valid"
    yield "bsr with empty blocks", broken("bsr", data=np.ones((N, 0, 0))), "blocks of shape"
    yield "bsr with blocks that do not fit", broken("bsr", data=np.ones((N, 4, 4))), "blocks of shape"
    yield "bsr with blocks that are too large", broken("bsr", data=np.ones((N, N, N))), "not a valid"


def other_sparse_matrices():
    """Yield a name, a matrix of coordinates, diagonals, lists or keys, and a word of the error."""
    for axis in (0, 1):
        for bad in (N, 2**31 - 1, 2**60, -1, -(2**60)):
            coords = [np.arange(N), np.arange(N)]
            coords[axis] = index(bad, np.int64)
            yield f"coo axis {axis} index {bad}", broken("coo", coords=tuple(coords)), "indices must be from 0 to 5"
    yield "coo with one axis", broken("coo", coords=(np.arange(N),)), "not a valid"
    for bad in (N, -N, 10**6, 2**31 - 1, -(2**31), 2**62, 2**63 - 1, -(2**63)):
        yield f"dia offset {bad}", broken("dia", offsets=np.array([bad])), "offsets must be from -5 to 5"
    yield "dia offset NaN", broken("dia", offsets=np.array([np.nan])), "offsets must be integers"
    yield "dia with too many offsets", broken("dia", offsets=np.arange(3)), "offsets must be 1 distinct"
    yield "dia with one dimension", broken("dia", data=np.ones(N)), "not a valid DIA"
    yield "lil with too much data", broken("lil", data=lists([1.0] * 10**5, [], [], [], [], [])), "not a valid LIL"
    yield "lil with too many rows", broken("lil", rows=lists(*[[0]] * 99), data=lists(*[[1.0]] * 99)), "not a valid LIL"
    yield "lil with too few rows", broken("lil", rows=lists([0]), data=lists([1.0])), "not a valid LIL"
    for bad in (99, -7, 2**40, 10**30, 0.5, "a", None):
        yield f"lil column {bad}", broken("lil", rows=lists([bad], [1], [2], [3], [4], [5])), "ind(ex|ices)"
    for key in ((0, 99), (-1, 0), (0, 2**40), (0, 10**30), (0.5, 1), ("a", 1), (1, 2, 3), 5):
        yield f"dok key {key}", broken_dok(key), "not a valid DOK"


def hostile_matrices():
    """Yield a name, the matrix and a word of the error."""
    yield from compressed_matrices()
    yield from other_sparse_matrices()
    for value, word in ((np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity"), (1e300, "infinity"), (-1, "Neg")):
        dense = np.eye(N)
        dense[2, 3] = value
        yield f"dense {value}", dense, word
        for name in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia"):
            yield f"{name} {value}", sparse.coo_array(dense).asformat(name), word
    one = (np.ones(1), (np.array([0]), np.array([0])))
    yield "a billion columns", sparse.coo_array(one, shape=(N, 10**9)), "GiB|features"
    yield "a trillion columns", sparse.coo_array(one, shape=(N, 10**12)), "columns"
    yield "a billion rows", sparse.coo_array(one, shape=(10**9, N)), "GiB"
    yield "a quintillion rows", sparse.coo_array(one, shape=(10**18, N)), "GiB"
    yield "one dimension", np.ones(N), "2D"
    yield "three dimensions", np.ones((N, N, N)), "dim 3"
    yield "one sparse dimension", sparse.coo_array(np.ones(N)), "2D"
    yield "no rows", sparse.csr_array((0, N)), "sample"
    yield "no columns", sparse.csr_array((N, 0)), "feature"
    yield "strings", np.full((N, N), "a"), "convert|holds ids"
    yield "times", np.zeros((N, N), dtype="M8[s]"), "times|holds ids"
    yield "masked values", np.ma.array(np.eye(N), mask=np.eye(N)), "masked"
    yield "complex numbers", sparse.csr_array(1j * np.eye(N)), "Complex"


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()  # or a crash would take it along


def report(case, call, X, word):
    say(starts=case)
    try:
        call(X)
    except Exception as error:  # whatever it is, the test wants to see it
        outcome = {"error": type(error).__name__, "value": isinstance(error, ValueError), "message": str(error)}
    else:
        outcome = {"error": None, "value": False, "message": ""}
    say(case=case, word=word, **outcome)


def calls_of(recommender):
    """Return the methods of a recommender that take matrices, by name."""
    fitted = recommender().fit(np.random.default_rng(0).integers(0, 2, (20, N)))
    calls = {"fit": recommender().fit}
    calls |= {name: getattr(fitted, name) for name in ("recommend", "decision_function", "transform", "score")}
    return calls | {"score y": lambda y: fitted.score(np.eye(N), y)}


def main():
    """Fit and ask each recommender with each matrix."""
    skgnnrec._memory.available_memory = lambda: 1 << 30
    for recommender in RECOMMENDERS:
        for name, call in calls_of(recommender).items():
            for case, X, word in hostile_matrices():
                if name != "score y" or case != "one dimension":  # there it is one item for each user
                    report(f"{recommender.__name__} {name}: {case}", call, X, word)
            if name != "fit":
                report(f"{recommender.__name__} {name}: wrong width", call, np.ones((N, N + 1)), "features|has shape")
    say(done=True)


if __name__ == "__main__":
    sys.exit(main())
