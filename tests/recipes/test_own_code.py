"""Code of the user's that recipes/onnx runs: a metric, and a loader of calibration data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from .asked import Report, ask
from .files import LENET

pytestmark = pytest.mark.slow

METRIC = """\
import numpy as np

def within(records, labels):
    near = [abs(record["value"] - float(label)) < 0.5 for record, label in zip(records, labels)]
    return np.mean(near)
"""
LOADER = """\
import numpy as np

def samples():
    for number in range(1, 11):
        yield np.full((2, 3), number, np.uint8)
"""


def metric(file: Path) -> Report:
    records = [{"value": 1.2}, {"value": 5}, {"value": 3}, {"value": 4}]
    options = {"code": str(file), "entry": "within", "records": records, "labels": ["1", "2", "3", "4"]}
    return ask("onnx", "metric.py", LENET, **options)


def loaded(file: Path) -> Report:
    return ask("onnx", "load.py", LENET, code=str(file), entry="samples", samples=4)


def test_a_metric_is_what_the_function_makes_of_records_and_labels(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(METRIC)
    report = metric(tmp_path / "own.py")
    assert (report["ok"], report["value"]) == (True, 0.75)


def test_a_loaders_samples_are_spread_over_all_that_it_gives(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(LOADER)
    report = loaded(tmp_path / "own.py")
    assert report["found"] == 10
    given = [np.load(report["folder"] / name) for name in report["files"]]
    assert [int(sample[0, 0]) for sample in given] == [1, 4, 7, 10]
    assert {sample.shape for sample in given} == {(2, 3)}


@pytest.mark.parametrize(
    ("run", "code", "what", "words"),
    [
        (metric, METRIC.replace("value", "amount"), "within in own.py failed", "line 4: KeyError: 'amount'"),
        (metric, METRIC.replace("within", "inside"), "own.py has no function within", "it has: inside"),
        (metric, METRIC.replace("(near)", "(near) * np.nan"), "within in own.py gave nan", ""),
        (metric, METRIC.replace("labels):", "labels:"), "within in own.py failed", "line 3: SyntaxError"),
        (metric, METRIC.replace("np.mean(near)", "quit_()"), "within in own.py failed", "line 5: NameError"),
        (metric, METRIC + "raise SystemExit(3)", "within in own.py failed", "line 6: SystemExit: 3"),
        (metric, METRIC.replace("numpy", "sklearn"), "within in own.py failed", "library, NumPy and Pillow"),
        (metric, METRIC.replace("np.mean(near)", "near"), "within in own.py failed", "TypeError: float()"),
        (loaded, LOADER.replace("(2, 3)", "(2,)"), "sample 0 is uint8 of the shape [2]", "(H, W)"),
        (loaded, LOADER.replace("uint8", "float64"), "sample 0 is float64", "raw inputs are uint8"),
        (loaded, LOADER.replace("11", "1"), "there is no calibration sample", "give 100 or more"),
        (loaded, LOADER.replace("yield", "return"), "sample 0 is uint8 of the shape [3]", "(H, W)"),
        (loaded, LOADER.replace("np.full", "np.fill"), "samples in own.py failed", "line 5: AttributeError"),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_line(
    run: Callable[[Path], Report], code: str, what: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(code)
    report = run(tmp_path / "own.py")
    assert not report["ok"]
    assert report["error"]["what"].startswith(what)
    assert words in report["error"]["why"] + report["error"]["fix"]
