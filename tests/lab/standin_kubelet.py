"""Stands in for the boxes' kubelets: says through the API that pods run, or why not. It starts nothing.

API server, controllers and scheduler are the real ones, and see what a kubelet would tell them. What a
container does is not part of it; that is test_pod.py's.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Mapping
from typing import Any

from kubernetes import client

_POLL_S = 0.3
ROOM = {"cpu": "4", "memory": "4Gi", "pods": "20"}


class Kubelets:
    """Nodes by name, with labels. ``absent``: images of no registry; ``broken``: they end at once."""

    def __init__(self, api: client.ApiClient, nodes: Mapping[str, Mapping[str, str]]) -> None:
        self._core = client.CoreV1Api(api)
        self._nodes, self._over = nodes, threading.Event()
        self.absent: set[str] = set()
        self.broken: set[str] = set()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Kubelets:
        for name, labels in self._nodes.items():
            metadata = {
                "name": name,
                "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": name, **labels},
            }
            self._core.create_node({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        self._ready()
        self._until_untainted()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        assert self.failure is None, self.failure

    def _ready(self) -> None:
        now = _now()
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        status = {"conditions": [ready | {"lastHeartbeatTime": now, "lastTransitionTime": now}]}
        for name in self._nodes:
            self._core.patch_node_status(name, {"status": {**status, "capacity": ROOM, "allocatable": ROOM}})

    def _until_untainted(self) -> None:
        """A new node is kept free of pods until its controller has seen that it is ready."""
        until = time.monotonic() + 600
        while any(node.spec.taints for node in self._core.list_node().items):
            assert time.monotonic() < until, "the controllers do not take the nodes for ready"
            time.sleep(_POLL_S)

    def _run(self) -> None:
        beat = time.monotonic()
        while not self._over.wait(_POLL_S):
            try:
                if time.monotonic() - beat > 20:
                    self._ready()
                    beat = time.monotonic()
                for pod in self._core.list_pod_for_all_namespaces().items:
                    with contextlib.suppress(
                        client.ApiException
                    ):  # gone or changed meanwhile: seen the next time
                        self._look(pod)
            except Exception as error:  # noqa: BLE001 - a thread's own fault is told at the end
                self.failure = error
                return

    def _look(self, pod: Any) -> None:
        meta, where = pod.metadata, pod.spec.node_name
        if where not in self._nodes:
            return
        if meta.deletion_timestamp is not None:
            self._core.delete_namespaced_pod(meta.name, meta.namespace, grace_period_seconds=0)
            return
        said = self._status(pod)
        if not pod.status.container_statuses or _of(pod) != said["containerStatuses"][0]["state"].keys():
            self._core.patch_namespaced_pod_status(meta.name, meta.namespace, {"status": said})

    def _status(self, pod: Any) -> dict[str, Any]:
        listed, good = [], True
        for container in pod.spec.containers:
            state, last = self._state(container.image)
            good &= "running" in state
            one = {"name": container.name, "image": container.image, "imageID": "", "restartCount": 0}
            listed.append({**one, "ready": "running" in state, "state": state, "lastState": last})
        words = "True" if good else "False"
        conditions = [
            {"type": kind, "status": words, "lastTransitionTime": _now()}
            for kind in ("Initialized", "ContainersReady", "Ready")
        ]
        phase = "Running" if good else "Pending"
        return {"phase": phase, "conditions": conditions, "containerStatuses": listed, "startTime": _now()}

    def _state(self, image: str) -> tuple[dict[str, Any], dict[str, Any]]:
        if image in self.absent:
            words = f'Back-off pulling image "{image}"'
            return {"waiting": {"reason": "ImagePullBackOff", "message": words}}, {}
        if image in self.broken:
            waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
            return {"waiting": waiting}, {"terminated": {"exitCode": 3, "reason": "Error"}}
        return {"running": {"startedAt": _now()}}, {}


def _of(pod: Any) -> Any:
    """Which state it is told to be in: running or waiting."""
    state = pod.status.container_statuses[0].state
    return {key for key in ("running", "waiting") if getattr(state, key) is not None}


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
