"""C libraries that a program may be linked with: pinned sources, how they are built, what names a build.

Data and a frozen description only, as for ncnn (ncnn_build.py). A library is built for the target's
processor, static, and only where a project's manifest needs it (``edgepack.plan.libraries``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from edgepack.catalog.native_build import (
    SODIUM,
    SODIUM_FILES,
    SODIUM_FOLDER,
    SODIUM_LICENCE,
    SODIUM_VERSION,
)
from edgepack.catalog.toolchains import flags, pins
from edgepack.errors import InputError
from edgepack.tools.debian import Package
from edgepack.tools.sdist import Source


@dataclass(frozen=True)
class Library:
    """One C library.

    source: Debian's archive of the upstream's own files, as it was released; or the source release of a
    Python package that carries them, and then ``release`` is the library's own version. licence: an SPDX
    expression; texts: the files of the source that say it. headers: name under ``include/`` →
    ``source/<path>`` or ``build/<path>``. needs: libraries that this one is built with.

    Where ``files`` names C files, they are compiled with ``defines``, ``flags`` and the source's folders
    ``includes``; else the source's own CMake project
    is built with ``options``, and ``target`` leaves the archive ``lib<archive>.a`` in the build folder. One
    without an ``archive`` is its headers alone.
    """

    name: str
    source: Package | Source
    licence: str
    texts: tuple[str, ...]
    headers: Mapping[str, str]
    archive: str = ""
    files: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    target: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    release: str = ""

    @property
    def version(self) -> str:
        """The upstream's version, without Debian's additions."""
        if isinstance(self.source, Source):
            return self.release
        upstream = self.source.version.rpartition(":")[2].partition("-")[0]
        return upstream.rpartition("really")[2].partition("+")[0]


_ZLIB = Library(
    name="zlib",
    source=Package(
        name="zlib",
        version="1:1.3.dfsg+really1.3.1-1",
        path="pool/main/z/zlib/zlib_1.3.dfsg+really1.3.1.orig.tar.gz",
        size=1325737,
        sha256="60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb",
        source="Debian 13 trixie, main, source/Sources",
    ),
    licence="Zlib",
    texts=("LICENSE",),
    archive="z",
    headers={"zlib.h": "source/zlib.h", "zconf.h": "source/zconf.h"},
    # Without the parts that read and write .gz files.
    files=(
        *("adler32.c", "compress.c", "crc32.c", "deflate.c", "inffast.c", "inflate.c", "inftrees.c"),
        *("trees.c", "uncompr.c", "zutil.c"),
    ),
)

_SPNG = Library(
    name="libspng",
    source=Package(
        name="libspng",
        version="0.7.4-2",
        path="pool/main/libs/libspng/libspng_0.7.4.orig.tar.gz",
        size=159230,
        sha256="47ec02be6c0a6323044600a9221b049f63e1953faf816903e7383d4dc4234487",
        source="Debian 13 trixie, main, source/Sources",
    ),
    licence="BSD-2-Clause",
    texts=("LICENSE",),
    archive="spng",
    headers={"spng.h": "source/spng/spng.h"},
    files=("spng/spng.c",),
    defines=("SPNG_STATIC",),
    needs=("zlib",),
)

_JPEG = Library(
    name="libjpeg-turbo",
    source=Package(
        name="libjpeg-turbo",
        version="1:2.1.5-4",
        path="pool/main/libj/libjpeg-turbo/libjpeg-turbo_2.1.5.orig.tar.gz",
        size=2264471,
        sha256="254f3642b04e309fee775123133c6464181addc150499561020312ec61c1bf7c",
        source="Debian 13 trixie, main, source/Sources",
    ),
    licence="IJG AND BSD-3-Clause AND Zlib",
    texts=("LICENSE.md", "README.ijg"),
    archive="jpeg",
    headers={
        "jconfig.h": "build/jconfig.h",
        **{name: f"source/{name}" for name in ("jerror.h", "jmorecfg.h", "jpeglib.h")},
    },
    target="jpeg-static",
    options={
        # Its SIMD for x86 is NASM's, which no toolchain here has; for Arm it is in C.
        "NEON_INTRINSICS": "ON",
        "ENABLE_SHARED": "OFF",
        "WITH_TURBOJPEG": "OFF",
        "BUILD": "edgepack",  # else the day that it was built
        "CMAKE_POLICY_VERSION_MINIMUM": "3.5",  # its own project asks for one that CMake 4 has no more
    },
)

_NGHTTP2 = Library(
    name="nghttp2",
    # Debian mends CVE-2026-27135 by a patch: an assertion that a peer can fail. Here assertions are not
    # compiled, and templates/service reads nothing more after a connection's error, which the patch is about.
    source=Package(
        name="nghttp2",
        version="1.64.0-1.1",
        path="pool/main/n/nghttp2/nghttp2_1.64.0.orig.tar.gz",
        size=1069782,
        sha256="b452dc69a1fcbc9375389b8b154175d8b7b125cdd713fc426774c2b79a1ebd77",
        source="Debian 13 trixie, main, source/Sources",
    ),
    licence="MIT",
    texts=("COPYING",),
    archive="nghttp2",
    headers={
        "nghttp2/nghttp2.h": "source/lib/includes/nghttp2/nghttp2.h",
        "nghttp2/nghttp2ver.h": "build/lib/includes/nghttp2/nghttp2ver.h",
    },
    target="nghttp2_static",
    options={
        **dict.fromkeys(("ENABLE_LIB_ONLY", "BUILD_STATIC_LIBS"), "ON"),
        **dict.fromkeys(("BUILD_SHARED_LIBS", "BUILD_TESTING", "ENABLE_DOC"), "OFF"),
        "CMAKE_ARCHIVE_OUTPUT_DIRECTORY": "..",
    },
)

_JSON = Library(
    name="nlohmann-json",
    source=Package(
        name="nlohmann-json3",
        version="3.11.3-2.1",
        path="pool/main/n/nlohmann-json3/nlohmann-json3_3.11.3.orig.tar.gz",
        size=8053705,
        sha256="0d8ef5af7f9794e3263480193c491549b2ba6cc74bb018906202ada498a79406",
        source="Debian 13 trixie, main, source/Sources",
    ),
    licence="MIT",
    texts=("LICENSE.MIT",),
    headers={"nlohmann/json.hpp": "source/single_include/nlohmann/json.hpp"},
)

# What decrypts a model: its cipher, its hash, and what makes a key of a box's fingerprint.
_SODIUM_SEALED = (
    "crypto_aead/chacha20poly1305/aead_chacha20poly1305.c",
    "crypto_stream/chacha20/stream_chacha20.c",
    "crypto_stream/chacha20/ref/chacha20_ref.c",
    "crypto_onetimeauth/poly1305/onetimeauth_poly1305.c",
    "crypto_onetimeauth/poly1305/donna/poly1305_donna.c",
    "crypto_generichash/blake2b/generichash_blake2.c",
    "crypto_generichash/blake2b/ref/generichash_blake2b.c",
    "crypto_generichash/blake2b/ref/blake2b-ref.c",
    "crypto_generichash/blake2b/ref/blake2b-compress-ref.c",
    "crypto_pwhash/argon2/argon2.c",
    "crypto_pwhash/argon2/argon2-core.c",
    "crypto_pwhash/argon2/argon2-encoding.c",
    "crypto_pwhash/argon2/argon2-fill-block-ref.c",
    "crypto_pwhash/argon2/blake2b-long.c",
    "crypto_pwhash/argon2/pwhash_argon2id.c",
    "sodium/codecs.c",
)
_SODIUM_HEADERS = (
    *("crypto_hash_sha256.h", "crypto_hash_sha512.h", "crypto_sign_ed25519.h", "export.h"),
    *(
        "crypto_aead_chacha20poly1305.h",
        "crypto_generichash_blake2b.h",
        "crypto_pwhash_argon2id.h",
        "utils.h",
    ),
)
# What checks a licence, by the same sources as in the box's helper (native_build.py), and decrypts a model.
_SODIUM = Library(
    name="libsodium",
    source=SODIUM,
    release=SODIUM_VERSION,
    licence="ISC",
    texts=(SODIUM_LICENCE,),
    archive="sodium",
    headers={f"sodium/{name}": f"source/{SODIUM_FOLDER}/include/sodium/{name}" for name in _SODIUM_HEADERS},
    files=tuple(f"{SODIUM_FOLDER}/{file}" for file in (*SODIUM_FILES, *_SODIUM_SEALED)),
    defines=("CONFIGURED=1", "DEV_MODE=0"),
    # Its warnings are its authors'. Section by section, so that a linker leaves out what is not called.
    flags=("-w", "-ffunction-sections", "-fdata-sections"),
    includes=(
        *(f"{SODIUM_FOLDER}/include", f"{SODIUM_FOLDER}/include/sodium"),
        "src/libsodium/builds/msvc",  # version.h, which its configure would write
    ),
)

_ALL = (_ZLIB, _SPNG, _JPEG, _NGHTTP2, _JSON, _SODIUM)
LIBRARIES: Mapping[str, Library] = {library.name: library for library in _ALL}

_WAY = 3  # counted up when edgepack.compile.library builds in another way
_SIMD = ("aarch64", "armhf")  # where libjpeg-turbo's is C


@dataclass(frozen=True)
class LibrarySpec:
    """One build of a library: for which processor, by which toolchain. Fields as of NcnnSpec."""

    name: str
    arch: str
    cpu: str | None = None
    toolchain: str = "zig"
    glibc: str = ""

    @property
    def library(self) -> Library:
        """What is built. Raises InputError for a name that is not known."""
        if self.name not in LIBRARIES:
            raise InputError(f"no library {self.name!r} is known", why=f"known: {', '.join(LIBRARIES)}")
        return LIBRARIES[self.name]

    def needs(self) -> tuple[LibrarySpec, ...]:
        """The builds that this one is made with."""
        return tuple(
            LibrarySpec(name, self.arch, self.cpu, self.toolchain, self.glibc) for name in self.library.needs
        )

    def options(self) -> dict[str, str]:
        """CMake's ``-D`` words, in a fixed order."""
        simd = "ON" if self.arch in _SIMD else "OFF"
        more = {"WITH_SIMD": simd} if self.name == "libjpeg-turbo" else {}
        return {**self.library.options, **more}

    def key(self) -> str:
        """A digest of everything the library's bytes depend on."""
        inputs = {
            "way": _WAY,
            "spec": asdict(self),
            "library": asdict(self.library),
            "options": self.options(),
            "needs": [spec.key() for spec in self.needs()],
            "flags": asdict(flags(self.toolchain, self.glibc)),
            "pins": pins(self.toolchain, self.arch),
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def with_needs(names: tuple[str, ...]) -> tuple[str, ...]:
    """These libraries and what they need, each once, a library before what it needs: a linker's order."""
    found: list[str] = []
    for name in names:
        for each in (name, *with_needs(LIBRARIES[name].needs)):
            if each in found:
                found.remove(each)
            found.append(each)
    return tuple(found)
