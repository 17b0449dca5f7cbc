"""Measure the accuracy and the cost of fine-tuned text models; write the figures to finetuning.json.

    python benchmarks/finetuning.py [settings] [online_retail] [beauty] [labels] [transfer] [--vectors name ...]

- settings: a few settings of the fine-tuners on validation parts. `CHOSEN` contains the selected ones.
- online_retail, beauty: NDCG@10 of recommenders with item vectors from words, from the pretrained MiniLM, and from
  MiniLM fine-tuned on texts or interactions, for all items and for cold items ranked on their own.
- labels: AUC of a logistic regression of labels on the vectors of texts.
- transfer: an encoder fine-tuned on one catalog, evaluated on another catalog without common items.

With `--vectors`, only some rows of online_retail and beauty are measured and the others are kept. Rows contain costs,
so all rows of a part should come from one machine.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from models import text_embedder
from run import cold_split, machine
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from tasks import TASKS, Task

from skgnnrec import GraphFilterRecommender, InteractionFineTuner, ItemCatalog, MaskedLMFineTuner, RidgeRecommender
from skgnnrec.datasets import load_movietweetings
from skgnnrec.metrics import ndcg_at_k

RESULTS = Path(__file__).parent / "finetuning.json"
SEEDS = (0, 1, 2)  # of the training; the splits do not change
# An epoch on Amazon Beauty takes 20 minutes of processor time.
EPOCHS: dict[str, dict[str, Any]] = {"online_retail": {}, "beauty": {"max_iter": 1}}
RECOMMENDERS = {"ridge": RidgeRecommender, "filter": GraphFilterRecommender}
TRIED = {
    "behaviour, all weights": [{}, {"learning_rate_init": 2e-5}],
    "behaviour, LoRA": [{}, {"learning_rate_init": 3e-4}],
    "masked LM": [{"max_iter": 3}],
}
CHOSEN: dict[str, dict[str, Any]] = {"masked LM": {}, "behaviour, all weights": {}, "behaviour, LoRA": {}}
LORA_RANK = 8


def make_encoder(name: str, seed: int, **settings: Any) -> Any:
    """Return the unfitted encoder of a row."""
    if name == "TF-IDF + SVD":
        return make_pipeline(TfidfVectorizer(), TruncatedSVD(256, random_state=seed))
    if name == "MiniLM":
        return text_embedder()
    settings = {**CHOSEN[name], **settings, "random_state": seed}
    if name == "masked LM":
        return MaskedLMFineTuner(text_embedder(), **settings)
    return InteractionFineTuner(text_embedder(), lora_rank=LORA_RANK if "LoRA" in name else None, **settings)


ENCODERS = ["TF-IDF + SVD", "MiniLM", *CHOSEN]


def learns_from_users(name: str) -> bool:
    """Return whether an encoder learns from interactions."""
    return name.startswith("behaviour")


def encode(encoder: Any, texts: list[str], history: sparse.csr_array) -> tuple[np.ndarray, float]:
    """Return the item vectors and the processor seconds of the fit."""
    before = time.process_time()
    encoder.fit(texts, sparse.csr_array(history.T))
    return encoder.transform(texts), time.process_time() - before


def score_all(task: Task, vectors: np.ndarray) -> dict[str, float]:
    """Return the NDCG@10 of each recommender for the whole catalog, with histories weighted by recency."""
    items = ItemCatalog(vectors)
    fitted = {name: cls(catalog=items).fit(task.history) for name, cls in RECOMMENDERS.items()}
    return {f"{name}, all items": model.score(task.recent, task.held_out) for name, model in fitted.items()}


def score_cold(task: Task, vectors: np.ndarray) -> dict[str, float]:
    """Return the NDCG@10 of each recommender among a fifth of the items, which are known only by their texts."""
    history, held_out, cold, users = cold_split(task)
    scores = {}
    for name, cls in RECOMMENDERS.items():
        lists, _ = cls(catalog=ItemCatalog(vectors)).fit(history).recommend(history[users], 10, candidates=cold)
        scores[f"{name}, cold items"] = float(ndcg_at_k(held_out[users], lists))
    return scores


def measure_encoder(task: Task, name: str, seed: int, **settings: Any) -> dict[str, float]:
    """Return scores and seconds. Encoders that learn from interactions are fitted again without the cold items."""
    encoder = make_encoder(name, seed, **settings)
    vectors, seconds = encode(encoder, task.texts, task.history)
    row = score_all(task, vectors)
    if learns_from_users(name):
        vectors, _ = encode(make_encoder(name, seed, **settings), task.texts, cold_split(task)[0])
    row |= score_cold(task, vectors)
    row["cpu_s"] = seconds
    row["epochs"] = getattr(encoder, "n_iter_", 0)
    row["trained, %"] = 100 * getattr(encoder, "trainable_share_", 0.0)
    return row


def measure_task(task_name: str, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the row of each encoder on the test part, as means over seeds."""
    task = TASKS[task_name]("test")
    for name in names:
        seeds = SEEDS if name != "MiniLM" else (0,)
        settings = EPOCHS[task_name] if name in CHOSEN else {}
        yield {"vectors": name, **mean_of_seeds([measure_encoder(task, name, seed, **settings) for seed in seeds])}


def mean_of_seeds(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Return the means over seeds and the largest difference between the scores of two seeds."""
    found = pd.DataFrame(rows)
    scores = found[[column for column in found if "items" in column]]
    spread = float((scores.max() - scores.min()).max())
    return {
        **rounded(found.mean().to_dict()),
        "seeds": len(rows),
        "largest spread over seeds": round(spread, 4),
    }


def measure_settings() -> Iterator[dict[str, Any]]:
    """Yield scores among the cold items of the validation part of Online Retail."""
    task = TASKS["online_retail"]("validation")
    history = cold_split(task)[0]
    for name, settings in [(name, {}) for name in ENCODERS[:2]] + [(n, s) for n in TRIED for s in TRIED[n]]:
        encoder = make_encoder(name, 0, **settings)
        vectors, seconds = encode(encoder, task.texts, history)
        row = {"vectors": name, "settings": ", ".join(f"{key}={value}" for key, value in settings.items())}
        row |= rounded({**score_cold(task, vectors), "cpu_s": seconds})
        yield row | {"validation loss": [round(-score, 3) for score in getattr(encoder, "validation_scores_", [])]}


def measure_labels() -> Iterator[dict[str, Any]]:
    """Yield the AUC of a logistic regression on half of the texts; the fit uses the labels of the other half."""
    films = load_movietweetings()["items"].sample(3000, random_state=0)
    shop = TASKS["online_retail"]("test")
    n_users = np.bincount(shop.history.indices, minlength=len(shop.texts))
    products = np.random.default_rng(0).permutation(np.flatnonzero(n_users))[:3000]
    problems = {
        "film: a drama, by its title": (films["title"].tolist(), films["genres"].str.contains("Drama").to_numpy()),
        "product: bought by the median of users or more": (
            [shop.texts[item] for item in products],
            n_users[products] >= np.median(n_users[products]),
        ),
    }
    for problem, (texts, labels) in problems.items():
        parts = train_test_split(texts, labels.astype(int), test_size=0.5, random_state=0)
        for name in ENCODERS:
            before = time.process_time()
            score = auc(make_encoder(name, 0), *parts)
            row = rounded({"AUC": score, "cpu_s": time.process_time() - before})
            yield {"label": problem, "vectors": name, "texts": len(texts), **row}


def auc(encoder: Any, train: list[str], test: list[str], y_train: np.ndarray, y_test: np.ndarray) -> float:
    """Return the AUC of a pipeline of the encoder and a logistic regression."""
    classifier = make_pipeline(encoder, LogisticRegression(max_iter=1000)).fit(train, y_train)
    return float(roc_auc_score(y_test, classifier.decision_function(test)))


def halves(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return two parts of a catalog: the two clusters of the vectors of the pretrained MiniLM."""
    kinds = KMeans(2, n_init=10, random_state=0).fit_predict(text_embedder().fit_transform(texts))
    return np.flatnonzero(kinds == 0), np.flatnonzero(kinds == 1)


def measure_transfer() -> Iterator[dict[str, Any]]:
    """Yield the NDCG@10 in a catalog whose items and interactions are not part of the fit."""
    shop, films = TASKS["online_retail"]("test"), TASKS["movietweetings"]("test")
    first, second = halves(shop.texts)
    whole = np.arange(len(films.texts))
    for name, learned, known, asked, new in (
        ("Online Retail, one half to the other", shop, first, shop, second),
        ("Online Retail, the other half to the one", shop, second, shop, first),
        ("Online Retail to MovieTweetings", shop, np.arange(len(shop.texts)), films, whole),
    ):
        for encoder_name in ("MiniLM", "behaviour, all weights", "behaviour, LoRA"):
            encoder = make_encoder(encoder_name, 0)
            known_texts = [learned.texts[item] for item in known]
            encoder.fit(known_texts, sparse.csr_array(learned.history[:, known].T))
            row = {"from, to": name, "vectors": encoder_name, "items": f"{len(known)}, {len(new)}"}
            row |= rounded(score_new_domain(encoder, asked, new))
            if learned is asked:
                row |= rounded(score_other_catalog(encoder, learned, known_texts, known, new))
            yield row


def score_new_domain(encoder: Any, task: Task, items: np.ndarray) -> dict[str, float]:
    """Return the NDCG@10 in a domain without interactions in the fit."""
    catalog = ItemCatalog([task.texts[item] for item in items])
    ridge = RidgeRecommender(catalog=catalog, item_encoder=FrozenEstimator(encoder))
    ridge.fit(sparse.csr_array((1, len(items)), dtype=np.float32))
    past, future = sparse.csr_array(task.recent[:, items]), sparse.csr_array(task.held_out[:, items])
    asked = np.flatnonzero(np.diff(past.indptr) * np.diff(future.indptr))
    return {"new domain, its histories": ridge.score(past[asked], future[asked])}


def score_other_catalog(
    encoder: Any, task: Task, texts: list[str], known: np.ndarray, new: np.ndarray
) -> dict[str, float]:
    """Return the NDCG@10 in one catalog for histories in the other."""
    history, sought = sparse.csr_array(task.history[:, known]), sparse.csr_array(task.history[:, new])
    users = np.flatnonzero(np.diff(history.indptr) * np.diff(sought.indptr))
    arrivals = ItemCatalog([task.texts[item] for item in new], ids=new)
    scores = {}
    for name, cls in RECOMMENDERS.items():
        model = cls(catalog=ItemCatalog(texts, ids=known), item_encoder=FrozenEstimator(encoder)).fit(history)
        lists = arrivals.positions(model.recommend(history[users], 10, candidates=arrivals)[0])
        scores[f"{name}, new catalog for known users"] = float(ndcg_at_k(sought[users], lists))
    return scores


def rounded(row: dict[str, float]) -> dict[str, float]:
    """Return the figures with four decimals."""
    return {name: round(float(value), 4) for name, value in row.items()}


PARTS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "settings": measure_settings,
    "labels": measure_labels,
    "transfer": measure_transfer,
}


def main(parts: list[str], names: list[str]) -> None:
    """Measure parts, and write each row when it is complete."""
    for part in parts:
        rows = measure_task(part, names or ENCODERS) if part in EPOCHS else PARTS[part]()
        before = stored().get(part, {"rows": []})["rows"] if part in EPOCHS and names else []
        found = [row for row in before if row["vectors"] not in names]
        for row in rows:
            print(json.dumps(row), flush=True)
            found.append(row)
            RESULTS.write_text(json.dumps(stored() | {part: {"machine": machine(), "rows": found}}, indent=2) + "\n")


def stored() -> dict[str, Any]:
    """Return the stored results."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


if __name__ == "__main__":
    words = [*sys.argv[1:], "--vectors"]
    cut = words.index("--vectors")
    main(words[:cut] or [*EPOCHS, *PARTS], words[cut + 1 : -1])
