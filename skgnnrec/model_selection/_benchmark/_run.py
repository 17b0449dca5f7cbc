"""The run of a benchmark: settings on validation parts, repeats in random order, accuracy and cost."""

import warnings
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils._param_validation import RealNotInt, validate_parameter_constraints

from skgnnrec._constraints import Interval
from skgnnrec.catalog import ItemCatalog
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import JointScorer, RankingScorer
from skgnnrec.model_selection._baselines import add_baselines
from skgnnrec.model_selection._benchmark._checks import (
    build_recommender,
    check_data,
    check_grids,
    check_protocols,
    check_recommenders,
    describe,
    describe_scorers,
    plain,
)
from skgnnrec.model_selection._benchmark._data import BenchmarkData
from skgnnrec.model_selection._benchmark._protocols import (
    GIVEN,
    Part,
    Task,
    as_matrices,
    count_leaks,
    given,
    permuted,
    protocols_of,
    split,
)
from skgnnrec.model_selection._benchmark._result import BenchmarkResult, rounded
from skgnnrec.model_selection._bootstrap import BOOTSTRAP_CONSTRAINTS
from skgnnrec.model_selection._compare import count_users, fit_and_rank, joint_scorer, summarize
from skgnnrec.model_selection._cost import Cost
from skgnnrec.ranking import rank_held_out

SEED = Interval(Integral, 0, 2**31 - 1, closed="both")
CONSTRAINTS = {
    "recommenders": [Mapping],
    "data": [Mapping],
    "protocols": [list, tuple, None],
    "param_grids": [Mapping, None],
    "scoring": [str, list, tuple, Mapping, RankingScorer, JointScorer, None],
    "test_size": [Interval(RealNotInt, 0, 1, closed="neither")],
    "n_repeats": [Interval(Integral, 1, None, closed="left")],
    "n_resamples": BOOTSTRAP_CONSTRAINTS["n_resamples"],
    "confidence_level": BOOTSTRAP_CONSTRAINTS["confidence_level"],
    "random_state": [SEED],
}
OPTIONS = [name for name in CONSTRAINTS if name not in ("recommenders", "data")]


def benchmark(
    recommenders: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    protocols: Any = None,
    param_grids: Mapping[str, Any] | None = None,
    scoring: Any = None,
    test_size: float = 0.2,
    n_repeats: int = 3,
    n_resamples: int = 999,
    confidence_level: float = 0.95,
    random_state: int = 0,
) -> BenchmarkResult:
    """Measure the accuracy and the cost of recommenders over data sets and protocols.

    All recommenders learn from the same interactions, and rank the same items for the same users. The protocols are:

    - "future": all interactions after one moment are held out, as in real use. Pairs of a user and an item that occur
      before the moment are not held out again. The only protocol that does not learn from the future;
    - "last": the last new item of each user;
    - "random": a random share of the items of each user;
    - "new_users": a random share of the users is not in the fit. A random share of their items is held out, and the
      rest is their history;
    - "cold_items": a random share of the items loses all interactions before the fit. These items are ranked among
      themselves, by their content;
    - "given": the split of `BenchmarkData` with `held_out`.

    Parameters
    ----------
    recommenders : dict of str to BaseRecommender or callable
        The recommenders of matrices by name: recommenders, searches with `refit` or pipelines that end in a
        recommender. A recommender with a catalog is given as a function that takes the catalog of a data set, without
        ids, and returns the recommender; where the data set has no catalog, it takes None, and it may return None to
        leave the recommender out. `PopularityRecommender` is added as "popularity", and `ContentRecommender` as
        "content" where a recommender has item vectors.
    data : dict of str to {BenchmarkData, array-like, sparse matrix, DataFrame}
        The data sets by name. Anything but a `BenchmarkData` is a matrix without times and catalog.
    protocols : list of str, default=None
        The protocols. Data sets without times leave out "future" and "last". If None, data sets with times have
        "future", "last" and "new_users", others "random" and "new_users"; with a catalog they also have "cold_items".
    param_grids : dict of str to (dict or list of dict), default=None
        A grid of plain values, as in ``GridSearchCV``, for some recommenders by name. The settings with the best mean
        of the first metric on the validation part are used: the protocol splits the training part again (a published
        split at random). Searches and recommenders such as `RidgeRecommenderCV` choose their settings in their fit, on
        the training part.
    scoring : RankingScorer, list or dict of RankingScorer, JointScorer or None, default=None
        The metrics, by name (no functions), as in `compare_recommenders`. If None, NDCG@10 and recall@10.
    test_size : float in (0, 1), default=0.2
        The share of interactions, users or items to hold out. "last" does not use it.
    n_repeats : int, default=3
        The number of fits of each recommender. Each has items and users in another random order, so that ties are
        broken at random and the order of the data has no influence, and another `random_state` of the recommender.
    n_resamples : int, default=999
        The number of draws of the bootstrap over users.
    confidence_level : float, default=0.95
        The level of the confidence intervals, in (0, 1).
    random_state : int, default=0
        The seed of splits, orders, recommenders and the bootstrap.

    Returns
    -------
    result : BenchmarkResult
        Accuracy, intervals and costs as a table, a figure and a file. `rerun_benchmark` measures a file again.

    Raises
    ------
    TypeError
        If a recommender is of another kind, or for `LogRecommender`: a log is part of `BenchmarkData`.
    ValueError
        If a protocol is unknown or not possible, or if a recommender has a catalog already.

    Warns
    -----
    LeakageWarning
        If held-out interactions of a published split are part of its training part.

    See Also
    --------
    compare_recommenders : Compare recommenders on one split of one data set, with all p-values.
    rerun_benchmark : Measure a stored benchmark again.
    check_leakage : Check a split for leaks.

    Notes
    -----
    The metric of a user is the mean over the repeats. Intervals describe other users of the same population.
    ``seed_std`` is the standard deviation of the mean over the repeats. Costs are means over the repeats.

    Examples
    --------
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.model_selection import benchmark
    >>> X = make_interactions(200, 40, n_interactions=2000, random_state=0).interactions
    >>> result = benchmark({"ridge": RidgeRecommender()}, {"made": X}, protocols=["random"], n_repeats=2)
    >>> result.to_frame()["recommender"].tolist()
    ['ridge', 'popularity']
    """
    # The decorator validate_params would blame this function for parameters of the recommenders.
    options = {name: value for name, value in locals().items() if name in CONSTRAINTS}
    validate_parameter_constraints(CONSTRAINTS, options, caller_name="benchmark")
    scorer = joint_scorer(scoring)
    sets, grids = check_data(data), check_grids(param_grids, recommenders)
    check_recommenders(recommenders)
    check_protocols(protocols, sets)
    options |= {"param_grids": grids, "scoring": describe_scorers(scorer)}
    stored = {"options": {name: plain(options[name]) for name in OPTIONS}, **describe(recommenders, sets)}
    rows: list[dict[str, Any]] = []
    splits: list[dict[str, Any]] = []
    for data_name, each in sets.items():
        for protocol in protocols_of(each, protocols):
            part = _test_part(each, protocol, test_size, random_state)
            counts = count_leaks(part, each._log, each._shape)
            if counts["n_shared"]:
                warnings.warn(
                    f"The split of {data_name!r} leaks: {counts['n_shared']} of {counts['n_held_out']} held-out "
                    "interactions are in the training part too.",
                    LeakageWarning,
                    stacklevel=2,
                )
            run = _Run(each, protocol, part, scorer, recommenders)
            chosen = run.choose(grids, test_size, random_state)
            users, costs = run.repeat(chosen, n_repeats, random_state)
            splits.append({"data": data_name, "protocol": protocol, "n_users": len(run.task.users), **counts})
            means = users.T.groupby(level=[0, 1], sort=False).mean().T  # over the repeats
            means = count_users(means, list(costs))
            table = summarize(means, costs, n_resamples, confidence_level, None, random_state)
            rows += [{"data": data_name, "protocol": protocol, **row} for row in _rows(table, users, chosen)]
    return BenchmarkResult({**stored, "splits": splits, "results": rows})


def _test_part(data: BenchmarkData, protocol: str, test_size: float, seed: int) -> Part:
    return given(data) if protocol == GIVEN else split(data._log, data._shape, protocol, test_size, seed)


class _Run:
    """One data set and protocol: the recommenders of its catalog, their settings, and repeated fits."""

    def __init__(
        self, data: BenchmarkData, protocol: str, part: Part, scorer: JointScorer, recommenders: Mapping[str, Any]
    ) -> None:
        self.data, self.protocol, self.part, self.scorer, self.recommenders = data, protocol, part, scorer, recommenders
        self.task = as_matrices(part, data._shape, data._rank_decay)

    def build(self, catalog: ItemCatalog | None, seed: int) -> dict[str, Any]:
        """Return the recommenders of a catalog, and the baselines."""
        built = {name: build_recommender(name, each, catalog) for name, each in self.recommenders.items()}
        built = add_baselines({name: each for name, each in built.items() if each is not None})
        return {name: _with_seed(each, seed) for name, each in built.items()}

    def choose(self, grids: Mapping[str, list[dict[str, Any]]], test_size: float, seed: int) -> dict[str, dict]:
        """Return the settings of each recommender with a grid that are best on the validation part."""
        built, chosen = self.build(self.data._catalog, seed), {}
        if not grids.keys() & built.keys():
            return {}
        protocol = "random" if self.protocol == GIVEN else self.protocol
        part = split(self.part.train, self.data._shape, protocol, test_size, seed)
        task = as_matrices(part, self.data._shape, self.data._rank_decay)
        for name in grids.keys() & built.keys():
            scores = [self._first_metric(clone(built[name]).set_params(**settings), task) for settings in grids[name]]
            chosen[name] = grids[name][int(np.argmax(scores))]
        return chosen

    def _first_metric(self, recommender: Any, task: Task) -> float:
        options = {} if task.candidates is None else {"candidates": task.candidates}
        fitted = recommender.fit(task.X_train)
        ranking = rank_held_out(fitted, task.histories, task.held_out, self.scorer.longest_k, **options)
        return float(np.nanmean(next(iter(self.scorer.evaluate_users(ranking).values()))))

    def repeat(
        self, chosen: Mapping[str, dict], n_repeats: int, random_state: int
    ) -> tuple[pd.DataFrame, dict[str, list[Cost]]]:
        """Return the metrics of each user, by metric, recommender and repeat, and the costs of the repeats."""
        values: dict[tuple[str, str, int], pd.Series] = {}
        costs: dict[str, list[Cost]] = {}
        for repeat in range(n_repeats):
            rng = np.random.default_rng([random_state, repeat])
            order = rng.permutation(self.data.n_items)
            task = permuted(self.task, order, rng.permutation(self.task.X_train.shape[0]))
            catalog = None if self.data._catalog is None else self.data._catalog.take(order)
            for name, recommender in self.build(catalog, random_state + repeat).items():
                recommender.set_params(**chosen.get(name, {}))
                ranking, cost = fit_and_rank(recommender, *task[:3], self.scorer.longest_k, task.candidates)
                costs.setdefault(name, []).append(cost)
                for metric, per_user in self.scorer.evaluate_users(ranking).items():
                    values[metric, name, repeat] = pd.Series(per_user, task.users)
        return pd.DataFrame(values), costs


def _with_seed(recommender: Any, seed: int) -> Any:
    """Return a copy of a recommender with a seed for all that is random in it."""
    copy = clone(recommender)
    names = [name for name in copy.get_params() if name == "random_state" or name.endswith("__random_state")]
    return copy.set_params(**dict.fromkeys(names, seed))


def _rows(table: pd.DataFrame, users: pd.DataFrame, chosen: Mapping[str, dict]) -> Iterator[dict[str, Any]]:
    """Yield the stored values of each recommender, the best first."""
    metrics = list(dict.fromkeys(users.columns.get_level_values(0)))
    for name in table.index:
        row: dict[str, Any] = {"recommender": name, "metrics": {}}
        for metric in metrics:
            means = users[metric][name].mean()
            row["metrics"][metric] = {
                **{key: rounded(table.loc[name, (metric, key)]) for key in ("mean", "low", "high", "p_vs_best")},
                "seed_std": rounded(means.std(ddof=0)),
            }
        row["cost"] = {key: rounded(value, 4) for key, value in table.loc[name, "cost"].items()}
        row["settings"] = chosen.get(name, {})
        yield row


def rerun_benchmark(
    path: Any, recommenders: Mapping[str, Any], data: Mapping[str, Any], *, tolerance: float = 0.001
) -> pd.DataFrame:
    """Measure a stored benchmark again, and compare the means of the metrics.

    Parameters
    ----------
    path : str or path-like
        The file that `BenchmarkResult.to_json` wrote.
    recommenders : dict of str to BaseRecommender or callable
        The recommenders by name, as in `benchmark`, with the stored parameters.
    data : dict of str to {BenchmarkData, array-like, sparse matrix, DataFrame}
        The data sets by name, with the stored interactions.
    tolerance : float >= 0, default=0.001
        The largest difference of two means that count as equal.

    Returns
    -------
    table : DataFrame
        A row for each data set, protocol, recommender and metric with the columns `stored`, `measured`, `difference`
        and `reproduced`, which is whether the difference is at most `tolerance`.

    Raises
    ------
    ValueError
        If data sets or recommenders differ from the stored ones in their names, content or parameters.

    See Also
    --------
    benchmark : Measure recommenders.

    Examples
    --------
    >>> import tempfile, os
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.model_selection import benchmark, rerun_benchmark
    >>> models = {"ridge": RidgeRecommender()}
    >>> data = {"made": make_interactions(100, 30, random_state=0).interactions}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "benchmark.json")
    ...     benchmark(models, data, protocols=["random"], n_repeats=1).to_json(path)
    ...     table = rerun_benchmark(path, models, data)
    >>> bool(table["reproduced"].all())
    True
    """
    given = {"recommenders": recommenders, "data": data, "tolerance": tolerance}
    constraints = {"recommenders": [Mapping], "data": [Mapping], "tolerance": [Interval(Real, 0, None, closed="left")]}
    validate_parameter_constraints(constraints, given, caller_name="rerun_benchmark")
    stored = BenchmarkResult.from_json(path)
    sets = check_data(data)
    check_recommenders(recommenders)
    found = describe(recommenders, sets)
    for kind, values in (("data", found["data"]), ("recommenders", found["recommenders"])):
        wanted = stored.content[kind]
        differing = [name for name in {**wanted, **values} if wanted.get(name) != values.get(name)]
        if differing:
            name = differing[0]
            raise ValueError(
                f"{kind} must be those of the file; {name!r} is {wanted.get(name)} there, and {values.get(name)} here."
            )
    options = dict(stored.content["options"])
    scoring = {name: RankingScorer(**values) for name, values in options.pop("scoring").items()}
    grids = {
        name: [{key: [value] for key, value in each.items()} for each in grid]
        for name, grid in options.pop("param_grids").items()
    }
    measured = benchmark(recommenders, sets, scoring=scoring, param_grids=grids, **options)
    keys = ["data", "protocol", "recommender"]
    pairs = [_means(result) for result in (stored, measured)]
    table = pd.concat(pairs, axis=1, keys=["stored", "measured"]).rename_axis([*keys, "metric"]).reset_index()
    table["difference"] = table["measured"] - table["stored"]
    return table.assign(reproduced=table["difference"].abs() <= tolerance)


def _means(result: BenchmarkResult) -> pd.Series:
    """Return the mean of each data set, protocol, recommender and metric."""
    means = {
        (row["data"], row["protocol"], row["recommender"], metric): found["mean"]
        for row in result.content["results"]
        for metric, found in row["metrics"].items()
    }
    return pd.Series(means, dtype=np.float64)
