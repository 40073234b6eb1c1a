"""TensorFlow's loader, which TensorFlow Serving has too: ``FOLDER INPUTS.npz ANSWERS.npz``."""

import sys

import numpy as np
import tensorflow as tf

signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
with np.load(sys.argv[2]) as given:
    found = signature(**{name: tf.constant(given[name]) for name in given.files})
np.savez(sys.argv[3], **{name: np.asarray(value) for name, value in found.items()})
