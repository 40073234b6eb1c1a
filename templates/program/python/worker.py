"""The other end of python_worker.cpp: loads the project's function, and calls it for each message on stdin.

Whatever Python the box has runs this: it says so where that is another than the packages are for.
"""

import os
import struct
import sys
from pathlib import Path


def main():
    version, file, entry = sys.argv[1:4]
    # What the project prints is no answer.
    answers, messages = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if mine != version:
        words = f"this box's Python is {mine}, and the packages in the bundle are for {version}"
        return say(answers, b"!", words)
    folder = Path(__file__).resolve().parent
    path = folder / "code" / file
    sys.path[:0] = [str(path.parent), str(folder / "site")]
    try:
        import numpy as np  # noqa: F401 - before the first picture, whose time is its own

        function = load(path, entry)
    except BaseException as error:  # noqa: BLE001 - also one that exits: C++ is told why
        return say(answers, b"!", words_of(error))
    say(answers, b"+", "")
    while True:
        head = messages.read(8)
        if len(head) < 8:
            return 0
        message = messages.read(struct.unpack("=Q", head)[0])
        try:
            answer = image(function, message) if message[:1] == b"I" else record(function, message)
        except Exception as error:  # noqa: BLE001 - it costs one picture
            say(answers, b"!", words_of(error))
        else:
            send(answers, b"+" + answer)


def load(path, entry):
    import importlib.util

    spec = importlib.util.spec_from_file_location("edgepack_project", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return getattr(module, entry)


def words_of(error):
    import traceback

    found = traceback.extract_tb(error.__traceback__)
    place = f"{Path(found[-1].filename).name}:{found[-1].lineno}: " if found else ""
    return f"{place}{type(error).__name__}: {error}"


def say(stream, sign, text):
    send(stream, sign + text.encode("utf-8", "replace"))
    return 1


def send(stream, message):
    stream.write(struct.pack("=Q", len(message)) + message)
    stream.flush()


def image(function, message):
    import numpy as np

    array, _ = taken(message, 1)
    return packed(np.asarray(function(array), dtype=np.float32))


def record(function, message):
    seconds, utc, count = struct.unpack_from("=ddI", message, 1)
    place, outputs = 21, []
    for _ in range(count):
        array, place = taken(message, place)
        outputs.append(array)
    fields = taken_fields(message, place)
    fields.when = (seconds, utc)
    more = function(outputs, fields)
    if more is not None:
        fields.update(more)
    return struct.pack("=I", len(fields)) + b"".join(field(name, value) for name, value in fields.items())


class Record(dict):
    """What is said about one picture so far. when: (seconds, utc), as in edgepack.h."""

    when = (0.0, 0.0)


def taken(message, place):
    import numpy as np

    (axes,) = struct.unpack_from("=I", message, place)
    shape = struct.unpack_from(f"={axes}I", message, place + 4)
    count = 1
    for axis in shape:
        count *= axis
    start = place + 4 + 4 * axes
    array = np.frombuffer(message, np.float32, count, start).reshape(shape).copy()
    return array, start + 4 * count


def packed(array):
    import numpy as np

    shape = array.shape
    return struct.pack(f"=I{len(shape)}I", len(shape), *shape) + np.ascontiguousarray(array).tobytes()


def taken_fields(message, place):
    fields = Record()

    def number(kind):
        nonlocal place
        (value,) = struct.unpack_from("=" + kind, message, place)
        place += struct.calcsize("=" + kind)
        return value

    def text():
        nonlocal place
        size = number("I")
        place += size
        return message[place - size : place].decode("utf-8", "replace")

    reads = {
        "b": lambda: bool(number("B")),
        "i": lambda: number("q"),
        "d": lambda: number("d"),
        "s": text,
        "f": lambda: [number("f") for _ in range(number("I"))],
        "j": lambda: [number("q") for _ in range(number("I"))],
        "t": lambda: [text() for _ in range(number("I"))],
    }
    for _ in range(number("I")):
        name = text()
        fields[name] = reads[number("c").decode()]()
    return fields


def field(name, value):
    """A field as C++ reads it. Raises TypeError for what a record cannot hold."""
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        value = value.tolist()
    head = text_of(name)
    if isinstance(value, bool):
        return head + b"b" + struct.pack("=B", value)
    if isinstance(value, int):
        return head + b"i" + struct.pack("=q", value)
    if isinstance(value, float):
        return head + b"d" + struct.pack("=d", value)
    if isinstance(value, str):
        return head + b"s" + text_of(value)
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(one, str) for one in value):
            return head + b"t" + struct.pack("=I", len(value)) + b"".join(map(text_of, value))
        if value and all(isinstance(one, int) and not isinstance(one, bool) for one in value):
            return head + b"j" + struct.pack(f"=I{len(value)}q", len(value), *value)
        if all(isinstance(one, (int, float)) for one in value):
            return head + b"f" + struct.pack(f"=I{len(value)}f", len(value), *value)
    raise TypeError(
        f"the record's field {name!r} is a {type(value).__name__}: it takes text, numbers, true and false, "
        "and lists of texts or of numbers"
    )


def text_of(text):
    data = str(text).encode("utf-8", "replace")
    return struct.pack("=I", len(data)) + data


if __name__ == "__main__":
    sys.exit(main())
