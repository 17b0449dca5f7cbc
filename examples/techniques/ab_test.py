"""
A/B tests: planning and reading
===============================

Held-out data cannot tell whether customers buy more. An experiment can, if it is large enough and if nobody stops it
on the first lucky day. This page plans a test of two recommenders, runs it on simulated visitors, and shows the effect
of looking too often.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgnnrec.online import assign_buckets, power_of_proportions, sample_size_of_proportions

plt.style.use("skgnnrec.inspection.style")

# %%
# Planning. Ten per cent of the visitors buy something today. How many visitors does each group need, so that an
# improvement to 11 % is found in four of five tests?
today, hoped = 0.10, 0.11
n_needed = sample_size_of_proportions(today, hoped)
n_per_day = 1100  # visitors of each group
n_days = int(np.ceil(n_needed / n_per_day))
print(f"{n_needed:,} visitors in each group, {n_days} days")

# %%
# Assignment. The group of a visitor follows from a hash of the id: nothing is stored, and nobody changes sides.
visitors = np.arange(2 * n_days * n_per_day)
groups = assign_buckets(visitors, experiment="ridge on the start page", shares={"control": 0.5, "ridge": 0.5})
print("visitors:", {name: int((groups == name).sum()) for name in ("control", "ridge")})

# %%
# Reading. In this simulation, the ridge really lifts the rate to 11 %. The interval of the difference shrinks from day
# to day; the planned last day is the day to read it.
rng = np.random.default_rng(0)
day = visitors // (2 * n_per_day)
buys = rng.random(len(visitors)) < np.where(groups == "ridge", hoped, today)


def difference_until(last: int, bought: np.ndarray) -> tuple[float, float]:
    """Return the difference of the rates up to a day, and 1.96 standard errors."""
    rates, variances = {}, {}
    for name in ("control", "ridge"):
        own = bought[(groups == name) & (day <= last)]
        rates[name], variances[name] = own.mean(), own.mean() * (1 - own.mean()) / len(own)
    return rates["ridge"] - rates["control"], 1.96 * np.sqrt(sum(variances.values()))


course = np.array([difference_until(last, buys) for last in range(n_days)])
print(f"difference on the last day: {course[-1, 0]:.3%} ± {course[-1, 1]:.3%}")

# %%
# Peeking. In 1000 tests without any difference, some day or other looks significant far more often than one time in
# twenty.
counts = rng.binomial(n_per_day, today, size=(1000, 2, n_days)).cumsum(axis=2)
n = n_per_day * np.arange(1, n_days + 1)
rates = counts / n
z = (rates[:, 1] - rates[:, 0]) / np.sqrt((rates * (1 - rates) / n).sum(axis=1))
is_alarm = np.abs(z) > 1.96
print(f"false alarms on the last day: {is_alarm[:, -1].mean():.0%}, on any day: {is_alarm.any(axis=1).mean():.0%}")

# %%
# Left: the larger the improvement, the fewer visitors are needed. Middle: the interval of this test. Right: the share
# of tests without a difference that would have been stopped with a false result, if somebody looks every day.
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4.2))
sizes = np.geomspace(1000, 300_000, 60).astype(int)
for rate in (0.105, 0.11, 0.12):
    left.plot(sizes, [power_of_proportions(n, today, rate) for n in sizes], label=f"10 % to {rate:.1%}")
left.axhline(0.8, color="#999999", lw=1, ls="--")
left.set(title="Planning", xscale="log", xlabel="visitors in each group", ylabel="power", ylim=(0, 1.02))
left.xaxis.set_major_formatter("{x:,.0f}")
left.legend(loc="lower right")
days = np.arange(1, n_days + 1)
middle.fill_between(days, course[:, 0] - course[:, 1], course[:, 0] + course[:, 1], alpha=0.2, lw=0)
middle.plot(days, course[:, 0], "o-", ms=4)
middle.axhline(0, color="#999999", lw=1, ls="--")
middle.set(title="Reading", xlabel="day", ylabel="difference of the rates")
middle.yaxis.set_major_formatter("{x:+.0%}")
stopped = is_alarm.cumsum(axis=1).astype(bool).mean(axis=0)
right.plot(days, stopped, "o-", ms=4, color="C5", label="one look a day")
right.axhline(0.05, color="#999999", lw=1, ls="--", label="one look at the end")
right.set(title="Peeking", xlabel="day", ylabel="tests with a false alarm so far", ylim=0)
right.set_yticks([0, 0.05, 0.1, 0.15, 0.2], ["0 %", "5 %", "10 %", "15 %", "20 %"])
right.legend(loc="upper left")
plt.show()
