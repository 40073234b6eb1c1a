"""Compilers' and linkers' own words, as they were recorded, and what edgepack makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.compile.blocks import Block
from edgepack.compile.diagnostics import Origin, compile_error, parse
from edgepack.compile.render import ProgramSpec, entries
from edgepack.errors import Exit
from tests.compile.test_render import spec

PROJECT = Path("/home/u/digits")
GENERATED = PROJECT / ".edgepack/build/pi/program"
LOG = PROJECT / ".edgepack/compile.log"

SPEC: ProgramSpec = spec(
    pre=(Block("code", file="src/pre.cpp", entry="stretch"),),
    post=(Block("code", file="src/post.cpp", entry="ns::decode"),),
)
DECODE = "`void ns::decode(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record)`"
ORIGIN = Origin(PROJECT, GENERATED, entries(SPEC))

CLANG = """\
[1/2] Building CXX object CMakeFiles/user.dir/src/post.cpp.o
FAILED: [code=1] CMakeFiles/user.dir/src/post.cpp.o
/home/u/digits/.edgepack/toolchain/cxx -O2 -c /home/u/digits/src/post.cpp
/home/u/digits/src/post.cpp:9:3: warning: unused variable 'x' [-Wunused-variable]
    9 |   int x;
      |       ^
/home/u/digits/src/post.cpp:12:5: error: use of undeclared identifier 'rekord'; did you mean 'record'?
   12 |     rekord.set("class", 1);
      |     ^~~~~~
      |     record
/home/u/digits/src/post.cpp:10:70: note: 'record' declared here
   10 | void decode(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record) {
      |                                                                             ^
/home/u/digits/src/post.cpp:14:2: error: expected '}'
1 warning and 2 errors generated.
ninja: build stopped: subcommand failed.
"""

CLANG_TEMPLATE = """\
In file included from /home/u/digits/src/post.cpp:3:
In file included from /zig/libcxx/include/algorithm:10:
/zig/libcxx/include/__algorithm/sort.h:20:5: error: invalid operands to binary expression
   20 |     return a < b;
      |            ~ ^ ~
/home/u/digits/src/post.cpp:21:8: note: in instantiation of function template specialization 'std::sort' here
"""

GCC_TEMPLATE = """\
In file included from /usr/include/c++/12/algorithm:61,
                 from /home/u/digits/src/pre.cpp:5:
/usr/include/c++/12/bits/predefined_ops.h: In instantiation of 'constexpr bool less()':
/usr/include/c++/12/bits/stl_algo.h:1859:14:   required from 'void std::sort()'
/home/u/digits/src/pre.cpp:30:12:   required from here
/usr/include/c++/12/bits/predefined_ops.h:45:23: error: no match for 'operator<'
   45 |       { return *__it1 < *__it2; }
      |                ~~~~~~~^~~~~~~~
"""

GCC_FATAL = """\
/home/u/digits/src/post.cpp:4:10: fatal error: opencv2/core.hpp: No such file or directory
    4 | #include <opencv2/core.hpp>
      |          ^~~~~~~~~~~~~~~~~~
compilation terminated.
"""

CLANG_HEADER = """\
In file included from /home/u/digits/src/post.cpp:2:
/home/u/digits/src/boxes.hpp:7:1: error: unknown type name 'flaot'
    7 | flaot area();
      | ^
"""

CLANG_RETURN = """\
/home/u/digits/src/post.cpp:11:5: error: functions that differ only in their return type cannot be overloaded
   11 | int decode(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record) {
      | ~~~ ^
/home/u/digits/.edgepack/build/pi/program/src/entries.hpp:12:6: note: previous declaration is here
"""

OURS = """\
/home/u/digits/.edgepack/build/pi/program/src/pipeline.cpp:14:3: error: expected ';' after expression
   14 |   image = 3
      |            ^
"""

LLD_MISSING = """\
FAILED: [code=1] digits
: && cxx -o digits && :
ld.lld: error: undefined symbol: ns::decode(std::__1::vector<edgepack::Tensor> const&, edgepack::Record&)
>>> referenced by pipeline.cpp:21 (/project/src/pipeline.cpp:21)
"""

GNU_MISSING = """\
/usr/bin/ld: CMakeFiles/generated.dir/src/pipeline.cpp.o: in function `prepare(edgepack::Tensor)':
pipeline.cpp:(.text+0x1d): undefined reference to `stretch(edgepack::Tensor const&)'
collect2: error: ld returned 1 exit status
"""

LLD_OTHER = "ld.lld: error: undefined symbol: area(float, float)\n>>> referenced by post.cpp:9\n"
LLD_TWICE = "ld.lld: error: duplicate symbol: stretch(edgepack::Tensor const&)\n>>> defined at pre.cpp:3\n"
KILLED = "zig: error: unable to execute command: Killed\nninja: build stopped: subcommand failed.\n"


@pytest.mark.parametrize(
    ("output", "where", "what"),
    [
        (CLANG, "src/post.cpp:12:5", "use of undeclared identifier 'rekord'; did you mean 'record'?"),
        (CLANG_TEMPLATE, "src/post.cpp:21:8", "invalid operands to binary expression"),
        (GCC_TEMPLATE, "src/pre.cpp:30:12", "no match for 'operator<'"),
        (GCC_FATAL, "src/post.cpp:4:10", "opencv2/core.hpp: No such file or directory"),
        (CLANG_HEADER, "src/boxes.hpp:7:1", "unknown type name 'flaot'"),
        (
            CLANG_RETURN,
            "src/post.cpp:11:5",
            f"src/post.cpp does not define {DECODE}",
        ),
        (OURS, "src/pipeline.cpp:14", "edgepack's own C++ does not compile: expected ';' after expression"),
        (
            LLD_MISSING,
            "src/post.cpp",
            f"src/post.cpp does not define {DECODE}",
        ),
        (
            GNU_MISSING,
            "src/pre.cpp",
            "src/pre.cpp does not define `edgepack::Tensor stretch(const edgepack::Tensor& image)`",
        ),
        (LLD_OTHER, "", "`area(float, float)` is used and defined nowhere"),
        (LLD_TWICE, "", "`stretch(edgepack::Tensor const&)` is defined twice"),
        (KILLED, str(LOG), "the program could not be built"),
    ],
)
def test_a_failed_build_names_the_users_place(output: str, where: str, what: str) -> None:
    error = compile_error(output, ORIGIN, LOG)
    assert (error.where, error.what, error.exit_code) == (where, what, Exit.COMPILE)
    assert error.fix


def test_the_source_line_and_all_errors_are_shown() -> None:
    error = compile_error(CLANG, ORIGIN, LOG)
    assert error.detail.splitlines()[:2] == ['   12 |     rekord.set("class", 1);', "      |     ^~~~~~"]
    places = [(problem.place(), problem.message.split(";")[0]) for problem in error.problems]
    assert places == [
        ("src/post.cpp:12", "use of undeclared identifier 'rekord'"),
        ("src/post.cpp:14", "expected '}'"),
    ]


def test_the_linkers_words_are_shown_without_ninjas() -> None:
    detail = compile_error(LLD_MISSING, ORIGIN, LOG).detail
    assert detail.startswith("ld.lld: error: undefined symbol")


def test_warnings_are_no_errors() -> None:
    assert [d.message for d in parse(CLANG)] == [
        "use of undeclared identifier 'rekord'; did you mean 'record'?",
        "expected '}'",
    ]
