"""Weights to send: the detector of examples/shapes, trained, tuned further on new scenes, and trained anew.

``python bench/transfer/tune.py FOLDER`` in the example's training environment (examples/shapes/train).
Writes ``<name>.npz`` for base, tuned-1e-5, tuned-1e-4, tuned-1e-3 (AdamW, one pass over 2000 new scenes at
that rate) and anew (another seed). Some fifteen minutes of processor time; what is there already is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

TRAIN = Path(__file__).resolve().parents[2] / "examples" / "shapes" / "train"
sys.path.insert(0, str(TRAIN))

import numpy as np  # noqa: E402
import scenes  # noqa: E402
import torch  # noqa: E402
import train  # noqa: E402
from detector import Detector  # noqa: E402
from loss import loss  # noqa: E402

EPOCHS, SCENES, NEW = 6, 4000, 2000
RATES = (1e-5, 1e-4, 1e-3)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    base = kept(folder / "base.npz", lambda: trained(seed=3))
    fresh = [scenes.scene(11, 0, i) for i in range(NEW)]
    for rate in RATES:
        kept(
            folder / f"tuned-{rate:.0e}.npz".replace("e-0", "e-"), lambda rate=rate: tuned(base, fresh, rate)
        )
    kept(folder / "anew.npz", lambda: trained(seed=4))


def kept(place: Path, make) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    if not place.is_file():
        detector = make()
        state = {name: tensor.numpy() for name, tensor in detector.state_dict().items()}
        part = place.with_suffix(".part.npz")
        np.savez(part, **state)
        part.rename(place)
        print(place.name, flush=True)
    with np.load(place) as arrays:
        return dict(arrays)


def trained(seed: int) -> Detector:
    torch.manual_seed(seed)
    train.SEED, train.EPOCHS = seed, EPOCHS
    return train.train([scenes.scene(seed, 0, i) for i in range(SCENES)])


def tuned(base: dict[str, np.ndarray], drawn: list[scenes.Scene], rate: float) -> Detector:
    """One pass, every weight free, as people do it when new pictures have come from a site."""
    detector = Detector()
    detector.load_state_dict({name: torch.from_numpy(array) for name, array in base.items()})
    detector.train()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=rate, weight_decay=1e-3)
    prepared = train.pipeline.prepare(np.stack([one.pixels for one in drawn]))
    shapes_of = [train.targets(0, one) for one in drawn]
    for images, shapes in train.batches(prepared, shapes_of, np.random.default_rng(11)):
        optimiser.zero_grad(set_to_none=True)
        loss(detector(torch.from_numpy(images)), torch.from_numpy(shapes)).backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimiser.step()
    return detector


if __name__ == "__main__":
    main(Path(sys.argv[1]))
