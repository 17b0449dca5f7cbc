"""The bodies of requests and answers."""

# No `from __future__ import annotations`: FastAPI reads the types of classes that are made in a function.

from types import SimpleNamespace
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from skgnnrec.ranking import QUERY_WEIGHT
from skgnnrec.serving._limits import Limits

__all__ = [
    "Health",
    "Id",
    "ItemList",
    "ItemTexts",
    "Learned",
    "Lists",
    "Problem",
    "Reloaded",
    "Sequence",
    "SimilarLists",
    "schemas",
]

LARGEST_ID = 2**63 - 1
Id = Annotated[StrictInt, Field(ge=-LARGEST_ID, le=LARGEST_ID)] | Annotated[StrictStr, Field(max_length=500)]
Weight = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Time = StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | Annotated[StrictStr, Field(max_length=60)]
Key = Annotated[StrictStr, Field(min_length=1, max_length=200)]


class Strict(BaseModel):
    """A body without other members."""

    model_config = ConfigDict(extra="forbid")


class Interaction(Strict):
    """An interaction of a user with an item."""

    user: Id
    item: Id
    weight: Weight | None = Field(None, description="1 if absent; used if the recommender has weights.")
    timestamp: Time | None = Field(
        None, description="Used if the recommender has times: ISO 8601, now if absent, or a number as in the fit."
    )
    key: Key | None = Field(None, description="An interaction whose key was sent before is not learned again.")


class ScoredItem(BaseModel):
    """An item of a list."""

    item: Id
    score: float
    text: str | None = Field(None, description="With texts=true: the text of the item in the catalog, or its id.")
    reason: str | None = Field(None, description="With reasons=true: why the item is recommended, in words.")


class ItemList(BaseModel):
    """A list of recommendations."""

    items: list[ScoredItem] = Field(description="Best first.")
    history_length: int = Field(description="The known items of the history; with none, popular items are recommended.")
    unknown_items: list[Id] = Field(description="The items of the history that are unknown, and do not count.")
    sequence: int = Field(description="The number of the last change that the list takes into account.")


class Lists(BaseModel):
    """Several lists, in the order of the requests."""

    lists: list[ItemList]


class SimilarItems(BaseModel):
    """The items that are similar to one item."""

    item: Id
    items: list[ScoredItem]


class SimilarLists(BaseModel):
    """Similar items of several items."""

    lists: list[SimilarItems]
    sequence: int


class ItemText(BaseModel):
    """An item with its text."""

    item: Id
    text: str


class ItemTexts(BaseModel):
    """Items that were found."""

    items: list[ItemText]


class Sequence(BaseModel):
    """The number of a change."""

    sequence: int


class Learned(Sequence):
    """The result of learning."""

    learned: int
    repeated: int = Field(description="Interactions whose key was known: they were learned before.")


class Reloaded(Sequence):
    """The result of reading the file again."""

    replayed: int = Field(description="Records of the journal that were repeated on the new recommender.")


class Health(BaseModel):
    """The state of the service."""

    status: str


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


def schemas(limits: Limits, has_users: bool) -> SimpleNamespace:
    """Return the bodies of requests within some limits, with users or for histories only."""
    Length = Annotated[StrictInt, Field(ge=1, le=limits.max_recommendations)]

    class Weighted(Strict):
        weights: list[Weight] | None = Field(None, max_length=limits.max_history, description="One for each item.")

        def _check_weights(self, items: list[Any] | None) -> None:
            if self.weights is not None and len(self.weights) != len(items or ()):
                raise ValueError(f"weights has {len(self.weights)} entries, the history {len(items or ())} items.")

    class SimilarRequest(Strict):
        """A request for similar items."""

        items: list[Id] = Field(min_length=1, max_length=limits.max_batch)
        n: Length = 10
        texts: StrictBool = False

    class ReloadRequest(Strict):
        """A request to read the file of the recommender again."""

        included: Annotated[StrictInt, Field(ge=0)] | None = Field(
            None, description="The number of the last change that the new file contains; later ones are repeated on it."
        )

    ListRequest = _list_request(limits, has_users, Weighted, Length)
    Change = Interaction if has_users else _history(limits, Weighted)

    class BatchRequest(Strict):
        """Several requests."""

        requests: list[ListRequest] = Field(min_length=1, max_length=limits.max_batch)  # type: ignore[valid-type]

    class Interactions(Strict):
        """Interactions to learn."""

        interactions: list[Change] = Field(  # type: ignore[valid-type]
            min_length=1, max_length=limits.max_interactions
        )

    return SimpleNamespace(
        ListRequest=ListRequest,
        BatchRequest=BatchRequest,
        SimilarRequest=SimilarRequest,
        Interactions=Interactions,
        ReloadRequest=ReloadRequest,
        Length=Length,
    )


def _list_request(limits: Limits, has_users: bool, Weighted: Any, Length: Any) -> Any:
    class HistoryRequest(Weighted):
        """A request for the best items for a history."""

        history: list[Id] | None = Field(None, max_length=limits.max_history, description="Ids of items.")
        candidates: list[Id] | None = Field(
            None, min_length=1, max_length=limits.max_candidates, description="The items to rank; all if absent."
        )
        n: Length = Field(10, description="The length of the list.")
        exclude_seen: StrictBool = Field(True, description="Whether to leave out items of the history.")
        texts: StrictBool = Field(False, description="Whether the answer has the texts of the items.")
        reasons: StrictBool = Field(False, description="Whether the answer has a reason for each item.")
        query: Annotated[StrictStr, Field(min_length=1, max_length=limits.max_query)] | None = Field(
            None, description="A sentence that steers the list; the recommender needs an encoder of texts."
        )
        query_weight: Annotated[float, Field(ge=-1, le=1)] = Field(QUERY_WEIGHT, description="The share of the query.")

        @model_validator(mode="after")
        def check_history(self) -> Self:
            """Refuse a request without a user and a history, or with both."""
            if (self.history is None) == (getattr(self, "user", None) is None):
                raise ValueError("Pass one of user and history." if has_users else "Pass history.")
            self._check_weights(self.history)
            return self

    class UserRequest(HistoryRequest):
        """A request for the best items for a user of the log, or for a history."""

        user: Id | None = Field(None, description="The id of a user.")

    return UserRequest if has_users else HistoryRequest


def _history(limits: Limits, Weighted: Any) -> Any:
    class History(Weighted):
        """The history of a further user."""

        items: list[Id] = Field(min_length=1, max_length=limits.max_history)
        key: Key | None = Field(None, description="A history whose key was sent before is not learned again.")

        @model_validator(mode="after")
        def check_items(self) -> Self:
            """Refuse repeated items and weights of another length."""
            self._check_weights(self.items)
            if len(set(self.items)) < len(self.items):
                raise ValueError("items must be distinct.")
            return self

    return History
