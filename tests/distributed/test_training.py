"""Training by workers that share the users."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skgnnrec import GNNRecommender, ItemCatalog, distributed

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.ray


def test_workers_take_the_steps_of_one(cluster):
    rng = np.random.default_rng(0)
    columns = np.sort(np.array([rng.choice(40, 2, replace=False) for _ in range(120)]), axis=1)
    values = rng.permuted(np.tile([1.0, 2.0], (120, 1)), axis=1)  # in the order of time: nothing is drawn
    X = sparse.csr_array((values.ravel(), (np.repeat(np.arange(120), 2), columns.ravel())), shape=(120, 40))
    rec = GNNRecommender(
        8, conv="lightgcn", n_layers=2, batch_size=120, max_iter=8, early_stopping=False, popularity_exponent=0.3
    )
    shards = [X[:20], X[20:90], X[90:]]
    fitted, alone = distributed.fit(rec, shards, n_workers=2), rec.fit(X)
    np.testing.assert_allclose(fitted.loss_curve_, alone.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(fitted.decision_function(X), alone.decision_function(X), atol=1e-2)
    np.testing.assert_array_equal(fitted.item_bias_, alone.item_bias_)
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0] - 0.01


def test_the_loss_is_that_of_one_worker_in_expectation(cluster, shards, log):
    items = sorted(set(log["item"]))
    vectors = np.random.default_rng(0).standard_normal((len(items) + 1, 4)).astype(np.float32)
    catalog = ItemCatalog(vectors, ids=[*items, "new"])
    rec = GNNRecommender(8, catalog=catalog, batch_size=60, max_iter=8, learning_rate_init=0.01, n_iter_no_change=9)
    fitted = distributed.fit(rec, shards)  # by two processes, for which the cluster has room
    X = pd.crosstab(log["user"], log["item"]).reindex(columns=[*items, "new"], fill_value=0)
    curves = [rec.set_params(random_state=seed).fit(X).loss_curve_ for seed in range(6)]
    spread = np.std(curves, axis=0, ddof=1)
    assert (np.abs(fitted.loss_curve_ - np.mean(curves, axis=0)) < 4 * spread).all()
    assert len(fitted.validation_scores_) == 8
    assert list(fitted.item_ids_) == [*items, "new"]
    assert fitted.score(X) > 0.8 * rec.score(X)
    assert fitted.recommend(X[:3], 2, candidates=ItemCatalog(vectors[:2], ids=["a", "b"]))[0].shape == (3, 2)
    assert fitted.partial_fit(X[:50]).n_iter_ == 9


def test_errors_of_a_worker_are_raised(cluster, log, tmp_path):
    for part in range(2):
        log.iloc[part::2].to_parquet(tmp_path / f"{part}.parquet")
    with pytest.raises(ValueError, match="Each user must be in one shard with all interactions"):
        distributed.fit(GNNRecommender(4, max_iter=1), tmp_path)
