"""What a release needs: one version in all files, and the same dependencies for pip and conda."""

import re
import tomllib
from pathlib import Path

import pytest

import skgnnrec

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch"}


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("CITATION.cff", r"^version: (\S+)$"), ("docs/release/recipe.yaml", r"^  version: (\d\S+)$")],
)
def test_files_have_the_version_of_the_package(name, pattern):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(pattern, text, flags=re.MULTILINE) == [skgnnrec.__version__]


def test_the_conda_package_needs_what_the_wheel_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    recipe = (ROOT / "docs/release/recipe.yaml").read_text(encoding="utf-8")
    run = re.search(r"^  run:\n((?:    - .*\n)+)", recipe, flags=re.MULTILINE)[1]
    needed = [re.match(r"([\w-]+)(.*)", line).groups() for line in project["dependencies"] if ";" not in line]
    expected = {f"{CONDA_NAMES.get(name, name)} {bound}" for name, bound in needed}
    assert set(re.findall(r"- (.*)", run)) == expected | {f"python {project['requires-python']}"}


def test_workflows_test_every_python_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow)[1]) == named


def test_workflows_call_targets_of_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    called = set()
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        called |= set(re.findall(r"run: make ([\w-]+)", path.read_text(encoding="utf-8")))
    assert {"test", "docs", "guard", "release"} <= called
    assert called <= targets
