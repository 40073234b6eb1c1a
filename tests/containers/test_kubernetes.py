"""Manifests for a cluster: the schemas of every version, what schemas miss, and what stands in them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgepack.cli.main import main
from edgepack.containers import checks
from edgepack.containers.kubernetes import workload_name

from .samples import HTTP, MQTT, REDIS, made, write
from .test_schema import CHECKERS, NODES, PROJECTS, checker

Objects = dict[str, dict[str, Any]]
SERVICE: dict[str, Any] = {"form": "service", "service": {"address": "0.0.0.0"}}
BROKERS: dict[str, Any] = {"sink": [MQTT | {"user": "box", "password_file": "secrets/mqtt"}, REDIS]}


def at_sites(nodes: dict[str, Any]) -> dict[str, Any]:
    """Every second box in Bern, the others in Geneva."""
    return {
        name: node | {"site": ("bern", "geneva")[number % 2], "zone": "Europe/Zurich"}
        for number, (name, node) in enumerate(nodes.items())
    }


def exported(folder: Path, nodes: dict[str, Any] | None = None, **more: Any) -> Path:
    project = write(folder, nodes=nodes or NODES, **more)
    assert main(["export", "kubernetes", "-C", str(project)]) == 0
    return project / "kubernetes"


def base(place: Path) -> Objects:
    files = sorted((place / "base").glob("*.yaml"))
    return {file.stem: yaml.safe_load(file.read_text()) for file in files if file.stem != "kustomization"}


def pods(objects: Objects) -> dict[str, dict[str, Any]]:
    return {
        name: one["spec"]["template"]["spec"]
        for name, one in objects.items()
        if one["kind"] in ("DaemonSet", "Deployment")
    }


def versions() -> list[str]:
    from edgepack.tools import uv

    root = uv.environment(CHECKERS, "3.11").parents[1]
    (schemas,) = root.glob("lib/python3*/site-packages/kubernetes_validate/kubernetes-json-schema")
    return sorted(p.name.removeprefix("v").removesuffix("-local") for p in schemas.glob("v*-local"))


@pytest.mark.slow
def test_every_version_of_kubernetes_knows_every_field(tmp_path: Path) -> None:
    written: list[Path] = []
    for number, more in enumerate([*PROJECTS, BROKERS, SERVICE]):
        place = exported(tmp_path / str(number), nodes=at_sites(NODES), **more)
        written += [file for file in sorted((place / "base").glob("*.yaml")) if file.stem != "kustomization"]
    known = versions()
    assert len(known) > 10
    for version in known:
        done = checker("kubernetes-validate", "--strict", "--quiet", "-k", version, *written)
        assert done.ok, f"{version}: {done.text()}"
    wrong = tmp_path / "wrong.yaml"
    (policy, *_) = [file for file in written if file.stem == "networkpolicy"]
    wrong.write_text(policy.read_text().replace("podSelector:", "podsSelector:"))
    assert not checker("kubernetes-validate", "--strict", "--quiet", "-k", known[0], wrong).ok


def test_a_box_gets_what_its_target_needs_and_no_more(tmp_path: Path) -> None:
    objects = base(exported(tmp_path))
    level = "pod-security.kubernetes.io/enforce"
    assert objects["namespace"]["metadata"]["labels"][level] == "privileged"  # the rk3588 has no plugin
    by_target = pods(objects)
    terms = by_target["daemonset-rk3588"]["affinity"]["nodeAffinity"]
    (term,) = terms["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert {row["key"]: row["values"] for row in term["matchExpressions"]} == {
        "kubernetes.io/os": ["linux"],
        "kubernetes.io/arch": ["arm64"],
        "edgepack.dev/target": ["rk3588"],
    }
    groups = {name: pod["securityContext"].get("supplementalGroups") for name, pod in by_target.items()}
    assert {name for name, found in groups.items() if found == [44]} == {"daemonset-jetson-orin-nano"}
    limits = {name: pod["containers"][0]["resources"].get("limits", {}) for name, pod in by_target.items()}
    assert limits["daemonset-jetson-orin-nano"]["nvidia.com/gpu"] == "1"
    assert limits["daemonset-atlas-300i"]["huawei.com/Ascend310"] == "1"
    assert limits["daemonset-atlas-300i"]["memory"] == "512Mi"
    secured = {name: pod["containers"][0]["securityContext"] for name, pod in by_target.items()}
    assert [name for name, one in secured.items() if one.get("privileged")] == ["daemonset-rk3588"]


RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("more", [{}, BROKERS, SERVICE, {"source": HTTP, "sink": []}])
def test_pods_without_a_device_are_restricted(tmp_path: Path, more: dict[str, Any]) -> None:
    nodes = {"box-07": NODES["box-07"], "box-11": NODES["box-11"]}
    objects = base(exported(tmp_path, nodes=nodes, **more))
    labels = objects["namespace"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods(objects).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert not any("hostPath" in volume for volume in pod["volumes"])
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"].items() >= RESTRICTED.items()
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_brokers_are_in_the_pod_whose_loopback_they_share(tmp_path: Path) -> None:
    objects = base(exported(tmp_path, **BROKERS))
    pod = pods(objects)["daemonset-raspberry-pi-4"]
    assert [one["name"] for one in pod["containers"]] == ["doors", "mqtt", "redis"]
    assert "listener 1883 127.0.0.1" in objects["brokers"]["data"]["mqtt.conf"]
    assert objects["networkpolicy"]["spec"]["egress"] == []


EGRESS: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({}, [], []),
    ({"source": HTTP, "sink": []}, [{"ports": [{"protocol": "TCP", "port": 8080}]}], []),
    (
        {"sink": MQTT | {"host": "192.0.2.9"}},
        [],
        [{"to": [{"ipBlock": {"cidr": "192.0.2.9/32"}}], "ports": [{"protocol": "TCP", "port": 1883}]}],
    ),
    (
        {"sink": MQTT | {"host": "broker.local"}},
        [],
        [
            {"ports": [{"protocol": "TCP", "port": 1883}]},
            {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
        ],
    ),
]


@pytest.mark.parametrize(("more", "ingress", "egress"), EGRESS)
def test_the_network_is_open_for_what_the_manifest_names(
    tmp_path: Path, more: dict[str, Any], ingress: list[Any], egress: list[Any]
) -> None:
    spec = base(exported(tmp_path, **more))["networkpolicy"]["spec"]
    assert (spec["ingress"], spec["egress"]) == (ingress, egress)


def test_a_service_is_a_deployment_that_never_goes_all_at_once(tmp_path: Path) -> None:
    nodes = {f"box-{n}": {"target": "aarch64", "address": f"192.0.2.{n}"} for n in range(1, 4)}
    objects = base(exported(tmp_path, nodes=at_sites(nodes), **SERVICE))
    spec = objects["deployment-aarch64"]["spec"]
    assert spec["replicas"] == 3
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert objects["poddisruptionbudget"]["spec"]["maxUnavailable"] == 1
    patch = yaml.safe_load((tmp_path / "doors/kubernetes/sites/bern/deployment-aarch64.yaml").read_text())
    assert patch["spec"]["replicas"] == 2


def with_policy(folder: Path, at_once: int | str, **more: Any) -> Path:
    """A project's folder, whose fleet says how many may go at once."""
    project = write(folder, **more)
    fleet = yaml.safe_load((project / "fleet.yaml").read_text())
    (project / "fleet.yaml").write_text(yaml.safe_dump(fleet | {"policy": {"max_unavailable": at_once}}))
    return project


@pytest.mark.parametrize("at_once", [3, "25%"])
def test_how_many_go_at_once_is_the_fleets_policy(tmp_path: Path, at_once: int | str) -> None:
    found = []
    for name, more in (("app", {}), ("asked", SERVICE)):
        project = with_policy(tmp_path, at_once, name=name, **more)
        assert main(["export", "kubernetes", "-C", str(project)]) == 0
        found += list(base(project / "kubernetes").values())
    specs = {one["kind"]: one["spec"] for one in found if "spec" in one}
    assert specs["DaemonSet"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": at_once}
    assert specs["Deployment"]["strategy"]["rollingUpdate"] == {"maxUnavailable": at_once, "maxSurge": 0}
    assert specs["PodDisruptionBudget"]["maxUnavailable"] == at_once


@pytest.mark.parametrize("at_once", [0, "0%", "101%", "x", -1])
def test_a_policy_that_none_can_keep_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], at_once: int | str
) -> None:
    project = with_policy(tmp_path, at_once)
    assert main(["export", "kubernetes", "-C", str(project)]) == 3
    assert "a number of boxes from 1 on, or a part of them, like `25%`" in capsys.readouterr().err


def test_each_site_has_its_namespace_its_boxes_and_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = exported(tmp_path, nodes=at_sites(NODES), **BROKERS)
    said = capsys.readouterr().out
    assert "kubectl label node box-08 edgepack.dev/target=rk3588 edgepack.dev/site=geneva" in said
    assert "kubectl -n doors-bern create secret generic doors --from-file=mqtt=FILE" in said
    objects = base(place)
    for site in ("bern", "geneva"):
        known = yaml.safe_load((place / "sites" / site / "kustomization.yaml").read_text())
        assert known["namespace"] == f"doors-{site}"
        # What kustomize would look for is there: the base, each patch, and what each patch is for.
        assert (place / "sites" / site / known["resources"][0] / "kustomization.yaml").is_file()
        for row in known["patches"]:
            patch = yaml.safe_load((place / "sites" / site / row["path"]).read_text())
            (whole,) = [
                one
                for one in objects.values()
                if (one["kind"], one["metadata"]["name"]) == (patch["kind"], patch["metadata"]["name"])
            ]
            assert whole["metadata"]["namespace"] == patch["metadata"]["namespace"]
        mine = yaml.safe_load((place / "overlays" / site / "kustomization.yaml").read_text())
        assert mine["resources"] == [f"../../sites/{site}"]
    assert "TZ: Europe/Zurich" in (place / "sites" / "bern" / "settings.yaml").read_text()


def test_an_overlay_is_the_users_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    place = exported(tmp_path)
    mine = place / "overlays" / "all" / "kustomization.yaml"
    mine.write_text("# mine\n")
    before = {p: p.read_bytes() for p in place.rglob("*.yaml")}
    assert exported(tmp_path) == place
    assert {p: p.read_bytes() for p in place.rglob("*.yaml")} == before


def test_no_secret_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT", "the value")
    place = exported(tmp_path, **BROKERS)
    assert all(b"the value" not in file.read_bytes() for file in place.rglob("*.yaml"))
    assert not [one for one in base(place).values() if one["kind"] == "Secret"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"source": HTTP | {"address": "192.0.2.7"}, "sink": []}, "which no pod has"),
        ({"form": "sdk"}, "is a library"),
    ],
)
def test_what_no_pod_can_do_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: dict[str, Any], said: str
) -> None:
    folder = write(tmp_path, **more)
    assert main(["export", "kubernetes", "-C", str(folder)]) == 3
    assert said in capsys.readouterr().err
    assert not (folder / "kubernetes").exists()


def test_names_have_room_for_what_kubernetes_adds(tmp_path: Path) -> None:
    one, _, _ = made(tmp_path, name="a" * 63, targets=("raspberry-pi-4",))
    assert len(workload_name(one)) == 52
    other, _, _ = made(tmp_path, name="a" * 62 + "b", targets=("raspberry-pi-4",))
    assert workload_name(one) != workload_name(other)
    exported(tmp_path / "long", name="a" * 63)


# ---- what schemas miss: each change of right objects, and the words for it

Change = Callable[[Objects], object]


def pod_of(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = objects["daemonset-aarch64"]["spec"]["template"]["spec"]
    return found


def first(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = pod_of(objects)["containers"][0]
    return found


def labels(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = objects["daemonset-aarch64"]["spec"]["template"]["metadata"]["labels"]
    return found


CHANGES: list[tuple[Change, str]] = [
    (lambda o: labels(o).pop("edgepack.dev/target"), "its selector does not match its own pods"),
    (lambda o: o["service"]["spec"]["selector"].update(x="y"), "Service doors: its selector matches no pod"),
    (lambda o: o["networkpolicy"]["spec"]["podSelector"]["matchLabels"].update(x="y"), "matches no pod"),
    (lambda o: o["service"]["spec"]["ports"][0].update(targetPort="web"), "no container has a port web"),
    (lambda o: first(o)["resources"]["requests"].update(memory="64 MB"), "'64 MB' is no quantity of memory"),
    (lambda o: first(o)["resources"]["requests"].update(memory="64mb"), "'64mb' is no quantity"),
    (
        lambda o: first(o)["resources"].update(limits={"memory": "1Mi"}),
        "asks for more memory than it may have",
    ),
    (lambda o: first(o)["resources"].update(limits={"cpu": "0.05"}), "asks for more cpu than it may have"),
    (lambda o: o["daemonset-aarch64"]["metadata"].update(name="Doors_1"), "this is no name for it"),
    (lambda o: o["service"]["metadata"].update(name="a.b"), "Service a.b: this is no name"),
    (lambda o: labels(o).update({"a b": "c"}), "'a b' is no label"),
    (lambda o: labels(o).update(version="1.0+2"), "'1.0+2' is no value"),
    (lambda o: labels(o).update(version="a" * 64), "is no value of the label version"),
    (lambda o: first(o)["ports"][0].update(name="a-name-that-is-long"), "is no port"),
    (lambda o: first(o)["ports"][0].update(name="8080"), "is no port"),
    (lambda o: first(o)["ports"][0].update(containerPort=70000), "70000 is no port"),
    (lambda o: first(o)["ports"].append({"name": "b", "containerPort": 8080}), "of a pod want port 8080"),
    (lambda o: pod_of(o)["containers"].append(copy.deepcopy(first(o))), "two are named doors"),
    (lambda o: pod_of(o)["volumes"].pop(0), "doors mounts data, which is no volume"),
    (lambda o: first(o)["volumeMounts"].append({"name": "tmp", "mountPath": "/data"}), "two mounts at /data"),
    (lambda o: o.pop("settings"), "there is no ConfigMap settings"),
    (lambda o: o.pop("serviceaccount"), "there is no ServiceAccount doors"),
    (lambda o: o.update(again=o["settings"]), "ConfigMap settings is there twice"),
    (lambda o: o["settings"]["data"].update({"a b": ""}), "'a b' is no key"),
    (
        lambda o: pod_of(o)["volumes"].append({"name": "s", "secret": {"secretName": "nobody"}}),
        "nobody makes the Secret nobody",
    ),
    (lambda o: pod_of(o)["volumes"].append({"name": "S", "emptyDir": {}}), "'S' is no name of a volume"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[row[1] for row in CHANGES])
def test_what_schemas_miss_is_found(tmp_path: Path, change: Change, words: str) -> None:
    nodes = {"box-11": NODES["box-11"]}
    objects = base(exported(tmp_path, nodes=nodes, source=HTTP, sink=[]))
    assert list(checks.wrong(list(objects.values()), [])) == []
    change(objects)
    found = list(checks.wrong(list(objects.values()), []))
    assert any(words in line for line in found), found


def test_json_has_what_a_person_does_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path)
    assert main(["export", "kubernetes", "-C", str(folder), "--json", "--dry-run"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["first"] == ["kubectl label node box-07 edgepack.dev/target=raspberry-pi-4"]
    assert said["files"]["base/daemonset-raspberry-pi-4.yaml"] == "new"
    assert not (folder / "kubernetes").exists()
