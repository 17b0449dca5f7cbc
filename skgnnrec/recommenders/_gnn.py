"""Trained graph neural networks: LightGCN, XSimGCL, AlphaRec and attention as settings of one recommender."""

from __future__ import annotations

import os
from itertools import chain
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from skgnnrec._device import limit_torch_threads, resolve_device
from skgnnrec._holdout import hold_out_share_of_users
from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import degrees, message_passing, normalized_history
from skgnnrec.recommenders._base import SCORE_TEST_SIZE, BaseRecommender, Scorer, count_users, fill
from skgnnrec.recommenders._gnn_answers import GraphAnswers, popularity_bias

if TYPE_CHECKING:
    import torch

    from skgnnrec.recommenders._gnn_learner import RankingLearner
    from skgnnrec.recommenders._gnn_model import Arrays, GraphEncoder
    from skgnnrec.training import Checkpoint, Progress

__all__ = ["GNNRecommender"]

# The parameters that steer a step of the training; the others decide when it stops, or what comes after.
LEARNING = (
    "loss", "batch_size", "temperature", "n_negatives", "popularity_exponent", "negative_exponent", "contrast_weight",
    "noise",
)  # fmt: skip
STEERING = (
    *LEARNING, "embedding_dim", "conv", "n_layers", "keep_input", "item_features", "id_embedding", "solver", "alpha",
    "learning_rate_init", "early_stopping", "validation_fraction", "n_recommendations",
)  # fmt: skip


def _attends(recommender: GNNRecommender) -> bool:
    if recommender.conv != "attention":
        raise AttributeError(f"attention needs conv='attention', got conv={recommender.conv!r}.")
    return True


class GNNRecommender(BaseRecommender):
    r"""Train embeddings of items that spread over the graph of users and items.

    Items begin as :math:`H = \mathrm{map}(F) + E`, with F the frozen vectors of their data (`item_features`) and E
    embeddings of their own (`id_embedding`). A layer goes from the items to the users and back,

    .. math:: U_l = A I_l, \qquad I_{l+1} = A^T U_l, \qquad I_0 = H, \qquad
              A = D_u^{-1/2} X D_i^{-1/2},

    and both sides are the mean over their layers: LightGCN [1]_ of 2 `n_layers` + 1 hops in which users have no
    parameters. A user is what her history says, so one who arrives later is answered without a new fit, as one of
    the fit is. ``conv="attention"`` puts :math:`\mathrm{softmax}_j(h_u \cdot h_j / \sqrt{d})` over the
    neighbours j of each node in the place of A from layer 1 on [2]_; `attention` reads the weights back.

    ``loss="softmax"`` minimises :math:`-\log (e^{s_{ui}/\tau} / \sum_j e^{s_{uj}/\tau})` over all items j, or over
    `n_negatives` drawn ones, with s the cosine. With the linear convolution the item to be found is taken out of the
    history that finds it. ``loss="bpr"`` minimises :math:`-\log \sigma(s_{ui} - s_{uj})` with s the dot product
    and j an item that u does not have [3]_. A step of the softmax reads whole users, about `batch_size` interactions;
    one of BPR as many random interactions.

    Presets, as near to the papers as users without parameters allow:

    - LightGCN [1]_: ``embedding_dim=64, keep_input=True``;
    - XSimGCL [4]_: ``embedding_dim=64, n_layers=2, contrast_weight=0.2, noise=0.2, temperature=0.15``;
    - AlphaRec [5]_: ``item_features="mlp", id_embedding=False, keep_input=True, temperature=0.15, n_negatives=256``.

    The papers of the first two minimise BPR, ``loss="bpr", learning_rate_init=1e-3, batch_size=2048``. It asks that an
    item stand before a random one, not before all: on Gowalla its lists are far behind those of the softmax after the
    same time.

    Parameters
    ----------
    embedding_dim : int, default=256
        Dimensions of an embedding.
    conv : {"lightgcn", "attention"}, default="lightgcn"
        The convolution: linear, or attention, which can be read.
    n_layers : int, default=1
        Layers after layer 0, each from the items to the users and back.
    keep_input : bool, default=False
        Whether layer 0, what items begin as, is part of the mean over the layers.
    item_features : {"linear", "mlp"} or None, default="linear"
        What takes the vectors of `items` to embeddings: a linear map, or one with a hidden layer (leaky ReLU). None
        leaves them out.
    id_embedding : bool, default=True
        Whether items have an embedding of their own. Without it, an item is what its data say.
    loss : {"softmax", "bpr"}, default="softmax"
        The loss.
    temperature : float, default=0.08
        The number τ that cosines are divided by, in the softmax and in the contrast: small values look at the nearest
        rivals only. Positive.
    n_negatives : int, default=None
        Items that are set against: drawn once a step and shared by it (softmax), or for each interaction (BPR). None
        takes all items for the softmax, one for BPR.
    popularity_exponent : float, default=0.4
        With the softmax, the prior that popularity is in the answers: items are ranked by
        :math:`(1 + n_i)^\gamma e^{s_{ui}/\tau}`, with n_i the number of users of an item; new items get the mean of
        the others. 0 ranks by the cosine alone. Non-negative.
    negative_exponent : float, default=0.0
        Negatives are drawn with probability proportional to popularity to this power: 0 draws evenly from all items,
        above 0 from those that somebody has. Non-negative.
    contrast_weight : float, default=0.0
        Weight of InfoNCE between the first layer and the mean, under noise (XSimGCL [4]_). Non-negative.
    noise : float, default=0.2
        Length of the random vector added to each node in each layer, where there is contrast. Non-negative.
    solver : {"adam", "adamw"}, default="adam"
        The optimizer; `alpha` is an L2 penalty for the first, decoupled weight decay for the second.
    alpha : float, default=0.0
        Strength of the penalty. Non-negative.
    learning_rate_init : float, default=0.005
        The step size. Positive.
    batch_size : int, default=16384
        Interactions in a step, about: the softmax reads whole users.
    max_iter : int, default=50
        Epochs at most.
    tol : float, default=1e-4
        Epochs that improve the validation score, or without `early_stopping` the loss, by no more than this count as
        none.
    early_stopping : bool, default=True
        Whether interactions are held out, the epoch of the best NDCG@`n_recommendations` on them is kept, and training
        stops when it does not improve. They join the graph again for the answers.
    validation_fraction : float, default=0.1
        Share of the users with two interactions or more of whom a fifth of the interactions is held out, in (0, 1).
    n_iter_no_change : int, default=3
        Epochs without improvement after which training stops.
    warm_start : bool, default=False
        Whether `fit` goes on from what the last one learned.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    items : ItemCatalog, default=None
        The items. None learns from the interactions alone.
    item_encoder : transformer, default=None
        Turns the catalog's data into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and `TruncatedSVD`,
        a `ColumnTransformer`. None takes the catalog's data as vectors.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs between fits.
    device : str, default="auto"
        Where to compute: a torch device; "auto" takes a CUDA device where there is one. Answers come from the CPU.
    backend : {"auto", "torch", "dgl"}, default="auto"
        Who sends the messages; see `graph.message_passing`.
    checkpoint_dir : str or path-like, default=None
        A folder for the state after each epoch. A fit of the same settings and data goes on where a killed one was,
        to the same bits on a CPU. Each fit has a file of its own, which is left there.
    random_state : int, RandomState instance or None, default=0
        Seeds what training begins with, the order of the users, negatives and noise.

    Attributes
    ----------
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The items; of length one with the softmax. Their dot product with a user of `transform`, plus `item_bias_`, is
        the score.
    item_bias_ : ndarray of shape (n_items,), float32
        What popularity adds to a score: τ γ log(1 + n_i); zeros with BPR.
    loss_curve_ : list of float
        The mean loss of each epoch.
    validation_scores_ : list of float
        NDCG on what was held out after each epoch; empty where nothing was.
    n_iter_ : int
        Epochs that were run.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    GraphFilterRecommender : The same graph in closed form.
    RidgeRecommender : Closed form, for catalogs up to some 30,000 items.
    GNNRatingRegressor : Predicts explicit ratings.

    Notes
    -----
    The values of X do not enter the fit, only where they are positive; they weigh the row that is being answered.

    A step costs two products with the sparse matrix per layer, and as many on the way back: torch's own backward pass
    is not used. Where the convolution is linear and F enters by a linear map W, propagation and map commute,
    mean((AᵀA)^l F W) = mean((AᵀA)^l F) W: F is spread once, before training. The softmax over all items takes
    n_users · n_items · embedding_dim operations an epoch, a block of scores at a time; for large catalogs in bfloat16,
    where the processor has it.

    On a CPU a fit has the same bits each time for a given number of threads. Callbacks of scikit-learn see each epoch:
    a ``ProgressBar``, or with `early_stopping` a ``ScoringMonitor``, which scores the held-out interactions.

    References
    ----------
    .. [1] X. He et al., "LightGCN: Simplifying and powering graph convolution network for recommendation", SIGIR 2020.
    .. [2] P. Veličković et al., "Graph attention networks", ICLR 2018, here without weight matrices.
    .. [3] S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009.
    .. [4] J. Yu et al., "XSimGCL: Towards extremely simple graph contrastive learning for recommendation", TKDE 2023.
    .. [5] L. Sheng et al., "Language representations can be what recommenders need", ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import GNNRecommender
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    >>> rec = GNNRecommender(embedding_dim=8, n_recommendations=1).fit(X)
    >>> rec.predict([[1, 0, 0, 0], [0, 0, 0, 1]])
    array([[1],
           [2]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseRecommender._parameter_constraints,
        "conv": [StrOptions({"lightgcn", "attention"})],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "keep_input": ["boolean"],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "item_features": [StrOptions({"linear", "mlp"}), None],
        "id_embedding": ["boolean"],
        "loss": [StrOptions({"softmax", "bpr"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "n_negatives": [Interval(Integral, 1, None, closed="left"), None],
        "popularity_exponent": [Interval(Real, 0, None, closed="left")],
        "negative_exponent": [Interval(Real, 0, None, closed="left")],
        "contrast_weight": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"adam", "adamw"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "device": [str],
        "backend": [StrOptions({"auto", "torch", "dgl"})],
        "checkpoint_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
    }

    _how_to_read_items: ClassVar[str] = "item_features='linear' or 'mlp'"

    loss_curve_: list[float]
    validation_scores_: list[float]

    def __init__(
        self,
        embedding_dim: int = 256,
        *,
        conv: str = "lightgcn",
        n_layers: int = 1,
        keep_input: bool = False,
        item_features: str | None = "linear",
        id_embedding: bool = True,
        loss: str = "softmax",
        temperature: float = 0.08,
        n_negatives: int | None = None,
        popularity_exponent: float = 0.4,
        negative_exponent: float = 0.0,
        contrast_weight: float = 0.0,
        noise: float = 0.2,
        solver: str = "adam",
        alpha: float = 0.0,
        learning_rate_init: float = 0.005,
        batch_size: int = 16384,
        max_iter: int = 50,
        tol: float = 1e-4,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        warm_start: bool = False,
        n_recommendations: int = 10,
        items: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        device: str = "auto",
        backend: str = "auto",
        checkpoint_dir: str | os.PathLike[str] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.conv = conv
        self.n_layers = n_layers
        self.keep_input = keep_input
        self.item_features = item_features
        self.id_embedding = id_embedding
        self.loss = loss
        self.temperature = temperature
        self.n_negatives = n_negatives
        self.popularity_exponent = popularity_exponent
        self.negative_exponent = negative_exponent
        self.contrast_weight = contrast_weight
        self.noise = noise
        self.solver = solver
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.n_recommendations = n_recommendations
        self.items = items
        self.item_encoder = item_encoder
        self.memory = memory
        self.device = device
        self.backend = backend
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> GNNRecommender:
        """Learn from further interactions: one epoch over them, on the graph of all that was seen.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            Rows that are added to those seen before, with the items of the fit. A user who comes back is a further
            row. The first call is a fit of one epoch.
        y : Ignored
            Not used.

        Returns
        -------
        self : object
            The recommender.
        """
        task = self._init_callback_context(max_subtasks=1)
        task.call_on_fit_task_begin(estimator=self)
        if hasattr(self, "n_iter_"):
            further = fill(self._check_histories(X))
            seen = sparse.vstack([self._interactions, further], format="csr")
            losses, scores = self.loss_curve_, self.validation_scores_
            self._learn(seen, self._vectors, max_iter=1, start=self._parameters, first_row=self._interactions.shape[0])
            self.loss_curve_ = losses + self.loss_curve_
            self.validation_scores_ = scores + self.validation_scores_
            self.n_iter_ = len(self.loss_curve_)
            self._popularity = count_users(seen)
        else:
            self._learn(*self._read_interactions(X), max_iter=1)
        task.call_on_fit_task_end(estimator=self)
        return self

    @available_if(_attends)
    def attention(self, X: Any) -> sparse.csr_array:
        """Return how much each user attends to each item of the history.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The users' histories.

        Returns
        -------
        attention : csr_array of shape (n_users, n_items), float32
            The softmax weights of the layers, their mean: each row with a history adds up to 1.
        """
        X = self._check_histories(X)
        weights = self._answers.attend(X)[1]
        return sparse.csr_array((weights, X.indices, X.indptr), shape=X.shape)

    def _max_epochs(self) -> int:
        return self.max_iter

    def _reads_items(self) -> bool:
        return self.item_features is not None

    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None) -> None:
        start = self._parameters if self.warm_start and hasattr(self, "n_iter_") else None
        self._learn(X, vectors, max_iter=self.max_iter, start=start)

    def _learn(
        self,
        X: sparse.csr_array,
        vectors: np.ndarray | None,
        *,
        max_iter: int,
        start: Arrays | None = None,
        first_row: int = 0,
    ) -> None:
        """Train on the rows of X from `first_row` on, on the graph of all rows, and keep what was learned."""
        from skgnnrec.recommenders._gnn_model import check_goes_on, initial_parameters

        if vectors is None and not self.id_embedding:
            raise ValueError(
                "id_embedding=False leaves nothing to learn from without items=ItemCatalog(...) and "
                f"{self._how_to_read_items}."
            )
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        train, held_out = X, sparse.csr_array(X.shape, dtype=np.float32)
        if self.early_stopping:
            train, held_out = hold_out_share_of_users(X, self.validation_fraction, SCORE_TEST_SIZE, seed, first_row)
        with limit_torch_threads():
            device = resolve_device(self.device)
            shape = (self.n_features_in_, None if vectors is None else vectors.shape[1], self.embedding_dim)
            fresh = initial_parameters(*shape, self.item_features, self.id_embedding, seed)
            if start is not None:
                check_goes_on(start, fresh)
            encoder = self._build_encoder(train, vectors, fresh if start is None else start, device)
            learner = self._build_learner(encoder, train, held_out, first_row, seed)
            progress = self._train(learner, train, held_out, max_iter, seed)
            # What was held out joins the graph again: it is part of what is known of users and items.
            encoder = self._build_encoder(X, vectors, encoder.inputs.arrays(), device)
            for name, value in self._answers_of(encoder, X).items():
                setattr(self, name, value)
        self._interactions, self._vectors = X, vectors
        self.loss_curve_, self.validation_scores_ = progress.losses, progress.scores
        self.n_iter_ = len(progress.losses)

    def _build_encoder(
        self, X: sparse.csr_array, vectors: np.ndarray | None, parameters: Arrays, device: torch.device
    ) -> GraphEncoder:
        from skgnnrec.recommenders._gnn_model import GraphEncoder, ItemInputs

        item_degrees = degrees(X)[1]
        has_users = item_degrees > 0
        graph = message_passing(normalized_history(X, item_degrees), backend=self.backend, device=device)
        inputs = ItemInputs(parameters, vectors, has_users, device)
        how = {name: getattr(self, name) for name in ("conv", "n_layers", "keep_input")}
        return GraphEncoder(graph, inputs, has_users, **how)

    def _build_learner(
        self, encoder: GraphEncoder, X: sparse.csr_array, held_out: sparse.csr_array, first_row: int, seed: int
    ) -> RankingLearner:
        from skgnnrec.recommenders._gnn_learner import RankingLearner, Validation

        history = normalized_history(X, degrees(X)[1])
        rows = np.flatnonzero(np.diff(held_out.indptr))
        validation = Validation(history[rows], rows, held_out[rows], self.n_recommendations) if len(rows) else None
        return RankingLearner(
            encoder,
            history,
            first_row=first_row,
            seed=seed,
            validation=validation,
            **{name: getattr(self, name) for name in LEARNING},
        )

    def _train(
        self, learner: RankingLearner, X: sparse.csr_array, held_out: sparse.csr_array, max_iter: int, seed: int
    ) -> Progress:
        from skgnnrec.training import train_estimator

        users = np.flatnonzero(np.diff(held_out.indptr))
        return train_estimator(
            self,
            learner,
            max_iter=max_iter,
            checkpoint=self._checkpoint(learner, X, seed),
            reconstruct=lambda: self._answers_of(learner.encoder, X),
            held_out=(X[users], held_out[users]) if len(users) else (None, None),
        )

    def _checkpoint(self, learner: RankingLearner, X: sparse.csr_array, seed: int) -> Checkpoint | None:
        from skgnnrec.training import open_checkpoint

        settings = [seed, *(getattr(self, name) for name in STEERING)]
        arrays = chain((X.indptr, X.indices), learner.encoder.inputs.state())
        return open_checkpoint(self.checkpoint_dir, self.random_state, settings, arrays)

    def _answers_of(self, encoder: GraphEncoder, X: sparse.csr_array) -> dict[str, Any]:
        """Return the fitted attributes that answers are made from."""
        import torch

        with torch.no_grad():
            spread = encoder.spread()
            layers = None if spread.layers is None else [layer.cpu().numpy() for layer in spread.layers[1]]
            items = spread.items.cpu().numpy()
        cosine, exponent = self.loss == "softmax", self.popularity_exponent
        bias = popularity_bias(count_users(X), exponent if cosine else 0.0, self.temperature)
        answers = GraphAnswers(items, layers, degrees(X)[1], bias, cosine=cosine, keep_input=self.keep_input)
        return {
            "item_embedding_": answers.item_embedding,
            "item_bias_": answers.item_bias,
            "_answers": answers,
            "_parameters": encoder.inputs.arrays(),
        }

    def _item_scorer(self, columns: np.ndarray | None) -> Scorer:
        return self._answers.item_scorer(columns)

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        import torch

        from skgnnrec.recommenders._gnn_model import ItemInputs

        inputs = ItemInputs(self._parameters, None, np.zeros(0, dtype=bool), torch.device("cpu"))
        with torch.no_grad():
            items = inputs.mapped(torch.tensor(vectors)).numpy()
        return self._answers.new_item_scorer(items)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return self._answers.embed(X)
