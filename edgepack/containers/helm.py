"""A Helm chart of the same objects as the kustomize layout: decisions in docs/design/compose-plan.md."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Sequence

from edgepack.containers import helm_values, kubernetes, text
from edgepack.containers.app import App
from edgepack.containers.compose import Rendered
from edgepack.containers.kubernetes import Cluster, Object
from edgepack.containers.pod import SETTINGS, SITE_LABEL, Part

CHART, SITES, VALUES = "chart", "sites", "values"
TEMPLATES = f"{CHART}/templates"
_NUMBER = r"(0|[1-9][0-9]*)"
_WORD = r"[0-9A-Za-z-]+"
_LATER = rf"({_NUMBER}|[A-Za-z][0-9A-Za-z-]*)"
_SEMVER = re.compile(rf"{_NUMBER}(\.{_NUMBER}){{2}}(-{_LATER}(\.{_LATER})*)?(\+{_WORD}(\.{_WORD})*)?")
_NAMESPACE = "{{ $.Values.namespace.name | default $.Release.Namespace | quote }}"
_SELECTOR = "merge (dict) (.nodeSelector | default dict) ($.Values.nodeSelector | default dict)"


def render(cluster: Cluster) -> Rendered:
    """Everything for one cluster. Raises InputError for what no pod can do, or a wrong object."""
    of = kubernetes.made(cluster)
    app = cluster.app
    header = [
        f"from edgepack.yaml ({app.name} {app.version}) and fleet.yaml.",
        f"It is written anew by `edgepack export helm`; your own values go to {VALUES}/.",
    ]
    chart = {
        "apiVersion": "v2",
        "name": app.name,
        "description": f"{app.name} on the boxes that are nodes of a cluster",
        "type": "application",
        "version": version(app.version),
        "appVersion": app.version,
        "kubeVersion": ">=1.20.0-0",
    }
    values = helm_values.of(cluster, of)
    files = {
        f"{CHART}/Chart.yaml": text.document(chart, header),
        f"{CHART}/values.yaml": text.document(values, [*header, "", *helm_values.WORDS]),
        f"{CHART}/values.schema.json": helm_values.schema(cluster, header[0]),
    }
    parts = {kubernetes.workload_name(part.app): part for part in of.parts}
    for name, one in of.objects.items():
        files[f"{TEMPLATES}/{name}.yaml"] = _template(
            cluster, one, parts.get(one["metadata"]["name"]), header
        )
    once = {}
    zones = kubernetes.sites(cluster.nodes)
    for site, zone in zones.items():
        files[f"{SITES}/{site}.yaml"] = text.document(_site(cluster, of.parts, site, zone), header)
    for site in zones or ["all"]:
        once[f"{VALUES}/{site}.yaml"] = _yours()
    return Rendered(files, once, tuple(of.objects), of.warnings, of.first)


def version(of: str) -> str:
    """A chart's is a semantic one; of any other, what it is stands behind the `+`."""
    if _SEMVER.fullmatch(of):
        return of
    if re.fullmatch(rf"{_NUMBER}(\.{_NUMBER})?", of):
        return of + ".0" * (2 - of.count("."))
    return "0.0.0+" + ".".join(word for word in of.replace("+", "-").split(".") if word)


def install(name: str, site: str, place: str, *, sites: bool) -> str:
    """The command that brings it to a cluster."""
    files = [f"{place}/{SITES}/{site}.yaml"] if sites else []
    words = " ".join(f"-f {file}" for file in [*files, f"{place}/{VALUES}/{site}.yaml"])
    return f"helm upgrade --install {f'{name}-{site}' if sites else name} {place}/{CHART} {words}"


def _site(cluster: Cluster, parts: Sequence[Part], site: str, zone: str) -> Object:
    made: Object = {
        "namespace": {"name": kubernetes.namespace(cluster.app, site)},
        "env": {"TZ": zone or "UTC"},
        "nodeSelector": {SITE_LABEL: site},
    }
    if cluster.app.form == "service":
        made["targets"] = {
            part.app.target.id: {"replicas": kubernetes.replicas(cluster, part, site)} for part in parts
        }
    return made


def _yours() -> str:
    return (
        "# Yours: edgepack made it once and never writes it again. Everything that may stand here is in\n"
        f"# {CHART}/values.yaml. An example, for another registry and a variable of the program:\n"
        "#\n"
        "# image:\n"
        "#   registry: registry.example/acme\n"
        "# env:\n"
        '#   NAME: "value"\n'
        "{}\n"
    )


# ---- objects → templates


class _Slots:
    """Places in an object where a template's text will stand: marks first, which no value has."""

    def __init__(self, objects: Object) -> None:
        self._mark, self._texts = "SLOT", dict[str, tuple[str, str]]()
        while self._mark in json.dumps(objects):
            self._mark += "T"

    def text(self, words: str) -> str:
        """A value that is this text."""
        return self._new("text", words)

    def block(self, what: str) -> str:
        """A value that is a map or a list of the values."""
        return self._new("block", what)

    def maybe(self, what: str) -> str:
        """The same, and its key is there only where that is not empty."""
        return self._new("maybe", what)

    def _new(self, how: str, words: str) -> str:
        mark = f"{self._mark}-{len(self._texts)}-"
        self._texts[mark] = (how, words)
        return mark

    def filled(self, document: str) -> str:
        """The text with what stands for the marks; braces that are no template's are escaped before."""
        return "".join(self._lines(document.replace("{{", '{{ "{{" }}')))

    def _lines(self, document: str) -> Iterator[str]:
        for line in document.splitlines(keepends=True):
            key, _, mark = line.rstrip("\n").rpartition(": ")
            if mark not in self._texts:
                yield line
                continue
            how, words = self._texts[mark]
            indent = len(key) - len(key.lstrip(" -"))
            space, inner = " " * indent, f"| nindent {indent + 2} }}}}\n"
            if how == "text":
                yield f"{key}: {words}\n"
            elif how == "block":
                yield f"{key}:\n{space}  {{{{- toYaml {words} {inner}"
            else:
                yield f"{space}{{{{- with {words} }}}}\n{key}:\n{space}  {{{{- toYaml . {inner}"
                yield f"{space}{{{{- end }}}}\n"


def _template(cluster: Cluster, whole: Object, part: Part | None, header: Sequence[str]) -> str:
    one, slots = copy.deepcopy(whole), _Slots(whole)
    metadata, condition = one["metadata"], ""
    if "namespace" in metadata:
        metadata["namespace"] = slots.text(_NAMESPACE)
    if one["kind"] == "Namespace":
        metadata["name"] = slots.text(_NAMESPACE)
        # What somebody else put there, Secrets above all, outlives `helm uninstall`.
        metadata["annotations"] = {"helm.sh/resource-policy": "keep"}
        condition = "if $.Values.namespace.create"
    elif one["kind"] == "ConfigMap" and whole["metadata"]["name"] == SETTINGS:
        one["data"] = slots.block("$.Values.env")
    elif one["kind"] == "NetworkPolicy":
        condition = "if $.Values.networkPolicy.enabled"
    elif one["kind"] == "PodDisruptionBudget":
        one["spec"]["maxUnavailable"] = slots.text(
            "{{ $.Values.podDisruptionBudget.maxUnavailable | toJson }}"
        )
        condition = "if $.Values.podDisruptionBudget.enabled"
    elif part:
        _workload(one, cluster.app, slots)
        condition = f"with index $.Values.targets {json.dumps(part.app.target.id)} }}}}\n{{{{- if .enabled"
    lines = text.document(one, header).splitlines(keepends=True)
    above, body = "".join(lines[: len(header)]), slots.filled("".join(lines[len(header) :]))
    if not condition:
        return above + body
    ends = "{{- end }}\n" * (1 + condition.count("\n"))
    return f"{above}{{{{- {condition} }}}}\n{body}{ends}"


def _workload(one: Object, app: App, slots: _Slots) -> None:
    spec = one["spec"]
    if "replicas" in spec:
        spec["replicas"] = slots.text("{{ .replicas | toJson }}")
    for key in ("strategy", "updateStrategy"):
        if key in spec:
            spec[key]["rollingUpdate"]["maxUnavailable"] = slots.text("{{ .maxUnavailable | toJson }}")
    pod = spec["template"]["spec"]
    for container in pod["containers"]:
        if container["name"] == app.name:
            container["image"] = slots.text(
                '"{{ with $.Values.image.registry }}{{ . }}/{{ end }}{{ .image }}"'
            )
            container["imagePullPolicy"] = slots.text("{{ $.Values.image.pullPolicy }}")
            container["resources"] = slots.block(".resources")
        else:
            where = f"(index $.Values.brokers {json.dumps(container['name'])})"
            container["image"] = slots.text(f"{{{{ {where}.image | quote }}}}")
            container["resources"] = slots.block(f"{where}.resources")
    pod["nodeSelector"] = slots.maybe(_SELECTOR)
    pod["tolerations"] = slots.maybe("$.Values.tolerations")
    pod["imagePullSecrets"] = slots.maybe("$.Values.image.pullSecrets")
