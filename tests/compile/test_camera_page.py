"""The page's source for an SDK's camera, as it stands there, over an SDK that calls from its own thread."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.catalog.paths import data
from edgepack.compile.render import TEMPLATE
from edgepack.compile.toolchains.select import toolchain
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run
from tests.compile.program_driver import STRICT

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "cameras.md"
SDK = """\
#pragma once
struct vendor_camera;
using vendor_callback = void (*)(const unsigned char* rgb, int width, int height, void* user);
vendor_camera* vendor_open(int index);
void vendor_start(vendor_camera* camera, vendor_callback callback, void* user);
void vendor_stop(vendor_camera* camera);
void vendor_close(vendor_camera* camera);
"""
# Two pictures, whose bytes are overwritten after each call; then it has gone. The first opening fails.
MAIN = """\
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "camera.cpp"

struct vendor_camera {
  std::thread thread;
  bool stopped = true;
};

int opened = 0, closed = 0;
std::atomic<bool> taken{false};

vendor_camera* vendor_open(int) { return ++opened == 1 ? nullptr : new vendor_camera; }

void vendor_start(vendor_camera* camera, vendor_callback callback, void* user) {
  camera->stopped = false;
  camera->thread = std::thread([callback, user] {
    unsigned char bytes[] = {1, 2, 3, 4, 5, 6};
    callback(bytes, 2, 1, user);
    for (unsigned char& one : bytes) one = 99;
    while (!taken) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    taken = false;
    callback(nullptr, 0, 0, user);
  });
}

void vendor_stop(vendor_camera* camera) {
  camera->thread.join();
  camera->stopped = true;
}

void vendor_close(vendor_camera* camera) {
  if (!camera->stopped) std::abort();
  delete camera;
  ++closed;
}

int main() {
  {
    const std::unique_ptr<edgepack::Source> source = camera::make("");
    int troubles = 0;
    while (troubles < 3) {
      try {
        const auto picture = source->next(std::chrono::milliseconds(20));
        if (!picture) continue;
        const edgepack::Tensor tensor = picture->pixels();
        std::cout << picture->name << ":";
        for (const float one : tensor.data) std::cout << " " << one;
        std::cout << "\\n";
        taken = true;
      } catch (const std::exception& error) {
        ++troubles;
        std::cout << error.what() << "\\n";
      }
    }
  }
  std::cout << opened << " " << closed << "\\n";
}
"""


def test_it_compiles_and_does_what_the_page_says(tmp_path: Path) -> None:
    blocks = [part.partition("```")[0] for part in PAGE.read_text().split("```cpp\n")[1:]]
    assert len(blocks) == 1
    for name, text in (("camera.cpp", blocks[0]), ("vendor_camera.h", SDK), ("main.cpp", MAIN)):
        (tmp_path / name).write_text(text)
    tools = toolchain("zig", host_arch())
    warnings = ("-Wall", "-Wextra", "-Wshadow", "-Werror")
    words = (*STRICT, *warnings, "-pthread", "-I", data(TEMPLATE) / "include", "-I", tmp_path)
    made = run(
        command(*tools.cxx, "-std=c++17", *words, tmp_path / "main.cpp", "-o", tmp_path / "it", env=tools.env)
    )
    assert made.ok, made.text()
    said = run(command(tmp_path / "it", timeout_s=120))
    assert said.ok, said.text()
    assert said.text().splitlines() == [
        "the camera cannot be opened",
        "1: 1 4 2 5 3 6",
        "the camera has gone",
        "2: 1 4 2 5 3 6",
        "the camera has gone",
        "3 2",
    ]
