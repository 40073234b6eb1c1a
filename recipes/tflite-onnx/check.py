"""``check.py MODEL``: load a TFLite model; a damaged one can end the process that does so."""

from __future__ import annotations

import sys

import tensorflow as tf

if __name__ == "__main__":
    tf.lite.Interpreter(model_path=sys.argv[1]).allocate_tensors()
