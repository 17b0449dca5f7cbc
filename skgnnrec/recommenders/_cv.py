"""Closed forms that choose their settings on interactions that the fit hides from itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from numbers import Integral
from typing import Any, ClassVar

import joblib
import numpy as np
from scipy import sparse

from skgnnrec._constraints import Interval
from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import (
    check_interactions,
    column_vocabulary,
    has_order,
    hide_from_fit,
    refuse_log,
)
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._graph_filter import GraphFilterRecommender
from skgnnrec.recommenders._ridge import RidgeRecommender
from skgnnrec.recommenders._sparse_inverse import chosen_solver
from skgnnrec.recommenders._updates import ClosedForm

__all__ = ["GraphFilterRecommenderCV", "RidgeRecommenderCV"]

NEEDS_ORDER, NEEDS_CATALOG = ("rank_decay", "order_weight"), ("content_weight", "gamma", "n_neighbors")


class SharedResults:
    """A cache in memory with the interface of `joblib.Memory`: the last result of each function."""

    def __init__(self) -> None:
        self._results: dict[str, tuple[Any, Any]] = {}

    def cache(self, function: Callable, ignore: Sequence[str] = ()) -> Callable:
        """Return the function with its last result kept."""
        name, parameters = f"{function.__module__}.{function.__qualname__}", signature(function)

        def cached(*args: Any, **options: Any) -> Any:
            given = parameters.bind(*args, **options).arguments
            key = joblib.hash({part: value for part, value in given.items() if part not in ignore})
            if self._results.get(name, (None,))[0] != key:
                self._results.pop(name, None)  # its memory is free while the new result is computed
                self._results[name] = key, function(*args, **options)
            return self._results[name][1]

        return cached


class _Search:
    """A search of one parameter after the other; each starts from the best values of those before it."""

    def __init__(self, grid: dict[str, Sequence], make: Callable[..., BaseRecommender]) -> None:
        self.grid, self.make = grid, make
        self.tried: list[dict[str, Any]] = []
        self.scores: list[float] = []
        self.fit_times: list[float] = []
        self.score_times: list[float] = []

    def best_on(self, training: sparse.csr_array, histories: sparse.csr_array, held_out: sparse.csr_array) -> dict:
        """Return the parameters of the best candidate, the first of each list where nothing can be hidden."""
        best = {name: values[0] for name, values in self.grid.items()}
        if not held_out.nnz:
            return best
        self._try(best, training, histories, held_out)
        for name, values in self.grid.items():
            for value in values[1:]:
                self._try({**best, name: value}, training, histories, held_out)
            best = self.tried[int(np.argmax(self.scores))]
        return best

    def _try(self, parameters: dict[str, Any], training: Any, histories: Any, held_out: Any) -> None:
        start = time.perf_counter()
        candidate = self.make(**parameters).fit(training)
        fitted = time.perf_counter()
        self.tried.append(parameters)
        self.scores.append(candidate.score(histories, held_out))
        self.fit_times.append(fitted - start)
        self.score_times.append(time.perf_counter() - fitted)

    def results(self) -> dict[str, Any]:
        """Return the candidates with their scores and times, as in `GridSearchCV`."""
        scores = np.array(self.scores)
        columns = {f"param_{name}": np.array([tried[name] for tried in self.tried], dtype=object) for name in self.grid}
        return {
            "mean_fit_time": np.array(self.fit_times),
            "mean_score_time": np.array(self.score_times),
            **columns,
            "params": list(self.tried),
            "mean_test_score": scores,
            "rank_test_score": (scores[None, :] > scores[:, None]).sum(axis=1).astype(np.int32) + 1,
        }


class _SelfTuning(ClosedForm):
    """Base of recommenders with settings that the fit chooses."""

    _parameter_constraints: ClassVar[dict] = {
        **BaseRecommender._parameter_constraints,
        "grid": [dict, None],
        "max_users": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    _tuned: ClassVar[type[BaseRecommender]]
    _grid: ClassVar[dict[str, Sequence]]  # by default

    # Settings are chosen on the interactions of users.
    _exponent_of_sums = ClosedForm._exponent_of_sums

    grid: dict[str, Sequence] | None
    max_users: int

    def _learn(self, X: Any, previous: Any, **options: Any) -> None:
        refuse_log(X)
        vocabulary = column_vocabulary(X)
        checked = check_interactions(X, estimator=self, reset=True)
        catalog = self._aligned_catalog(vocabulary, checked.shape[1])
        grid = self._grid_for(checked, catalog)
        make = partial(
            self._tuned,
            n_recommendations=self.n_recommendations,
            catalog=catalog,
            item_encoder=self.item_encoder,
            memory=SharedResults() if self.memory is None else self.memory,
            random_state=self.random_state,
        )
        search = _Search(grid, make)
        best = search.best_on(*hide_from_fit(checked, self.max_users))
        chosen = make(**best).fit(X)
        self.__dict__.update({name: value for name, value in vars(chosen).items() if name.endswith("_")})
        self.best_params_, self.cv_results_ = best, search.results()
        self.best_score_ = max(search.scores, default=float("nan"))

    def _change(self, forgotten: np.ndarray, further: sparse.csr_array) -> None:
        """Leave out some of the rows and add others; the settings remain those of the last search."""
        chosen = self._as_chosen()
        chosen._change(forgotten, further)
        self.__dict__.update({name: value for name, value in vars(chosen).items() if name.endswith("_")})

    def _as_chosen(self) -> Any:
        """Return a recommender with the chosen settings and the fitted state of this one."""
        chosen = self._tuned(random_state=self.random_state, **self.best_params_)
        chosen.__dict__.update({name: value for name, value in vars(self).items() if name.endswith("_")})
        return chosen

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return self._as_chosen()._content_contributions(X, columns)

    def _grid_for(self, X: sparse.csr_array, catalog: ItemCatalog | None) -> dict[str, Sequence]:
        """Return the values of each parameter, only the first one where others change nothing."""
        grid = self._default_grid(X) if self.grid is None else self.grid
        tunable = self._tuned().get_params().keys() - self.get_params().keys()
        for name, values in grid.items():
            if name not in tunable:
                raise ValueError(f"grid has the parameter {name!r}; {self._tuned.__name__} has {sorted(tunable)}.")
            if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray) or not len(values):
                raise ValueError(f"grid[{name!r}] must be a list of one or more values; got {values!r}.")
            for value in values:
                self._tuned(**{name: value})._validate_params()
        idle = (() if has_order(X) else NEEDS_ORDER) + (() if catalog is not None else NEEDS_CATALOG)
        return {name: list(values[:1] if name in idle else values) for name, values in grid.items()}

    def _default_grid(self, X: sparse.csr_array) -> dict[str, Sequence]:
        return self._grid


class RidgeRecommenderCV(_SelfTuning, RidgeRecommender):
    """Item-to-item ridge regression with settings that the fit chooses.

    The fit hides a fifth of the interactions of each user: the latest ones where the values of a row of X differ, a
    random choice elsewhere. (Larger values are later.) It compares settings by the mean NDCG@n_recommendations of at
    most `max_users` users. It searches one parameter after the other, each with the best values of those before it.
    The best settings are then fitted to all interactions. Candidates share
    the vectors of the items and the inverse of the Gram matrix.

    Parameters
    ----------
    grid : dict of str to list, default=None
        The values of each parameter of `RidgeRecommender`, in the order of the search. The first value of
        each list is the start. With None:

        - `rank_decay`: None, 0.9, 0.75, 0.5;
        - `order_weight`: 0.0, 0.4, 0.8, 1.2;
        - `popularity_exponent`: 0.0, -0.2, -0.1, 0.1;
        - `alpha`: 10.0, 4.0;
        - `gamma`: 0.5, 0.0;
        - `content_weight`: 3.0, 0.3.

        Catalogs with which the solver is "sparse" have a grid of their own:

        - `rank_decay`: None, 0.9, 0.75, 0.5;
        - `alpha`: 10.0, 3.0;
        - `user_exponent`: 0.0, 0.5;
        - `popularity_exponent`: 0.0, -0.1, 0.1;
        - `n_predictors`: 64, 128;
        - `content_weight`: 3.0, 0.3.

        Where X has no order, and where there is no catalog, parameters that have no effect keep their first value.
    max_users : int, default=5000
        Users by whom candidates are compared.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`, and in the comparison.
    catalog : ItemCatalog, default=None
        The items. None learns from the interactions alone.
    item_encoder : transformer, default=None
        Turns the data of the catalog into vectors, as in `RidgeRecommender`. It is fitted once.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps intermediate results between fits. None keeps the last ones in memory during the fit.
    random_state : int, RandomState instance or None, default=0
        Seeds the decompositions.

    Attributes
    ----------
    best_params_ : dict
        The chosen settings.
    best_score_ : float
        Their mean NDCG on the hidden interactions, nan where nothing could be hidden.
    cv_results_ : dict of str to ndarray
        The candidates in the order of the search, with the keys of `GridSearchCV`: `params`, `param_<name>`,
        `mean_test_score`, `rank_test_score`, `mean_fit_time` and `mean_score_time` in seconds.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        As in `RidgeRecommender`, like all other attributes.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors, where they are used.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    RidgeRecommender : The recommender with given settings.
    sklearn.model_selection.GridSearchCV : Searches all combinations, by folds of users.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommenderCV
    >>> X = np.kron(np.eye(3), np.ones((4, 4)))  # three groups of users with tastes of their own
    >>> X[0, 0] = X[5, 4] = X[10, 8] = 0
    >>> rec = RidgeRecommenderCV({"alpha": [10, 1]}, n_recommendations=1).fit(X)
    >>> sorted(rec.best_params_)
    ['alpha']
    >>> rec.predict(X[[0, 5, 10]]).ravel()
    array([0, 4, 8])
    """

    _parameter_constraints: ClassVar[dict] = _SelfTuning._parameter_constraints
    _tuned: ClassVar[type[BaseRecommender]] = RidgeRecommender
    _grid: ClassVar[dict[str, Sequence]] = {
        "rank_decay": (None, 0.9, 0.75, 0.5),
        "order_weight": (0.0, 0.4, 0.8, 1.2),
        "popularity_exponent": (0.0, -0.2, -0.1, 0.1),
        "alpha": (10.0, 4.0),
        "gamma": (0.5, 0.0),
        "content_weight": (3.0, 0.3),
    }
    _sparse_grid: ClassVar[dict[str, Sequence]] = {
        "rank_decay": (None, 0.9, 0.75, 0.5),
        "alpha": (10.0, 3.0),
        "user_exponent": (0.0, 0.5),
        "popularity_exponent": (0.0, -0.1, 0.1),
        "n_predictors": (64, 128),
        "content_weight": (3.0, 0.3),
    }

    def __init__(
        self,
        grid: dict[str, Sequence] | None = None,
        *,
        max_users: int = 5000,
        n_recommendations: int = 10,
        catalog: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.grid = grid
        self.max_users = max_users
        self.n_recommendations = n_recommendations
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory
        self.random_state = random_state

    def _default_grid(self, X: sparse.csr_array) -> dict[str, Sequence]:
        is_sparse = chosen_solver("auto", 0.0, X.shape[1]) == "sparse"
        return self._sparse_grid if is_sparse else self._grid


class GraphFilterRecommenderCV(_SelfTuning, GraphFilterRecommender):
    """Graph filter with settings that the fit chooses.

    The fit hides a fifth of the interactions of each user: the latest ones where the values of a row of X differ, a
    random choice elsewhere. (Larger values are later.) It compares settings by the mean NDCG@n_recommendations of at
    most `max_users` users. It searches one parameter after the other, each with the best values of those before it.
    The best settings are then fitted to all interactions. Candidates share
    the vectors of the items, the co-occurrences and the singular vectors.

    Parameters
    ----------
    grid : dict of str to list, default=None
        The values of each parameter of `GraphFilterRecommender`, in the order of the search. The first value of
        each list is the start. With None:

        - `rank_decay`: None, 0.9, 0.75, 0.5;
        - `alpha`: 0.3, 0.1, 1.0;
        - `popularity_exponent`: 0.3, 0.1, 0.2, 0.4;
        - `low_pass_weight`: 1.5, 0.5, 1.0, 2.0;
        - `popularity_weight`: 20.0, 0.0, 200.0;
        - `content_weight`: 0.2, 0.0, 0.1, 0.4.

        Where X has no order, and where there is no catalog, parameters that have no effect keep their first value.
    max_users : int, default=5000
        Users by whom candidates are compared.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`, and in the comparison.
    catalog : ItemCatalog, default=None
        The items. None learns from the interactions alone.
    item_encoder : transformer, default=None
        Turns the data of the catalog into vectors, as in `GraphFilterRecommender`. It is fitted once.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps intermediate results between fits. None keeps the last ones in memory during the fit.
    random_state : int, RandomState instance or None, default=0
        Seeds the decompositions.

    Attributes
    ----------
    best_params_ : dict
        The chosen settings.
    best_score_ : float
        Their mean NDCG on the hidden interactions, nan where nothing could be hidden.
    cv_results_ : dict of str to ndarray
        The candidates in the order of the search, with the keys of `GridSearchCV`: `params`, `param_<name>`,
        `mean_test_score`, `rank_test_score`, `mean_fit_time` and `mean_score_time` in seconds.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        As in `GraphFilterRecommender`, like all other attributes.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors, where they are used.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    GraphFilterRecommender : The recommender with given settings.
    sklearn.model_selection.GridSearchCV : Searches all combinations, by folds of users.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import GraphFilterRecommenderCV
    >>> X = np.kron(np.eye(3), np.ones((4, 4)))  # three groups of users with tastes of their own
    >>> X[0, 0] = X[5, 4] = X[10, 8] = 0
    >>> rec = GraphFilterRecommenderCV({"alpha": [0.3, 0.1]}, n_recommendations=1).fit(X)
    >>> sorted(rec.best_params_)
    ['alpha']
    >>> rec.predict(X[[0, 5, 10]]).ravel()
    array([0, 4, 8])
    """

    _parameter_constraints: ClassVar[dict] = _SelfTuning._parameter_constraints
    _tuned: ClassVar[type[BaseRecommender]] = GraphFilterRecommender
    _grid: ClassVar[dict[str, Sequence]] = {
        "rank_decay": (None, 0.9, 0.75, 0.5),
        "alpha": (0.3, 0.1, 1.0),
        "popularity_exponent": (0.3, 0.1, 0.2, 0.4),
        "low_pass_weight": (1.5, 0.5, 1.0, 2.0),
        "popularity_weight": (20.0, 0.0, 200.0),
        "content_weight": (0.2, 0.0, 0.1, 0.4),
    }

    def __init__(
        self,
        grid: dict[str, Sequence] | None = None,
        *,
        max_users: int = 5000,
        n_recommendations: int = 10,
        catalog: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.grid = grid
        self.max_users = max_users
        self.n_recommendations = n_recommendations
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory
        self.random_state = random_state
