"""``edgepack sign [TARGET…]``: vouch for bundles with an Ed25519 key, or show who did."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgepack.bundle import Bundle
    from edgepack.cli.screen import Screen
    from edgepack.tools.signers import Signer

KEY_HELP = "a private key's file, agent, agent:COMMENT, or pkcs11:token=…;object=…"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="only these; all that are built else")
    parser.add_argument("--key", metavar="KEY", help=f"{KEY_HELP}; left out: show who signed")
    parser.add_argument("--bundle", metavar="FOLDER", action="append", help="this bundle, not those in dist/")
    parser.add_argument("--serial", type=int, metavar="N", help="seconds since 1970 else; it must only grow")
    add_key_arguments(parser)


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of whoever signs."""
    parser.add_argument("--secret-file", metavar="FILE", help="the key's passphrase, or the token's PIN")
    parser.add_argument("--pkcs11-module", metavar="FILE", help="the library that speaks to the token")


def signer(words: str, args: argparse.Namespace) -> Signer:
    """The key that was named, ready to sign."""
    from edgepack.cli import secret
    from edgepack.tools import signers

    return signers.find(words, secret.asker(args.secret_file), args.pkcs11_module)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Sign, or show."""
    bundles = _bundles(Path(args.folder).absolute(), args)
    if args.key:
        key = signer(args.key, args)
        bundles = [_signed(bundle, key, args.serial, screen) for bundle in bundles]
    rows = [row for bundle in bundles for row in _rows(bundle)]
    screen.result(rows)
    for bundle in bundles:
        screen.text(f"{bundle.name} {bundle.version} {bundle.target}, release {bundle.digest[7:19]}")
        for row in _rows(bundle):
            bad = "" if row["holds"] else screen.paint("  it does not hold", "red")
            screen.text(f"  signed by {row['key'][:16]}…, number {row['serial']}{bad}")
        if not bundle.signatures:
            screen.text("  not signed")
    return 0


def _rows(bundle: Bundle) -> list[dict[str, Any]]:
    from edgepack.signature import holds

    return [
        {
            "target": bundle.target,
            "release": bundle.digest.removeprefix("sha256:"),
            "key": one.key,
            "serial": one.statement.serial,
            "helper": one.statement.helper,
            "holds": holds(one),
        }
        for one in bundle.signatures
    ]


def _signed(bundle: Bundle, key: Signer, serial: int | None, screen: Screen) -> Bundle:
    from edgepack.catalog.native_build import HelperSpec
    from edgepack.compile.native import build_helper
    from edgepack.errors import UsageError
    from edgepack.package import signed
    from edgepack.signature import MAX_SERIAL, Signature
    from edgepack.store import digest_file

    if serial is not None and not 0 < serial <= MAX_SERIAL:
        raise UsageError(f"--serial takes a number from 1 to {MAX_SERIAL}")
    helper = build_helper(HelperSpec(bundle.arch), lambda words: screen.note("sign", words))
    text = signed.statement(bundle, serial, digest_file(helper)).text()
    return signed.add(bundle, Signature(text, key.key, key.sign(text).hex()))


def _bundles(folder: Path, args: argparse.Namespace) -> Sequence[Bundle]:
    """Those asked for, every byte compared with its digest: nobody vouches for what is damaged."""
    from edgepack.bundle import open_bundle
    from edgepack.cli import bundles
    from edgepack.manifest import project as manifests

    places = map(Path, args.bundle) if args.bundle else bundles.built(manifests.load(folder), args.targets)
    return [open_bundle(place, verify=True) for place in places]
