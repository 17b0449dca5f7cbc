"""scikit-learn's batteries, on a subclass that reads numbers; searches over the language model."""

import os
import warnings

import pytest
from number_embedder import NumberEmbedder
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  makes the next import work
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_validate,
    learning_curve,
    permutation_test_score,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender
from skgnnrec.metrics import JointScorer, RankingScorer
from skgnnrec.model_selection import RollingWindows, SameUsers, split_interactions
from skgnnrec.text import TextEmbedder


@pytest.fixture
def number_embedder(tiny_model):
    return NumberEmbedder(tiny_model, dtype="float32", cache=None)


def test_check_estimator(number_embedder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(number_embedder, on_fail=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed == {}
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    # SciPy reads its switch at import; the tests' conftest sets it.
    assert skipped <= (set() if os.environ.get("SCIPY_ARRAY_API") == "1" else {"check_array_api_input"})
    assert len(results) >= 46


def test_check_estimator_on_texts(tiny_model):
    with pytest.warns(SkipTestWarning, match="Can't test estimator TextEmbedder which requires input"):
        results = check_estimator(TextEmbedder(tiny_model))
    assert {result["status"] for result in results} == {"passed"}


# scikit-learn's own checks mix frames and arrays.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_other_checks(number_embedder, name):
    assert getattr(estimator_checks, name)("NumberEmbedder", number_embedder) is None


# The language model as a parameter ------------------------------------------------------------------------------------


@pytest.fixture
def reader(tiny_model, titles):
    """Return a recommender with a language model as item encoder."""
    encoder = TextEmbedder(tiny_model, dtype="float32")
    items = ItemCatalog(titles, ids=range(len(titles)))
    return GraphFilterRecommender(
        catalog=items, item_encoder=encoder, content_weight=1.0, n_components=8, n_neighbors=5
    )


@pytest.fixture
def of_log(reader):
    return LogRecommender(reader, user="user_id", item="item_id", timestamp="timestamp")


@pytest.fixture
def models(tiny_model, other_model):
    return [tiny_model, other_model]


def test_a_search_over_language_models_behind_a_log(of_log, models, tastes, tmp_path):
    cv = RollingWindows("timestamp", n_splits=2)
    of_log.set_params(recommender__memory=str(tmp_path))
    grid = {"recommender__item_encoder__model": models, "recommender__content_weight": [0.5, 1.0]}
    search = GridSearchCV(of_log, grid, cv=cv, error_score="raise").fit(tastes.events)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 4
    # The cache tells the models apart, and encodes the texts once with each.
    assert len(list(tmp_path.rglob("_fit_encode/*/output.pkl"))) == 2
    plain = clone(of_log).set_params(**search.best_params_, recommender__memory=None)
    assert cross_validate(plain, tastes.events, cv=cv)["test_score"].mean() == pytest.approx(scores.max(), rel=1e-6)


def test_a_search_over_language_models_in_a_pipeline(of_log, models, tastes):
    steps = [("first", FunctionTransformer(lambda log: log.drop_duplicates(["user_id", "item_id"]))), ("rank", of_log)]
    grid = {"rank__recommender__item_encoder__model": models}
    cv = RollingWindows("timestamp", n_splits=2)
    search = GridSearchCV(Pipeline(steps), grid, cv=cv, scoring=RankingScorer("ndcg", k=5), error_score="raise").fit(
        tastes.events
    )
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    chosen = search.best_estimator_["rank"].recommender_.item_encoder
    assert chosen.model == search.best_params_["rank__recommender__item_encoder__model"]


def test_other_tools_of_model_selection_take_language_models(reader, models, X):
    pair = split_interactions(X, random_state=0)
    grid = {"item_encoder__model": models}
    halving = HalvingGridSearchCV(reader, grid, cv=2, min_resources=60, random_state=0, error_score="raise").fit(X)
    assert halving.best_params_["item_encoder__model"] in models
    folds, curves = [], []
    for model in models:
        candidate = clone(reader).set_params(item_encoder__model=model)
        folds.append(
            cross_validate(
                candidate, X, cv=2, scoring=JointScorer([RankingScorer("ndcg", k=5), RankingScorer("recall", k=5)])
            )
        )
        curves.append(learning_curve(candidate, X, None, cv=2, train_sizes=[0.5, 1.0], error_score="raise")[2])
        score, permuted, _ = permutation_test_score(
            candidate, pair[0], pair[1].toarray(), cv=SameUsers(), n_permutations=2, random_state=0
        )
        assert score > permuted.max()
    assert (folds[0]["test_ndcg@5"] != folds[1]["test_ndcg@5"]).all()
    assert (curves[0] != curves[1]).all()
