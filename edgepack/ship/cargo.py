"""What goes to a box, and in which way: as parcels where it has our helper, else as whole files in a tar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgepack.box.errors import BoxError
from edgepack.box.facts import Facts
from edgepack.box.session import Box
from edgepack.bundle import Bundle, BundleFile
from edgepack.errors import EdgepackError
from edgepack.ship import parcels, preflight, transfer
from edgepack.ship.chunks import Ask, nobody
from edgepack.ship.report import Clock
from edgepack.ship.transfer import Sent, Way

_WHOLE_INSTEAD = (
    "bad-base",
    "bad-parcel",
    "helper",
    "unsigned-helper",
)  # what a parcel can fail of and a whole file cannot


@dataclass
class Cargo:
    """The files that a box lacks, prepared before its lock is held. ``sent_as``: for the report."""

    bundle: Bundle
    files: Sequence[BundleFile]
    helper: Path | None = None
    encoder: Path | None = None
    prepared: Sequence[parcels.Parcel] = field(default_factory=tuple)
    sent_as: str = "files"

    @classmethod
    def of(
        cls, bundle: Bundle, facts: Facts, tools: parcels.Tools | None, clock: Clock, ask: Ask = nobody
    ) -> Cargo:
        """Prepared as parcels, or as files where there is too little to send or a tool is not to be had.

        ask: for the chunks of what the box has and this host does not.
        """
        files = preflight.missing(bundle, facts)
        if tools is None or not parcels.worth(files, facts):
            return cls(bundle, files)
        try:
            with clock.stage("prepare"):
                helper, encoder = tools.helper(), tools.encoder()
                bases = parcels.bases_of(files, facts.bases, ask)
                made = parcels.prepare(bundle, files, bases, encoder, clock.progress)
        except EdgepackError as error:
            return cls(bundle, files, sent_as=f"files: {error.what}")
        return cls(bundle, files, helper, encoder, made, "parcels")

    def bytes(self, facts: Facts) -> int | None:
        """What will go over the link, without the helper; None where that shows only on the way."""
        return parcels.size(self.prepared, facts.parts) if self.prepared else None

    def send(self, box: Box, token: str, facts: Facts, way: Way, *, gzip: bool) -> Sent:
        """Send what the box lacks by now. Raises as ``transfer.send`` does."""
        files = preflight.missing(self.bundle, facts)
        if not files:
            return Sent(0, 0)
        if self.helper is not None:
            try:
                return self._as_parcels(box, token, facts, way, files)
            except BoxError as error:
                if error.kind not in _WHOLE_INSTEAD:
                    raise
                self.sent_as = f"files: {error.what}"
        return transfer.send(box, token, self.bundle, files, gzip and "gzip" in facts.tools, way)

    def _as_parcels(self, box: Box, token: str, facts: Facts, way: Way, files: Sequence[BundleFile]) -> Sent:
        assert self.helper is not None
        assert self.encoder is not None
        sha = parcels.install(box, token, facts, self.helper)
        if sha is None:
            raise BoxError("the box does not run edgepack's helper", "helper", where=box.endpoint.where)
        wanted = {file.sha256 for file in files}
        chosen = [parcel for parcel in self.prepared if parcel.file.sha256 in wanted]
        sent, wrong = parcels.send(box, (token, sha), chosen, facts.parts, way)
        if not wrong:
            return sent
        # A worn base, or a part that a power cut left wrong: whole, and from the beginning.
        again = parcels.prepare(self.bundle, wrong, {}, self.encoder, way.progress)
        more, wrong = parcels.send(box, (token, sha), again, {}, way)
        if wrong:
            raise BoxError(
                f"{len(wrong)} of the files that came do not have the sha256 they were announced with",
                "bad-digest",
                where=box.endpoint.where,
                fix="run the same command again; if it stays, the link or the box's storage is faulty",
            )
        return Sent(sent.files + more.files, sent.bytes + more.bytes)
