"""
Education: which exercise comes next?
=====================================

In a course, order counts: nobody should meet fractions before division. A recommender that only knows which exercises
belong together suggests earlier and later ones alike. With ``order_weight``, the ridge also learns their order.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skgnnrec import LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.metrics import RankingScorer
from skgnnrec.model_selection import LeaveLastOut

plt.style.use("skgnnrec.inspection.style")

# %%
# Learners work on one or two of four subjects, each with twelve exercises that build on each other. They start at
# their own level, and now and then skip an exercise, or do one again later.
subjects = ["numbers", "geometry", "statistics", "programming"]
exercises = [f"{subject} {step}" for subject in subjects for step in range(1, 13)]
rng = np.random.default_rng(0)
rows = []
for learner in range(600):
    chosen = rng.choice(4, size=rng.integers(1, 3), replace=False)
    step = dict.fromkeys(chosen, 0) | {subject: int(rng.integers(0, 8)) for subject in chosen}
    for day in range(rng.integers(4, 13)):
        subject = rng.choice(chosen)
        step[subject] += rng.choice([1, 2], p=[0.85, 0.15])
        if step[subject] <= 12:
            rows.append((learner, f"{subjects[subject]} {step[subject]}", day))
log = pd.DataFrame(rows, columns=["learner", "exercise", "day"])
print(f"{log['learner'].nunique()} learners, {len(log):,} exercises done")

# %%
# The last exercise of each learner is held out, and has to be among the first three. The latest exercises count most.
columns = {"user": "learner", "item": "exercise", "timestamp": "day", "rank_decay": 0.5}
recommenders = {
    "most done": LogRecommender(PopularityRecommender(), **columns),
    "ridge": LogRecommender(RidgeRecommender(), **columns),
    "ridge with order": LogRecommender(RidgeRecommender(order_weight=2.0), **columns),
}
((train, test),) = LeaveLastOut("learner", "day").split(log)
rates = {}
for name, recommender in recommenders.items():
    recommender.fit(log.iloc[train])
    rates[name] = RankingScorer("hit_rate", k=3)(recommender, log.iloc[test])
    print(f"{name:17} the next exercise is among the first three for {rates[name]:.0%} of the learners")

# %%
# The suggestions of two recommenders after a single exercise. Later exercises are to the right of the diagonal. The
# ridge suggests neighbours on both sides. With order, nearly all suggestions come later, except at the end of a
# subject.
figure, panels = plt.subplots(1, 2, figsize=(10, 4.9), sharey=True)
for panel, name in zip(panels, ["ridge", "ridge with order"], strict=True):
    lists, _ = recommenders[name].recommend(histories=[[done] for done in exercises], n_recommendations=3)
    place = {exercise: number for number, exercise in enumerate(exercises)}
    for rank, (size, colour) in enumerate(zip((70, 34, 12), ("C0", "C4", "#bbbbbb"), strict=True)):
        following = [place[exercise] for exercise in lists[:, rank]]
        panel.scatter(following, range(48), s=size, color=colour, label=f"place {rank + 1}", marker="s")
    panel.plot([0, 47], [0, 47], color="#999999", lw=0.8)
    for edge in range(0, 48, 12):
        panel.axhline(edge - 0.5, color="#dddddd", lw=0.8, zorder=0)
        panel.axvline(edge - 0.5, color="#dddddd", lw=0.8, zorder=0)
    panel.set(title=name, xlabel="suggested exercise", xticks=np.arange(5.5, 48, 12), xticklabels=subjects)
    panel.set(xlim=(-0.5, 47.5), ylim=(47.5, -0.5), yticks=np.arange(5.5, 48, 12), yticklabels=subjects)
    panel.grid(False)
panels[0].set_ylabel("exercise done")
panels[1].legend(loc="upper right", bbox_to_anchor=(1.3, 1))
plt.show()
