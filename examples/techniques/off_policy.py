"""
Off-policy evaluation: try a new policy on an old log
=====================================================

A log holds the reactions of visitors to the items of the old policy, and a new policy would show other items. If the
log holds the probability of each shown item, weights correct for the difference. This page compares four estimates
with the truth, which a simulation knows.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgnnrec.online import clipped_ips_value, doubly_robust_value, ips_value, snips_value

plt.style.use("skgnnrec.inspection.style")

# %%
# Five kinds of visitors and eight banners. The old policy is close to random; the new one shows each kind its
# favourites.
rng = np.random.default_rng(0)
likes = rng.beta(1.5, 12, size=(5, 8))  # the probability of a click


def softmax(values: np.ndarray) -> np.ndarray:
    """Return probabilities in each row."""
    weights = np.exp(values - values.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


old = softmax(rng.normal(scale=0.7, size=(5, 8)))
new = softmax(25 * likes)
truth, before = (new * likes).sum(axis=1).mean(), (old * likes).sum(axis=1).mean()
print(f"clicks for each banner shown: {before:.3f} by the old policy, {truth:.3f} by the new one")

# %%
# The four estimates from one log of 4,000 visits. The doubly robust one also uses a model of the clicks: the rate of
# each banner among all visitors, which is rough on purpose.
names = ["ips", "snips", "clipped", "doubly robust"]


def estimates(seed: int, n: int = 4000) -> list:
    """Return the four estimates of the new policy from a log of the old one."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 5, n)
    shown = (old[kinds].cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    clicks = (rng.random(n) < likes[kinds, shown]).astype(float)
    log = (clicks, old[kinds, shown], new[kinds, shown])
    model = np.bincount(shown, clicks, minlength=8) / np.maximum(np.bincount(shown, minlength=8), 1)
    predictions = {"predicted_rewards": model[shown], "target_predicted_rewards": new[kinds] @ model}
    return [
        ips_value(*log),
        snips_value(*log),
        clipped_ips_value(*log, max_weight=4.0),
        doubly_robust_value(*log, **predictions),
    ]


for name, found in zip(names, estimates(0), strict=True):
    print(f"{name:14} {found.value:.3f}, from {found.low:.3f} to {found.high:.3f}")
print(f"effective sample size: {estimates(0)[0].effective_sample_size:,.0f} of 4,000 visits")

# %%
# The same for 200 logs. Three estimators are right on average. The clipped one is too low, in exchange for less
# variance. The interval of the doubly robust one holds the truth in about 95 of 100 logs, as it should.
repeated = [estimates(seed) for seed in range(200)]
values = np.array([[found.value for found in row] for row in repeated])
covered = np.mean([row[3].low <= truth <= row[3].high for row in repeated])
print("mean:", dict(zip(names, values.mean(axis=0).round(4).tolist(), strict=True)))
print("standard deviation:", dict(zip(names, values.std(axis=0).round(4).tolist(), strict=True)))
print(f"intervals that hold the truth: {covered:.0%}")
figure, ax = plt.subplots(figsize=(8, 4))
parts = ax.violinplot(values, orientation="horizontal", widths=0.8, showextrema=False)
for place, body in enumerate(parts["bodies"]):
    body.set(facecolor=f"C{place}", alpha=0.35)
    jitter = place + 1 + np.random.default_rng(0).uniform(-0.12, 0.12, 200)
    ax.scatter(values[:, place], jitter, s=5, color=f"C{place}")
ax.axvline(truth, color="black", lw=1.2)
ax.text(truth, 4.62, " truth", va="top")
ax.axvline(before, color="#999999", lw=1.2, ls="--")
ax.text(before, 4.62, " old policy", color="#777777", va="top")
ax.set_yticks(range(1, 5), names)
ax.set(
    xlabel="estimated clicks for each banner shown", title="Estimates of the new policy from 200 logs of the old one"
)
ax.grid(axis="x")
plt.show()
