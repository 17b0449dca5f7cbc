"""Generated product titles with words of their topic."""

import numpy as np
from numpy.typing import NDArray

_TOPIC_WORDS = (
    "garden trowel fern seed rose hedge watering lawn orchid bulb pot bloom",
    "kitchen whisk skillet ladle oven spice baking saucepan grater apron dough kettle",
    "camping tent lantern trail rucksack compass hammock summit canteen campfire ridge boots",
    "ocean anchor coral sailor lighthouse harbour tide shell dolphin reef pebble mermaid",
    "music guitar drum melody vinyl piano chord trumpet rhythm violin jazz banjo",
    "winter snow mitten sledge pine frost scarf icicle reindeer cocoa woollen igloo",
    "toy puzzle robot teddy marble puppet spinning doll kite domino yoyo blocks",
    "office notebook stapler fountain ink folder desk calendar ruler envelope pencil stamp",
    "space rocket comet lunar galaxy orbit telescope meteor nebula astronaut saturn cosmic",
    "cycling pedal saddle helmet spoke handlebar gear chain velodrome tyre sprint bicycle",
    "tea teapot saucer chamomile oolong sugar biscuit mint infuser honey porcelain matcha",
    "sewing thread needle bobbin linen button quilt yarn thimble cotton embroidery velvet",
)
_ADJECTIVES = (
    "Amber Antique Blue Bright Classic Copper Crimson Deluxe Folding Giant Golden Green Handmade Ivory Little "
    "Mini Modern Painted Pocket Red Retro Rustic Silver Striped Traditional Travel Vintage White Wooden Woven"
)
_FORMS = (
    "Bag Badge Basket Book Box Bundle Card Case Clock Collection Cup Cushion Frame Gift Holder Kit Lamp Mug "
    "Ornament Pack Plate Poster Print Set Sign Shelf Sticker Tin Towel Tray"
)
_WORDS_PER_TOPIC = len(_TOPIC_WORDS[0].split())
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


def make_titles(topics: NDArray[np.int64], rng: np.random.RandomState) -> NDArray[np.object_]:
    """Return a title for each item: an adjective, two words of its topic, and a form of product."""
    n_items = len(topics)
    vocabulary = _topic_vocabulary(int(topics.max(initial=-1)) + 1)
    first = rng.randint(_WORDS_PER_TOPIC, size=n_items)
    second = (first + rng.randint(1, _WORDS_PER_TOPIC, size=n_items)) % _WORDS_PER_TOPIC
    adjectives = _draw(_ADJECTIVES, n_items, rng)
    forms = _draw(_FORMS, n_items, rng)
    return adjectives + " " + vocabulary[topics, first] + " " + vocabulary[topics, second] + " " + forms


def _draw(words: str, size: int, rng: np.random.RandomState) -> NDArray[np.object_]:
    choices = np.array(words.split(), dtype=object)
    return choices[rng.randint(len(choices), size=size)]


def _topic_vocabulary(n_topics: int) -> NDArray[np.object_]:
    rows = [words.title().split() for words in _TOPIC_WORDS[:n_topics]]
    for topic in range(len(rows), n_topics):
        rows.append([_invent_word(topic * _WORDS_PER_TOPIC + i) for i in range(_WORDS_PER_TOPIC)])
    return np.array(rows, dtype=object).reshape(n_topics, _WORDS_PER_TOPIC)


def _invent_word(number: int) -> str:
    """Return a different word for each number, with at least three syllables."""
    syllables: list[str] = []
    while number or len(syllables) < 3:
        number, digit = divmod(number, len(_SYLLABLES))
        syllables.append(_SYLLABLES[digit])
    return "".join(syllables).title()
