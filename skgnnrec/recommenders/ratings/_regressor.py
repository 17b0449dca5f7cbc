"""Prediction of explicit ratings by a graph convolution with one kind of message for each rating level."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import HasMethods, Interval
from skgnnrec._device import resolve_device, torch_settings
from skgnnrec._fitted_state import new_state
from skgnnrec._memory import check_memory
from skgnnrec.catalog import ItemCatalog, item_vocabulary
from skgnnrec.exceptions import NonFiniteLossError
from skgnnrec.interactions import Table, Vocabulary, columns_of_pairs, read_table, warn_of_types
from skgnnrec.recommenders._diagram import diagram
from skgnnrec.recommenders._item_vectors import ItemEncoder
from skgnnrec.recommenders.ratings._biases import Biases, Pairs, fit_biases, level_edges, merge_repeats
from skgnnrec.recommenders.ratings._targets import check_ratings

if TYPE_CHECKING:
    import torch

    from skgnnrec.recommenders.ratings._model import Arrays, RatingLearner, RatingModel
    from skgnnrec.training import Progress

__all__ = ["GNNRatingRegressor"]

PREDICT_ROWS = 65_536  # pairs that are predicted at once
LARGEST_STEP = 1e30  # beyond it, torch refuses step sizes and penalties with errors of its own
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)  # of ratings that differ in float32
N_AUTO_BATCHES = 10  # in an epoch: a step takes a product with the whole graph, however small the batch


class GNNRatingRegressor(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    r"""Predict explicit ratings by a graph convolution with one kind of message for each rating level.

    A sample is a pair of a user and an item, the target is the rating. The prediction is

    .. math:: \hat r_{ui} = \mu + b_u + b_i + z_u \cdot z_i, \quad
       z_u = \frac{1}{\sqrt{|N_u|}} \sum_r \sum_{j \in N_u^r} h_j^r, \quad
       z_i = \frac{1}{\sqrt{|N_i|}} \sum_r \sum_{v \in N_i^r} g_v^r,

    where :math:`N_u^r` are the items that u rated at level r, and :math:`N_i^r` the users who rated i at level r. This
    is the linear form of graph convolutional matrix completion [1]_, :math:`\sum_r A_r H_r`, with the squared error as
    loss instead of a classification of levels. The messages of users :math:`g_v^r` are trained. The messages of items
    are :math:`h_j^r = e_j^r + F_j M_r`, where :math:`e_j^r` and :math:`M_r` are trained and F are the frozen item
    vectors of the catalog, if there is one; :math:`z_i` then has an additional term :math:`F_i M`, which needs no
    ratings. The biases start at a damped least squares solution [2]_ (of the mean :math:`\mu`, users, items and item
    vectors), and are trained further.

    No rating takes part in its own prediction: in training, the messages that u and i send to each other are subtracted
    from :math:`z_u` and :math:`z_i`, exactly. (This is why there is one layer. Through further layers a rating would
    reach its own prediction.) Ratings are standardised, so that the settings do not depend on their unit: the
    predictions for a y + b are a times those for y, plus b.

    Parameters
    ----------
    embedding_dim : int, default=32
        Dimensions of the embeddings.
    user : str or int, default=None
        The column of the users: a name in a table, or a position. With None, it is the first of two columns; a table
        with more columns requires `user` and `item`.
    item : str or int, default=None
        The column of the items. With None, it is the second of two columns.
    n_levels : int, default=5
        Maximum number of rating levels. Each distinct rating is a level where there are at most `n_levels` of them.
        Otherwise the ratings are divided at quantiles into this many levels, or fewer where one rating spans several
        quantiles.
    id_embedding : bool, default=True
        Whether the messages of items have a trained part of their own, :math:`e_j^r`. With False they are computed from
        the item vectors.
    cold_fraction : float, default=0.2
        With item vectors, the share of the ratings of a step that are predicted as if the item had no ratings, from its
        vector and the biases. This trains the predictions for items without ratings. In [0, 1].
    alpha : float, default=10.0
        Strength of the L2 penalty on all trained parameters, relative to the sum of the squared errors of the
        standardised ratings, as in a ridge regression. Non-negative.
    bias_alpha : float, default=3.0
        Damping of the initial biases: the number of additional average ratings of each user and item. Positive.
    learning_rate_init : float, default=0.004
        The initial step size of Adam, which falls linearly to zero over `max_iter` epochs. Positive.
    batch_size : int or "auto", default="auto"
        Ratings per step. "auto" takes a tenth of the ratings, because each step takes a product with the whole graph.
    max_iter : int, default=20
        Maximum number of epochs.
    tol : float, default=1e-4
        Minimum improvement of R² on the held-out ratings, or of the loss without `early_stopping`, for an epoch to
        count as an improvement.
    early_stopping : bool, default=False
        Whether to hold out a share of the ratings, to stop when R² on them does not improve, and to keep the parameters
        of the best epoch. After training, the held-out ratings are part of the graph.
    validation_fraction : float, default=0.1
        The share that is held out, in (0, 1).
    n_iter_no_change : int, default=5
        Epochs without improvement after which training stops.
    catalog : ItemCatalog, default=None
        The items, with all rated ones. With None the fit uses the ratings alone. The items of a catalog without ids
        are positions: 0, 1, ...
    item_encoder : transformer, default=None
        Turns the data of the catalog into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and
        `TruncatedSVD`, a `ColumnTransformer`. None takes the data of the catalog as vectors. Vectors are centred and
        scaled to unit length.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs between fits.
    device : str, default="auto"
        The torch device of the training: "auto" takes a CUDA device where one is available.
    backend : {"auto", "torch", "dgl"}, default="auto"
        The library that computes the graph convolutions. "auto" takes torch.
    random_state : int, RandomState instance or None, default=0
        Seeds the initial parameters, the batches and the held-out ratings.

    Attributes
    ----------
    mean_ : float
        The mean rating μ.
    user_ids_ : ndarray of shape (n_users,)
        The users, sorted.
    item_ids_ : ndarray of shape (n_items,)
        The items: those of the catalog in its order, else those of the ratings, sorted.
    user_bias_, item_bias_ : ndarray of shape (n_users,) and (n_items,), float64
        The biases, in the unit of the ratings.
    user_embedding_, item_embedding_ : ndarray of shape (n_users, embedding_dim) and (n_items, embedding_dim), float32
        The embeddings z; their dot products are in the unit of the ratings.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors F, where there is a catalog.
    level_edges_ : ndarray of shape (n_levels - 1,)
        The lowest rating of each level but the first.
    n_iter_ : int
        The number of epochs.
    loss_curve_ : list of float
        The mean squared error of each epoch, on standardised ratings.
    validation_scores_ : list of float
        R² on the held-out ratings after each epoch; empty without `early_stopping`.
    n_features_in_ : int
        The number of columns of X.
    feature_names_in_ : ndarray of shape (n_columns,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    GNNRecommender : Ranks items by the interactions of users.

    Notes
    -----
    Users and items outside the fit have neither bias nor embedding: the prediction is :math:`\mu + b_i` for an unknown
    user, :math:`\mu + b_u` for an unknown item, and :math:`\mu` if both are unknown. The bias and the embedding of an
    item without ratings come from its vector, where the catalog has the item.

    Training holds four arrays of n_levels · (n_users + n_items) · embedding_dim numbers, and each step reads all of
    them; the fitted regressor keeps (n_users + n_items) · embedding_dim. The fit raises an error where the machine has
    less memory than training needs.

    References
    ----------
    .. [1] R. van den Berg, T. N. Kipf, M. Welling, "Graph convolutional matrix completion", arXiv:1706.02263, 2017.
    .. [2] Y. Koren, R. Bell, C. Volinsky, "Matrix factorization techniques for recommender systems", Computer 42,
           2009.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgnnrec import GNNRatingRegressor
    >>> ratings = pd.DataFrame(
    ...     [("ann", "jaws", 5), ("ann", "emma", 1), ("bob", "jaws", 4), ("cy", "emma", 2), ("cy", "alien", 4)],
    ...     columns=["user", "film", "stars"],
    ... )
    >>> model = GNNRatingRegressor(user="user", item="film").fit(ratings[["user", "film"]], ratings["stars"])
    >>> new = pd.DataFrame({"user": ["bob", "bob", "dan"], "film": ["emma", "alien", "alien"]})  # dan has no ratings
    >>> model.predict(new).round(1)
    array([2.5, 3.5, 3.4])
    """

    _sk_visual_block_ = diagram
    _parameter_constraints: ClassVar[dict] = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "user": [str, Interval(Integral, 0, None, closed="left"), None],
        "item": [str, Interval(Integral, 0, None, closed="left"), None],
        "n_levels": [Interval(Integral, 1, None, closed="left")],
        "id_embedding": ["boolean"],
        "cold_fraction": [Interval(Real, 0, 1, closed="both")],
        "alpha": [Interval(Real, 0, LARGEST_STEP, closed="both")],
        "bias_alpha": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_init": [Interval(Real, 0, LARGEST_STEP, closed="right")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "catalog": [ItemCatalog, None],
        "item_encoder": [HasMethods(["fit", "transform"]), None],
        "memory": [str, HasMethods(["cache"]), None],
        "device": [str],
        "backend": [StrOptions({"auto", "torch", "dgl"})],
        "random_state": ["random_state"],
    }

    _user_: str | int
    _item_: str | int

    def __init__(
        self,
        embedding_dim: int = 32,
        *,
        user: str | int | None = None,
        item: str | int | None = None,
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
        catalog: ItemCatalog | None = None,
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
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory
        self.device = device
        self.backend = backend
        self.random_state = random_state

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any) -> Self:
        """Fit the model to ratings.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_ratings, n_columns)
            The rated pairs: a column of users and a column of items. In a table with more columns, `user` and `item`
            name the two columns, and the others are not used.
        y : array-like of shape (n_ratings,)
            The ratings: numbers that are finite in float32. Of repeated pairs the mean counts, once.

        Returns
        -------
        self : object
            The fitted regressor.

        Raises
        ------
        ItemAlignmentError
            If the catalog lacks items of X.
        ValueError
            If a column is missing or has missing values, if `user` and `item` are None for a table of more than two
            columns, or if y does not hold one finite number for each row.
        """
        task = self._init_callback_context(max_subtasks=self.max_iter)
        task.call_on_fit_task_begin(estimator=self)
        with new_state(self) as fresh:
            pairs = fresh._read_ratings(X, y)
            fresh.mean_ = float(pairs.ratings.mean())
            fresh._scale_ = _scale(pairs.ratings)
            standardised = pairs._replace(ratings=(pairs.ratings - fresh.mean_) / fresh._scale_)
            fresh._learn(standardised, fresh._read_items(pairs), previous=self)
            task.call_on_fit_task_end(estimator=fresh)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted ratings of pairs of a user and an item.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_pairs, n_columns)
            The pairs. If the columns of the users and of the items have names, a table needs only these two columns.

        Returns
        -------
        ratings : ndarray of shape (n_pairs,), float64
            The predictions. For an unknown user this is the mean plus the bias of the item, for an unknown item the
            mean plus the bias of the user, and the mean if both are unknown.
        """
        check_is_fitted(self)
        table = self._read_table(X, reset=False)
        user_ids = table.ids(self._user_, "user")
        users, items = self._users_.positions(user_ids), self._items_.positions(table.ids(self._item_, "item"))
        if (users < 0).all():
            warn_of_types(user_ids, self._users_)
        # Position -1, of unknown users and items, is a last entry of zero.
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

    @property
    def user_ids_(self) -> np.ndarray:
        """Return the ids of the users."""
        check_is_fitted(self)
        return self._users_.ids

    @property
    def item_ids_(self) -> np.ndarray:
        """Return the ids of the items."""
        check_is_fitted(self)
        return self._items_.ids

    def _read_table(self, X: Any, reset: bool) -> Table:
        by_name = not reset and isinstance(self._user_, str) and isinstance(self._item_, str)
        table = read_table(X, estimator=self, reset=reset, by_name=by_name)
        if reset:
            self._user_, self._item_ = columns_of_pairs(table, self.user, self.item, {})
        return table

    def _read_ratings(self, X: Any, y: Any) -> Pairs:
        """Return each rated pair once, by positions, and set the ids."""
        ratings = check_ratings(y, type(self).__name__)
        table = self._read_table(X, reset=True)
        if len(table) != len(ratings):
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: "
                f"X has {len(table)} rows, y {len(ratings)} ratings."
            )
        self._users_, users = Vocabulary.of(table.ids(self._user_, "user"))
        self._items_, items = item_vocabulary(table.ids(self._item_, "item"), self.catalog)
        return merge_repeats(Pairs(users, items, ratings), len(self._items_))

    def _read_items(self, pairs: Pairs) -> np.ndarray | None:
        """Return the vectors of the items of the catalog, None without a catalog."""
        self.item_vectors_ = None
        if self.catalog is not None:
            shape, ones = (len(self._users_), len(self._items_)), np.ones(len(pairs.users), dtype=np.float32)
            rated = sparse.csr_array((ones, (pairs.users, pairs.items)), shape=shape)
            _, self.item_vectors_ = ItemEncoder.fit_transform(self.item_encoder, self.catalog, self.memory, rated)
        elif self.item_encoder is not None:
            raise ValueError("item_encoder requires catalog=ItemCatalog(...).")
        elif not self.id_embedding:
            raise ValueError("id_embedding=False requires catalog=ItemCatalog(...), got catalog=None.")
        return self.item_vectors_

    def _learn(self, pairs: Pairs, vectors: np.ndarray | None, previous: Any) -> None:
        """Train on standardised ratings and set the fitted attributes."""
        from skgnnrec.recommenders.ratings._model import RatingLearner, initial_parameters

        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        edges = level_edges(pairs.ratings, self.n_levels)
        self.level_edges_ = self.mean_ + self._scale_ * edges
        train, held_out = self._hold_out(pairs, seed)
        with torch_settings():
            device = resolve_device(self.device)
            parameters = initial_parameters(self._parameter_shapes(pairs, edges, vectors, device), seed)
            biases = self._fit_biases(train, vectors)
            model = self._build_model(train, edges, vectors, parameters, device)
            learner = RatingLearner(
                model,
                train._replace(ratings=train.ratings - biases(train)),
                held_out=None if held_out is None else held_out._replace(ratings=held_out.ratings - biases(held_out)),
                variance=1.0 if held_out is None else _scale(held_out.ratings) ** 2,
                batch_size=self._batch_size(len(train.users)),
                cold_fraction=self.cold_fraction,
                seed=seed,
            )
            progress = self._train(learner, biases, train, held_out, previous)
            if held_out is not None:  # after training, the graph includes the held-out ratings
                model = self._build_model(pairs, edges, vectors, model.arrays(), device)
                biases = self._fit_biases(pairs, vectors)
            self.__dict__.update(self._learned(model, biases))
        self.loss_curve_, self.validation_scores_ = progress.losses, progress.scores
        self.n_iter_ = len(progress.losses)

    def _parameter_shapes(
        self, pairs: Pairs, edges: np.ndarray, vectors: np.ndarray | None, device: torch.device
    ) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters, or raise MemoryLimitError if the machine cannot hold the training."""
        from skgnnrec.recommenders.ratings._model import parameter_shapes

        n_users, n_items, dim = len(self._users_), len(self._items_), int(self.embedding_dim)
        n_dimensions = None if vectors is None else vectors.shape[1]
        shapes = parameter_shapes(n_users, n_items, len(edges) + 1, n_dimensions, dim, self.id_embedding)
        if device.type == "cpu":  # elsewhere torch raises an error of its own
            n_ratings, n_regressors = len(pairs.users), n_dimensions or 0
            # A parameter has a gradient and two moments; the graph keeps the edges of both directions in two orders.
            needed = 16 * sum(map(math.prod, shapes.values())) + 80 * n_ratings
            needed += 8 * dim * (n_users + n_items + 2 * self._batch_size(n_ratings))
            needed += 16 * n_items * n_regressors + 16 * min(n_items, n_regressors) ** 2  # the ridge of the biases
            check_memory(
                needed,
                f"Training {type(self).__name__} on {n_ratings} ratings of {n_items} items by {n_users} users with "
                f"embedding_dim={dim}",
                "Lower embedding_dim, n_levels, batch_size or the dimensions of the item vectors.",
            )
        return shapes

    def _batch_size(self, n_ratings: int) -> int:
        return -(-n_ratings // N_AUTO_BATCHES) if isinstance(self.batch_size, str) else min(self.batch_size, n_ratings)

    def _hold_out(self, pairs: Pairs, seed: int) -> tuple[Pairs, Pairs | None]:
        n = len(pairs.users)
        if not self.early_stopping or n < 2:
            return pairs, None
        n_held_out = min(n - 1, max(1, round(self.validation_fraction * n)))
        order = np.random.default_rng(seed).permutation(n)
        return pairs.take(np.sort(order[n_held_out:])), pairs.take(np.sort(order[:n_held_out]))

    def _fit_biases(self, pairs: Pairs, vectors: np.ndarray | None) -> Biases:
        return fit_biases(pairs, len(self._users_), len(self._items_), self.bias_alpha, vectors)

    def _build_model(
        self, pairs: Pairs, edges: np.ndarray, vectors: np.ndarray | None, parameters: Arrays, device: torch.device
    ) -> RatingModel:
        from skgnnrec.recommenders.ratings._model import RatingGraph, RatingModel

        levels = np.searchsorted(edges, pairs.ratings, side="right")
        shape = (len(self._users_), len(self._items_), len(edges) + 1)
        graph = RatingGraph(pairs, levels, *shape, backend=self.backend, device=device)
        return RatingModel(graph, parameters, vectors, device)

    def _train(
        self, learner: RatingLearner, biases: Biases, train: Pairs, held_out: Pairs | None, previous: Any
    ) -> Progress:
        import torch

        from skgnnrec.training import train_estimator

        # alpha is relative to the sum of the squared errors, as in a ridge regression; the loss is their mean.
        optimizer = torch.optim.Adam(
            learner.parameters(), lr=self.learning_rate_init, weight_decay=2 * self.alpha / len(train.users)
        )
        watched = train if held_out is None else held_out
        return train_estimator(
            self,
            learner,
            max_iter=self.max_iter,
            checkpoint=None,
            reconstruct=lambda: self._learned(learner.model, biases),
            held_out=(self._frame(watched), self.mean_ + self._scale_ * watched.ratings),
            original=previous,
            optimizer=optimizer,
            step_size=lambda epoch: self.learning_rate_init * (1 - epoch / self.max_iter),
        )

    def _frame(self, pairs: Pairs) -> Any:
        """Return pairs as a table with the columns of the fit."""
        users, items = self._users_.names(pairs.users), self._items_.names(pairs.items)
        names: list[Any] = list(getattr(self, "feature_names_in_", range(self.n_features_in_)))
        columns = dict.fromkeys(names, users)  # other columns are not used
        item = names.index(self._item_) if isinstance(self._item_, str) else self._item_
        user = names.index(self._user_) if isinstance(self._user_, str) else self._user_
        columns[names[item]], columns[names[user]] = items, users
        return pd.DataFrame(columns)

    def _learned(self, model: RatingModel, biases: Biases) -> dict[str, Any]:
        """Return the fitted attributes that predictions are computed from, in the unit of the ratings."""
        import torch

        learned, scale = model.arrays(), self._scale_
        with torch.no_grad():
            nodes = model.nodes()
        with np.errstate(all="ignore"):
            fitted = {
                "user_embedding_": nodes.users.cpu().numpy() * np.float32(np.sqrt(scale)),
                "item_embedding_": nodes.items.cpu().numpy() * np.float32(np.sqrt(scale)),
                "user_bias_": scale * (biases.users + learned["user_bias"]),
                "item_bias_": scale * (biases.items + learned["item_bias"]),
            }
        if not all(np.isfinite(values).all() for values in fitted.values()):  # the last step is followed by no loss
            raise NonFiniteLossError("The parameters are not finite: training has diverged. Lower learning_rate_init.")
        return fitted


def _scale(ratings: np.ndarray) -> float:
    """Return the standard deviation, 1 where all ratings are equal in float32."""
    with np.errstate(under="ignore"):
        scale = float(ratings.std())
    return scale if scale >= SMALLEST_SCALE else 1.0
