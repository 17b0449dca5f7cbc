"""Explicit ratings: a graph convolution with messages of their own for each rating level."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

from skgnnrec._device import limit_torch_threads, resolve_device
from skgnnrec.catalog import ItemCatalog
from skgnnrec.recommenders._events import (
    check_table,
    factorize,
    id_index,
    item_index,
    positions_of,
    read_column,
    warn_of_types,
)
from skgnnrec.recommenders._item_vectors import ItemVectors
from skgnnrec.recommenders._rating_baseline import Biases, Pairs, fit_biases, level_edges, merge_repeats

if TYPE_CHECKING:
    import torch

    from skgnnrec.recommenders._gnn_rating_model import Arrays, RatingLearner, RatingModel
    from skgnnrec.training import Progress

__all__ = ["GNNRatingRegressor"]

PREDICT_ROWS = 65_536  # pairs whose embeddings are gathered at once
N_AUTO_BATCHES = 10  # of an epoch: a step reads the whole graph, however few ratings it learns from


class GNNRatingRegressor(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    r"""Predict explicit ratings by a graph convolution with messages of their own for each rating level.

    A sample is a pair of a user and an item, the target is the rating. A rating is expected to be

    .. math:: \hat r_{ui} = \mu + b_u + b_i + z_u \cdot z_i, \quad
       z_u = \frac{1}{\sqrt{|N_u|}} \sum_r \sum_{j \in N_u^r} h_j^r, \quad
       z_i = \frac{1}{\sqrt{|N_i|}} \sum_r \sum_{v \in N_i^r} g_v^r,

    where :math:`N_u^r` are the items that u has rated at level r: the linear form of graph convolutional matrix
    completion [1]_, :math:`\sum_r A_r H_r`, with squared error in place of its classifier of levels. Items send
    :math:`h_j^r = e_j^r + F_j M_r`, the second part where there are item vectors F (frozen, mapped linearly), and
    :math:`z_i` then has a part :math:`F_i M` that needs no ratings. The biases start at a damped least squares solution
    (of the mean :math:`\mu`, users, items and item vectors), from which training may move them.

    No rating takes part in its own prediction: in training, what u and i learned from each other is subtracted from
    :math:`z_u` and :math:`z_i`, exactly. (This is why there is one layer: through further ones a rating would come
    back to itself.) Ratings are standardised inside, so that the settings do not depend on their unit: predictions for
    a y + b are a times those for y, plus b.

    Parameters
    ----------
    embedding_dim : int, default=32
        Dimensions of the embeddings.
    user : str or int, default=0
        The column of the users: a name in a DataFrame, or a position.
    item : str or int, default=1
        The column of the items.
    n_levels : int, default=5
        Rating levels at most. Each distinct rating is a level where there are no more than that. More of them, as of
        continuous ratings, are cut at quantiles into this many levels (fewer, where a single rating fills several).
    id_embedding : bool, default=True
        Whether an item sends something of its own, :math:`e_j^r`. False learns from the item vectors what items send.
    cold_fraction : float, default=0.2
        Where there are item vectors, the share of the ratings in a step that is predicted as if nobody had rated the
        item, from its vector and the biases: what items without ratings are answered from is learned here. In [0, 1].
    alpha : float, default=10.0
        Strength of the L2 penalty on all that is trained, as in a ridge regression: it weighs against the sum of the
        squared errors of the standardised ratings.
    bias_alpha : float, default=3.0
        Damping of the biases that training starts from: as if each user and item had so many further ratings, all
        of them average. Positive.
    learning_rate_init : float, default=0.004
        The first step size of Adam; it falls linearly to zero over `max_iter` epochs.
    batch_size : int or "auto", default="auto"
        Ratings in a step, which reads the whole graph in any case. "auto" takes a tenth of the ratings.
    max_iter : int, default=20
        Epochs at most.
    tol : float, default=1e-4
        What counts as an improvement: of R² on what is held out, or of the loss where nothing is.
    early_stopping : bool, default=False
        Whether a part of the ratings is held out, to stop when they are predicted no better and to keep the best
        epoch. They join the graph again for prediction.
    validation_fraction : float, default=0.1
        The part that is held out, between 0 and 1.
    n_iter_no_change : int, default=5
        Epochs without improvement after which training stops.
    items : ItemCatalog, default=None
        The items, at least all that are rated. None learns from the ratings alone. A catalog without ids knows its
        items by position: 0, 1, ...
    item_encoder : transformer, default=None
        Turns the catalog's data into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and `TruncatedSVD`,
        a `ColumnTransformer`. None takes the catalog's data as vectors. They are centred and scaled to unit length.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs between fits.
    device : str, default="auto"
        Where training happens: "auto" takes a CUDA device where there is one; or any torch device, such as "cpu".
    backend : {"auto", "torch", "dgl"}, default="auto"
        Who computes the messages.
    random_state : int, RandomState instance or None, default=0
        Seeds the start, the batches and what is held out.

    Attributes
    ----------
    mean_ : float
        The mean rating μ.
    user_ids_ : ndarray of shape (n_users,)
        The users, sorted.
    item_ids_ : ndarray of shape (n_items,)
        The items: the catalog's, else those of the ratings, sorted.
    user_bias_, item_bias_ : ndarray of shape (n_users,) and (n_items,), float64
        The biases, in the unit of the ratings.
    user_embedding_, item_embedding_ : ndarray of shape (n_users, embedding_dim) and (n_items, embedding_dim), float32
        The embeddings z; their products are in the unit of the ratings.
    level_edges_ : ndarray of shape (n_levels - 1,)
        The ratings at which a new level begins.
    n_iter_ : int
        Epochs that were run.
    loss_curve_ : list of float
        The mean squared error of each epoch, of standardised ratings.
    validation_scores_ : list of float
        R² on what was held out after each epoch; empty without `early_stopping`.
    n_features_in_ : int
        The number of columns of X.
    feature_names_in_ : ndarray of shape (n_columns,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    GNNRecommender : Ranks items, from what users did.

    Notes
    -----
    Who is not known has neither bias nor embedding: an unknown user is expected to rate as the average does
    (:math:`\mu + b_i`), an unknown item to be rated as the average is (:math:`\mu + b_u`), and both unknown give
    :math:`\mu`. An item of the catalog that nobody has rated is known by its vector.

    Training holds four arrays of n_levels · (n_users + n_items) · embedding_dim numbers, and a step goes through them;
    the fitted regressor keeps (n_users + n_items) · embedding_dim.

    References
    ----------
    .. [1] R. van den Berg, T. N. Kipf, M. Welling, "Graph convolutional matrix completion", arXiv:1706.02263, 2017.
    .. [2] Y. Koren, R. Bell, C. Volinsky, "Matrix factorization techniques for recommender systems", Computer 42,
           2009 (the biases).

    Examples
    --------
    >>> import pandas as pd
    >>> from skgnnrec import GNNRatingRegressor
    >>> ratings = pd.DataFrame(
    ...     [("ann", "jaws", 5), ("ann", "emma", 1), ("bob", "jaws", 4), ("cy", "emma", 2), ("cy", "alien", 4)],
    ...     columns=["user", "film", "stars"],
    ... )
    >>> model = GNNRatingRegressor(user="user", item="film").fit(ratings[["user", "film"]], ratings["stars"])
    >>> asked = pd.DataFrame({"user": ["bob", "bob", "dan"], "film": ["emma", "alien", "alien"]})  # nobody knows dan
    >>> model.predict(asked).round(1)
    array([2.5, 3.5, 3.4])
    """

    _parameter_constraints: ClassVar[dict] = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "user": [str, Interval(Integral, 0, None, closed="left")],
        "item": [str, Interval(Integral, 0, None, closed="left")],
        "n_levels": [Interval(Integral, 1, None, closed="left")],
        "id_embedding": ["boolean"],
        "cold_fraction": [Interval(Real, 0, 1, closed="both")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "bias_alpha": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "items": [ItemCatalog, None],
        "item_encoder": [HasMethods(["fit", "transform"]), None],
        "memory": [str, HasMethods(["cache"]), None],
        "device": [str],
        "backend": [StrOptions({"auto", "torch", "dgl"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        embedding_dim: int = 32,
        *,
        user: str | int = 0,
        item: str | int = 1,
        n_levels: int = 5,
        id_embedding: bool = True,
        cold_fraction: float = 0.2,
        alpha: float = 10.0,
        bias_alpha: float = 3.0,
        learning_rate_init: float = 0.004,
        batch_size: int | str = "auto",
        max_iter: int = 20,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        items: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        device: str = "auto",
        backend: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.user = user
        self.item = item
        self.n_levels = n_levels
        self.id_embedding = id_embedding
        self.cold_fraction = cold_fraction
        self.alpha = alpha
        self.bias_alpha = bias_alpha
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.items = items
        self.item_encoder = item_encoder
        self.memory = memory
        self.device = device
        self.backend = backend
        self.random_state = random_state

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any) -> GNNRatingRegressor:
        """Learn from ratings.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_ratings, n_columns)
            Who has rated what: a column of users and one of items, as `user` and `item` say; others are not used.
        y : array-like of shape (n_ratings,)
            The ratings, any finite numbers. Of a pair that comes several times the mean counts, once.

        Returns
        -------
        self : object
            The fitted regressor.

        Raises
        ------
        ItemAlignmentError
            If the catalog lacks items of X.
        ValueError
            If a column is not there or lacks values, or y is not as many finite numbers.
        """
        task = self._init_callback_context(max_subtasks=self.max_iter)
        task.call_on_fit_task_begin(estimator=self)
        pairs = self._read_ratings(X, y)
        self.mean_ = float(pairs.ratings.mean())
        self._scale = _spread(pairs.ratings)
        self._learn(pairs._replace(ratings=(pairs.ratings - self.mean_) / self._scale), self._read_items(pairs))
        task.call_on_fit_task_end(estimator=self)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the rating that is expected of pairs of a user and an item.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_pairs, n_columns)
            The pairs. Of a DataFrame only the columns of the users and the items are read, where they go by name.

        Returns
        -------
        ratings : ndarray of shape (n_pairs,), float64
            The ratings. Of a user that was not in the fit the mean plus the item's bias; of an item that was neither
            in the fit nor in the catalog the mean plus the user's bias; the mean where neither is known.
        """
        check_is_fitted(self)
        frame = check_table(self, X, reset=False)
        user_ids = self._ids(frame, "user")
        users, items = positions_of(user_ids, self._users), positions_of(self._ids(frame, "item"), self._items)
        if (users < 0).all():
            warn_of_types(user_ids, self.user_ids_)
        # Position -1, who is not known, is a last row of zeros.
        user_bias, item_bias = np.append(self.user_bias_, 0.0), np.append(self.item_bias_, 0.0)
        ratings = self.mean_ + user_bias[users] + item_bias[items]
        known = np.flatnonzero((users >= 0) & (items >= 0))
        for start in range(0, len(known), PREDICT_ROWS):
            rows = known[start : start + PREDICT_ROWS]
            z_users, z_items = self.user_embedding_[users[rows]], self.item_embedding_[items[rows]]
            ratings[rows] += np.einsum("nd,nd->n", z_users, z_items, dtype=np.float64)
        return ratings

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags

    def _ids(self, frame: pd.DataFrame, role: str) -> np.ndarray:
        return read_column(frame, getattr(self, role), role).to_numpy()

    def _read_ratings(self, X: Any, y: Any) -> Pairs:
        """Return each rated pair once, by positions, and keep the ids."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        frame = check_table(self, X, reset=True)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        ratings = column_or_1d(y, warn=True)
        check_consistent_length(frame, ratings)
        users, self.user_ids_ = factorize(self._ids(frame, "user"), "user")
        items = self._ids(frame, "item")
        self._users, self._items = id_index(self.user_ids_), item_index(items, self.items)
        self.item_ids_ = self._items.to_numpy()
        return merge_repeats(Pairs(users, positions_of(items, self._items), ratings), len(self.item_ids_))

    def _read_items(self, pairs: Pairs) -> np.ndarray | None:
        """Return the vectors of the catalog's items, where there is one."""
        if self.items is not None:
            shape, ones = (len(self.user_ids_), len(self.item_ids_)), np.ones(len(pairs.users), dtype=np.float32)
            rated = sparse.csr_array((ones, (pairs.users, pairs.items)), shape=shape)
            return ItemVectors(self.item_encoder, self.memory).fit_transform(self.items, rated)
        if self.item_encoder is not None:
            raise ValueError("item_encoder has nothing to encode without items=ItemCatalog(...).")
        if not self.id_embedding:
            raise ValueError("id_embedding=False leaves nothing to learn from without items=ItemCatalog(...).")
        return None

    def _learn(self, pairs: Pairs, vectors: np.ndarray | None) -> None:
        """Train on standardised ratings, and keep what was learned."""
        from skgnnrec.recommenders._gnn_rating_model import RatingLearner, initial_parameters

        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        edges = level_edges(pairs.ratings, self.n_levels)
        self.level_edges_ = self.mean_ + self._scale * edges
        train, held_out = self._hold_out(pairs, seed)
        with limit_torch_threads():
            device = resolve_device(self.device)
            n_dimensions = None if vectors is None else vectors.shape[1]
            shape = (len(self.user_ids_), len(self.item_ids_), len(edges) + 1)
            start = initial_parameters(*shape, n_dimensions, self.embedding_dim, self.id_embedding, seed)
            biases = self._fit_biases(train, vectors)
            model = self._build_model(train, edges, vectors, start, device)
            learner = RatingLearner(
                model,
                train._replace(ratings=train.ratings - biases(train)),
                held_out=None if held_out is None else held_out._replace(ratings=held_out.ratings - biases(held_out)),
                variance=1.0 if held_out is None else _spread(held_out.ratings) ** 2,
                batch_size=self._batch_size(len(train.users)),
                cold_fraction=self.cold_fraction,
                seed=seed,
            )
            progress = self._train(learner, biases, train, held_out)
            if held_out is not None:  # joins the graph again: it is part of what is known of users and items
                model = self._build_model(pairs, edges, vectors, model.arrays(), device)
                biases = self._fit_biases(pairs, vectors)
            for name, value in self._frozen(model, biases).items():
                setattr(self, name, value)
        self.loss_curve_, self.validation_scores_ = progress.losses, progress.scores
        self.n_iter_ = len(progress.losses)

    def _batch_size(self, n_ratings: int) -> int:
        return -(-n_ratings // N_AUTO_BATCHES) if isinstance(self.batch_size, str) else self.batch_size

    def _hold_out(self, pairs: Pairs, seed: int) -> tuple[Pairs, Pairs | None]:
        n = len(pairs.users)
        if not self.early_stopping or n < 2:
            return pairs, None
        n_held_out = min(n - 1, max(1, round(self.validation_fraction * n)))
        order = np.random.default_rng(seed).permutation(n)
        return pairs.take(np.sort(order[n_held_out:])), pairs.take(np.sort(order[:n_held_out]))

    def _fit_biases(self, pairs: Pairs, vectors: np.ndarray | None) -> Biases:
        return fit_biases(pairs, len(self.user_ids_), len(self.item_ids_), self.bias_alpha, vectors)

    def _build_model(
        self, pairs: Pairs, edges: np.ndarray, vectors: np.ndarray | None, parameters: Arrays, device: torch.device
    ) -> RatingModel:
        from skgnnrec.recommenders._gnn_rating_model import RatingGraph, RatingModel

        levels = np.searchsorted(edges, pairs.ratings, side="right")
        shape = (len(self.user_ids_), len(self.item_ids_), len(edges) + 1)
        graph = RatingGraph(pairs, levels, *shape, backend=self.backend, device=device)
        return RatingModel(graph, parameters, vectors, device)

    def _train(self, learner: RatingLearner, biases: Biases, train: Pairs, held_out: Pairs | None) -> Progress:
        import torch

        from skgnnrec.training import train_estimator

        # As in a ridge regression, alpha weighs against the sum of the squared errors, of which the loss is the mean.
        optimizer = torch.optim.Adam(
            learner.parameters(), lr=self.learning_rate_init, weight_decay=2 * self.alpha / len(train.users)
        )
        watched = train if held_out is None else held_out
        return train_estimator(
            self,
            learner,
            max_iter=self.max_iter,
            checkpoint=None,
            reconstruct=lambda: self._frozen(learner.model, biases),
            held_out=(self._frame(watched), self.mean_ + self._scale * watched.ratings),
            optimizer=optimizer,
            step_size=lambda epoch: self.learning_rate_init * (1 - epoch / self.max_iter),
        )

    def _frame(self, pairs: Pairs) -> pd.DataFrame:
        """Return pairs as a table with the columns of the fit."""
        names: list[Any] = list(getattr(self, "feature_names_in_", range(self.n_features_in_)))
        columns = dict.fromkeys(names, self.user_ids_[pairs.users])  # what other columns hold is not read
        item = names.index(self.item) if isinstance(self.item, str) else self.item
        user = names.index(self.user) if isinstance(self.user, str) else self.user
        columns[names[item]], columns[names[user]] = self.item_ids_[pairs.items], self.user_ids_[pairs.users]
        return pd.DataFrame(columns)

    def _frozen(self, model: RatingModel, biases: Biases) -> dict[str, Any]:
        """Return the fitted attributes that answers are made from, in the unit of the ratings."""
        import torch

        learned, scale = model.arrays(), self._scale
        with torch.no_grad():
            nodes = model.nodes()
        return {
            "user_embedding_": nodes.users.cpu().numpy() * np.float32(np.sqrt(scale)),
            "item_embedding_": nodes.items.cpu().numpy() * np.float32(np.sqrt(scale)),
            "user_bias_": scale * (biases.users + learned["user_bias"]),
            "item_bias_": scale * (biases.items + learned["item_bias"]),
        }


def _spread(ratings: np.ndarray) -> float:
    """Return the standard deviation, 1 where all ratings are the same."""
    with np.errstate(over="ignore"):
        spread = float(ratings.std())
    if not np.isfinite(spread):
        raise ValueError(
            f"y must hold numbers whose squares can be added, it goes from {ratings.min()} to {ratings.max()}."
        )
    return spread or 1.0
