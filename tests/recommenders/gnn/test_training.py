"""The training of a recommender: divergence, early stopping, replayed interactions, memory, checkpoints."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.model_selection import GridSearchCV

from skgnnrec import GNNRecommender
from skgnnrec.exceptions import MemoryLimitError, NonFiniteLossError
from skgnnrec.model_selection import SameUsers, split_interactions
from skgnnrec.recommenders.gnn import _learner, _training


def gnn(**params):
    fixed = {"embedding_dim": 16, "batch_size": 200, "max_iter": 8, "early_stopping": False, "device": "cpu"}
    return GNNRecommender(**{**fixed, **params})


# Divergence -----------------------------------------------------------------------------------------------------------


def test_divergence_raises_a_named_error(X):
    with pytest.raises(NonFiniteLossError, match="Lower learning_rate_init"):
        gnn(loss="bpr", learning_rate_init=1e30, max_iter=20).fit(X)


def test_an_injected_nan_is_never_returned_as_fitted(X, monkeypatch):
    steps = []

    def broken(*args):
        steps.append(1)
        return torch.tensor(torch.nan, requires_grad=True)

    monkeypatch.setattr(_learner, "softmax_loss", broken)
    rec = gnn()
    with pytest.raises(NonFiniteLossError, match="loss is nan in epoch 1"):
        rec.fit(X)
    assert len(steps) == 1
    assert not hasattr(rec, "item_embedding_")


@pytest.mark.parametrize("params", [{}, {"loss": "bpr"}, {"conv": "attention"}])
def test_divergence_in_the_last_step_is_never_returned_as_fitted(X, params):
    with pytest.raises(NonFiniteLossError, match=r"embeddings have entries up to .* Lower learning_rate_init"):
        gnn(max_iter=1, batch_size=10**6, learning_rate_init=1e20, **params).fit(X)


# Stopping -------------------------------------------------------------------------------------------------------------


def test_early_stopping_keeps_the_best_epoch(X):
    rec = gnn(early_stopping=True, max_iter=60, n_iter_no_change=3, learning_rate_init=0.05).fit(X)
    assert len(rec.validation_scores_) == len(rec.loss_curve_) == rec.n_iter_ < 60
    best = int(np.argmax(rec.validation_scores_)) + 1
    again = gnn(early_stopping=True, max_iter=best, n_iter_no_change=3, learning_rate_init=0.05).fit(X)
    assert_array_equal(again.item_embedding_, rec.item_embedding_)


def test_early_stopping_without_users_of_two_items_trains_on_all():
    X = sparse.csr_array(np.eye(6, dtype=np.float32))
    rec = gnn(early_stopping=True, max_iter=2).fit(X)
    assert rec.validation_scores_ == []
    assert rec.n_iter_ == 2


# Replayed interactions ------------------------------------------------------------------------------------------------


def test_partial_fit_replays_a_bounded_number_of_interactions(X, monkeypatch):
    monkeypatch.setattr(_training, "REPLAYED", 200)
    rec = gnn(embedding_dim=2, max_iter=1, popularity_exponent=0.5)
    sizes = [len(pickle.dumps(rec.partial_fit(X))) for _ in range(6)]
    assert max(sizes[1:]) < sizes[0] + 1000  # a call adds 500 interactions
    more_empty_rows = sparse.vstack([X, sparse.csr_array((5000, 40), dtype=np.float32)], format="csr")
    assert len(pickle.dumps(rec.partial_fit(more_empty_rows))) < sizes[0] + 1000
    assert_allclose(rec.item_bias_.max(), 0.1 * 0.5 * np.log1p(7 * X.astype(bool).sum(axis=0).max()), rtol=1e-5)


def test_items_without_replayed_users_keep_their_embeddings(X, monkeypatch):
    monkeypatch.setattr(_training, "REPLAYED", 10)
    rec = gnn(max_iter=3).fit(X)
    further = X[:10].tolil()
    further[:, 7] = 0
    rec.partial_fit(sparse.csr_array(further))
    assert np.linalg.norm(rec.item_embedding_[7]) == pytest.approx(1, rel=1e-4)


# Memory ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"embedding_dim": 10**9},
        {"conv": "lightgcn", "n_layers": 10**9},
        {"n_negatives": 10**12},
        {"loss": "bpr", "n_negatives": 10**9},
    ],
)
def test_a_training_beyond_the_memory_is_refused(X, params):
    match = "Training GNNRecommender on 120 users and 40 items .* GiB of memory, this machine has .*Lower embedding_dim"
    with pytest.raises(MemoryLimitError, match=match):
        gnn(**params).fit(X)


# Reproducibility and checkpoints --------------------------------------------------------------------------------------


KILLED_FITS = """
import hashlib, os, signal, sys, time
from pathlib import Path
import numpy as np
import skgnnrec.recommenders.gnn._learner  # imported once; threads start with the first fit, in a child
from skgnnrec import GNNRecommender
from skgnnrec.datasets import make_interactions

def fit(folder):
    X = make_interactions(200, 60, n_interactions=2000, random_state=0).interactions
    rec = GNNRecommender(
        16, batch_size=500, max_iter=80, early_stopping=True, n_iter_no_change=80, device="cpu", checkpoint_dir=folder
    ).fit(X)
    state = rec.item_embedding_.tobytes() + repr((rec.loss_curve_, rec.validation_scores_)).encode()
    (folder / "result").write_text(hashlib.sha256(state).hexdigest())

def start(folder):
    child = os.fork()
    if child == 0:
        fit(folder)
        os._exit(0)
    return child

def state_of(folder):
    return [path.stat().st_mtime_ns for path in folder.glob("*.pt")]

whole, killed = (Path(sys.argv[1]) / name for name in ("whole", "killed"))
os.waitpid(start(whole), 0)
rng = np.random.default_rng(0)
n_kills = 0
while not (killed / "result").exists():
    before, child = state_of(killed), start(killed)
    while n_kills < 15 and state_of(killed) == before and not (killed / "result").exists():
        time.sleep(0.001)  # until the next epoch
    if n_kills < 15:
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
    n_kills += os.waitpid(child, 0)[1] == signal.SIGKILL
print(n_kills, (whole / "result").read_text() == (killed / "result").read_text())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, to be killed often within seconds")
def test_a_fit_that_is_killed_many_times_ends_with_the_same_result(tmp_path):
    command = [sys.executable, "-c", KILLED_FITS, str(tmp_path)]
    # One thread: the threads of small fits would wait for each other beside other tests.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    n_kills, is_same = run.stdout.split()
    assert int(n_kills) >= 10
    assert is_same == "True"


def test_resuming_requires_a_seed(X, tmp_path):
    with pytest.raises(ValueError, match="random_state must be an int to resume from checkpoint_dir, got None"):
        gnn(checkpoint_dir=tmp_path, random_state=None).fit(X)


def test_candidates_of_a_search_share_a_folder(X, tmp_path):
    grid = {"temperature": [0.1, 0.2]}
    past, future = split_interactions(X, random_state=0)
    search = GridSearchCV(gnn(max_iter=2, checkpoint_dir=tmp_path), grid, cv=SameUsers(), refit=False)
    plain = GridSearchCV(gnn(max_iter=2), grid, cv=SameUsers(), refit=False).fit(past, future)
    for _ in range(2):  # the second time from the checkpoints
        search.fit(past, future)
        assert_array_equal(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    assert len(list(tmp_path.glob("*.pt"))) == 2
    assert not list(tmp_path.glob("*.tmp"))
