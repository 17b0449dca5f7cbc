"""What the state of every fitted estimator promises: arrays only, replaced as a whole, and saved in several ways."""

import contextlib
import io
import pickle
import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np
import skops.io
from scipy import sparse
from sklearn.base import BaseEstimator

import skgnnrec

PACKAGE = str(Path(skgnnrec.__file__).parent)
SETTINGS = str(Path(PACKAGE) / "_device.py")  # no context manager of Python survives an interrupt of its own exit
PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype)
CONTAINERS = (list, tuple, set, frozenset)


def foreign_values(estimator):
    """Return what a fitted estimator holds beside parameters, arrays and objects of the package, by path."""
    return list(_foreign(estimator, type(estimator).__name__, set()))


def _foreign(value, path, known):
    if id(value) in known or isinstance(value, PLAIN):
        return
    known.add(id(value))
    is_ours = type(value).__module__.split(".")[0] == "skgnnrec"
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            for place, entry in enumerate(value.ravel()):
                yield from _foreign(entry, f"{path}[{place}]", known)
    elif sparse.issparse(value):
        return
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from _foreign(name, f"{path} key", known)
            yield from _foreign(entry, f"{path}[{name!r}]", known)
    elif isinstance(value, CONTAINERS) and (is_ours or type(value) in CONTAINERS):
        for place, entry in enumerate(value):
            yield from _foreign(entry, f"{path}[{place}]", known)
    elif is_ours and not callable(value):
        yield from _of_object(value, path, known)
    elif not isinstance(value, BaseEstimator):  # encoders and recommenders of others keep what they like
        yield f"{path}: {type(value).__module__}.{type(value).__name__}"


def _of_object(value, path, known):
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    names = [*slots, *getattr(value, "__dict__", ())]
    for name in names:
        if hasattr(value, name):
            yield from _foreign(getattr(value, name), f"{path}.{name}", known)


def same(left, right):
    """Return whether two answers, arrays or tuples of them, have the same bits."""
    if isinstance(left, tuple):
        return all(same(a, b) for a, b in zip(left, right, strict=True))
    if sparse.issparse(left):
        return (left != right).nnz == 0
    left, right = np.asarray(left), np.asarray(right)
    return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def through_file(estimator):
    """Return an estimator written by `save` and read by `load`, which trusts nothing further."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "estimator.skgnnrec"
        skgnnrec.save(estimator, path)
        return skgnnrec.load(path)


def through_skops(estimator):
    """Return an estimator written and read by skops itself."""
    content = skops.io.dumps(estimator)
    return skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))


def through_joblib(estimator):
    """Return an estimator written and read by joblib."""
    content = io.BytesIO()
    joblib.dump(estimator, content)
    content.seek(0)
    return joblib.load(content)


# How an estimator is saved.
WAYS = {
    "file": through_file,
    "skops": through_skops,
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
    "joblib": through_joblib,
}


class InterruptedHereError(KeyboardInterrupt):
    """Raised inside a fit."""


@contextlib.contextmanager
def _calls_watched(at):
    """Count the calls of functions of the package in this thread; interrupt the call with number `at`."""
    n_calls = [0]

    def watch(frame, event, argument):
        path = frame.f_code.co_filename
        # Python swallows an error that is raised while a generator expression is closed, before its end.
        is_expression = frame.f_code.co_name == "<genexpr>"
        if event == "call" and path.startswith(PACKAGE) and path != SETTINGS and not is_expression:
            n_calls[0] += 1
            if n_calls[0] == at:
                raise InterruptedHereError

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield n_calls
    finally:
        sys.settrace(before)


def count_steps(fit):
    """Return the number of calls of functions of the package in a fit."""
    with _calls_watched(at=-1) as n_calls:
        fit()
    return n_calls[0]


def interrupt(fit, at):
    """Run a fit that is interrupted at one of its calls; return whether it was."""
    with _calls_watched(at):
        try:
            fit()
        except InterruptedHereError:
            return True
    return False
