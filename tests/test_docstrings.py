"""The docstrings of public names follow numpydoc, and the API page lists all public names."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest

numpydoc_validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is in the lint extra")

# Public functions and classes of these packages need an example; members of classes and base classes do not.
WITH_EXAMPLES = [
    "skgnnrec",
    "skgnnrec.compose",
    "skgnnrec.datasets",
    "skgnnrec.distributed",
    "skgnnrec.embedding",
    "skgnnrec.export",
    "skgnnrec.inspection",
    "skgnnrec.metrics",
    "skgnnrec.model_selection",
    "skgnnrec.online",
    "skgnnrec.privacy",
    "skgnnrec.reranking",
    "skgnnrec.serving",
    "skgnnrec.image",
    "skgnnrec.text",
    "skgnnrec.tracking",
]
PACKAGES = [
    *WITH_EXAMPLES,
    "skgnnrec.exceptions",
    "skgnnrec.recommenders",
    "skgnnrec.text.finetuning",
]


def ignored_checks():
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    checks = settings["tool"]["numpydoc_validation"]["checks"]
    assert checks[0] == "all"  # the others are exceptions
    return set(checks[1:])


def public_members(cls):
    for base in cls.__mro__:
        if base.__module__.startswith("skgnnrec"):
            for name, value in vars(base).items():
                if not name.startswith("_") and (callable(value) or isinstance(value, property)):
                    yield name


def public_names():
    """Return the path of each public function and class, and of the members that a class has from this package."""
    paths = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isclass(member) or inspect.isfunction(member):
                paths.add(f"{package}.{name}")
            if inspect.isclass(member):
                paths.update(f"{package}.{name}.{attribute}" for attribute in public_members(member))
    return sorted(paths)


@pytest.mark.parametrize("path", public_names())
def test_docstring_is_valid(path):
    needs_example = path.rpartition(".")[0] in WITH_EXAMPLES
    ignored = ignored_checks() | (set() if needs_example else {"EX01"})
    errors = numpydoc_validate.validate(path)["errors"]
    found = [f"{code}: {message}" for code, message in errors if code not in ignored]
    assert not found, f"{path}: {', '.join(found)}"


def test_api_page_lists_exactly_the_public_names():
    text = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
    listed = []
    for path in re.findall(r"^   ([a-zA-Z_.]+)$", text, flags=re.MULTILINE):
        module, _, name = f"skgnnrec.{path}".rpartition(".")
        listed.append(getattr(importlib.import_module(module), name))
    split = [path.rpartition(".") for path in public_names()]
    members = {getattr(importlib.import_module(package), name) for package, _, name in split if package in PACKAGES}
    assert sorted(member.__name__ for member in listed) == sorted(member.__name__ for member in members)
    assert set(listed) == members
