"""The speed of recommendation, for all users and for single users, compared with other packages.

Models of one kind have the same number of dimensions or the same weights of item pairs. The fits are short, because
only the recommendation of 20 items without items of the history is timed. The packages run in processes that take
turns. For single users, it is the time of a call in milliseconds (p50 and p99). Where the package has such a function,
similar items of all items are timed as well. The rows "ranker" are the function that the method `ranker` returns. The
ratios are the time of the row divided by the time of `recommend` of skgnnrec in the same round.
"""

from contextlib import ExitStack

from common import EXPERIMENTS, Row, Rows, ratios, sections, spread
from process import NoFigureError, Process
from tasks import TASKS, Task

from parts.peers import LIMIT, System, asked_users, lists

ROUNDS, CALLS, N, FIT_LIMIT = 5, 200, 20, 300
NOT_ON = {"gowalla": ["weights of all pairs of items"]}  # a matrix of 41,000 x 41,000 does not fit into memory


def rows_of(task_name: str) -> Rows:
    """Yield the rows of all kinds of models."""
    task = TASKS[task_name]("test")
    for kind, models in EXPERIMENTS["serving"].items():
        if kind not in NOT_ON.get(task_name, []):
            for row in rows_of_kind(task_name, task, models):
                yield {"kind": kind, **row}


def rows_of_kind(task_name: str, task: Task, models: dict[str, Row]) -> Rows:
    """Yield the rows of the models of one kind, which take turns."""
    rows: dict[str, Row] = {}
    taken: dict[str, dict[str, list[float]]] = {}
    ready: dict[str, Process] = {}
    users = asked_users(task)
    with ExitStack() as stack:
        for name, model in models.items():
            row = {"recommender": name, "package": model["package"]}
            parameters = {key: value for key, value in model.items() if key != "package"}
            system = System(model["package"], f"with_{model['package']}.py", parameters)
            try:
                process = stack.enter_context(system.running(task_name, task, users))
                process.ask("fit", FIT_LIMIT, parameters=parameters)
            except NoFigureError as error:
                yield {**row, "failed": str(error)}
                continue
            ready[name], rows[name] = process, {**row, "version": process.version}
        for _ in range(ROUNDS):
            for name, process in ready.items():
                time(process, "known", "lists", taken.setdefault(name, {}))
                if models[name]["package"] == "skgnnrec":
                    ranker = f"{name}, ranker"
                    rows[ranker] = {**rows[name], "recommender": ranker}
                    time(process, "ranker", "rank", taken.setdefault(ranker, {}))
    first = next(iter(taken.values()), {})
    for name, each in taken.items():
        row = {"users_per_s": round(len(users) / spread(each["all_s"])["median"])}
        row |= {key: spread(values) for key, values in each.items() if key != "similar_s"}
        if "similar_s" in each:
            row["items_per_s"] = round(task.history.shape[1] / spread(each["similar_s"])["median"])
        if each is not first:
            row |= {f"{key.removesuffix('_s')}, times": ratios(each[key], first[key]) for key in each if key in first}
        yield rows[name] | row


def time(process: Process, of: str, by: str, taken: dict[str, list[float]]) -> None:
    """Add the seconds for all users and all items, and the milliseconds for single users."""
    found = {"all_s": lists(process, of, LIMIT, N)[1]["seconds"]}
    found |= process.ask("one", LIMIT, n=N, n_calls=CALLS, by=by)
    if by == "lists" and (similar := process.ask("similar", LIMIT, n=N)):
        found["similar_s"] = similar["seconds"]
    for key, value in found.items():
        taken.setdefault(key, []).append(value)


SECTIONS = sections("Serving: {}", rows_of, ("online_retail", "gowalla"))
