"""Secure sums: messages that say nothing, silos that drop out, and what the two sides refuse."""

from itertools import chain, combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import stats

pytest.importorskip("cryptography", reason="secure sums require cryptography")

from cryptography.exceptions import InvalidTag

from skgnnrec.privacy import SecureSumServer, SecureSumSilo

N, T = 4, 3


class Round:
    """A sum up to the masked vectors of the silos that stay."""

    def __init__(self, vectors, staying=range(N), threshold=T):
        self.silos = [SecureSumSilo(place, n_silos=N, threshold=threshold) for place in range(N)]
        self.keys = {silo.place: silo.keys() for silo in self.silos}
        self.shares = {silo.place: silo.share(self.keys) for silo in self.silos}
        self.masked = {place: self.silos[place].mask(vectors[place], self.received(place)) for place in staying}
        self.server = SecureSumServer(n_silos=N, threshold=threshold)

    def received(self, place):
        return {sender: parts[place] for sender, parts in self.shares.items() if sender != place}


@pytest.fixture
def vectors():
    return np.random.default_rng(0).integers(-(2**40), 2**40, (N, 50))


def test_the_sum_is_exact(vectors):
    done = Round(vectors)
    revealed = {place: done.silos[place].reveal(done.masked) for place in range(N)}
    assert_array_equal(done.server.sum_of(done.masked, revealed, done.keys), vectors.sum(axis=0))


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_a_silo_that_drops_out_before_its_vector_is_left_out(vectors, lost):
    staying = [place for place in range(N) if place != lost]
    done = Round(vectors, staying)
    revealed = {place: done.silos[place].reveal(done.masked) for place in staying}
    assert_array_equal(done.server.sum_of(done.masked, revealed, done.keys), vectors[staying].sum(axis=0))


def test_a_silo_that_drops_out_after_its_vector_counts(vectors):
    done = Round(vectors)
    revealed = {place: done.silos[place].reveal(done.masked) for place in (0, 1, 3)}
    assert_array_equal(done.server.sum_of(done.masked, revealed, done.keys), vectors.sum(axis=0))


def is_uniform(words):
    """Return whether the bytes of integers are those of uniform ones, and the bits of each byte as well."""
    content = np.frombuffer(np.ascontiguousarray(words).tobytes(), dtype=np.uint8)
    by_place = content.reshape(-1, 8)
    tests = [np.bincount(column, minlength=256) for column in (content, by_place[:, 0], by_place[:, 7])]
    return min(stats.chisquare(counts).pvalue for counts in tests) > 1e-7


def test_every_part_of_the_masked_vectors_is_uniform():
    done = Round(np.zeros((N, 20_000), dtype=np.int64))
    subsets = chain.from_iterable(combinations(range(N), size) for size in range(1, N + 1))
    for subset in subsets:  # also all of them: the masks of the silos themselves are removed last
        assert is_uniform(sum(done.masked[place] for place in subset)), subset
    assert not is_uniform(np.arange(20_000, dtype=np.uint64))


def test_two_runs_have_nothing_in_common(vectors):
    first, second = Round(vectors), Round(vectors)
    assert not (first.masked[0] == second.masked[0]).any()
    assert first.keys[0] != second.keys[0]


def test_fewer_shares_than_the_threshold_are_refused_and_do_not_help(vectors):
    done = Round(vectors)
    revealed = {place: done.silos[place].reveal(done.masked) for place in range(T - 1)}
    with pytest.raises(ValueError, match="revealed must be a mapping from 3 or more silos"):
        done.server.sum_of(done.masked, revealed, done.keys)
    with pytest.raises(ValueError, match="shares do not belong together"):
        SecureSumServer(n_silos=N, threshold=T - 1).sum_of(done.masked, revealed, done.keys)


def test_a_silo_never_reveals_both_masks_of_another(vectors):
    done = Round(vectors)
    done.silos[0].reveal([0, 1, 2])
    with pytest.raises(ValueError, match="arrived can be answered once"):
        done.silos[0].reveal([0, 1, 3])


def test_a_silo_masks_once_and_with_enough_others(vectors):
    done = Round(vectors, staying=[0])
    with pytest.raises(ValueError, match="values can be masked once"):
        done.silos[0].mask(vectors[0], done.received(0))
    alone = {1: done.received(2)[1]}
    with pytest.raises(ValueError, match="shares must come from 2 or more other silos"):
        done.silos[2].mask(vectors[2], alone)
    with pytest.raises(ValueError, match="arrived must name 3 or more of the silos"):
        done.silos[0].reveal([0, 1])


def test_changed_messages_are_refused(vectors):
    done = Round(vectors, staying=[])
    received = done.received(0)
    received[1] = received[1][:-1] + bytes([received[1][-1] ^ 1])
    with pytest.raises(InvalidTag):
        done.silos[0].mask(vectors[0], received)
    received = done.received(0)
    received[1], received[2] = received[2], received[1]  # of another sender
    with pytest.raises(InvalidTag):
        done.silos[0].mask(vectors[0], received)
    silo = SecureSumSilo(0, n_silos=N, threshold=T)
    with pytest.raises(ValueError, match="keys must have the keys that each silo has sent"):
        silo.share(done.keys)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"place": 4, "n_silos": 4, "threshold": 3}, "place must be an integer from 0 to 3, got 4"),
        ({"place": 0, "n_silos": 1, "threshold": 1}, "n_silos must be an integer from 2, got 1"),
        ({"place": 0, "n_silos": 4, "threshold": 1}, "threshold must be an integer from 2 to 4, got 1"),
        ({"place": 0, "n_silos": 4, "threshold": 5}, "threshold must be an integer from 2 to 4, got 5"),
    ],
)
def test_numbers_are_checked(numbers, message):
    with pytest.raises(ValueError, match=message):
        SecureSumSilo(**numbers)


def test_values_must_be_integers(vectors):
    done = Round(vectors, staying=[])
    with pytest.raises(ValueError, match="values must be a vector of integers, got array"):
        done.silos[0].mask(vectors[0] / 2, done.received(0))
