"""The test networks of savedmodel-onnx and tflite-onnx, seed 12: ``make_tensorflow.py FOLDER``.

Run in the recipe's environment. Writes ``tensorflow/saved_model.pb`` with its variables,
``tensorflow.tflite``, and ``tensorflow.npz``: two inputs and what TensorFlow itself computes on them.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

SHAPE = (32, 32, 3)


def network():  # type: ignore[no-untyped-def]
    import keras
    from keras import layers

    def normal(x):  # type: ignore[no-untyped-def]
        return layers.BatchNormalization(epsilon=1e-3)(x)

    images = keras.Input(SHAPE, batch_size=1, name="images")
    x = normal(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(images))
    x = layers.ReLU(max_value=6.0)(x)
    y = normal(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.Add()([x, layers.LeakyReLU(negative_slope=0.1)(y)])
    y = layers.Conv2D(12, 3, strides=2, padding="same", dilation_rate=1)(x)
    y = layers.Multiply()([y, layers.Activation("sigmoid")(y)])
    up = layers.UpSampling2D(2, interpolation="nearest")(y)
    both = layers.Concatenate(name="both")([x, up])
    near = layers.Conv2D(6, 1, name="near")(both)
    pooled = layers.GlobalAveragePooling2D()(layers.MaxPooling2D(2)(y))
    classes = layers.Dense(5, activation="softmax", name="classes")(pooled)
    return keras.Model(images, {"near": near, "classes": classes})


def main(folder: Path) -> None:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(12)
    model = network()
    rng = np.random.default_rng(12)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # as after training: none of them 0 or 1
            n = layer.gamma.shape[0]
            scale, spread = rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, n)
            layer.set_weights([scale, rng.normal(0, 0.1, n), rng.normal(0, 0.1, n), spread])
    saved = folder / "tensorflow"
    model.export(str(saved), verbose=False)
    (saved / "fingerprint.pb").unlink(missing_ok=True)
    shutil.rmtree(saved / "assets", ignore_errors=True)
    (folder / "tensorflow.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert())
    inputs = rng.standard_normal((2, *SHAPE)).astype(np.float32)
    rows = [model(inputs[n : n + 1], training=False) for n in range(2)]
    found = {name: np.concatenate([np.asarray(row[name]) for row in rows]) for name in ("near", "classes")}
    np.savez(folder / "tensorflow.npz", images=inputs, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
