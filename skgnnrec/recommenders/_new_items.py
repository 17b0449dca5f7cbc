"""Items without interactions: their weights are those of the nearest items by content.

The weights of a new item are the mean of the weights of its nearest items. The neighbours themselves count as well: a
neighbour in the history is evidence for the new item.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from skgnnrec.graph import nearest_items

__all__ = ["ItemsByContent", "known_items"]

N_NEIGHBORS, POWER = 20, 4  # of cosines: the nearest texts count far more than others
OWN_WEIGHT = 1.5  # of a neighbour in the history, relative to the mean length of the weights of an item
OLD_SHARE = 0.12  # of the scale of new items: items of the fit without users were there to be chosen


def known_items(item_counts: np.ndarray) -> np.ndarray:
    """Return which items have users; all of them where no item has any, and content alone tells them apart."""
    is_known = item_counts > 0
    return is_known if is_known.any() else ~is_known


@dataclass(frozen=True, eq=False)
class ItemsByContent:
    """The rule for items without interactions."""

    vectors: np.ndarray  # of the items of the fit, (n_items, n_dimensions), float32, of unit length
    is_known: np.ndarray  # from `known_items`, (n_items,)
    length: float  # the mean Euclidean length of the weights of the items with users
    scale: float  # of the scores of new items

    @property
    def cold(self) -> np.ndarray:
        """Return the positions of the items of the fit without users."""
        return np.flatnonzero(~self.is_known)

    def of_new(self, vectors: np.ndarray) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Return the shares of the items of the fit in new items, (n_items, n_new), and the weights of neighbours."""
        return self._shares(vectors, self.scale)

    def of_cold(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Return the same for the items of the fit without users, (n_items, n_cold)."""
        return self._shares(self.vectors[self.cold], OLD_SHARE * self.scale)

    def mixture(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Return the shares of the items of the fit in all of them, (n_items, n_items), and weights of neighbours."""
        n_items, cold = len(self.is_known), self.cold
        place = sparse.csr_array((np.ones(len(cold), np.float32), (np.arange(len(cold)), cold)), (len(cold), n_items))
        shares, own = (part @ place for part in self.of_cold())
        kept = sparse.diags_array(self.is_known.astype(np.float32), format="csr")
        return sparse.csr_array(kept + shares), sparse.csr_array(own)

    def _shares(self, vectors: np.ndarray, scale: float) -> tuple[sparse.csr_array, sparse.csr_array]:
        shares = np.float32(scale) * nearest_items(self.vectors, self.is_known, vectors, N_NEIGHBORS, POWER)
        return shares, np.float32(OWN_WEIGHT * self.length) * shares
