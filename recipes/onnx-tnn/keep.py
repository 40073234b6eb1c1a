"""Copies a TNN model under another name. ``keep.py FROM TO``, both without their suffixes."""

import shutil
import sys

if __name__ == "__main__":
    for suffix in (".tnnproto", ".tnnmodel"):
        shutil.copyfile(sys.argv[1] + suffix, sys.argv[2] + suffix)
