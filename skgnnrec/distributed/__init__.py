"""Fits, recommendations, embeddings and searches on a cluster of Ray.

Nothing else in the package imports this one, and nobody needs it on one machine. It requires the package Ray, which the
extra ``distributed`` installs, on all nodes, and folders that all nodes see. Without ``ray.init(address=...)``, the
functions start Ray on this machine. The work of a lost node is done again by the others.
"""

from skgnnrec.distributed._embed import embed
from skgnnrec.distributed._fit import fit
from skgnnrec.distributed._recommend import recommend
from skgnnrec.distributed._search import ray_backend
from skgnnrec.distributed._split import split_by_user

__all__ = ["embed", "fit", "ray_backend", "recommend", "split_by_user"]
