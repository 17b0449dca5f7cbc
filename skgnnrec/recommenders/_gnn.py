"""Trained graph neural networks: LightGCN, XSimGCL, AlphaRec and attention as settings of one recommender."""

from __future__ import annotations

import hashlib
import os
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
from skgnnrec._holdout import hold_out_share
from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import degrees, inverse_power
from skgnnrec.ranking import matmul_by_row, round_for_exact_sums
from skgnnrec.recommenders._base import SCORE_TEST_SIZE, BaseRecommender, Scorer, count_users, fill

if TYPE_CHECKING:
    import torch

    from skgnnrec.recommenders._gnn_learner import RankingLearner
    from skgnnrec.recommenders._gnn_model import Arrays, GraphEncoder
    from skgnnrec.training import Progress

__all__ = ["GNNRecommender"]

EMBED_ROWS = 4096  # histories that attention reads at once
# The parameters that steer a step of the training; the others decide when it stops, or what comes after.
STEERING = (
    "embedding_dim", "conv", "n_layers", "keep_input", "item_features", "id_embedding", "loss", "temperature",
    "n_negatives", "negative_exponent", "contrast_weight", "noise", "solver", "alpha", "learning_rate_init",
    "batch_size", "early_stopping", "validation_fraction", "n_recommendations",
)  # fmt: skip


def _attends(recommender: GNNRecommender) -> bool:
    if recommender.conv != "attention":
        raise AttributeError(f"attention needs conv='attention', got conv={recommender.conv!r}.")
    return True


class GNNRecommender(BaseRecommender):
    """TODO."""

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

    def __init__(
        self,
        embedding_dim: int = 128,
        *,
        conv: str = "lightgcn",
        n_layers: int = 1,
        keep_input: bool = False,
        item_features: str | None = "linear",
        id_embedding: bool = True,
        loss: str = "softmax",
        temperature: float = 0.1,
        n_negatives: int | None = None,
        negative_exponent: float = 0.0,
        contrast_weight: float = 0.0,
        noise: float = 0.2,
        solver: str = "adam",
        alpha: float = 0.0,
        learning_rate_init: float = 0.005,
        batch_size: int = 8192,
        max_iter: int = 20,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
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
            self._popularity = count_users(seen)
            losses, scores = self.loss_curve_, self.validation_scores_
            self._learn(seen, self._vectors, max_iter=1, start=self._parameters, first_row=self._interactions.shape[0])
            self.loss_curve_, self.validation_scores_ = losses + self.loss_curve_, scores + self.validation_scores_
            self.n_iter_ = len(self.loss_curve_)
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
        _, weights = self._attend(X)
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
        from skgnnrec.recommenders._gnn_model import initial_parameters

        self._check_inputs(vectors, start)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        held_out = self._hold_out(X, first_row, seed)
        train = X - held_out
        train.eliminate_zeros()
        with limit_torch_threads():
            device = resolve_device(self.device)
            if start is None:
                n_dimensions = None if vectors is None else vectors.shape[1]
                shape = (self.n_features_in_, n_dimensions, self.embedding_dim)
                start = initial_parameters(*shape, self.item_features, self.id_embedding, seed)
            encoder = self._build_encoder(train, vectors, start, device)
            learner = self._build_learner(encoder, train, held_out, first_row, seed)
            progress = self._train(learner, train, held_out, max_iter, self._fingerprint(train, vectors, start, seed))
            # What was held out joins the graph again: it is part of what is known of users and items.
            encoder = self._build_encoder(X, vectors, encoder.inputs.arrays(), device)
            for name, value in self._frozen(encoder, X).items():
                setattr(self, name, value)
        self._interactions, self._vectors = X, vectors
        self.loss_curve_, self.validation_scores_ = progress.losses, progress.scores
        self.n_iter_ = len(progress.losses)

    def _check_inputs(self, vectors: np.ndarray | None, start: Arrays | None) -> None:
        if vectors is None and not self.id_embedding:
            raise ValueError(
                "id_embedding=False leaves nothing to learn from without items=ItemCatalog(...) and "
                f"{self._how_to_read_items}."
            )
        shape = (self.n_features_in_, self.embedding_dim)
        if start is not None and "embedding" in start and start["embedding"].shape != shape:
            raise ValueError(
                f"warm_start=True goes on with embeddings of shape {start['embedding'].shape}, X and embedding_dim ask "
                f"for {shape}."
            )

    def _hold_out(self, X: sparse.csr_array, first_row: int, seed: int) -> sparse.csr_array:
        """Return what is held out for early stopping, as a matrix of the shape of X."""
        users = first_row + np.flatnonzero(np.diff(X.indptr)[first_row:] > 1)
        if not self.early_stopping or not len(users):
            return sparse.csr_array(X.shape, dtype=np.float32)
        n_users = max(1, round(self.validation_fraction * len(users)))
        users = np.sort(np.random.default_rng(seed).permutation(users)[:n_users])
        _, held_out = hold_out_share(X[users], SCORE_TEST_SIZE, seed)
        counts = np.zeros(X.shape[0] + 1, dtype=np.int64)
        counts[users + 1] = np.diff(held_out.indptr)
        return sparse.csr_array((held_out.data, held_out.indices, np.cumsum(counts)), shape=X.shape)

    def _build_encoder(
        self, X: sparse.csr_array, vectors: np.ndarray | None, parameters: Arrays, device: torch.device
    ) -> GraphEncoder:
        from skgnnrec.graph import message_passing
        from skgnnrec.recommenders._gnn_model import GraphEncoder, ItemInputs, normalized_history

        item_degrees = degrees(X)[1]
        has_users = item_degrees > 0
        graph = message_passing(normalized_history(X, item_degrees), backend=self.backend, device=device)
        return GraphEncoder(
            graph,
            ItemInputs(parameters, vectors, has_users, device),
            has_users,
            conv=self.conv,
            n_layers=self.n_layers,
            keep_input=self.keep_input,
        )

    def _build_learner(
        self, encoder: GraphEncoder, X: sparse.csr_array, held_out: sparse.csr_array, first_row: int, seed: int
    ) -> RankingLearner:
        from skgnnrec.recommenders._gnn_learner import RankingLearner, Validation
        from skgnnrec.recommenders._gnn_model import normalized_history

        history = normalized_history(X, degrees(X)[1])
        rows = np.flatnonzero(np.diff(held_out.indptr))
        validation = Validation(history[rows], rows, held_out[rows], self.n_recommendations) if len(rows) else None
        return RankingLearner(
            encoder,
            history,
            first_row=first_row,
            seed=seed,
            loss=self.loss,
            batch_size=self.batch_size,
            n_negatives=self.n_negatives,
            negative_exponent=self.negative_exponent,
            temperature=self.temperature,
            contrast_weight=self.contrast_weight,
            noise=self.noise,
            validation=validation,
        )

    def _train(
        self,
        learner: RankingLearner,
        X: sparse.csr_array,
        held_out: sparse.csr_array,
        max_iter: int,
        fingerprint: str,
    ) -> Progress:
        import torch

        from skgnnrec.training import Checkpoint, train

        optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.solver](
            learner.parameters(), lr=self.learning_rate_init, weight_decay=self.alpha
        )
        users = np.flatnonzero(np.diff(held_out.indptr))
        epochs: list[Any] = []

        def before_epoch() -> None:
            epochs.append(self._callback_fit_ctx.subcontext("epoch").call_on_fit_task_begin(estimator=self))

        def after_epoch(progress: Progress) -> bool:
            return epochs.pop().call_on_fit_task_end(
                estimator=self,
                X=X[users] if len(users) else None,
                y=held_out[users] if len(users) else None,
                reconstruction_attributes=lambda: self._frozen(learner.encoder, X),
            )

        return train(
            learner,
            optimizer,
            max_iter=max_iter,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            before_epoch=before_epoch,
            after_epoch=after_epoch,
            checkpoint=None if self.checkpoint_dir is None else Checkpoint(self.checkpoint_dir, fingerprint),
        )

    def _frozen(self, encoder: GraphEncoder, X: sparse.csr_array) -> dict[str, Any]:
        """Return the fitted attributes that answers are made from."""
        import torch
        import torch.nn.functional as F

        item_degrees = degrees(X)[1]
        with torch.no_grad():
            spread = encoder.spread()
            items = (F.normalize(spread.items, dim=1) if self.loss == "softmax" else spread.items).cpu().numpy()
            frozen = {
                "item_embedding_": round_for_exact_sums(items.T, self.embedding_dim, axis=0).T,
                "_item_degrees": item_degrees,
                "_parameters": encoder.inputs.arrays(),
            }
            if spread.users is None:
                scale = inverse_power(item_degrees, 0.5).astype(np.float32)
                frozen["_projection"] = scale[:, None] * spread.items.cpu().numpy()
            else:
                frozen["_item_layers"] = [layer.cpu().numpy() for layer in encoder.layers()[1]]
        return frozen

    def _item_scorer(self, columns: np.ndarray | None) -> Scorer:
        return self._dot_scorer(self.item_embedding_ if columns is None else self.item_embedding_[columns])

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        import torch
        import torch.nn.functional as F

        from skgnnrec.recommenders._gnn_model import ItemInputs

        nobody = np.zeros(len(vectors), dtype=bool)
        inputs = ItemInputs(self._parameters, vectors, nobody, torch.device("cpu"))
        with torch.no_grad():
            items = inputs.mapped(torch.tensor(vectors))
            items = (F.normalize(items, dim=1) if self.loss == "softmax" else items).numpy()
        return self._dot_scorer(round_for_exact_sums(items.T, self.embedding_dim, axis=0).T)

    def _dot_scorer(self, items: np.ndarray) -> Scorer:
        factor = items.T.astype(np.float64)  # for exact sums

        def score(X: sparse.csr_array) -> np.ndarray:
            scores = np.zeros((X.shape[0], factor.shape[1]), dtype=np.float32)
            matmul_by_row(self._embed(X), factor, out=scores)
            return scores

        return score

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        if self.conv == "attention":
            users, _ = self._attend(X)
        else:
            users = (X @ self._projection) * inverse_power(degrees(X)[0], 0.5).astype(np.float32)[:, None]
        if self.loss == "softmax":
            length = np.linalg.norm(users, axis=1, keepdims=True)
            users = np.divide(users, length, out=np.zeros_like(users), where=length > 0)
        return users

    def _attend(self, X: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """Return users and the weights of their items, a block of histories at a time."""
        import torch

        from skgnnrec.graph import message_passing
        from skgnnrec.recommenders._gnn_model import attend, normalized_history

        users = np.zeros((X.shape[0], self.embedding_dim), dtype=np.float32)
        weights = np.zeros(X.nnz, dtype=np.float32)
        layers = [torch.tensor(layer) for layer in self._item_layers]
        with torch.no_grad():
            for start in range(0, X.shape[0], EMBED_ROWS):
                rows = slice(start, start + EMBED_ROWS)
                block = normalized_history(X[rows], self._item_degrees)
                found, attention = attend(message_passing(block), layers, self.keep_input)
                users[rows] = found.numpy()
                weights[X.indptr[start] : X.indptr[start] + block.nnz] = attention.numpy()
        return users, weights

    def _fingerprint(self, X: sparse.csr_array, vectors: np.ndarray | None, start: Arrays, seed: int) -> str:
        """Return what tells fits apart: settings that steer a step, and the data."""
        if self.checkpoint_dir is None:
            return ""
        if not isinstance(self.random_state, Integral):
            raise ValueError(f"random_state must be an int to resume from checkpoint_dir, got {self.random_state!r}.")
        digest = hashlib.sha256(repr([seed, *(getattr(self, name) for name in STEERING)]).encode())
        arrays = [X.indptr, X.indices, *([] if vectors is None else [vectors])]
        for array in [*arrays, *(start[name] for name in sorted(start))]:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:32]
