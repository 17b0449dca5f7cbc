"""Training by workers that share the users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skgnnrec.distributed._cluster import connect, n_that_fit, run_together
from skgnnrec.distributed._shards import NO_USERS, UserSample, read_shard
from skgnnrec.recommenders import BaseRecommender

__all__ = ["train_on_shards"]


def train_on_shards(
    recommender: BaseRecommender,
    vectors: np.ndarray | None,
    sources: Sequence[tuple],
    n_workers: int | None,
    ray_remote_args: Any,
) -> dict[str, Any]:
    """Return the fitted attributes after a training on shards; sources are matrices or arguments of `read_shard`."""
    ray = connect()
    learner: Any = clone(recommender).set_params(catalog=None, item_encoder=None, memory=None)
    learner.set_callbacks()
    if recommender.random_state is None and recommender.checkpoint_dir is None:
        learner.set_params(random_state=int(np.random.default_rng().integers(np.iinfo(np.int32).max)))
    n_workers = min(n_that_fit(ray_remote_args) if n_workers is None else n_workers, len(sources))
    shards = [source if len(source) > 1 else (ray.put((source[0], UserSample.of(NO_USERS))),) for source in sources]
    shared = ray.put((learner, vectors))
    calls = [(shared, shards[rank::n_workers]) for rank in range(n_workers)]
    first, *others = run_together(_train, calls, ray_remote_args)
    replayed = [first["_replay_"], *others]
    return {**first, "_replay_": sparse.csr_array(sparse.vstack(replayed, format="csr"))}


def _train(rank: int, n_workers: int, address: tuple[str, int], shared: tuple, shards: Sequence[tuple]) -> Any:
    """Return the fitted attributes from the first worker, and from others the histories that they replay."""
    import ray

    from skgnnrec._device import resolve_device
    from skgnnrec.training import process_group

    recommender, vectors = shared
    parts = [ray.get(shard[0]) if len(shard) == 1 else read_shard(*shard) for shard in shards]
    X = sparse.csr_array(sparse.vstack([matrix for matrix, _ in parts], format="csr"))
    with process_group(rank, n_workers, *address, resolve_device(recommender.device)) as workers:
        samples: list[UserSample] = [
            sample for others in workers.gathered([sample for _, sample in parts]) for sample in others
        ]
        sum(samples[1:], samples[0])  # notices users in several shards
        if not workers.total(np.array(X.nnz)):
            raise ValueError("shards must have interactions; got none.")
        found = recommender._fit_part(X, vectors, workers)
    return found if rank == 0 else found["_replay_"]
