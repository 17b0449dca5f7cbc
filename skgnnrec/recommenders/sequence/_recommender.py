"""Recommendation of the next item by trained sequence models: attention, a recurrent network, a perceptron."""

from __future__ import annotations

import os
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import StrOptions

from skgnnrec._constraints import Interval
from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import has_order
from skgnnrec.recommenders._trained import TrainedRecommender
from skgnnrec.recommenders.sequence._network import HEADS

__all__ = ["SequenceRecommender"]


class SequenceRecommender(TrainedRecommender):
    r"""Learn by gradient descent which items follow on a history.

    A history is a sequence of steps: larger values of a row of X are later, and items with equal values are one step.
    The embedding of a step is the mean of the embeddings of its items, :math:`H = \mathrm{map}(F) + E`, where F are the
    frozen item vectors of the catalog, mapped by a network with one hidden layer, and E trained embeddings of the items
    (`id_embedding`). `n_layers` layers compute an output for each step from this step and the earlier ones,

    .. math:: Z = Y + \mathrm{mix}(Y), \qquad Y' = Z + \mathrm{MLP}(Z),

    where each part takes vectors of length one, and mix is

    - with ``head="mlp"``, a mean with trained weights for each distance of two steps,
      :math:`\mathrm{softmax}_s (b_{t-s})\, v_s`;
    - with ``head="attention"``, the causal self-attention of a transformer [1]_,
      :math:`\mathrm{softmax}_s (q_t \cdot k_s + b_{t-s})\, v_s`, with the same b;
    - with ``head="gru"``, the states of a gated recurrent unit [2]_.

    At the start of training every head returns the last step plus a mean of all steps in which later ones count more.
    The score of an item i for the output u of the last step is the cosine :math:`s_{ui}`, plus the bias of a popularity
    prior. Users are outputs of the network and have no parameters: a history that was not in the fit is scored in the
    same way, and a new item by its vector.

    The fit minimises :math:`-\log (e^{s_{ui}/\tau} / \sum_j e^{s_{uj}/\tau})`, where u is the output of each step of
    each history, i an item of the next step, and j all items, or `n_negatives` sampled ones that a batch shares [3]_.

    Parameters
    ----------
    head : {"mlp", "attention", "gru"}, default="mlp"
        What mixes the steps.
    embedding_dim : int, default=128
        Dimensions of the embeddings.
    n_layers : int, default=1
        Layers of the head.
    max_length : int, default=50
        The number of latest steps of a history that are used.
    id_embedding : bool, default=True
        Whether each item has a trained embedding E of its own. With False the embedding of an item is computed from its
        vector alone.
    dropout : float, default=0.2
        Share of the entries of the inputs and of the outputs of the layers that are set to zero in training, in [0, 1).
    temperature : float, default=0.1
        The temperature τ of the softmax. Small values give more weight to the negatives with the highest scores.
        Positive.
    n_negatives : int, default=None
        Sampled negatives per training step. With None the softmax is over all items.
    popularity_exponent : float, default=0.1
        The exponent γ of the popularity prior: items are ranked by :math:`(1 + n_i)^\gamma e^{s_{ui}/\tau}`, where n_i
        is the number of users of the item. New items have the mean prior of the other items. Non-negative.
    solver : {"adam", "adamw"}, default="adam"
        The optimizer.
    alpha : float, default=0.0
        Strength of the regularization: an L2 penalty with "adam", decoupled weight decay with "adamw". Non-negative.
    learning_rate_init : float, default=0.002
        The step size. Positive.
    batch_size : int, default=256
        Users per training step.
    max_iter : int, default=50
        Maximum number of epochs.
    tol : float, default=1e-4
        Minimum improvement of the validation score, or of the loss without `early_stopping`, for an epoch to count as
        an improvement.
    early_stopping : bool, default=True
        Whether to hold out interactions, the latest ones of a user, to stop when the NDCG@`n_recommendations` on them
        does not improve, and to keep the parameters of the best epoch.
    validation_fraction : float, default=0.1
        Share of the users with two or more interactions of whom a fifth of the interactions is held out, in (0, 1).
    n_iter_no_change : int, default=3
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
    checkpoint_dir : str or path-like, default=None
        A folder for the state of the training after each epoch. If a fit is interrupted, a fit with the same settings
        and data continues from its last epoch; on a CPU the result is the same to the bit. Each fit has a file of its
        own, which is not removed.
    random_state : int, RandomState instance or None, default=0
        Seeds the initial parameters, the order of the users, negatives and dropout.

    Attributes
    ----------
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The item embeddings, of length one. The score of a user is the dot product with the embedding from `transform`,
        plus `item_bias_`.
    item_bias_ : ndarray of shape (n_items,), float32
        The popularity bias of each item, τ γ log(1 + n_i).
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

    Warns
    -----
    UserWarning
        In `fit`, if the values of no row of X differ: the histories have no order.

    See Also
    --------
    RidgeRecommender : With ``order_weight``, a regression of the next item in closed form.
    GNNRecommender : Histories as weighted sums of their items.
    LogRecommender : Makes histories of a log. With `timestamp`, their order is that of time.

    Notes
    -----
    Only the order of the values of a row counts, not their size: :math:`0.75^{\text{age}}` and times are equivalent.
    Where the values of a row do not differ, its items are one step: a set. In training, a random part of it predicts
    the others.

    The score is no sum over the items of a history. In explanations it is a baseline; with ``method="counterfactual"``,
    they show what each item of the history changes.

    The softmax over all items takes n_interactions · n_items · embedding_dim operations per epoch, in blocks of bounded
    memory; `n_negatives` bounds it for large catalogs. The fit raises an error where the machine has less memory than
    training needs.

    On a CPU, fits with the same number of threads give the same bits. Fitted recommenders score with NumPy, and do not
    need torch. Callbacks of scikit-learn receive each epoch.

    References
    ----------
    .. [1] W.-C. Kang, J. McAuley, "Self-attentive sequential recommendation", ICDM 2018.
    .. [2] B. Hidasi, A. Karatzoglou, L. Baltrunas, D. Tikk, "Session-based recommendations with recurrent neural
       networks", ICLR 2016.
    .. [3] D. Tikhonovich et al., "eSASRec: Enhancing transformer-based recommendations in a modular fashion",
       RecSys 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import SequenceRecommender
    >>> X = np.array([[1, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]])  # 0, 1, 2, 3, 0, ...
    >>> rec = SequenceRecommender(embedding_dim=8, learning_rate_init=0.02, early_stopping=False, n_recommendations=1)
    >>> rec.fit(X).predict([[1, 2, 0, 0], [0, 0, 1, 2]])
    array([[2],
           [0]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **TrainedRecommender._parameter_constraints,
        "head": [StrOptions(set(HEADS))],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    _reads_order: ClassVar[bool] = True

    def __init__(
        self,
        head: str = "mlp",
        *,
        embedding_dim: int = 128,
        n_layers: int = 1,
        max_length: int = 50,
        id_embedding: bool = True,
        dropout: float = 0.2,
        temperature: float = 0.1,
        n_negatives: int | None = None,
        popularity_exponent: float = 0.1,
        solver: str = "adam",
        alpha: float = 0.0,
        learning_rate_init: float = 0.002,
        batch_size: int = 256,
        max_iter: int = 50,
        tol: float = 1e-4,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        warm_start: bool = False,
        n_recommendations: int = 10,
        catalog: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        device: str = "auto",
        checkpoint_dir: str | os.PathLike[str] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.head = head
        self.embedding_dim = embedding_dim
        self.n_layers = n_layers
        self.max_length = max_length
        self.id_embedding = id_embedding
        self.dropout = dropout
        self.temperature = temperature
        self.n_negatives = n_negatives
        self.popularity_exponent = popularity_exponent
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
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state

    def _trained(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any, **options: Any) -> dict:
        from skgnnrec.recommenders.sequence._training import train_on_sequences

        if (np.diff(X.indptr) > 1).any() and not has_order(X):
            warnings.warn(
                "X has no order: the values of its rows do not differ, and histories are sets. Pass values that grow "
                "with time. LogRecommender makes them from a column of times (timestamp=...).",
                UserWarning,
                stacklevel=9,  # the caller of fit
            )
        return train_on_sequences(self, X, vectors, self._item_counts_, previous, **options)
