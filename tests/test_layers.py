"""The architecture: CONTRIBUTING describes the layers that import-linter checks, and packages hide their modules."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "skgnnrec"
COMMAND = PACKAGE / "__main__.py"  # which nothing imports
MODULES = sorted(set(PACKAGE.rglob("*.py")) - {COMMAND})


def contract_layers():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    return [{name.strip().removeprefix("skgnnrec.") for name in layer.split("|")} for layer in contract["layers"]]


def described_layers():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (`.*`) \|$", text, flags=re.MULTILINE)
    return {int(number): set(re.findall(r"`(\w+)`", names)) for number, names in rows}


def test_contributing_describes_the_contract():
    layers = contract_layers()
    assert described_layers() == dict(zip(range(len(layers) - 1, -1, -1), layers, strict=True))


def test_contract_contains_every_module():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", COMMAND.stem}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set().union(*contract_layers()) == modules | packages


def private_imports(path):
    """Yield the private modules that a module imports, as dotted paths."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name for name in names if name.startswith("skgnnrec.") and "._" in name)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_modules_are_imported_inside_their_package_only(path):
    folder = ".".join(path.relative_to(ROOT).parent.parts)
    foreign = [name for name in private_imports(path) if not f"{folder}.".startswith(f"{name.partition('._')[0]}.")]
    assert not foreign
