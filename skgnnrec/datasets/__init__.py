"""Data sets with item texts: packaged with skgnnrec, generated or downloaded."""

from skgnnrec.datasets._make import make_interactions
from skgnnrec.datasets._make_log import make_log
from skgnnrec.datasets._movielens import fetch_movielens
from skgnnrec.datasets._packaged import load_movietweetings, load_online_retail

__all__ = ["fetch_movielens", "load_movietweetings", "load_online_retail", "make_interactions", "make_log"]
