from __future__ import annotations

import paramiko
import pytest

from edgepack.box.hostkeys import matches

HASHED = paramiko.HostKeys.hash_host("[10.0.0.7]:2222")


@pytest.mark.parametrize(
    ("names", "about_it"),
    [
        ("[10.0.0.7]:2222", True),
        ("shop,[10.0.0.7]:2222", True),
        ("10.0.0.7", False),
        ("[10.0.0.8]:2222", False),
        ("[10.0.0.*]:2222", True),
        ("[10.0.0.?]:2222", True),
        ("*", True),
        ("*,![10.0.0.7]:2222", False),
        ("![10.0.0.7]:2222", False),
        ("[10x0.0.7]:2222", False),
        pytest.param(HASHED, True, id="hashed"),  # salted: no name for a test
        pytest.param(paramiko.HostKeys.hash_host("[10.0.0.8]:2222"), False, id="another, hashed"),
        ("|1|garbage", False),
        ("|1|AAAA|AAAA", False),
        ("", False),
    ],
)
def test_whether_a_line_is_about_a_host(names: str, about_it: bool) -> None:
    assert matches("[10.0.0.7]:2222", names) is about_it
