"""A service that answers over HTTP with the lists of a fitted recommender.

The packages of the extra ``serve`` are needed: ``pip install "skgnnrec[serve]"``.
"""

from skgnnrec.serving._app import create_app
from skgnnrec.serving._journal import JournalContent, read_journal
from skgnnrec.serving._limits import Limits

__all__ = ["JournalContent", "Limits", "create_app", "read_journal"]
