"""Differential privacy: accuracy, and the success of attacks, by the functions of privacy.py."""

from functools import partial

from common import Section
from privacy import EPSILONS, attacks, curve

SECTIONS = {name: Section(f"Differential privacy: accuracy by ε, {name}", partial(curve, name)) for name in EPSILONS}
SECTIONS["attacks"] = Section("Attacks on the membership of users, Online Retail", attacks)
