"""The comparison with other packages: drivers, checks of lists, failures, tables and plots."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from skgnnrec.datasets import make_interactions
from skgnnrec.model_selection import split_interactions

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="the benchmarks are not part of the wheel")


@pytest.fixture(autouse=True)
def as_scripts_see_it(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("SKGNNREC_PEERS", str(tmp_path))
    yield
    for name in [
        name for name, module in sys.modules.items() if str(BENCHMARKS) in str(getattr(module, "__file__", ""))
    ]:
        del sys.modules[name]


@pytest.fixture
def task():
    from tasks import Task

    X, y = split_interactions(
        make_interactions(60, 40, n_interactions=600, random_state=0).interactions, random_state=0
    )
    return Task(X, X, y, None)


@pytest.fixture
def driven(task):
    """Yield a driver of `TruncatedSVD` that has read the task, and the users to rank."""
    from peers import asked_users, start, written
    from systems import SYSTEMS

    system, users = SYSTEMS["scikit-learn TruncatedSVD"], asked_users(task)
    with written("none", task, users, [system]) as folder, start(system, folder) as process:
        yield process, users


def test_driver_returns_lists_that_can_be_evaluated(task, driven):
    from peers import accuracy, lists

    process, users = driven
    assert process.ask("fit", 30, parameters={"n_components": 5})["seconds"] > 0
    found, answer = lists(process, "known", 30, n=10)
    figures = accuracy(task.held_out[users], task.history[users], found, at=(10,))
    assert found.shape == (len(users), 10)
    assert 0.1 < figures["ndcg@10"] < 1
    assert answer["peak_mib"] > 0
    rows, _ = lists(process, "weighted", 30, n=10)  # all weights are one in this task
    np.testing.assert_array_equal(rows, found)


def test_failure_of_a_driver_has_a_reason(driven):
    from process import NoFigureError

    process, _ = driven
    with pytest.raises(NoFigureError, match=r"fit: InvalidParameterError: The 'n_components'"):
        process.ask("fit", 30, parameters={"n_components": 0})
    with pytest.raises(NoFigureError, match="over the limit of 0 s"):
        process.ask("fit", 0, parameters={"n_components": 5, "n_iter": 100_000})


@pytest.mark.parametrize("found", [[[1, 1]], [[0, 1]]])
def test_lists_with_repeated_or_seen_items_are_refused(found):
    from peers import accuracy
    from process import NoFigureError

    seen = sparse.csr_array(np.array([[1.0, 0, 0]]))
    held_out = sparse.csr_array(np.array([[0, 1.0, 0]]))
    with pytest.raises(NoFigureError, match="twice, or that the user has"):
        accuracy(held_out, seen, np.array(found), at=(2,))
    assert accuracy(held_out, seen, np.array([[1, -1]]), at=(2,))["recall@2"] == 1


def test_failed_installation_has_a_reason(monkeypatch):
    import environments

    def refuse(command):
        if "pip" in command:
            raise RuntimeError("python -m pip ...: error: no such version")
        return ""

    monkeypatch.setattr(environments, "run_quietly", refuse)
    with pytest.raises(RuntimeError, match=r"pip install implicit==.*: error: no such version"):
        environments.environment("implicit")


def test_tables_contain_the_stored_results():
    from report_peers import summary, tables

    common = {"date": "2026-01-01", "threads": 2, "settings": "documented", "lines": 4, "version": "1"}
    figures = {"recall@20": 0.25, "ndcg@10": 0.5, "fit_s": 1.0, "lists_s": 2.0, "users_per_s": 1000, "peak_mib": 7}
    rows = {
        "ours": {"package": "skgnnrec", **common, **figures},
        "theirs": {"package": "implicit", **common, **figures, "ndcg@10": 0.75},
        "absent": {"package": "lightfm", **common, "failed": "cannot be installed"},
    }
    results = {"tasks": {"shop": {"rows": rows, "limit_s": 60, "machine": {}}}}
    page = summary(results, {"shop": "A shop"}, lambda machine: "Measured.")
    assert "| A shop | **ours** | 0.2500 | 0.5000 | 1.00 | 1,000 | 7 | 4 |" in page
    assert "|  | theirs | 0.2500 | 0.7500 |" in page
    assert "absent: cannot be installed." in "\n".join(tables(results, {"shop": "A shop"}, lambda machine: ""))
    assert summary({}, {}, str) == ""


def test_names_in_the_plot_do_not_overlap():
    mpl = pytest.importorskip("matplotlib")
    before = mpl.get_backend()
    from picture import TITLES, accuracy_cost

    rng = np.random.default_rng(0)
    rows = {
        f"package {i} model": {"package": "p", "fit_s": s, "lists_s": 0.1, "ndcg@10": q}
        for i, (s, q) in enumerate(zip(10 ** rng.uniform(-1, 2, 12), rng.uniform(0, 0.1, 12), strict=True))
    }
    figure = accuracy_cost({"tasks": {next(iter(TITLES)): {"rows": rows}}})
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == len(rows)
    assert sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]) <= 1
    mpl.use(before)
