"""Recommendation by trained graph neural networks: LightGCN, XSimGCL, AlphaRec and attention as settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from copy import copy
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from skgnnrec._constraints import Interval
from skgnnrec._fitted_state import new_state
from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import count_users
from skgnnrec.interactions import Vocabulary
from skgnnrec.recommenders._header import header_of
from skgnnrec.recommenders._trained import TrainedRecommender
from skgnnrec.recommenders.gnn._scorer import AttentionFactors

if TYPE_CHECKING:
    from skgnnrec.training import Workers

__all__ = ["GNNRecommender"]


def _attends(recommender: GNNRecommender) -> bool:
    if recommender.conv != "attention":
        raise AttributeError(f"attention requires conv='attention', got conv={recommender.conv!r}.")
    return True


class GNNRecommender(TrainedRecommender):
    r"""Learn embeddings of items by gradient descent, such that the earlier part of a history predicts the later part.

    The inputs of the network are :math:`H = \mathrm{map}(F) + E`, where F are the frozen item vectors of the catalog,
    mapped by a network with one hidden layer, and E trained embeddings of the items (`id_embedding`). E starts with the
    closed form of `GraphFilterRecommender`, the leading singular vectors of the normalised interactions, and small
    beside map(F) where there is a catalog. The embedding of a user is the weighted sum of the embeddings of the items
    of the history, :math:`U = D_u^{-1/2} X (H + O)`. The trained offsets O, zero at the start, distinguish an item that
    was chosen from one that is recommended next. Users outside the fit are scored without refitting.

    With ``conv="lightgcn"``, `n_layers` layers propagate from the items to the users and back:

    .. math:: U_l = A I_l, \qquad I_{l+1} = A^T U_l, \qquad I_0 = H, \qquad
              A = D_u^{-1/2} X D_i^{-1/2}.

    The embeddings of users and items are the means over their layers. This is LightGCN [1]_ of 2 `n_layers` + 1 hops
    without parameters for users. With ``conv="attention"``, the weights
    :math:`\mathrm{softmax}_j(h_u \cdot h_j / \sqrt{d})` over the neighbours j of each node replace A from layer 1 on
    [2]_; the method `attention` returns them.

    ``loss="softmax"`` divides the histories of `batch_size` users in each step, at a random place in the second half,
    and minimises :math:`-\log (e^{s_{ui}/\tau} / \sum_j e^{s_{uj}/\tau})` over all items j, or over `n_negatives`
    sampled ones. Here u is the earlier part of a history, i an item of the later part, and s the cosine. Larger values
    of a row of X are later; equal values are in random order. ``loss="bpr"`` minimises
    :math:`-\log \sigma(s_{ui} - s_{uj})` for `batch_size` random interactions in each step, where s is the dot product
    and j an item that the user has not seen [3]_.

    These settings are close to published models, which have parameters for users and random embeddings at the start:

    - LightGCN [1]_: ``embedding_dim=64, conv="lightgcn", keep_input=True``;
    - XSimGCL [4]_: ``embedding_dim=64, conv="lightgcn", n_layers=2, contrast_weight=0.2, temperature=0.15``;
    - AlphaRec [5]_: ``conv="lightgcn", id_embedding=False, keep_input=True, temperature=0.15, n_negatives=256``.

    The first two papers minimise BPR: ``loss="bpr", learning_rate_init=1e-3, batch_size=2048``. BPR compares an item
    with random items, the softmax compares it with all items.

    Parameters
    ----------
    embedding_dim : int, default=256
        Dimensions of the embeddings.
    conv : {"lightgcn", "attention"} or None, default=None
        The convolution beyond the histories: linear, or with attention weights. With None there is none: users are sums
        of the inputs of their items. A convolution can help where interactions have neither an order nor content.
    n_layers : int, default=1
        Layers of the convolution, each from the items to the users and back.
    keep_input : bool, default=False
        Whether the means over the layers include layer 0, the inputs.
    id_embedding : bool, default=True
        Whether each item has trained embeddings E and O of its own. With False the embedding of an item is computed
        from its vector alone. O requires the softmax, and neither attention nor the contrastive loss.
    loss : {"softmax", "bpr"}, default="softmax"
        The loss.
    temperature : float, default=0.1
        The temperature τ of the softmax and of the contrastive loss. Small values give more weight to the negatives
        with the highest scores. Positive.
    n_negatives : int, default=None
        Negatives per interaction (BPR) or per step (softmax). With None the softmax is over all items, and BPR takes
        one negative.
    popularity_exponent : float or "auto", default="auto"
        The exponent γ of a popularity prior, with the softmax: items are ranked by
        :math:`(1 + n_i)^\gamma e^{s_{ui}/\tau}`, where n_i is the number of users of the item. New items have the mean
        prior of the other items. With 0, items are ranked by the cosine. Non-negative. "auto" chooses 0, 0.1, 0.2, 0.4,
        0.8, 1.6 or 3.2 by the users who are held out for `early_stopping`, and 0.2 where they are fewer than 100.
    contrast_weight : float, default=0.0
        Weight of a contrastive loss (InfoNCE) between the first layer and the mean over the layers, with noise
        (XSimGCL [4]_). Requires a convolution. Non-negative.
    noise : float, default=0.2
        Length of the random vector that is added to each node in each layer, where `contrast_weight` is positive.
        Non-negative.
    diversity_weight : float, default=0.0
        Weight of the expected similarity of two items that are recommended to the same user,
        :math:`\sum_{ij} p_{ui} p_{uj}\, v_i \cdot v_j`, in the loss, where p is the softmax of the scores with the
        popularity prior and v are the item vectors of the catalog, else the embeddings of the items, as constants. It
        is one minus the quadratic entropy of p [6]_. Lists become more diverse and less accurate. Requires the softmax.
        Non-negative.
    solver : {"adam", "adamw"}, default="adam"
        The optimizer.
    alpha : float, default=0.0
        Strength of the regularization: an L2 penalty with "adam", decoupled weight decay with "adamw". Non-negative.
    learning_rate_init : float, default=0.002
        The step size. Positive.
    batch_size : int, default=256
        Users per step with the softmax, interactions per step with BPR.
    max_iter : int, default=50
        Maximum number of epochs.
    tol : float, default=1e-4
        Minimum improvement of the validation score, or of the loss without `early_stopping`, for an epoch to count as
        an improvement.
    early_stopping : bool, default=True
        Whether to hold out interactions, the latest ones of a user, to stop when the NDCG@`n_recommendations` on them
        does not improve, and to keep the parameters of the best epoch. After training, the held-out interactions are
        part of the graph.
    validation_fraction : float or "auto", default="auto"
        Share of the users with two or more interactions of whom a fifth of the interactions is held out, in (0, 1).
        "auto" is 0.1, in `fit` more where that holds out fewer than 1,000 interactions, up to 0.5.
    n_iter_no_change : int, default=5
        Epochs without improvement after which training stops.
    warm_start : bool, default=False
        Whether `fit` continues from the parameters of the previous fit. Items are matched by id; new items start with
        random embeddings. Without ids, X must have the same items in the same order.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    catalog : ItemCatalog, default=None
        The items. With None the fit uses the interactions alone.
    item_encoder : transformer, default=None
        Turns the data of the catalog into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and
        `TruncatedSVD`, a `ColumnTransformer`. None takes the data of the catalog as vectors.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs between fits.
    device : str, default="auto"
        The torch device of the training: "auto" takes a CUDA device where one is available. Scores are computed on the
        CPU.
    backend : {"auto", "torch", "dgl"}, default="auto"
        The library that computes the graph convolutions. "auto" takes torch.
    checkpoint_dir : str or path-like, default=None
        A folder for the state of the training after each epoch. If a fit is interrupted, a fit with the same settings
        and data continues from its last epoch; on a CPU the result is the same to the bit. Each fit has a file of its
        own, which is not removed.
    random_state : int, RandomState instance or None, default=0
        Seeds the initial parameters, the order of the users, negatives and noise.

    Attributes
    ----------
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The item embeddings, of length one with the softmax. The score of a user is the dot product with the embedding
        from `transform`, plus `item_bias_`.
    item_bias_ : ndarray of shape (n_items,), float32
        The popularity bias of each item, τ γ log(1 + n_i); zeros with BPR.
    popularity_exponent_ : float
        The exponent γ of the prior.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors F, where they are used.
    loss_curve_ : list of float
        The mean loss of each epoch.
    validation_scores_ : list of float
        The NDCG on the held-out interactions after each epoch; empty where nothing is held out.
    n_iter_ : int
        The number of epochs.
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
    The values of X are weights of the histories, in the fit and in the histories that are scored, such as
    :math:`0.75^{\text{age}}`. Their order within a row is that of time; X > 0 has no order.

    `partial_fit` keeps a bounded number of earlier interactions, about a million. Where there are more, it keeps the
    histories of a random sample of the earlier users.

    The softmax over all items takes n_users · n_items · embedding_dim operations per epoch, in blocks of bounded
    memory; for large catalogs it is computed in bfloat16 where the processor has it. The fit raises an error where the
    machine has less memory than training needs.

    Items without users, new ones and those of the catalog, have as E the mean over their nearest items by content, in
    proportion to the fourth power of the cosine.

    On a CPU, fits with the same number of threads give the same bits. Callbacks of scikit-learn receive each epoch: a
    ``ProgressBar``, or with `early_stopping` a ``ScoringMonitor``, which scores the held-out interactions.

    References
    ----------
    .. [1] X. He et al., "LightGCN: Simplifying and powering graph convolution network for recommendation", SIGIR 2020.
    .. [2] P. Veličković et al., "Graph attention networks", ICLR 2018, here without weight matrices.
    .. [3] S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009.
    .. [4] J. Yu et al., "XSimGCL: Towards extremely simple graph contrastive learning for recommendation", TKDE 2023.
    .. [5] L. Sheng et al., "Language representations can be what recommenders need", ICLR 2025.
    .. [6] C. R. Rao, "Diversity and dissimilarity coefficients: a unified approach", Theoretical Population Biology
       21(1), 1982.

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
        **TrainedRecommender._parameter_constraints,
        "conv": [StrOptions({"lightgcn", "attention"}), None],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "keep_input": ["boolean"],
        "loss": [StrOptions({"softmax", "bpr"})],
        "popularity_exponent": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "contrast_weight": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "diversity_weight": [Interval(Real, 0, None, closed="left")],
        "backend": [StrOptions({"auto", "torch", "dgl"})],
    }

    def __init__(
        self,
        embedding_dim: int = 256,
        *,
        conv: str | None = None,
        n_layers: int = 1,
        keep_input: bool = False,
        id_embedding: bool = True,
        loss: str = "softmax",
        temperature: float = 0.1,
        n_negatives: int | None = None,
        popularity_exponent: float | str = "auto",
        contrast_weight: float = 0.0,
        noise: float = 0.2,
        diversity_weight: float = 0.0,
        solver: str = "adam",
        alpha: float = 0.0,
        learning_rate_init: float = 0.002,
        batch_size: int = 256,
        max_iter: int = 50,
        tol: float = 1e-4,
        early_stopping: bool = True,
        validation_fraction: float | str = "auto",
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        n_recommendations: int = 10,
        catalog: ItemCatalog | None = None,
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
        self.id_embedding = id_embedding
        self.loss = loss
        self.temperature = temperature
        self.n_negatives = n_negatives
        self.popularity_exponent = popularity_exponent
        self.contrast_weight = contrast_weight
        self.noise = noise
        self.diversity_weight = diversity_weight
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
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory
        self.device = device
        self.backend = backend
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state

    @available_if(_attends)
    def attention(self, X: Any) -> sparse.csr_array:
        """Return the attention of each user to each item of the history.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users.

        Returns
        -------
        attention : csr_array of shape (n_users, n_items), float32
            The mean of the attention weights over the layers. Rows with a history sum to 1.
        """
        X = self._check_histories(X)
        if not isinstance(self._factors_, AttentionFactors):
            raise ValueError("attention requires a fit with conv='attention'; conv was set after the fit.")
        return self._factors_.attention(X)

    def _with_earlier_users(self, further: sparse.csr_array) -> tuple[sparse.csr_array, dict[str, Any]]:
        """Return the replayed users and further ones, on whose graph a further training learns from the latter."""
        X = sparse.vstack([self._replay_, further], format="csr")
        return sparse.csr_array(X), {"first_row": self._replay_.shape[0]}

    def _trained(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any, **options: Any) -> dict:
        from skgnnrec.recommenders.gnn._training import train_on_graph

        if self.contrast_weight and self.conv is None:
            raise ValueError(
                f"contrast_weight={self.contrast_weight} requires conv='lightgcn' or 'attention', got conv=None."
            )
        if self.diversity_weight and self.loss != "softmax":
            raise ValueError(
                f"diversity_weight={self.diversity_weight} requires loss='softmax', got loss={self.loss!r}."
            )
        if "shared" in options:  # by workers that have the interactions
            return options["shared"](vectors)
        return train_on_graph(self, X, vectors, self._item_counts_, previous, **options)

    def _check_shared(self) -> None:
        """Raise ValueError if the settings do not allow that several workers train together."""
        if self.conv == "attention" or self.contrast_weight or self.diversity_weight:
            raise ValueError(
                "A GNNRecommender is trained on shards with conv=None or 'lightgcn', contrast_weight=0 and "
                f"diversity_weight=0; got conv={self.conv!r}, contrast_weight={self.contrast_weight} and "
                f"diversity_weight={self.diversity_weight}."
            )

    def _fit_shared(
        self, train: Callable[[np.ndarray | None], dict[str, Any]], n_items: int, vocabulary: Vocabulary | None
    ) -> Self:
        """Learn by `train`, which returns the fitted attributes for given item vectors."""
        self._validate_params()
        with new_state(self) as fresh:
            fresh._learn(header_of(self, n_items, vocabulary), previous=self, shared=train)
        return self

    def _fit_part(self, X: sparse.csr_array, vectors: np.ndarray | None, workers: Workers) -> dict[str, Any]:
        """Train together with other workers on the users X of this one, and return the fitted attributes."""
        self._item_counts_ = workers.total(count_users(X))
        self._init_callback_context(max_subtasks=self.max_iter).call_on_fit_task_begin(estimator=self)
        found = self._trained(X, vectors, self, max_iter=self.max_iter, workers=workers)
        return {"_item_counts_": self._item_counts_, **found}

    def _average(self, recommenders: Sequence[GNNRecommender], weights: np.ndarray) -> GNNRecommender:
        """Return a recommender with the weighted mean of the parameters of several ones without a convolution."""
        from skgnnrec.recommenders.gnn._training import attributes_without_graph

        parameters = {
            name: sum(
                np.float32(weight) * each._parameters_[name] for weight, each in zip(weights, recommenders, strict=True)
            )
            for name in self._parameters_
        }
        average = copy(self)
        average._item_counts_ = np.sum([each._item_counts_ for each in recommenders], axis=0)
        found = attributes_without_graph(average, parameters, self.item_vectors_, average._item_counts_)
        average.__dict__.update(found)
        average._replay_ = self._replay_[:0]
        average._scorer_ = average._with_fallback(average._scorer())
        return average
