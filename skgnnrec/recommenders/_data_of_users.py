"""Where recommenders pass on which users the rows are; most know users by their histories alone."""

from __future__ import annotations

from typing import Any, ClassVar

from scipy import sparse

__all__ = ["DataOfUsers"]


class DataOfUsers:
    """The part of all recommenders that concerns data of users beside their histories: there are none here."""

    _reads_users: ClassVar[bool] = False  # in all methods

    def _refuse_data_of_users(self, part: DataOfUsers) -> None:
        """Refuse a recommender inside that has to know the users of the rows, which only their histories reach."""
        if part._reads_users:
            outer, inner = type(self).__name__, type(part).__name__
            raise ValueError(f"{outer} does not pass the users of the rows on to {inner}: put {outer} into {inner}.")

    def _about(self, users: Any) -> dict[str, Any]:
        """Return the arguments that tell `fit` and `recommend` which users the rows are; none here."""
        return {}

    def _with_data(self, X: sparse.csr_array, users: Any) -> sparse.csr_array:
        """Return histories with what else is known of the users, in further columns; nothing here."""
        return X

    def _kinds_of_data(self) -> list[str]:
        """Return the kind of each further column."""
        return []
