from __future__ import annotations

import pytest

from edgepack.debug.breakpoints import Breakpoints

TWO = b"+$Z0,7f00,1#b2$vCont;c:p1.-1#0f$Z1,8a,4;X3,220126#00$qC#b4"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_those_that_are_in_in_whatever_pieces_they_are_told(size: int) -> None:
    said = Breakpoints()
    changes = [said.feed(TWO[at : at + size]) for at in range(0, len(TWO), size)]
    assert sum(changes) == (2 if size < 30 else 1)
    assert said.undo() == b"$z0,7f00,1#30$z1,8a,4#d0"


def test_what_is_taken_out_again_is_forgotten() -> None:
    said = Breakpoints()
    assert said.feed(TWO)
    assert not said.feed(b"$z0,1,1#00$Z0,7f00,1#b2")
    assert said.feed(b"$z0,7f00,1#30$z1,8a,4#d0")
    assert said.undo() == b""


def test_other_data_is_not_kept() -> None:
    said = Breakpoints()
    said.feed(b"$X7f00,ffff:" + b"Z0,1,1" * 10000)
    said.feed(b"#00$Z0,1,1#00")
    assert said.undo().startswith(b"$z0,1,1#")
