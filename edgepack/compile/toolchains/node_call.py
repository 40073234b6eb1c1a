"""The compiler as CMake and Ninja call it, where it is on a node: hands the call to the edgepack that builds.

Started by its path for each file that is compiled, and so with nothing but the standard library's smallest.
Arguments: the file that says where edgepack listens; then the words.
"""

import json
import os
import socket
import sys


def said(words: str) -> None:
    """As a compiler would, to whoever called it."""
    with open(2, "w", closefd=False) as stream:
        stream.write(words)


def main() -> int:
    try:
        with open(sys.argv[1]) as stream:
            place = stream.read()
        link = socket.socket(socket.AF_UNIX)
        link.connect(place)
    except OSError as error:
        said(f"no edgepack build is running that reaches the node: {error}\n")
        return 127
    with link, link.makefile("rwb") as stream:
        stream.write(json.dumps({"words": sys.argv[2:], "cwd": os.getcwd()}).encode() + b"\n")
        stream.flush()
        line = stream.readline()
    if not line:
        said("the build that reaches the node has ended\n")
        return 127
    answer = json.loads(line)
    said(answer["output"])
    return int(answer["status"])


if __name__ == "__main__":
    sys.exit(main())
