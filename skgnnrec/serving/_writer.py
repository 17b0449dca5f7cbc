"""The only writer of a service: it makes changes in order, and puts each new state in the place of the last."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skgnnrec.persistence import load
from skgnnrec.recommenders import BaseRecommender, LogRecommender
from skgnnrec.serving._changes import complete, forget, items_of, learn
from skgnnrec.serving._journal import Journal, JournalError, Record
from skgnnrec.serving._served import Served

__all__ = ["Change", "ConflictError", "FullError", "UnknownUserError", "Writer"]

logger = logging.getLogger("skgnnrec.serving")


class FullError(Exception):
    """Raised when too many changes wait."""


class ConflictError(ValueError):
    """Raised when a change does not fit the state of the service."""


class UnknownUserError(LookupError):
    """Raised when a user to forget is unknown."""


@dataclass(eq=False)
class Change:
    """A change that waits: its kind is "learn", "forget" or "reload"."""

    kind: str
    value: Any
    result: asyncio.Future[dict[str, Any]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Writer:
    """The state of a service, and the changes that wait for their turn.

    A change is computed on a copy. Then it is written to the journal, the copy becomes the state, and the change is
    acknowledged. What cannot be computed is never in the journal.
    """

    def __init__(self, recommender: Any, journal: str | None, trusted: Iterable[str | type], limit: int) -> None:
        self._model: str | None = None
        self._path = os.fsdecode(recommender) if isinstance(recommender, str | os.PathLike) else None
        self._trusted, self._limit = _names(trusted), limit
        if self._path is None:
            fitted = checked(recommender)
        else:
            fitted, self._model = self._load()
        self.current = Served(fitted, 0)
        self.journal = Journal(journal)
        self._is_stopping = False
        self.on_change: Callable[[str, int], None] = lambda kind, number: None  # of metrics
        self._queue: asyncio.Queue[Change] = asyncio.Queue(limit)
        self._task: asyncio.Task | None = None
        self._thread: ThreadPoolExecutor | None = None

    @property
    def is_running(self) -> bool:
        """Return whether changes are made."""
        return self._task is not None and not self._task.done() and not self._is_stopping

    @property
    def can_reload(self) -> bool:
        """Return whether the recommender came from a file."""
        return self._path is not None

    def open(self) -> None:
        """Open the journal, and make the changes that it holds."""
        if self._thread is not None:
            return
        records = self.journal.open(self._model)
        try:
            if records and self._model != self.journal.model:
                self._check_other_model()
            new = [record for record in records if record.sequence > self.current.sequence]
            self.current = self._replayed(self.current, new)
        except BaseException:
            self.journal.close()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="skgnnrec-writer")

    async def start(self) -> None:
        """Begin to make changes."""
        self._queue = asyncio.Queue(self._limit)
        self._task = asyncio.create_task(self._run())
        self._is_stopping = False

    async def stop(self) -> None:
        """Make the changes that wait, then stop."""
        self._is_stopping = True
        if self._task is not None and not self._task.done():
            await self._queue.join()
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._thread is not None:
            self._thread.shutdown()
        self._thread = self._task = None
        self.journal.close()

    async def change(self, kind: str, value: Any) -> dict[str, Any]:
        """Make a change, and return what is known of it when it is on the disk and part of the state."""
        if not self.is_running or self.journal.is_broken:
            raise JournalError("The service does not take changes now.")
        change = Change(kind, value)
        try:
            self._queue.put_nowait(change)
        except asyncio.QueueFull:
            raise FullError(f"{self._limit} changes wait already.") from None
        return await change.result

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            waiting = [await self._queue.get()]
            while not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            for _, same in groupby(waiting, key=lambda change: change.kind):
                changes = list(same)
                results = await loop.run_in_executor(self._thread, self._make, changes)
                for change, result in zip(changes, results, strict=True):
                    self._queue.task_done()
                    if change.result.done():  # the client has gone
                        continue
                    if isinstance(result, Exception):
                        change.result.set_exception(result)
                    else:
                        change.result.set_result(result)

    def _make(self, changes: list[Change]) -> list[dict[str, Any] | Exception]:
        """Make changes of one kind, and return their results or errors."""
        kind = changes[0].kind
        if kind == "learn" and len(changes) > 1:
            try:
                return self._learn(changes)
            except JournalError as error:
                return [error] * len(changes)
            except Exception:  # of one of them: the others must not fail
                logger.exception("Interactions of several requests are learned one by one.")
        make = {"learn": self._learn, "forget": self._forget, "reload": self._reload}[kind]
        results: list[dict[str, Any] | Exception] = []
        for change in changes:
            try:
                results += make([change])
            except Exception as error:
                results.append(error)
        return results

    def _learn(self, changes: list[Change]) -> list[dict[str, Any] | Exception]:
        before, keys = self.current, self.journal.keys
        seen: set[str] = set()
        given: list[dict[str, Any]] = []
        results: list[dict[str, Any] | Exception] = []
        for change in changes:
            try:
                new = [complete(before.recommender, each) for each in _first_of_keys(change.value, keys, seen)]
                before.check_known(new)
            except ValueError as error:
                results.append(error)
                continue
            seen.update(each["key"] for each in new if "key" in each)
            given += new
            results.append({"learned": len(new), "repeated": len(change.value) - len(new)})
        if given:
            served = Served(learn(before.recommender, given, before.items), self.journal.sequence + 1, before)
            self.journal.append("learn", given)
            self.current = served
            self.on_change("learned", len(given))
        return [{"sequence": self.current.sequence, **each} if isinstance(each, dict) else each for each in results]

    def _forget(self, changes: list[Change]) -> list[dict[str, Any] | Exception]:
        (change,) = changes
        before = self.current
        row = before.user(change.value)
        if row < 0:
            raise UnknownUserError(f"The user {change.value!r} is unknown.")
        try:
            fitted = forget(before.recommender, change.value)
        except ValueError as error:  # of the only user, or of a trained recommender
            raise ConflictError(str(error)) from error
        served = Served(fitted, self.journal.sequence + 1, before)
        self.journal.forget(change.value)
        self.current = served
        self.on_change("forgotten", 1)
        return [{"sequence": self.current.sequence}]

    def _reload(self, changes: list[Change]) -> list[dict[str, Any] | Exception]:
        (change,) = changes
        included = change.value
        if included is not None and included > self.journal.sequence:
            raise ConflictError(f"included is {included}, but the last change is {self.journal.sequence}.")
        remaining = self.journal.remaining(included)
        fitted, model = self._load()
        if remaining and included is None and not isinstance(fitted, LogRecommender):
            raise ConflictError(
                "included must be given: the number of the last change that the new file contains. Histories that it "
                "contains would be learned twice."
            )
        served = self._replayed(Served(fitted, self.journal.sequence), remaining)
        self.journal.belong_to(model, included)
        self._model, self.current = model, served
        self.on_change("reloaded", 1)
        return [{"sequence": served.sequence, "replayed": len(remaining)}]

    def _load(self) -> tuple[Any, str]:
        assert self._path is not None
        digest = _digest(self._path)
        while True:
            fitted = checked(load(self._path, trusted=self._trusted))
            before, digest = digest, _digest(self._path)
            if digest == before:  # the file was not replaced meanwhile
                return fitted, digest

    def _check_other_model(self) -> None:
        if isinstance(self.current.recommender, LogRecommender):
            logger.warning("The journal belongs to another file of the recommender: all of its changes are made again.")
            self.journal.belong_to(self._model, None)
            return
        raise JournalError(
            f"The journal {self.journal.path!r} belongs to another file of the recommender, and histories that the "
            "file contains would be learned twice. Serve the earlier file, or use another journal."
        )

    def _replayed(self, served: Served, records: list[Record]) -> Served:
        """Return the state after the changes of a journal, those of unknown items left out."""
        for kind, group in groupby(records, key=lambda record: record.kind):
            same = list(group)
            if kind == "learn":
                given = [each for record in same for each in record.value]
                known = [each for each in given if (served.positions(items_of(each)) >= 0).all()]
                if len(known) < len(given):
                    logger.warning("%d interactions of the journal have unknown items.", len(given) - len(known))
                if known:
                    served = Served(learn(served.recommender, known, served.items), same[-1].sequence, served)
                continue
            for record in same:
                if served.user(record.value) >= 0:
                    served = Served(forget(served.recommender, record.value), record.sequence, served)
        served.sequence = self.journal.sequence
        return served


def _first_of_keys(
    interactions: list[dict[str, Any]], known: Container[str], seen: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield the interactions without a key, and the first of each key that is new."""
    own: set[str] = set()
    for each in interactions:
        key = each.get("key")
        if key is None:
            yield each
        elif not (key in known or key in seen or key in own):
            own.add(key)
            yield each


def _names(trusted: Any) -> tuple[str | type, ...]:
    if isinstance(trusted, str | bytes | type) or not isinstance(trusted, Iterable):
        raise TypeError(f"trusted must be a list of names or types, got {trusted!r}.")
    names = tuple(trusted)
    if not all(isinstance(kind, str | type) for kind in names):
        raise TypeError(f"trusted must hold names or types, got {', '.join({type(kind).__name__ for kind in names})}.")
    return names


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked(recommender: Any) -> Any:
    """Return a fitted recommender; refuse anything else."""
    if not isinstance(recommender, BaseRecommender | LogRecommender):
        raise TypeError(
            "recommender must be a fitted recommender or the path of a file of skgnnrec.save, got "
            f"{type(recommender).__name__}."
        )
    try:
        check_is_fitted(recommender)
    except NotFittedError as error:
        raise NotFittedError(f"recommender must be fitted, got a {type(recommender).__name__} that is not.") from error
    return recommender
