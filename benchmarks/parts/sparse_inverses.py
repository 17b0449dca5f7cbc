"""Sparse approximations of the dense ridge regression with about as many entries each, on the test parts.

The sparse solver has 64 predictors. The others are the largest weights of the dense solution, two steps of Newton and
Schulz from the inverse of the diagonal, each of which keeps the largest entries of a column, and the two factors of
SANSA (Spisak et al., RecSys 2023) by incomplete Cholesky factorisation (ICF) and by CHOLMOD. SANSA needs the packages
sansa and scikit-sparse (below 0.5), and the library SuiteSparse. `cpu_s` is the time of the processor of a process with
one thread.
"""

import time

import numpy as np
from common import Row, Rows, in_process, sections
from scipy import sparse
from tasks import RANK, TASKS

from parts.large_catalogs import N_PREDICTORS, ONE_THREAD, ndcg_of
from skgnnrec import RidgeRecommender

WAYS = ("sparse solver", "truncated", "Newton-Schulz", "SANSA, ICF", "SANSA, CHOLMOD")
N_USERS, N = 500, 20


def approximations(name: str) -> Rows:
    """Yield accuracy and costs of sparse approximations of the dense solution."""
    for way in WAYS:
        try:
            yield {"weights": way, **in_process("sparse_inverses", name, way, **ONE_THREAD)}
        except RuntimeError as missing:
            yield {"weights": way, "failed": str(missing)}


def worker(name: str, way: str) -> Row:
    """Return accuracy and costs of an approximation; its entries are those of the sparse solver."""
    X = TASKS[name]("test").history
    counts = np.bincount(X.indices, minlength=X.shape[1])
    ridge = 10.0 * counts[counts > 0].mean()
    before = time.process_time()
    if way.startswith("sparse"):
        weights = [RidgeRecommender(solver="sparse", popularity_weight=0).fit(X).weights_]
    elif way.startswith("SANSA"):
        weights = sansa_weights(X, ridge, way)
    else:
        A = sparse.csc_array(X.T @ X + ridge * sparse.eye_array(X.shape[1]), dtype=np.float32)
        P = largest(np.linalg.inv(A.toarray())) if way == "truncated" else newton_schulz(A)
        weights = [P @ sparse.diags_array(-1 / P.diagonal())]
    row = {"cpu_s": round(time.process_time() - before, 1), "entries": sum(each.nnz for each in weights)}
    lists = [best_of(rows, weights) for rows in (X[n : n + N_USERS] for n in range(0, X.shape[0], N_USERS))]
    return {"ndcg": ndcg_of(name, np.vstack(lists)[:, : RANK.get(name, 10)]), **row}


def best_of(X: sparse.csr_array, weights: list) -> np.ndarray:
    """Return the best items of histories, without those of the history."""
    scores = X
    for part in weights:
        scores = sparse.csr_array(scores @ part)
    dense = scores.toarray()
    dense[X.nonzero()] = -np.inf
    return np.argsort(-dense, axis=1, kind="stable")[:, :N]


def newton_schulz(A: sparse.csc_array) -> sparse.csc_array:
    """Return two steps M (2 I - A M) from the inverse of the diagonal, with the largest entries of each column."""
    M = sparse.csc_array(sparse.diags_array(1 / A.diagonal()))
    for _ in range(2):
        M = largest((2 * M - M @ (A @ M)).toarray())
    return M


def largest(P: np.ndarray) -> sparse.csc_array:
    """Return the entries of each column of largest absolute value, with the diagonal."""
    blocks = []
    for start in range(0, P.shape[1], N_USERS):
        columns = np.ascontiguousarray(P[:, start : start + N_USERS].T)
        places = np.arange(len(columns))
        strength = np.abs(columns)
        strength[places, start + places] = np.inf
        kept = np.argpartition(strength, -N_PREDICTORS - 1, axis=1)[:, -N_PREDICTORS - 1 :]
        values, rows = np.take_along_axis(columns, kept, axis=1), np.repeat(places, N_PREDICTORS + 1)
        blocks.append(sparse.csr_array((values.ravel(), (rows, kept.ravel())), shape=columns.shape))
    found = sparse.csc_array(sparse.vstack(blocks).T)
    found.eliminate_zeros()
    return found


def sansa_weights(X: sparse.csr_array, ridge: float, way: str) -> list:
    """Return the two factors of the weights of SANSA; ICF scales the interactions and gets a ridge of 10."""
    import sansa

    factorizer = sansa.ICFGramianFactorizerConfig if way.endswith("ICF") else sansa.CHOLMODGramianFactorizerConfig
    inverter = sansa.UMRUnitLowerTriangleInverterConfig(scans=1, finetune_steps=5)
    density = N_PREDICTORS / 2 / X.shape[1]  # of each factor
    config = sansa.SANSAConfig(10.0 if way.endswith("ICF") else ridge, density, factorizer(), inverter)
    return list(sansa.SANSA(config).fit(sparse.csr_matrix(X)).weights)


SECTIONS = sections("Sparse approximations of the ridge: {}", approximations, ("lastfm", "beauty"))
