"""Which library a model needs is decided by its layers."""

import re

import pytest

from edgepack.catalog.ncnn_build import SOURCE, NcnnSpec, options
from edgepack.catalog.ncnn_layers import ALL, COMMON, missing, tier
from edgepack.tools import sdist


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], "common"),
        (["Input", "Convolution", "Pooling", "InnerProduct", "Softmax"], "common"),
        (["Convolution", "Swish", "Concat", "Interp", "Permute", "Slice"], "common"),
        (["Convolution", "LSTM"], "all"),
        (["Convolution", "NotALayer"], "all"),
    ],
)
def test_the_smaller_library_where_it_has_every_layer(layers: list[str], expected: str) -> None:
    assert tier(layers) == expected


def test_a_layer_that_ncnn_lacks_is_named() -> None:
    assert missing(["Convolution", "ArgMax", "Foo"]) == ("ArgMax", "Foo")


@pytest.mark.slow
def test_the_tables_are_those_of_the_pinned_release() -> None:
    listed = (sdist.unpack(SOURCE) / "src" / "CMakeLists.txt").read_text()
    on = set(re.findall(r"ncnn_add_layer\((\w+)\)", listed))
    assert on == ALL
    assert COMMON < ALL


@pytest.mark.slow
def test_what_common_layers_make_for_themselves_is_in_their_library() -> None:
    """A layer creates others by number; one that is left out is a null pointer on the box."""
    sources = sdist.unpack(SOURCE) / "src" / "layer"
    for layer in sorted(COMMON):
        for kind in ("", "arm/", "x86/", "riscv/"):
            suffix = f"_{kind[:-1]}" if kind else ""
            path = sources / f"{kind}{layer.lower()}{suffix}.cpp"
            if path.is_file():
                made = set(re.findall(r"create_layer\w*\((?:ncnn::)?LayerType::(\w+)", path.read_text()))
                assert made <= COMMON, path


def test_a_library_switches_every_layer_on_or_off() -> None:
    words = options(NcnnSpec("aarch64"))
    assert {name for name in words if name.startswith("WITH_LAYER_")} == {
        f"WITH_LAYER_{layer.lower()}" for layer in ALL
    }
    assert words["WITH_LAYER_convolution"] == "ON"
    assert words["WITH_LAYER_lstm"] == "OFF"
    assert options(NcnnSpec("aarch64", tier="all"))["WITH_LAYER_lstm"] == "ON"


@pytest.mark.parametrize(
    "other",
    [
        NcnnSpec("armhf"),
        NcnnSpec("aarch64", cpu="cortex-a72"),
        NcnnSpec("aarch64", tier="all"),
        NcnnSpec("aarch64", toolchain="gcc"),
        NcnnSpec("aarch64", int8=True),
    ],
)
def test_what_changes_a_library_changes_its_key(other: NcnnSpec) -> None:
    assert other.key() != NcnnSpec("aarch64").key()
    assert other.key() == other.key()
