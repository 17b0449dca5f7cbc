"""The run of a benchmark: settings, random order, baselines, catalogs, and a stored run that is measured again."""

import json
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from skgnnrec import ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import JointScorer, RankingScorer, ndcg_at_k
from skgnnrec.model_selection import BenchmarkData, benchmark, rerun_benchmark, split_interactions

from .conftest import COLUMNS

FAST = {"n_repeats": 1, "n_resamples": 20}
RANDOM = {**FAST, "protocols": ["random"]}


def with_text(catalog):
    if catalog is None:
        return None
    return RidgeRecommender(catalog=catalog, item_encoder=TfidfVectorizer())


def test_ties_are_broken_at_random():
    n_users, n_items = 200, 20
    X = np.zeros((n_users, n_items))
    X[np.arange(n_users), 10 + np.arange(n_users) % 10] = 1  # items 10 to 19 are equally popular, 0 to 9 have no user
    held_out = np.zeros_like(X)
    held_out[:, 0] = 1
    in_order, _ = PopularityRecommender().fit(X).recommend(X, 14)
    assert (in_order == 0).any(axis=1).all()  # ties in order of position find the item for everybody
    data = {"tied": BenchmarkData(X, held_out=held_out)}
    options = {"scoring": RankingScorer("recall", k=14), "n_resamples": 20}
    table = benchmark({"popularity": PopularityRecommender()}, data, n_repeats=8, **options).to_frame()
    assert 0.2 < table["recall@14"].item() < 0.8
    assert table["recall@14 seed_std"].item() > 0.1


def test_order_of_the_data_has_no_influence(made):
    rng = np.random.default_rng(0)
    X, y = split_interactions(made.interactions, random_state=0)
    rows, columns = rng.permutation(X.shape[0]), rng.permutation(X.shape[1])
    sets = {"as it is": BenchmarkData(X, held_out=y)}
    sets["shuffled"] = BenchmarkData(X[rows][:, columns], held_out=y[rows][:, columns])
    table = benchmark({"ridge": RidgeRecommender()}, sets, n_repeats=2, n_resamples=20).to_frame()
    means = table.pivot_table(index="recommender", columns="data", values="ndcg@10")
    assert_allclose(means.loc["ridge", "as it is"], means.loc["ridge", "shuffled"], atol=1e-6)


@pytest.mark.parametrize("protocol", ["future", "last", "new_users", "cold_items"])
def test_selected_settings_are_used(made, items, protocol):
    data = {"made": BenchmarkData(made.events, **COLUMNS, catalog=items)}
    options = {**FAST, "protocols": [protocol]}
    result = benchmark({"ridge": with_text}, data, param_grids={"ridge": {"alpha": [1e5, 1.0]}}, **options)
    (chosen,) = [row["settings"] for row in result.content["results"] if row["recommender"] == "ridge"]
    fixed = benchmark({"ridge": lambda catalog: with_text(catalog).set_params(**chosen)}, data, **options)
    assert_allclose(result.to_frame()["ndcg@10"], fixed.to_frame()["ndcg@10"])
    assert set(chosen) == {"alpha"}


def test_settings_are_the_best_on_the_validation_part(made):
    X, _ = split_interactions(made.interactions, random_state=0)
    past, held_out = split_interactions(X, random_state=0)
    alphas = [1e-3, 1.0, 10.0, 100.0, 1e5]
    scores = [RidgeRecommender(alpha=alpha).fit(past).score(past, held_out) for alpha in alphas]
    grid = {"ridge": {"alpha": alphas}}
    result = benchmark({"ridge": RidgeRecommender()}, {"made": made.interactions}, param_grids=grid, **RANDOM)
    (chosen,) = [row["settings"] for row in result.content["results"] if row["recommender"] == "ridge"]
    assert chosen == {"alpha": alphas[int(np.argmax(scores))]}


def test_the_test_part_has_no_influence_on_the_settings(made):
    X, y = split_interactions(made.interactions, random_state=0)
    grid = {"ridge": {"alpha": [1e-3, 1.0, 10.0, 100.0, 1e5]}}
    chosen = []
    for held_out in (y, y[::-1]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LeakageWarning)
            data = {"made": BenchmarkData(X, held_out=held_out)}
            found = benchmark({"ridge": RidgeRecommender()}, data, param_grids=grid, **FAST).content["results"]
        chosen.append(next(row["settings"] for row in found if row["recommender"] == "ridge"))
    assert chosen[0] == chosen[1] != {}


def test_searches_choose_on_the_training_part(made):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1e-3, 10.0]}, cv=3)
    table = benchmark({"search": search, "ridge": RidgeRecommender(alpha=10.0)}, {"x": made.interactions}, **RANDOM)
    table = table.to_frame().set_index("recommender")
    assert_allclose(table.loc["search", "ndcg@10"], table.loc["ridge", "ndcg@10"])


def test_catalogs_belong_to_the_data_sets(made, items):
    sets = {"with": BenchmarkData(made.events, **COLUMNS, catalog=items), "without": made.interactions}
    models = {"text": with_text, "ridge": RidgeRecommender()}
    table = benchmark(models, sets, protocols=["random"], **FAST).to_frame()
    found = table.groupby("data")["recommender"].agg(set).to_dict()
    assert found["with"] == {"text", "ridge", "popularity", "content"}
    assert found["without"] == {"ridge", "popularity"}
    X, y = split_interactions(made.interactions, random_state=0)
    expected = clone(with_text(ItemCatalog(items.data))).fit(X).score(X, y)
    assert table.set_index(["data", "recommender"]).loc[("with", "text"), "ndcg@10"] == pytest.approx(
        expected, abs=2e-3
    )


def test_a_leak_of_a_published_split_is_warned_of(made):
    _, y = split_interactions(made.interactions, random_state=0)
    data = {"leaking": BenchmarkData(made.interactions, held_out=y)}
    with pytest.warns(LeakageWarning, match=f"split of 'leaking' leaks: {y.nnz} of {y.nnz}") as caught:
        benchmark({"popularity": PopularityRecommender()}, data, **FAST)
    assert caught[0].filename == __file__


def test_stored_benchmark_is_reproduced(result, models, data, tmp_path):
    path = tmp_path / "benchmark.json"
    result.to_json(path)
    table = rerun_benchmark(path, models, {"made": data}, tolerance=1e-6)
    assert len(table) == 12  # three protocols, two recommenders, two metrics
    assert table["reproduced"].all()
    content = json.loads(path.read_text())
    content["results"][0]["metrics"]["ndcg@10"]["mean"] += 0.002
    path.write_text(json.dumps(content))
    table = rerun_benchmark(path, models, {"made": data})
    assert table["reproduced"].sum() == 11
    assert table["difference"].min() == pytest.approx(-0.002)


def test_stored_grids_and_scorers_are_measured_again(made, tmp_path):
    models, data = {"ridge": RidgeRecommender()}, {"made": made.interactions}
    options = {"scoring": JointScorer({"tail": RankingScorer("recall", k=5, segment="tail")})}
    options["param_grids"] = {"ridge": [{"alpha": [1.0, 10.0]}, {"alpha": [50.0], "user_exponent": [0.5]}]}
    benchmark(models, data, **RANDOM, **options).to_json(tmp_path / "b.json")
    table = rerun_benchmark(tmp_path / "b.json", models, data)
    assert set(table["metric"]) == {"tail"}
    assert table["reproduced"].all()


def test_other_data_and_recommenders_are_refused(result, models, data, made, tmp_path):
    path = tmp_path / "benchmark.json"
    result.to_json(path)
    with pytest.raises(ValueError, match=r"data must be those of the file; 'made' is \{.*'hash'"):
        rerun_benchmark(path, models, {"made": made.interactions})
    with pytest.raises(ValueError, match=r"recommenders must be those of the file; 'ridge' is .*'alpha': 7\.5"):
        rerun_benchmark(path, {**models, "ridge": RidgeRecommender(alpha=7.5)}, {"made": data})


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"recommenders": {}}, ValueError, r"recommenders must hold at least one"),
        ({"recommenders": {"a": Ridge()}}, TypeError, r"pipelines that end in one; got Ridge as 'a'"),
        (
            {"recommenders": {"a": RidgeRecommender}},
            TypeError,
            r"functions of a catalog .*; got RidgeRecommender as 'a'",
        ),
        ({"recommenders": {"a": lambda catalog: Ridge()}}, TypeError, r"got Ridge as 'a'"),
        ({"recommenders": {"a": LogRecommender(RidgeRecommender())}}, TypeError, r"got a LogRecommender as 'a'"),
        (
            {"recommenders": {"a": RidgeRecommender(catalog=ItemCatalog(np.eye(40)))}},
            ValueError,
            r"no catalog of their own, .* got one in 'a'",
        ),
        (
            {"recommenders": {"a": GridSearchCV(RidgeRecommender(), {}, refit=False)}},
            ValueError,
            r"got refit=False in 'a'",
        ),
        ({"data": {}}, ValueError, r"data must hold at least one data set"),
        ({"data": {"x": 3}}, ValueError, r"data\['x'\] must be a BenchmarkData or a matrix"),
        ({"protocols": ["later"]}, ValueError, r"protocols must be among \['future', .* got \['later'\]"),
        ({"protocols": ["future"]}, ValueError, r"one for each data set; got \['future'\], and 'x' has no times"),
        ({"param_grids": {"b": {}}}, ValueError, r"names of recommenders, \['a'\]; got 'b'"),
        ({"param_grids": {"a": {"alpha": 3}}}, ValueError, r"param_grids\['a'\] must be a grid"),
        ({"param_grids": {"a": {"memory": [object()]}}}, ValueError, r"must have numbers, strings, booleans and None"),
        ({"scoring": RankingScorer(ndcg_at_k)}, ValueError, r"scoring must name its metrics"),
    ],
)
def test_errors_name_the_cause(made, changed, error, message):
    with pytest.raises(error, match=message):
        benchmark(**{"recommenders": {"a": RidgeRecommender()}, "data": {"x": made.interactions}, **FAST, **changed})
