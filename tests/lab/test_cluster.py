"""`edgepack apply` on a real API server with its controllers and its scheduler; kubelets are stood in for.

Kubernetes 1.20 is the newest that can be compiled from Debian's sources. It is too old for policy/v1, so the
budget of a service is left out, as a user of such a cluster does it, and that this must be done is told.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from edgepack.cli.main import main
from tests.containers.samples import write

from . import newer
from .cluster import CONTEXT, Cluster, up
from .standin_kubelet import Kubelets

pytestmark = pytest.mark.heavy  # `make test-cluster`

Out = pytest.CaptureFixture[str]
BOXES = {
    name: {"target": target, "address": f"192.0.2.{number}"}
    for number, (name, target) in enumerate(
        (("arm-1", "aarch64"), ("arm-2", "aarch64"), ("pc-1", "x86_64")), 1
    )
}
ARCH = {"aarch64": "arm64", "x86_64": "amd64"}
NODES = {
    name: {"kubernetes.io/arch": ARCH[box["target"]], "edgepack.dev/target": box["target"]}
    for name, box in BOXES.items()
}
SERVICE: dict[str, Any] = {"form": "service", "service": {"address": "0.0.0.0"}}
NO_BUDGET = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "$patch": "delete"}
ARM, PC = "DaemonSet {}-aarch64", "DaemonSet {}-x86-64"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with up(tmp_path_factory.mktemp("cluster") / "up") as made:
        yield made
        assert sorted(made.running()) == [
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
        ]


@pytest.fixture(scope="module")
def kubelets(cluster: Cluster) -> Iterator[Kubelets]:
    with Kubelets(cluster.api, NODES) as made:
        yield made


class Project:
    """A project with its manifests, applied as a user types it."""

    def __init__(self, folder: Path, name: str, cluster: Cluster, capsys: Out, **more: Any) -> None:
        self.folder, self.name, self._cluster, self._capsys, self._more = folder, name, cluster, capsys, more
        self.export()

    def export(self, version: str = "1.0.0", boxes: tuple[str, ...] = tuple(BOXES)) -> None:
        nodes = {name: BOXES[name] for name in boxes}
        self.place = write(self.folder, name=self.name, nodes=nodes, version=version, **self._more)
        assert main(["export", "kubernetes", "-C", str(self.place)]) == 0
        self._capsys.readouterr()

    def images(self) -> set[str]:
        files = (self.place / "kubernetes" / "base").glob("d*-*.yaml")
        made = [yaml.safe_load(file.read_text())["spec"]["template"]["spec"]["containers"] for file in files]
        return {str(container["image"]) for (container,) in made}

    def patch(self, *patches: dict[str, Any]) -> None:
        """What the user says in the overlay."""
        overlay = self.place / "kubernetes" / "overlays" / "all" / "kustomization.yaml"
        known = yaml.safe_load(overlay.read_text())
        known["patches"] = [{"patch": yaml.safe_dump(p), "target": {"kind": p["kind"]}} for p in patches]
        overlay.write_text(yaml.safe_dump(known))

    def adds(self, *names: str) -> None:
        """ConfigMaps of the user's own, in the overlay."""
        overlay = self.place / "kubernetes" / "overlays" / "all" / "kustomization.yaml"
        known = yaml.safe_load(overlay.read_text())
        map_of = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"of": "mine"}}
        objects = [map_of | {"metadata": {"name": name, "namespace": self.name}} for name in names]
        (overlay.parent / "more.yaml").write_text(yaml.safe_dump_all(objects))
        known["resources"] = ["../../base", *(["more.yaml"] if names else [])]
        overlay.write_text(yaml.safe_dump(known))

    def words(self, *words: str) -> list[str]:
        return ["apply", "-C", str(self.place), "--kubeconfig", str(self._cluster.kubeconfig), *words]

    def apply(self, *words: str) -> tuple[int, dict[str, Any]]:
        words = words if "--timeout" in words else (*words, "--timeout", "600")
        code = main(self.words("--json", *words))
        return code, json.loads(self._capsys.readouterr().out)

    def states(self, *words: str) -> dict[str, str]:
        code, said = self.apply(*words)
        assert code == 0, said
        return {f"{one['kind']} {one['name']}": one["state"] for one in said["sites"]["all"]["objects"]}


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubectl that users have."""
    monkeypatch.setenv("PATH", f"{newer.kubectl().parent}:{os.environ['PATH']}")


def settings_zone(cluster: Cluster, name: str) -> str:
    return str(client.CoreV1Api(cluster.api).read_namespaced_config_map("settings", name).data["TZ"])


def image_of(cluster: Cluster, name: str, target: str = "aarch64") -> str:
    read = client.AppsV1Api(cluster.api).read_namespaced_daemon_set
    return str(read(f"{name}-{target}", name).spec.template.spec.containers[0].image)


@pytest.mark.usefixtures("kubelets", "on_path")
def test_a_dry_run_says_what_would_become_and_changes_nothing(
    cluster: Cluster, tmp_path: Path, capsys: Out
) -> None:
    project = Project(tmp_path, "dry", cluster, capsys)
    assert set(project.states("--dry-run").values()) == {"created"}
    names = [one.metadata.name for one in client.CoreV1Api(cluster.api).list_namespace().items]
    assert "dry" not in names


@pytest.mark.usefixtures("kubelets", "on_path")
def test_applied_a_second_time_nothing_changes_and_then_a_rollout(
    cluster: Cluster, tmp_path: Path, capsys: Out
) -> None:
    project = Project(tmp_path, "doors", cluster, capsys)
    code, said = project.apply()
    assert code == 0, said
    assert said["context"] == CONTEXT
    told = said["sites"]["all"]
    assert told["objects"][0] == {"kind": "Namespace", "name": "doors", "state": "created"}
    assert told["rollout"]["workloads"] == {
        ARM.format("doors"): {"wanted": 2, "updated": 2, "ready": 2},
        PC.format("doors"): {"wanted": 1, "updated": 1, "ready": 1},
    }
    before = _versions(cluster, "doors")
    assert set(project.states().values()) == {"unchanged"}
    assert _versions(cluster, "doors") == before, "a second apply wrote something"
    assert main(project.words()) == 0
    assert "nothing to change: all 6 objects are as they should be" in capsys.readouterr().out
    project.export("2.0.0")
    states = project.states("--dry-run")
    assert states[ARM.format("doors")] == states[PC.format("doors")] == "changed"
    assert project.states() == states
    assert {state for one, state in states.items() if "DaemonSet" not in one} == {"unchanged"}
    assert image_of(cluster, "doors") == "localhost/doors:2.0.0-aarch64"
    pods = client.CoreV1Api(cluster.api).list_namespaced_pod("doors").items
    assert {pod.spec.containers[0].image.rpartition(":")[2][:5] for pod in pods} == {"2.0.0"}


def _versions(cluster: Cluster, namespace: str) -> dict[str, str]:
    """What the store counts of each object that edgepack writes."""
    core, apps = client.CoreV1Api(cluster.api), client.AppsV1Api(cluster.api)
    found = [
        *core.list_namespaced_config_map(namespace).items,
        *core.list_namespaced_service_account(namespace).items,
    ]
    found += [*apps.list_namespaced_daemon_set(namespace).items, core.read_namespace(namespace)]
    return {f"{type(one).__name__} {one.metadata.name}": one.metadata.resource_version for one in found}


@pytest.mark.usefixtures("on_path")
@pytest.mark.parametrize("how", ["absent", "broken"])
def test_a_rollout_that_stalls_goes_back_to_what_was_ready(
    cluster: Cluster, kubelets: Kubelets, tmp_path: Path, capsys: Out, how: str
) -> None:
    project = Project(tmp_path, f"gates-{how}", cluster, capsys)
    project.states()
    project.export("2.0.0")
    getattr(kubelets, how).update(project.images())
    code, said = project.apply("--timeout", "60")
    assert code == 12
    assert said["what"] == f"the rollout of gates-{how} 2.0.0 stalled and was rolled back"
    assert "has not come further for 60 s. What answers now: 1.0.0 is back" in said["why"]
    assert f"{ARM.format(project.name)} 2 of 2 pods ready" in said["why"]
    words = {"absent": "ImagePullBackOff", "broken": "it ended with 3"}[how]
    assert words in said["detail"]
    assert image_of(cluster, project.name) == f"localhost/{project.name}:1.0.0-aarch64"
    project.export("1.0.0")
    assert set(project.states().values()) == {"unchanged"}


@pytest.mark.usefixtures("on_path")
def test_what_the_overlay_makes_no_more_goes_and_nothing_of_others(
    cluster: Cluster, kubelets: Kubelets, tmp_path: Path, capsys: Out
) -> None:
    core, apps = client.CoreV1Api(cluster.api), client.AppsV1Api(cluster.api)
    project = Project(tmp_path, "less", cluster, capsys)
    project.adds("mine", "shared", "anew")
    assert project.states()["ConfigMap mine"] == "created"
    # One is applied by somebody else, too; of another there is one of the same name that we did not make.
    shared = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": {"a": "b"}}
    core.patch_namespaced_config_map(
        "shared", "less", shared, field_manager="ops", _content_type="application/apply-patch+yaml"
    )
    core.delete_namespaced_config_map("anew", "less")
    core.create_namespaced_config_map("less", {"metadata": {"name": "anew"}})

    def there() -> tuple[set[str], set[str]]:
        maps = {one.metadata.name for one in core.list_namespaced_config_map("less").items}
        return maps & {"mine", "shared", "anew"}, {
            one.metadata.name for one in apps.list_namespaced_daemon_set("less").items
        }

    before = there()
    project.export("2.0.0", boxes=("arm-1", "arm-2"))
    project.adds()
    code, said = project.apply("--dry-run")
    assert code == 0, said
    rows = said["sites"]["all"]["objects"]
    removed = {f"{one['kind']} {one['name']}" for one in rows if one["state"] == "removed"}
    assert removed == {"ConfigMap mine", PC.format("less")}
    told = "\n".join(said["sites"]["all"]["warnings"])
    assert "ConfigMap shared: ops applies it, too" in told
    assert "ConfigMap anew: it is another one of that name, which edgepack did not apply" in told
    assert there() == before, "a dry run changes nothing"

    kubelets.absent |= project.images()
    code, said = project.apply("--timeout", "60")
    assert code == 12, said
    assert there() == before, "what stalls removes nothing"
    kubelets.absent -= project.images()
    assert {name for name, state in project.states().items() if state == "removed"} == removed
    assert there() == ({"shared", "anew"}, {"less-aarch64"})
    assert set(project.states().values()) == {"unchanged"}


@pytest.mark.usefixtures("on_path")
def test_the_first_rollout_has_nothing_to_go_back_to(
    cluster: Cluster, kubelets: Kubelets, tmp_path: Path, capsys: Out
) -> None:
    project = Project(tmp_path, "first", cluster, capsys)
    kubelets.absent |= project.images()
    code, said = project.apply("--timeout", "15")
    assert code == 12
    assert "No set before it became ready here, so nothing is taken back" in said["why"]
    kubelets.absent -= project.images()
    assert project.apply()[0] == 0, "the image has come, and the pods with it"


@pytest.mark.usefixtures("kubelets", "on_path")
def test_a_pod_without_a_node_says_so_in_the_schedulers_words(
    cluster: Cluster, tmp_path: Path, capsys: Out
) -> None:
    project = Project(tmp_path, "wide", cluster, capsys, **SERVICE)
    huge = {"name": "wide", "resources": {"requests": {"cpu": "64"}, "limits": {"cpu": "64"}}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "any"}}
    project.patch(
        NO_BUDGET | {"metadata": {"name": "any"}},
        deployment | {"spec": {"template": {"spec": {"containers": [huge]}}}},
    )
    code, said = project.apply("--timeout", "15")
    assert code == 12
    assert "Unschedulable" in said["detail"]
    assert "Insufficient cpu" in said["detail"]


@pytest.mark.usefixtures("on_path")
def test_a_service_on_an_old_cluster_and_a_deployments_own_deadline(
    cluster: Cluster, kubelets: Kubelets, tmp_path: Path, capsys: Out
) -> None:
    project = Project(tmp_path, "asked", cluster, capsys, **SERVICE)
    code, said = project.apply()
    assert code == 11
    assert said["detail"] == "policy/v1 PodDisruptionBudget asked"
    assert said["what"].startswith("the cluster, v"), "it says which version that is"
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "any"}}
    project.patch(
        NO_BUDGET | {"metadata": {"name": "any"}}, deployment | {"spec": {"progressDeadlineSeconds": 30}}
    )
    assert "Deployment asked-aarch64" in project.states()
    project.export("2.0.0")
    kubelets.absent |= project.images()
    code, said = project.apply("--timeout", "600")
    assert code == 12
    assert "has timed out progressing. What answers now" in said["why"]
    assert "1.0.0 is back" in said["why"]
    assert "Deployment asked-aarch64 2 of 2 pods ready" in said["why"]


@pytest.mark.usefixtures("kubelets", "on_path")
def test_what_somebody_else_has_set_is_theirs(cluster: Cluster, tmp_path: Path, capsys: Out) -> None:
    project = Project(tmp_path, "shared", cluster, capsys)
    project.states()
    core = client.CoreV1Api(cluster.api)
    core.patch_namespaced_config_map(
        "settings", "shared", {"data": {"TZ": "Asia/Tokyo"}}, field_manager="ops"
    )
    project.export("2.0.0")
    code, said = project.apply()
    assert code == 11
    assert (
        'ConfigMap settings: .data.TZ belongs to ops, who has it at "Asia/Tokyo"; the overlay says "UTC"'
        in said["detail"]
    )
    assert "--force-conflicts" in said["fix"]
    assert image_of(cluster, "shared").endswith("1.0.0-aarch64"), (
        "nothing is changed where something is refused"
    )
    without = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any"}, "data": {"TZ": None}}
    project.patch(without)
    assert project.states()[ARM.format("shared")] == "changed"
    assert settings_zone(cluster, "shared") == "Asia/Tokyo"
    project.patch()
    assert project.states("--force-conflicts")["ConfigMap settings"] == "changed"
    assert settings_zone(cluster, "shared") == "UTC"


@pytest.mark.usefixtures("on_path")
def test_two_operators_at_once_and_one_that_is_stopped(
    cluster: Cluster, kubelets: Kubelets, tmp_path: Path, capsys: Out
) -> None:
    project = Project(tmp_path, "both", cluster, capsys)
    kubelets.absent |= project.images()
    argv = [sys.executable, "-m", "edgepack", *project.words()]
    first = subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    leases = client.CoordinationV1Api(cluster.api)
    try:
        _until(
            lambda: (
                [one.metadata.name for one in leases.list_namespaced_lease("both").items] == ["edgepack-both"]
            )
        )
        code, said = project.apply()
        assert code == 13
        assert f", {first.pid}-" in said["what"]
    finally:
        first.send_signal(signal.SIGINT)
        words = first.communicate(timeout=300)[1].decode()
    assert first.returncode == 130, words
    assert leases.list_namespaced_lease("both").items == []
    kubelets.absent -= project.images()
    assert set(project.states().values()) == {"unchanged"}


def _until(true: Any, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.2)


@pytest.mark.usefixtures("on_path")
def test_who_has_no_right_is_told_which(cluster: Cluster, tmp_path: Path, capsys: Out) -> None:
    project = Project(tmp_path, "rights", cluster, capsys)
    words = ["apply", "-C", str(project.place), "--kubeconfig", str(cluster.without_rights)]
    assert main(words) == 11
    assert 'User "nobody" cannot get resource "namespaces"' in capsys.readouterr().err


def test_the_objects_are_those_of_kustomize_without_it(cluster: Cluster, tmp_path: Path, capsys: Out) -> None:
    """What was applied with kubectl on the path is unchanged without."""
    project = Project(tmp_path, "plain", cluster, capsys)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{newer.kubectl().parent}:{os.environ['PATH']}")
        planned = project.states("--dry-run")
    assert project.states("--dry-run") == planned
