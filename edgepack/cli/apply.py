"""``edgepack apply [SITE…]``: an overlay's objects to a cluster, waited for, and back where they stall."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen
    from edgepack.containers.cluster.apply import Report, Wanted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument(
        "sites", nargs="*", metavar="SITE", help="folders of kubernetes/overlays; left out: if it is one"
    )
    parser.add_argument("--from", dest="place", metavar="FOLDER", help="where `export` wrote (kubernetes)")
    parser.add_argument("--context", metavar="NAME", help="of the kubeconfig; left out: its current one")
    parser.add_argument("--kubeconfig", metavar="FILE", help="left out: $KUBECONFIG, else ~/.kube/config")
    parser.add_argument(
        "--dry-run", action="store_true", help="ask the server what would change; change nothing"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=900.0,
        metavar="S",
        help="a rollout that does not come further for so many seconds is taken back (900)",
    )
    parser.add_argument(
        "--force-conflicts", action="store_true", help="take fields over that somebody else has set"
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Everything is put together and checked before the first byte is sent."""
    from edgepack.containers.cluster import apply, server
    from edgepack.errors import UsageError

    if not args.timeout > 0:
        raise UsageError("--timeout takes seconds, more than 0")
    folder = Path(args.folder).absolute()
    place = Path(args.place).absolute() if args.place else folder / "kubernetes"
    wanted = {site: _wanted(folder, place / "overlays" / site) for site in _sites(place, args.sites)}
    remarks = list(_images(folder))
    for words in remarks:
        screen.remark(f"  warning: {words}")
    cluster = server.connect(Path(args.kubeconfig) if args.kubeconfig else None, args.context)
    options = apply.Options(args.timeout, dry=args.dry_run, force=args.force_conflicts)
    told = {}
    for site, one in wanted.items():
        screen.headline(f"{one.name} → {cluster.where}, namespace {one.namespace}")
        with _Teller(screen) as teller:
            report = apply.run(cluster, one, options, teller)
        told[site] = {"namespace": one.namespace, **report.as_dict(), "warnings": [*remarks, *teller.remarks]}
        _show(site, one, report, screen, dry=args.dry_run)
    screen.result({"context": cluster.context, "sites": told, "dry_run": args.dry_run})
    return 0


class _Teller:
    """Stages on the screen; each begins when the one before it ends."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._stage, self._words = screen, "", ""
        self.remarks: list[str] = []

    def __enter__(self) -> _Teller:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        self._end(good=kind is None)
        self._screen.stop()

    def stage(self, name: str) -> None:
        self._end(good=name != "back")  # what is gone back from did not end well
        self._stage, self._words = name, ""
        self._screen.started(name)

    def note(self, words: str) -> None:
        self._words = words
        self._screen.note(self._stage, words)

    def remark(self, words: str) -> None:
        self.remarks.append(words)
        self._screen.remark(f"  {self._screen.paint('beware:', 'yellow')} {words}")

    def _end(self, *, good: bool) -> None:
        if self._stage:
            self._screen.done(self._stage, self._words, good=good)
        self._stage = ""


def _sites(place: Path, asked: Sequence[str]) -> list[str]:
    """The overlays that are meant. Raises InputError, UsageError."""
    from edgepack.errors import InputError, UsageError

    there = sorted(p.parent.name for p in (place / "overlays").glob("*/kustomization.yaml"))
    if not there:
        raise InputError("there is no overlay to apply", where=str(place), fix="edgepack export kubernetes")
    for site in asked:
        if site not in there:
            raise InputError(
                f"there is no overlay {site!r}",
                where=str(place / "overlays"),
                why=f"there are {', '.join(there)}",
            )
    if not asked and len(there) > 1:
        raise UsageError(
            f"which site? There are {', '.join(there)}",
            why="they may be in different clusters, and one context is one of them",
            fix=f"edgepack apply {there[0]}",
        )
    return list(dict.fromkeys(asked)) or there


def _wanted(folder: Path, overlay: Path) -> Wanted:
    from edgepack.containers.cluster import overlay as overlays
    from edgepack.containers.cluster.apply import Wanted
    from edgepack.containers.cluster.rollout import WORKLOADS
    from edgepack.errors import InputError

    objects = overlays.held(overlays.objects(overlay), overlay)
    main = [one["metadata"] for one in objects if one["kind"] in WORKLOADS and "namespace" in one["metadata"]]
    if not main:
        raise InputError(
            "the overlay has no DaemonSet or Deployment in a namespace",
            where=str(overlay),
            fix="edgepack export kubernetes writes them",
        )
    name = (main[0].get("labels") or {}).get("app.kubernetes.io/name") or main[0]["name"]
    return Wanted(str(name), main[0]["namespace"], objects, overlays.secrets(objects))


def _images(folder: Path) -> Iterator[str]:
    """What `edgepack image` has not made yet for the fleet's boxes; nothing where there is no project."""
    from edgepack.catalog import targets
    from edgepack.containers import app, images
    from edgepack.manifest import fleet as fleets
    from edgepack.manifest import project as manifests

    if not (folder / manifests.FILE).is_file():
        return
    project = manifests.load(folder)
    first = {node.target: node for node in fleets.load(folder).nodes.values()}
    known = [target for target in first if target in project.manifest.targets]
    apps = [app.of(project, targets.load(target, folder), first[target]) for target in known]
    yield from images.missing(folder / "dist", apps)


def _show(site: str, one: Wanted, report: Report, screen: Screen, *, dry: bool) -> None:
    changed = [change for change in report.changes if change.state != "unchanged"]
    screen.text(
        f"{site}: {one.name}, namespace {one.namespace}" + (": a dry run, nothing is changed" if dry else "")
    )
    screen.rows([["   ", c.state, f"{c.one['kind']} {c.one['metadata']['name']}"] for c in report.changes])
    if not changed:
        screen.text(f"  nothing to change: all {len(report.changes)} objects are as they should be")
    for name, pods in (report.outcome.pods if report.outcome else {}).items():
        screen.text(f"  {name}: {pods.ready} of {pods.wanted} pods ready")
