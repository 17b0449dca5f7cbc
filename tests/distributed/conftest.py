"""A cluster of Ray on this machine, whose nodes can be killed during work."""

import os
import signal
import threading
import time
import warnings
from contextlib import suppress
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from skgnnrec.datasets import make_interactions

N_SHARDS = 6


def note_in(folder):
    """Return a function that notes the node where it is called, and the kind of the work.

    While there is a file "stop-n-kind", calls after the first n of this kind wait.
    """

    def note(kind="read"):
        import os
        import time

        import ray

        node = ray.get_runtime_context().get_node_id()
        with open(os.path.join(folder, f"{node}-{os.getpid()}-{time.monotonic_ns()}-{kind}"), "w"):
            pass
        while True:
            names = [name for name in os.listdir(folder) if name.endswith(kind)]
            limits = [int(name.split("-")[1]) for name in names if name.startswith("stop-")]
            if not limits or len(names) - 1 <= limits[0]:
                return
            time.sleep(0.02)

    return note


def noted_work(folder):
    """Return what a worker does first: reads of files, products of sparse matrices and checkpoints are noted."""
    note = note_in(folder)

    def noted(cls, name, kind):
        method = getattr(cls, name)

        def with_note(*args, **options):
            note(kind)
            return method(*args, **options)

        setattr(cls, name, with_note)

    def set_up():
        import os

        from pyarrow import parquet
        from scipy import sparse

        noted(parquet.ParquetFile, "read_row_groups", "read")
        noted(sparse.csr_array, "__matmul__", "product")
        noted(os, "replace", "checkpoint")  # also of other files, in other tests

    return set_up


class LocalCluster:
    """A head without CPUs and two nodes with one each."""

    def __init__(self, folder):
        from ray.cluster_utils import Cluster

        self.folder = folder
        self.note = note_in(str(folder))
        self.options = {"object_store_memory": 150_000_000, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **self.options})
        self.killed = []

    def fill(self):
        """Start nodes until there are two, and forget the notes."""
        alive = [node for node in self.cluster.list_all_nodes() if node is not self.cluster.head_node]
        for _ in range(2 - len(alive)):
            self.add_node()
        for path in self.folder.iterdir():
            path.unlink()
        self.killed.clear()

    def add_node(self):
        """Start a node with one CPU."""
        self.cluster.add_node(num_cpus=1, object_store_memory=self.options["object_store_memory"])
        self.cluster.wait_for_nodes()

    def notes(self, kind="read"):
        """Return the nodes of the notes of a kind of work, in the order of time."""
        return [node for node, _ in self.nodes_and_processes(kind)]

    def nodes_and_processes(self, kind):
        """Return the node and the process of each note."""
        names = [name.split("-") for name in os.listdir(self.folder) if not name.startswith("stop-")]
        return [
            (node, int(process))
            for node, process, _, of in sorted(names, key=lambda parts: int(parts[2]))
            if of == kind
        ]

    def kill_a_busy_node(self, after, kind="read"):
        """Let work wait after so many notes, kill the node of the next one, and let the others continue: a thread."""
        stop = self.folder / f"stop-{after}-{kind}"
        stop.touch()

        def kill():
            end = time.monotonic() + 300
            while len(self.notes(kind)) <= after and time.monotonic() < end:
                time.sleep(0.02)
            try:
                busy, process = self.nodes_and_processes(kind)[after]
                (node,) = (node for node in self.cluster.list_all_nodes() if node.node_id == busy)
                self.cluster.remove_node(node, allow_graceful=False)
                with suppress(ProcessLookupError):  # it notices the loss by itself, but may finish its task before
                    os.kill(process, signal.SIGKILL)
                self.killed.append(busy)
            finally:
                stop.unlink()

        thread = threading.Thread(target=kill)
        thread.start()
        return thread


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """Start the cluster once for all tests."""
    if find_spec("ray") is None:
        pytest.skip("ray is not installed")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    folder = tmp_path_factory.mktemp("notes")
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = LocalCluster(folder)
        try:
            hook = {"worker_process_setup_hook": noted_work(str(folder))}
            ray.init(address=cluster.cluster.address, runtime_env=hook, log_to_driver=False, logging_level="ERROR")
            yield cluster
        finally:
            ray.shutdown()
            cluster.cluster.shutdown()
            os.environ.pop("OMP_NUM_THREADS") if threads is None else os.environ.update(OMP_NUM_THREADS=threads)


@pytest.fixture
def cluster(started):
    """Return the cluster with two nodes."""
    started.fill()
    return started


@pytest.fixture(scope="session")
def log():
    """Return the log of 240 users and 30 items, whose ids are strings."""
    X = make_interactions(240, 30, n_interactions=0.12, n_topics=4, random_state=0).interactions.tocoo()
    return pd.DataFrame({"user": [f"u{row:03d}" for row in X.row], "item": [f"i{column:02d}" for column in X.col]})


@pytest.fixture(scope="session")
def shards(log, tmp_path_factory):
    """Return a folder with the log in six parquet files, each with all interactions of some users."""
    folder = tmp_path_factory.mktemp("shards")
    codes = log["user"].factorize()[0]
    for shard in range(N_SHARDS):
        log[codes % N_SHARDS == shard].to_parquet(folder / f"{shard}.parquet")
    return folder


@pytest.fixture(scope="session")
def titles(tmp_path_factory):
    """Return a folder with 60 titles in two parquet files, and the titles."""
    folder, rng = tmp_path_factory.mktemp("titles"), np.random.default_rng(0)
    words = np.array(["red", "blue", "tea", "pot", "mug", "lamp", "garden", "small"])
    texts = [" ".join(rng.choice(words, 3)) for _ in range(60)]
    pd.DataFrame({"text": texts[:25], "price": range(25)}).to_parquet(folder / "a.parquet")
    pd.DataFrame({"text": texts[25:], "price": range(25, 60)}).to_parquet(folder / "b.parquet", row_group_size=10)
    return folder, texts
