"""Embedding, message passing, a training epoch and a large ridge on the CPU, by the functions of gpu.py."""

from common import sections
from gpu import SECTIONS as ON_DEVICES

TITLES = {
    "embedding": "Embedding texts, compared with sentence-transformers, all-MiniLM-L6-v2",
    "propagation": "Message passing on the graph of Gowalla, and its rate relative to the copy bandwidth, CPU",
    "epoch": "Seconds of an epoch, compared with RecBole's formula in plain torch, Gowalla",
    "ridge": "A ridge at 30,000 items",
}
SECTIONS = {}
for _name, _title in TITLES.items():
    SECTIONS |= sections(_title, lambda name: ON_DEVICES[name]("cpu"), [_name])
