"""
A shop: what will a customer buy next?
======================================

A shop wants to fill a shelf of ten products for each customer who comes back. This page learns from the purchases of a
British shop for gifts, up to a day in autumn, and compares the shelves with the later purchases.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skgnnrec import ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.inspection import SegmentDisplay, explain, reasons

plt.style.use("skgnnrec.inspection.style")

# %%
# The log has one row for each product on an invoice. The last fifth of the rows is the future. Customers without
# earlier purchases are left out.
data = load_online_retail()
log = data.events.assign(day=data.events["timestamp"].dt.normalize())
past, future = train_test_split(log, test_size=0.2, shuffle=False)  # sorted by time
future = future[future["user_id"].isin(past["user_id"])]
print(f"{len(past):,} purchases up to {past['day'].iloc[-1]:%d %B %Y}, {len(future):,} after it")

# %%
# Two recommenders: the bestsellers of the shop, and a ridge that also reads the descriptions. A purchase counts three
# quarters as much as one on the next shopping day of the customer.
descriptions = data.item_frame[["item_id", "description"]]
encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(64, random_state=0))
ridge = RidgeRecommender(catalog=ItemCatalog(descriptions, ids="item_id"), item_encoder=encoder)
columns = {"user": "user_id", "item": "item_id", "timestamp": "day", "rank_decay": 0.75}
recommenders = {
    "bestsellers": LogRecommender(PopularityRecommender(), **columns).fit(past),
    "ridge with texts": LogRecommender(ridge, **columns).fit(past),
}

# %%
# The shelf of one customer, with the purchase that counts most for each product.
names = pd.Series(descriptions["description"].str.lower().to_numpy(), index=descriptions["item_id"])
customer = 12347
bought = past.loc[past["user_id"] == customer, "item_id"].drop_duplicates()
print(f"Customer {customer} has bought {len(bought)} products, the last ones are:")
print("  " + ", ".join(names[bought[-4:]]))
items, _ = recommenders["ridge with texts"].recommend([customer], n_recommendations=5)
why = reasons(explain(recommenders["ridge with texts"], [customer], items), names, n_reasons=1)
for item in items[0]:
    print(f"* {names[item]}. {why[customer, item]}")

# %%
# The shelves of all customers, by the length of the history. In each group of customers, the ridge finds more than
# twice as many of the later purchases as the bestsellers do. The share falls to the right, because active customers
# buy more than ten products can cover.
display = SegmentDisplay.from_estimator(recommenders, future, by="user_activity", n_segments=4, metric="recall")
display.ax_.set_title("Share of the later purchases that were on the shelf", pad=34)
plt.show()
