"""Every hypothesis that can be tried has words."""

from __future__ import annotations

import pytest

from edgepack.convert.cause_words import of_input

KEYS = (
    *("channels", "channels before", "nhwc", "nchw", "axes", "axes memory", "mean order", "mean sign"),
    *("scale*255", "scale/255", "scale*255 before", "scale/255 before", "mean*255", "mean/255"),
    *(
        "mean*255 std",
        "mean/255 std",
        "std*255",
        "std/255",
        "no mean",
        "no std",
        "no normalize",
        "raw",
        "twice",
    ),
    *("resize nearest", "resize letterbox", "resize bilinear", "resize area", "resize cubic"),
    *("logmel scale: slaney", "logmel log: ten, offset: 1e-06"),
)


@pytest.mark.parametrize("key", KEYS)
def test_it_can_be_told(key: str) -> None:
    words = of_input(key)
    assert words.pre
    assert words.model
    assert words.fix
