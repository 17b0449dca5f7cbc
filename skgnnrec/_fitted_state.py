"""The state of fitted estimators: replaced as a whole, and only when a fit has succeeded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["new_state"]

E = TypeVar("E")


@contextmanager
def new_state(estimator: E, *, keep: bool = False) -> Iterator[E]:
    """Yield a copy of an estimator to be fitted; its state becomes that of the estimator if no error occurs.

    The copy has the parameters and the callbacks of the estimator, and what was learned only if `keep`. Names of what
    is learned end with an underscore.
    """
    fresh = object.__new__(type(estimator))
    fresh.__dict__ = {name: value for name, value in vars(estimator).items() if keep or not name.endswith("_")}
    yield fresh
    estimator.__dict__ = fresh.__dict__  # at once: nobody sees a part of the new state
