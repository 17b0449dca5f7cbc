"""Embedding, message passing, a training epoch and a large ridge on the CPU, by the functions of gpu.py."""

from functools import partial

from common import Section
from gpu import embedding, epoch, propagation, ridge

SECTIONS = {
    "embedding": Section(
        "Embedding texts, compared with sentence-transformers, all-MiniLM-L6-v2", partial(embedding, "cpu")
    ),
    "propagation": Section(
        "Message passing on the graph of Gowalla, and its rate relative to the copy bandwidth, CPU",
        partial(propagation, "cpu"),
    ),
    "epoch": Section(
        "Seconds of an epoch, compared with RecBole's formula in plain torch, Gowalla", partial(epoch, "cpu")
    ),
    "ridge": Section("A ridge at 30,000 items", partial(ridge, "cpu")),
}
