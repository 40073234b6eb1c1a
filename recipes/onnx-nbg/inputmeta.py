"""Makes an inputmeta file say: tensors as they are. ``inputmeta.py FILE``

Calibration samples have gone through the shipped pre-processing already, so nothing may be subtracted,
scaled or reversed again; the generated file takes three-channel inputs for images and reverses their
channels (the fields are those of the file that ``pegasus generate inputmeta`` writes).
"""

import re
import sys
from pathlib import Path

WANTED = [
    (r"reverse_channel:.*", "reverse_channel: false"),
    (r"category:.*", "category: undefined"),
    (r"scale:[ \t]*[-+.\deE]+[ \t]*$", "scale: 1.0"),
]
LISTS = [("mean", "0"), ("scale", "1.0")]


def tensors_as_they_are(text: str) -> str:
    """The file's text with the pre-processing taken out of it."""
    for pattern, wanted in WANTED:
        text = re.sub(pattern, wanted, text, flags=re.MULTILINE)
    for key, value in LISTS:
        block = re.compile(rf"(^[ \t]*{key}:[ \t]*\n)((?:[ \t]*- [^\n]*\n?)+)", re.MULTILINE)
        text = block.sub(lambda m, v=value: m[1] + re.sub(r"- [^\n]*", f"- {v}", m[2]), text)
    return text


if __name__ == "__main__":
    file = Path(sys.argv[1])
    said = file.read_text()
    changed = tensors_as_they_are(said)
    if "reverse_channel: false" not in changed and "reverse_channel" in said:
        sys.exit("inputmeta.yml is not written as this recipe knows it")
    file.write_text(changed)
