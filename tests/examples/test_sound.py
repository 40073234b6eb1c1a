"""A model of sound, from golden vectors to the shipped program: sound in, the trained model's answers out."""

from __future__ import annotations

import json
import os
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgepack.bundle import open_bundle
from edgepack.tools.runner import command, run
from tests.digits import Digits

pytestmark = pytest.mark.slow

RATE, WINDOW, FFT, HOP, BANDS = 8000, 400, 512, 160, 20
TARGET = os.uname().machine
# Of librosa 0.11.0's melspectrogram: tests/blocks/test_sound.py.
LIBROSA = Path(__file__).parents[1] / "blocks" / "logmel.npz"
SLANEY = "scale: slaney, area: true"
MANIFEST = f"""\
name: clap
version: 1.0.0
model: {{file: clap.onnx, golden: golden.npz}}
pre:
  - logmel: {{rate: {RATE}, window: {WINDOW}, fft: {FFT}, hop: {HOP}, bands: {BANDS}, {SLANEY}}}
post:
  - softmax: {{}}
  - topk: {{labels: [quiet, hum, clap]}}
targets: {{{TARGET}: {{}}}}
"""


def trained_on(sound: Any) -> Any:
    """The training's own features of (channels, samples), by the definitions: nothing of edgepack's."""
    mono = np.pad(sound.astype(np.float64).mean(0), FFT // 2, mode="reflect")
    shape = np.zeros(FFT)
    first = (FFT - WINDOW) // 2
    shape[first : first + WINDOW] = np.hanning(WINDOW + 1)[:-1]
    waves = np.exp(-2j * np.pi * np.outer(np.arange(FFT // 2 + 1), np.arange(FFT)) / FFT)
    frames = [mono[at : at + FFT] * shape for at in range(0, len(mono) - FFT + 1, HOP)]
    power = np.array([np.abs(waves @ frame) ** 2 for frame in frames])
    hertz = np.linspace(0, RATE / 2, FFT // 2 + 1)
    # Slaney's scale: 66.7 Hz a step up to 1 kHz, then a factor of 6.4 in 27 steps.
    steps = np.linspace(0, 15 + 27 * np.log(RATE / 2 / 1000) / np.log(6.4), BANDS + 2)
    corners = np.where(steps < 15, steps * 200 / 3, 1000 * 6.4 ** ((steps - 15) / 27))
    bands = []
    for low, middle, high in zip(corners, corners[1:], corners[2:], strict=False):
        height = 2 / (high - low)
        bands.append(np.interp(hertz, [low, middle, high], [0, height, 0]))
    return np.log(np.maximum(power @ np.array(bands).T, 1e-10)).T.astype(np.float32)


def sounds() -> Any:
    """(N, 2, samples): hums, claps and next to nothing, in two channels that differ."""
    chance = np.random.default_rng(5)
    made = []
    for n in range(18):
        time = np.arange(4000) / RATE
        hum = np.sin(2 * np.pi * (80 + 150 * n) * time) * (n % 3 == 1) * 0.5
        clap = chance.normal(size=4000) * np.exp(-np.abs(time - 0.25) * 40) * (n % 3 == 2)
        noise = chance.normal(size=(2, 4000)) * 10.0 ** -chance.integers(2, 5)
        made.append(np.clip(hum + clap * 0.4 + noise, -1, 1))
    return np.array(made).astype(np.float32)


def model(folder: Path) -> Any:
    """A small network over {{1, bands, frames}}, in a file; what it says of features, by ONNX Runtime."""
    chance = np.random.default_rng(6)
    weights = {
        "w1": chance.normal(size=(6, 1, 3, 3)) * 0.2,
        "b1": chance.normal(size=6),
        "w2": chance.normal(size=(3, 6 * 9 * 12)) * 0.1,
        "b2": chance.normal(size=3),
    }
    nodes = [
        helper.make_node("Conv", ["mel", "w1", "b1"], ["c"], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["scores"], transB=1),
    ]
    kept = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    taken = helper.make_tensor_value_info("mel", TensorProto.FLOAT, [1, 1, BANDS, 26])
    given = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(nodes, "clap", [taken], [given], kept)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, str(folder / "clap.onnx"))
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return lambda mel: session.run(None, {"mel": mel[None, None]})[0][0]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Digits:
    """A user's project, its golden vectors recorded from the sound itself."""
    folder = tmp_path_factory.mktemp("sound") / "clap"
    folder.mkdir()
    made = Digits(folder, folder.with_name("home"), warm_cache)
    made.temporary.mkdir(parents=True)
    says = model(folder)
    inputs = sounds()
    scores = np.array([says(trained_on(sound)) for sound in inputs])
    assert len(set(scores.argmax(1))) > 1
    arrays = {"input": inputs, "output.scores": scores, "record.class": scores.argmax(1)}
    np.savez(folder / "golden.npz", **arrays)
    (folder / "edgepack.yaml").write_text(MANIFEST)
    return made


@dataclass(frozen=True)
class Built:
    proof: dict[str, Any]
    program: Path


@pytest.fixture(scope="module")
def built(project: Digits) -> Built:
    project.said("build", TARGET)
    bundle = open_bundle(project.folder / "dist" / f"clap@{TARGET}")
    release = project.folder.with_name("release")
    for file in bundle.files:
        place = release / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with bundle.open(file) as member:
            place.write_bytes(member.read())
        place.chmod(file.mode)
    proof = json.loads((project.folder / "dist" / f"clap@{TARGET}.proof.json").read_text())
    return Built(proof, release / "bin" / "clap")


def test_the_trainings_features_are_librosas() -> None:
    kept = np.load(LIBROSA)
    np.testing.assert_allclose(trained_on(kept["sound"][None]), kept["librosa"], atol=2e-3)


def test_the_build_proves_the_program_from_sound(built: Built) -> None:
    proof = json.dumps(built.proof)
    assert "scores" in proof
    said = run(command(built.program, "verify"))
    report = json.loads(said.stdout)
    assert (said.returncode, report["samples"], report["ok"]) == (0, 18, True)
    assert report["outputs"]["scores"]["cosine_min"] > 0.9999
    assert report["records"]["class"]["agree"] == 18


def test_a_wav_file_gets_the_same_answer(built: Built, project: Digits, tmp_path: Path) -> None:
    golden = np.load(project.folder / "golden.npz")
    for n, sound in enumerate(golden["input"]):
        with wave.open(str(tmp_path / f"{n}.wav"), "wb") as file:
            file.setparams((2, 2, RATE, 0, "NONE", ""))
            file.writeframes((sound.T * 32767).round().astype("<i2").tobytes())
    files = [tmp_path / f"{n}.wav" for n in range(len(golden["input"]))]
    said = run(command(built.program, "infer", *files))
    classes = [json.loads(line)["class"] for line in said.stdout.splitlines()]
    assert classes == golden["record.class"].tolist()


def test_another_librarys_convention_is_named(project: Digits) -> None:
    project.rewrite("edgepack.yaml", SLANEY, "scale: htk")
    try:
        said = project.run("parity", TARGET)
    finally:
        (project.folder / "edgepack.yaml").write_text(MANIFEST)
    assert said.code == 8
    assert f"write `{SLANEY}` in `logmel`" in said.out + said.err


@pytest.mark.parametrize(
    ("inputs", "pre", "words"),
    [
        (np.zeros((18, 20, 26), np.uint8), None, "`logmel` in `pre` takes sound"),
        (None, "  - normalize: {mean: [0], std: [1]}", "`pre` takes pictures"),
        (np.zeros((18, 2, 4160), np.float32), None, "`pre` gives {20, 27}, the model takes {1, 20, 26}"),
    ],
    ids=["pictures for sound", "sound for pictures", "too long a sound"],
)
def test_vectors_that_do_not_fit_pre_are_refused_in_words(
    project: Digits, inputs: Any, pre: str | None, words: str
) -> None:
    whole = dict(np.load(project.folder / "golden.npz"))
    lines = MANIFEST.splitlines()
    try:
        if inputs is not None:
            np.savez(project.folder / "golden.npz", **{**whole, "input": inputs})
        if pre is not None:
            changed = [pre if line.startswith("  - logmel") else line for line in lines]
            (project.folder / "edgepack.yaml").write_text("\n".join(changed) + "\n")
        said = project.run("build", TARGET)
    finally:
        np.savez(project.folder / "golden.npz", **whole)
        (project.folder / "edgepack.yaml").write_text(MANIFEST)
    assert said.code != 0
    assert words in said.out + said.err
