"""The search for layers to keep in floating point, on any cost that falls as worse layers are kept."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from edgepack.convert.mixed import Score, Search
from edgepack.convert.recipe import Converted

NODES = [f"conv{i}" for i in range(20)]


def search(needed: int, limit: int, given: tuple[str, ...] = ()) -> Search:
    """A model whose gate holds once ``needed`` of the most sensitive layers are kept."""

    def convert(nodes: Sequence[str]) -> Converted:
        return Converted({}, {"kept": list(nodes)})

    def judge(converted: Converted) -> Score:
        kept = [node for node in converted.report["kept"] if node not in given]
        return Score(len(kept) >= needed, 0.9 + len(kept) / 1000, None, 100 + 10 * len(kept))

    return Search(convert, judge, lambda: NODES, limit, given)


@given(needed=st.integers(0, 20), limit=st.integers(1, 20))
def test_the_fewest_layers_that_hold_are_kept_and_the_worst_first(needed: int, limit: int) -> None:
    looked = search(needed, limit)
    most = min(limit, len(NODES) - 1)  # one layer at least is in 8 bits, or the name says what is not so
    if needed > most:
        found = looked.run()
        assert found.report["kept"] == []
        assert len(found.report["search"]["tried"][-1]["kept"]) == most
        return
    converted = looked.run()
    assert converted.report["kept"] == NODES[:needed]
    assert len(looked.tried) <= 2 + 2 * max(needed, 1).bit_length()
    if needed:
        assert converted.report["search"]["cost_bytes"] == 10 * needed


def test_what_the_user_keeps_is_kept_in_any_case() -> None:
    converted = search(2, 8, given=("conv0", "mine")).run()
    assert converted.report["kept"] == ["conv0", "mine", "conv1", "conv2"]


def test_where_none_may_be_kept_the_gate_is_left_to_parity() -> None:
    looked = search(3, 0)
    assert looked.run().report["kept"] == []
    assert len(looked.tried) == 1
