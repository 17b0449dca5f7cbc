"""Warnings stand at the line of the caller, once per call."""

import inspect
import warnings

import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from skgnnrec import LogRecommender, PopularityRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import RankingScorer
from skgnnrec.model_selection import compare_recommenders

LOG = pd.DataFrame({"user": list("aabbccdd") * 2, "item": [*range(8), *range(8, 0, -1)], "day": range(16)})
REC = LogRecommender(PopularityRecommender(), user="user", item="item", timestamp="day")
SPLITTER = KFold(4, shuffle=True, random_state=0)
CALLS = {
    "score": lambda: REC.fit(LOG[8:]).score(LOG[:8]),
    "search": lambda: GridSearchCV(REC, {"rank_decay": [1.0, 0.5]}, cv=SPLITTER).fit(LOG),
    "scorer": lambda: cross_val_score(REC, LOG, cv=SPLITTER, scoring=RankingScorer("ndcg", k=3)),
    "comparison": lambda: compare_recommenders({"popular": REC}, LOG, cv=SPLITTER, n_resamples=10),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_line_of_the_caller_is_warned_of_once_per_call(call):
    for _ in range(2):  # a second call is warned of again
        with warnings.catch_warnings(record=True, action="always", category=LeakageWarning) as caught:
            CALLS[call]()
        assert [(each.category, each.filename) for each in caught] == [(LeakageWarning, __file__)]
        assert caught[0].lineno == inspect.getsourcelines(CALLS[call])[1]
