"""What docs/cluster.md and docs/kubernetes.md describe hangs together, and is valid by schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.cluster.yml").read_text())
PATRONI = yaml.safe_load((ROOT / "docker" / "patroni.yml").read_text())
POSTGRESQL = yaml.safe_load((ROOT / "kubernetes" / "postgresql.yaml").read_text())
WEB = list(yaml.safe_load_all((ROOT / "kubernetes" / "web.yaml").read_text()))
PAGE = (ROOT / "docs" / "cluster.md").read_text()
# The newest for which every node of a cloud has moved on.
KUBERNETES = "1.33"


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


TEXT, COUNT, YES = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
# What we use of CloudNativePG's Cluster; a name that it does not know would be dropped by the server without a word.
CLUSTER = closed(
    apiVersion={"const": "postgresql.cnpg.io/v1"},
    kind={"const": "Cluster"},
    metadata=closed(name=TEXT),
    spec=closed(
        instances=COUNT,
        imageName=TEXT,
        failoverDelay=COUNT,
        primaryUpdateStrategy={"enum": ["unsupervised", "supervised"]},
        primaryUpdateMethod={"enum": ["switchover", "restart"]},
        storage=closed(size=TEXT),
        walStorage=closed(size=TEXT),
        affinity=closed(
            enablePodAntiAffinity=YES, topologyKey=TEXT, podAntiAffinityType={"enum": ["required", "preferred"]}
        ),
        bootstrap=closed(
            initdb=closed(
                database=TEXT, owner=TEXT, encoding=TEXT, localeCollate=TEXT, localeCType=TEXT, dataChecksums=YES
            )
        ),
        postgresql=closed(
            parameters={"type": "object", "additionalProperties": TEXT},
            synchronous=closed(
                method={"enum": ["any", "first"]},
                number=COUNT,
                dataDurability={"enum": ["required", "preferred"]},
                failoverQuorum=YES,
            ),
        ),
        resources={"type": "object"},
    ),
)


def test_haproxy_is_told_each_address_that_its_configuration_names() -> None:
    named = set(re.findall(r"\$\{(\w+)\}", (ROOT / "docker" / "haproxy.cfg").read_text()))
    assert named == COMPOSE["services"]["haproxy"]["environment"].keys()


@pytest.mark.parametrize("setting", ["synchronous_mode", "synchronous_mode_strict", "primary_start_timeout", "ttl"])
def test_the_page_explains_what_patroni_is_told(setting: str) -> None:
    assert f"`{setting}" in PAGE
    assert (setting in PATRONI["bootstrap"]["dcs"]) is True


def test_patroni_is_synchronous_and_strict_and_hands_over_after_a_crash() -> None:
    told = PATRONI["bootstrap"]["dcs"]
    assert (told["synchronous_mode"], told["synchronous_mode_strict"], told["primary_start_timeout"]) == (True, True, 0)


def test_the_cluster_of_kubernetes_is_valid_and_acknowledges_what_two_instances_have() -> None:
    jsonschema.validate(POSTGRESQL, CLUSTER)
    synchronous = POSTGRESQL["spec"]["postgresql"]["synchronous"]
    assert (synchronous["number"], synchronous["dataDurability"]) == (1, "required")


@pytest.mark.parametrize("manifest", WEB, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_every_manifest_is_valid(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
