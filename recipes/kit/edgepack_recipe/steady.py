"""The same bytes from run to run, of tools that write uninitialised memory or addresses into what they
make."""

from __future__ import annotations

import ctypes
import os
import sys

ADDR_NO_RANDOMIZE = 0x0040000  # linux/personality.h
ASK = 0xFFFFFFFF  # personality(2): tells, and changes nothing


def with_fixed_addresses() -> bool:
    """Start this process once more without address randomisation, and with one order of hashes.

    To be called first. False where the kernel or a container's seccomp filter does not allow it.
    """
    libc = ctypes.CDLL(None)
    now = libc.personality(ctypes.c_ulong(ASK))
    if now >= 0 and now & ADDR_NO_RANDOMIZE and os.environ.get("PYTHONHASHSEED") == "0":
        return True
    if "STEADY" in os.environ or now < 0 or libc.personality(ctypes.c_ulong(now | ADDR_NO_RANDOMIZE)) < 0:
        return False
    os.environ.update({"PYTHONHASHSEED": "0", "STEADY": "1"})
    os.execv(sys.executable, [sys.executable, *sys.argv])
    raise AssertionError("execv came back")
