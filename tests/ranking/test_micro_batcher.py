"""Concurrent requests get what the ranker returns, in few batches, and a wrong request fails alone."""

import asyncio
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skgnnrec import GNNRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.recommenders import MicroBatcher


class CountedRanker:
    """A ranker that counts its calls, and takes its time."""

    def __init__(self, rank):
        self.rank, self.sizes = rank, []

    def __call__(self, *arguments):
        self.sizes.append(1)
        time.sleep(0.02)
        return self.rank(*arguments)

    def batch(self, histories, *arguments):
        self.sizes.append(len(histories))
        time.sleep(0.02)
        return self.rank.batch(histories, *arguments)


async def ask(ranker, requests, **options):
    with MicroBatcher(ranker, **options) as rank:
        return await asyncio.gather(*(rank(*request) for request in requests), return_exceptions=True)


@pytest.fixture
def ranker(X):
    return CountedRanker(RidgeRecommender().fit(X).ranker())


@pytest.mark.parametrize(
    "rec", [PopularityRecommender(), RidgeRecommender(), GNNRecommender(embedding_dim=8, max_iter=2, device="cpu")]
)
def test_requests_get_what_the_ranker_returns(rec, X):
    rank = rec.fit(X).ranker()
    rng = np.random.default_rng(0)
    requests = []
    for size in rng.integers(0, 9, 100):
        positions = rng.choice(40, size, replace=False)
        weights = None if size % 2 else rng.random(size) + 0.1
        requests.append((positions, weights, int(rng.integers(1, 50))))
    for request, found in zip(requests, asyncio.run(ask(rank, requests)), strict=True):
        for part, wanted in zip(found, rank(*request), strict=True):
            assert_array_equal(part, wanted)


def test_requests_that_come_together_are_joined(ranker):
    asyncio.run(ask(ranker, [([number % 40],) for number in range(100)]))
    assert ranker.sizes == [64, 36]
    ranker.sizes.clear()
    asyncio.run(ask(ranker, [([number],) for number in range(7)], max_batch=3))
    assert ranker.sizes == [3, 3, 1]


def test_requests_that_come_while_others_are_computed_are_the_next_batch(ranker):
    async def serve():
        with MicroBatcher(ranker) as rank:
            first = asyncio.create_task(rank([1]))
            await asyncio.sleep(0.005)
            others = [asyncio.create_task(rank([number])) for number in range(2, 7)]
            await asyncio.gather(first, *others)
            await rank([8])

    asyncio.run(serve())
    assert ranker.sizes == [1, 5, 1]


def test_a_wrong_request_fails_alone(ranker):
    found = asyncio.run(ask(ranker, [([1],), ([99],), ([2],), (["x"],)]))
    assert isinstance(found[1], IndexError)
    assert isinstance(found[3], ValueError)
    for row, position in ((0, 1), (2, 2)):
        assert_array_equal(found[row][0], ranker.rank([position])[0])
    with pytest.raises(IndexError, match="positions must be from 0 to 39"):
        raise found[1]


def test_a_cancelled_request_does_not_stop_the_others(ranker):
    async def serve():
        with MicroBatcher(ranker) as rank:
            tasks = [asyncio.create_task(rank([number])) for number in range(4)]
            await asyncio.sleep(0.005)
            tasks[1].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(serve())
    assert isinstance(found[1], asyncio.CancelledError)
    assert_array_equal(found[3][0], ranker.rank([3])[0])


def test_the_size_of_a_batch_is_positive(ranker):
    with pytest.raises(ValueError, match="max_batch must be at least 1, got 0"):
        MicroBatcher(ranker, 0)
