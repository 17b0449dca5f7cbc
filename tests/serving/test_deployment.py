"""The files of containers: they install what the service needs, and their probes are its routes."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from skgnnrec import PopularityRecommender
from skgnnrec.serving import create_app

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "deployment"
# Nothing of these is imported by a service of a closed form: test_app.py blocks them.
LEFT_OUT = {"torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "dgl", "packaging"}


def test_requirements_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["serve"]
    kept = {each for each in needed if re.match(r"[\w-]+", each)[0] not in LEFT_OUT}
    listed = (FILES / "requirements.txt").read_text().splitlines()
    assert {line for line in listed if not line.startswith("#")} == kept


def test_probes_are_routes_of_the_service():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    routes = create_app(PopularityRecommender().fit(np.eye(3))).openapi()["paths"]
    stateful, service = yaml.safe_load_all((FILES / "kubernetes.yaml").read_text())
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
    assert all(probe["path"] in routes and probe["port"] == "http" for probe in probes)
    assert container["ports"][0]["containerPort"] == 8000
    assert stateful["spec"]["replicas"] == 1  # one process writes the journal
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    (composed,) = yaml.safe_load((FILES / "compose.yaml").read_text())["services"].values()
    assert (FILES / composed["build"]["context"] / composed["build"]["dockerfile"]).is_file()


def test_containers_run_without_privileges():
    content = (FILES / "Dockerfile").read_text()
    last = content.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", last, flags=re.MULTILINE)
    assert "/ready" in last.partition("HEALTHCHECK")[2]
    for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", content, flags=re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())
