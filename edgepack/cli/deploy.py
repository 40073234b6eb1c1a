"""``edgepack deploy NODE``: the bundle of the node's target, proven on the box before the switch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.bundle import Bundle
    from edgepack.cli.nodes import Found
    from edgepack.cli.screen import Screen
    from edgepack.errors import InputError
    from edgepack.ship.parcels import Tools
    from edgepack.ship.report import DeployPlan, DeployReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("node", metavar="NODE", help="a box of fleet.yaml, or a sandbox")
    parser.add_argument("--bundle", metavar="FOLDER", help="this bundle, not the one in dist/")
    parser.add_argument("--dry-run", action="store_true", help="connect, ask and show; change nothing")
    parser.add_argument(
        "--keep", type=int, default=3, metavar="N", help="older releases to keep on the box (3)"
    )
    parser.add_argument("--limit", metavar="RATE", help="send at most so much a second: 200k, 2M (bytes)")
    parser.add_argument(
        "--window",
        metavar="HOURS",
        help="only in these hours, like 01:00-05:00, in the node's `zone:`; before them it waits",
    )
    parser.add_argument(
        "--whole-files", action="store_true", help="no helper on the box, no differences: plain files by tar"
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Deploy, or show what a deploy would do."""
    from dataclasses import replace

    from edgepack.cli import deploy_contained, key, licence, nodes
    from edgepack.cli.steps import StageScreen
    from edgepack.errors import UsageError
    from edgepack.ship import secrets
    from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
    from edgepack.ship.window import Window

    if args.keep < 0:
        raise UsageError("--keep takes 0 or more")
    folder = Path(args.folder).absolute()
    found = nodes.find(folder, args.node)
    bundle, warnings = bundle_of(folder, found, args.bundle)
    warn(warnings, found, screen)
    window = Window.of(args.window, found.zone) if args.window else None
    tools = None if args.whole_files else tools_of(bundle, screen)
    told: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        screen.remark(f"{screen.paint('beforehand:', 'yellow')} {sentence}")

    options = DeployOptions(keep=args.keep, limit=_rate(args.limit), tools=tools, window=window, tell=tell)
    if "licence" in bundle.release:
        options = replace(options, licence=licence.read(folder, found.name))
    if "encryption" in bundle.release:
        options = replace(options, model_key=key.fetcher(folder))
    if found.not_tried:
        tell(f"a sandbox runs a plain process: `runs: {found.not_tried}` of fleet.yaml is not tried there")
    options = replace(options, contained=deploy_contained.of(folder, found, bundle, tell))
    if args.dry_run:
        with found.blamed(), StageScreen(screen) as stages:
            plan = plan_deploy(found.endpoint, bundle, options, stages.progress)
        screen.result({**plan.as_dict(), "warnings": warnings})
        return _show_plan(plan, found, screen)
    if found.secrets is not None:
        # Before anything is begun: who must type a PIN does so now.
        options = replace(options, secrets=secrets.resolve(found.secrets, folder))
    screen.headline(f"{bundle.name} {bundle.version} → {found.endpoint.where}{_what(found)}")
    with found.blamed(), StageScreen(screen) as stages:
        report = deploy(found.endpoint, bundle, options, stages.progress)
    screen.result({**report.as_dict(), "warnings": warnings, "beforehand": told})
    _show(report, screen)
    return 0


def tools_of(bundle: Bundle, screen: Screen) -> Tools:
    """What makes parcels; compiled when the first one is wanted."""
    from edgepack.catalog.native_build import HelperSpec
    from edgepack.compile.native import build_helper
    from edgepack.ship.parcels import Tools
    from edgepack.tools.qemu import host_arch

    def note(words: str) -> None:
        screen.note("prepare", words)

    return Tools(
        helper=lambda: build_helper(HelperSpec(bundle.arch), note),
        encoder=lambda: build_helper(HelperSpec(host_arch(), "encoder"), note),
    )


def _rate(words: str | None) -> int:
    """``200k`` → 200000 bytes a second. Raises UsageError."""
    from edgepack.errors import UsageError

    if words is None:
        return 0
    number, unit = words.rstrip("kKM"), words[-1:]
    if not number.isdigit() or not int(number) or len(words) - len(number) > 1:
        raise UsageError(f"--limit takes bytes a second, like 200k or 2M, not {words}")
    return int(number) * {"k": 1000, "K": 1000, "M": 1_000_000}.get(unit, 1)


def _what(found: Found) -> str:
    return f", {found.endpoint.description}" if found.endpoint.description else ""


def bundle_of(folder: Path, found: Found, named: str | None) -> tuple[Bundle, list[str]]:
    """The bundle to ship, every byte of it compared with its digest; and what is to be said of it."""
    from edgepack.bundle import open_bundle
    from edgepack.cli import deploy_drift
    from edgepack.manifest import project as manifest

    if named:
        return open_bundle(Path(named), verify=True), []
    project = manifest.load(folder)
    place = folder / "dist" / f"{project.manifest.name}@{found.target}"
    if not place.is_dir():
        raise _no_bundle(folder, place, found)
    bundle = open_bundle(place, verify=True)
    return bundle, deploy_drift.warnings(project, bundle, found.target)


def _no_bundle(folder: Path, place: Path, found: Found) -> InputError:
    """Nothing to ship: not built yet, or no program is made for that target."""
    from edgepack.catalog import targets
    from edgepack.errors import InputError

    where = str(place.relative_to(folder))
    target = targets.load(found.target, folder)
    if target.known_arch is None:
        return target.without_arch(where, "a program is what is deployed, and this chip gets the model alone")
    model = place.with_name(f"{place.name}.model")
    if model.is_dir():
        return InputError(
            f"there is no program for {found.name}, a {found.target}: the model alone was built",
            where=str(model.relative_to(folder)),
            why=f"edgepack plan {found.target} --explain",
            fix="bring that folder to the box your own way, or build with a runtime that gets a program",
        )
    return InputError(
        f"there is no bundle for {found.name}, a {found.target}",
        where=where,
        fix=f"edgepack build --for {found.name}",
    )


def warn(warnings: Sequence[str], found: Found, screen: Screen) -> None:
    for warning in warnings:
        screen.remark(f"{screen.paint('warning:', 'yellow')} {warning}")
        screen.remark(f"  what was built is deployed; to bring the change: edgepack build --for {found.name}")


def _show(report: DeployReport, screen: Screen) -> None:
    from edgepack.cli.screen import amount

    if report.outcome == "nothing to do":
        screen.text(
            f"{report.node}: nothing to do, {report.app} {report.version} answers ({report.release[:12]})"
        )
        _show_way_back(report, screen)
        return
    sent = f"{amount(report.bytes_sent)} sent for {report.files_sent} of {report.files_total} files"
    sent = sent if report.files_sent else "nothing sent, all files were there"
    screen.text(
        f"{report.node}: {report.app} {report.version} {report.outcome}, release {report.release[:12]}"
    )
    screen.text(f"  {sent} ({amount(report.bytes_total)} in all)")
    if report.sent_as.startswith("files: "):
        screen.text(f"  whole files, no differences: {report.sent_as.removeprefix('files: ')}")
    if report.signed_by:
        screen.text(f"  signed by {report.signed_by}, checked on the box before it was staged")
    if report.proof_summary:
        screen.text(f"  proven on the box before the switch: {report.proof_summary}")
    if report.paused_s:
        screen.text(f"  what ran before was paused for {report.paused_s} s for that")
    if report.boot_line:
        screen.text(f"  it will not start with the box; add to the box's start-up: {report.boot_line}")
    seconds = ", ".join(f"{stage} {taken:.1f}" for stage, taken in report.seconds.items() if taken >= 0.05)
    screen.text(f"  seconds: {seconds}; {sum(report.seconds.values()):.1f} in all")
    _show_way_back(report, screen)


def _show_way_back(report: DeployReport, screen: Screen) -> None:
    if report.previous:
        screen.text(f"  edgepack rollback {report.node} goes back to {report.previous[:12]}")


def _show_plan(plan: DeployPlan, found: Found, screen: Screen) -> int:
    from edgepack.cli.screen import amount
    from edgepack.errors import Exit

    screen.text(f"{plan.app} {plan.version} → {found.endpoint.where}{_what(found)}: nothing was changed")
    for note in plan.notes:
        screen.text(f"  {note}")
    if found.secrets is not None:
        screen.text(f"  secrets in the place of those there: {', '.join(found.secrets) or 'none'}")
    if plan.refusals:
        for refusal in plan.refusals:
            screen.text(f"  would be refused: {refusal}")
        return Exit.PREFLIGHT
    if not plan.steps:
        screen.text(f"  nothing to do: release {plan.release[:12]} answers there")
        return 0
    size = f"{amount(plan.bytes_to_send)} to send of {amount(plan.bytes_total)}, before compression"
    if plan.bytes_on_link is not None:
        size = (
            f"{amount(plan.bytes_on_link)} to send, for {amount(plan.bytes_to_send)} of "
            f"{amount(plan.bytes_total)} that the box lacks"
        )
    screen.text(
        f"  {size}" if plan.files_to_send else f"  nothing to send: {amount(plan.bytes_total)} are there"
    )
    for number, step in enumerate(plan.steps, 1):
        screen.text(f"  {number}. {step}")
    return 0
