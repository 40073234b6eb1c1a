"""From what is known about a program to its C++ project on disk, so that nothing is rebuilt in vain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edgepack.catalog import paths
from edgepack.catalog.runtimes import LINKED
from edgepack.catalog.vendor_runtimes import backend_of, backends
from edgepack.compile import quoting
from edgepack.compile.blocks import Block, Step, headers, steps
from edgepack.compile.flow import FlowSpec, check_flow
from edgepack.compile.quoting import cmake_path, entry
from edgepack.errors import InputError
from edgepack.plan.gates import Gates

TEMPLATE = "templates/program"
FORM_TEMPLATES = {"sdk": "templates/sdk", "service": "templates/service"}  # rendered beside it
USER_PRESETS = "CMakeUserPresets.json"  # beside the rendered files, but of this machine: not rendered

_SUFFIX = ".j2"
_SEMANTIC = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?![\d.])", re.ASCII)
DECODERS = ("jpeg", "png")  # what `templates/program` has a `decode_<format>.cpp` for
_DEVICE = frozenset({"src/device.cpp", "src/device.hpp"})
_SEALED = frozenset({"src/sealed.cpp", "src/sealed_file.cpp", "src/sealed_file.hpp"})
_LICENCE = frozenset(
    f"src/{name}"
    for name in (
        *("licence.cpp", "licence_clock.cpp", "licence_clock.hpp"),
        *("licence_keys.cpp.j2", "licence_keys.hpp", "licence_text.cpp", "licence_text.hpp"),
    )
)
_PYTHON = frozenset(
    ("python/worker.py", "src/python_entries.cpp.j2", "src/python_worker.cpp", "src/python_worker.hpp")
)
RUNTIMES = frozenset(LINKED)
"""What `templates/program` has a `model_<runtime>.cpp` for."""


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of the converted model: the runtime's name, the ONNX name, the shape with its batch axis.

    channels_last: the runtime keeps it as (N, H, W, C) where ``shape`` is (N, C, H, W).
    """

    blob: str
    tensor: str
    shape: tuple[int, ...]
    channels_last: bool = False

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample: without the leading batch axis of 1."""
        return self.shape[1:] if len(self.shape) > 1 and self.shape[0] == 1 else self.shape


@dataclass(frozen=True)
class MemberSpec:
    """A model beside the first one, asked by `each` in its ``post``."""

    name: str
    pre: tuple[Block, ...]
    post: tuple[Block, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class ServiceSpec:
    """How the form `service` listens, and how much it takes: the manifest's `service`, flat."""

    address: str = "127.0.0.1"
    http: int = 8000
    grpc: int | None = 8001
    instances: int = 1
    most: int = 8
    wait_ms: int = 0
    queue: int = 64
    timeout_ms: int = 10_000
    most_request_mb: int = 64


@dataclass(frozen=True)
class PythonSpec:
    """The box's Python, for steps in it: the manifest's `python`."""

    version: str
    program: str = "python3"
    timeout_ms: int = 5000


@dataclass(frozen=True)
class ProgramSpec:
    """All that the generated program depends on; equal specs render equal files.

    licence_keys: of those who issue licences, 64 hexadecimal digits each; none where no licence is asked for.
    num_threads: 0 leaves it to the runtime. chip: whose library it is, where a runtime has several.
    formats: of images that are decoded by a library, like ``jpeg``.
    """

    name: str
    version: str
    target: str
    arch: str
    runtime: str
    pre: tuple[Block, ...]
    post: tuple[Block, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    gates: Gates
    flow: FlowSpec = field(default_factory=FlowSpec)
    precision: str = "fp32"
    num_threads: int = 1
    chip: str = ""
    formats: tuple[str, ...] = ()
    most_pixels: int = 25_000_000
    form: str = "app"
    service: ServiceSpec = ServiceSpec()
    members: tuple[MemberSpec, ...] = ()
    licence_keys: tuple[str, ...] = ()
    licence_required: bool = True
    encrypted: bool = False  # the model's files are, with a key that the box has
    python: PythonSpec | None = None  # where a step is Python

    @property
    def backend(self) -> str:
        """Which ``model_<backend>.cpp`` drives the runtime."""
        return backend_of(self.runtime, self.chip)

    @property
    def release(self) -> tuple[int, int, int]:
        """Major, minor and patch of the version: what a library's soname and its package are made of."""
        numbers = _SEMANTIC.match(self.version)
        if numbers is None:
            raise InputError(f"the version {self.version} is not like 1.2.0", where="edgepack.yaml")
        return int(numbers[1]), int(numbers[2]), int(numbers[3])

    def sections(self) -> tuple[tuple[str, tuple[Block, ...]], ...]:
        """Each ``pre`` and each ``post``, the first model's first."""
        every = ((self.pre, self.post), *((one.pre, one.post) for one in self.members))
        return tuple((name, of) for pre, post in every for name, of in (("pre", pre), ("post", post)))

    def sources(self) -> tuple[str, ...]:
        """The project's own C++ files, each once, in the order of their first use."""
        blocks = (block for _, of in self.sections() for block in of if block.kind == "code")
        blocks = (block for block in blocks if not _is_python(block))
        return tuple(dict.fromkeys(str(PurePosixPath(block.file)) for block in blocks))

    def python_entries(self) -> tuple[tuple[str, str, bool], ...]:
        """File, function, and whether it takes an image: each step in Python once."""
        found = ((name, block) for name, of in self.sections() for block in of if block.kind == "code")
        return tuple(dict.fromkeys((b.file, b.entry, name == "pre") for name, b in found if _is_python(b)))

    def more_objects(self) -> tuple[str, ...]:
        """CMake's object libraries that a project may have: its own C++, and what its flow needs."""
        own_source = self.flow.code and self.form == "app" and self.flow.code not in self.sources()
        net = self.form == "app" and self.flow.files
        own = {"user": self.sources(), "user_source": own_source}
        found = {**own, "net": net, "sealed": self.encrypted, "python": self.python}
        return tuple(name for name, there in found.items() if there)


def _is_python(block: Block) -> bool:
    return block.file.endswith(".py")


@dataclass(frozen=True)
class Entry:
    """A function that the user's file must define."""

    file: str
    name: str
    signature: str  # as the user writes it: "void decode(const std::vector<edgepack::Tensor>& outputs, …)"

    @property
    def declaration(self) -> str:
        """The signature in its namespace, as one line of C++."""
        *spaces, _name = self.name.split("::")
        line = f"{self.signature};"
        return f"namespace {'::'.join(spaces)} {{ {line} }}" if spaces else line


def entries(spec: ProgramSpec) -> tuple[Entry, ...]:
    """Every entry that the manifest names, each once."""
    found: dict[tuple[str, str], Entry] = {}
    for section, blocks in spec.sections():
        for block in blocks:
            if block.kind != "code":
                continue
            name = block.entry.rsplit("::", 1)[-1]
            signature = (
                f"edgepack::Tensor {name}(const edgepack::Tensor& image)"
                if section == "pre"
                else f"void {name}(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record)"
            )
            file = str(PurePosixPath(block.file))
            found[block.entry, signature] = Entry(file, block.entry, signature)
    if spec.flow.code:
        name = spec.flow.entry.rsplit("::", 1)[-1]
        signature = f"std::unique_ptr<edgepack::Source> {name}(const std::string& data)"
        found[spec.flow.entry, signature] = Entry(spec.flow.code, spec.flow.entry, signature)
    return tuple(found.values())


def render_program(spec: ProgramSpec, dest: Path, templates: Sequence[Path] = ()) -> None:
    """Write the C++ project of ``spec`` into ``dest``, from the templates that are its own, else the shipped.

    Only files whose content changes are touched, and files that no template makes any more are removed:
    a build tool that looks at times then does nothing. Raises InputError for a spec that cannot be a program.
    """
    check(spec)
    wanted: dict[str, bytes] = {}
    for template in templates or [paths.data(name) for name in template_names(spec.form)]:
        wanted |= _rendered(spec, template)
    for relative, content in wanted.items():
        path = dest / relative
        if path.is_file() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for path in sorted(dest.rglob("*")):
        relative = path.relative_to(dest).as_posix()
        if path.is_file() and relative not in wanted and relative != USER_PRESETS:
            path.unlink()


def template_names(form: str) -> tuple[str, ...]:
    """The folders that a form's C++ project is rendered from."""
    return (TEMPLATE, FORM_TEMPLATES[form]) if form in FORM_TEMPLATES else (TEMPLATE,)


def check(spec: ProgramSpec) -> None:
    """Refuse what would become wrong or dangerous C++. Raises InputError."""
    for _, blocks in spec.sections():
        for block in blocks:
            if block.kind == "code":
                entry(block.entry)
                if not _is_python(block):
                    cmake_path(block.file)
    if len(spec.inputs) != 1 or not spec.outputs:
        raise InputError(
            f"the model has {len(spec.inputs)} inputs and {len(spec.outputs)} outputs",
            why="a program gives one image to one input, and needs an output",
        )
    members = [tensor for one in spec.members for tensor in (*one.inputs, *one.outputs)]
    if any(len(one.inputs) != 1 or not one.outputs for one in spec.members):
        raise InputError("a model beside the first one has not one input and an output", where="models")
    for tensor in (*spec.inputs, *spec.outputs, *members):
        if not tensor.shape or any(axis < 1 for axis in tensor.shape):
            raise InputError(
                f"the tensor {tensor.tensor} has the shape {list(tensor.shape)}",
                why="a program needs shapes that are known when it is built",
                fix="export the model with fixed sizes",
            )
    if len({tensor.tensor for tensor in spec.outputs}) != len(spec.outputs):
        raise InputError("two outputs of the model have the same name")
    check_flow(spec.flow, [tensor.tensor for tensor in spec.outputs])
    if spec.flow.code:
        entry(spec.flow.entry)
        cmake_path(spec.flow.code)


def _steps(spec: ProgramSpec | MemberSpec) -> dict[str, tuple[Step, ...]]:
    outputs = [tensor.tensor for tensor in spec.outputs]
    return {"pre": steps("pre", spec.pre, outputs), "post": steps("post", spec.post, outputs)}


def _rendered(spec: ProgramSpec, template: Path) -> dict[str, bytes]:
    environment = _environment(template)
    found = _steps(spec)
    members = [(one, _steps(one)) for one in spec.members]
    every = (found, *(steps for _, steps in members))
    known = {
        "spec": spec,
        "entries": entries(spec),
        "sources": spec.sources(),
        "steps": _told(found),
        "members": [
            {"name": one.name, **_told(steps), "inputs": one.inputs, "outputs": one.outputs}
            for one, steps in members
        ],
        "headers": headers(*(those for steps in every for those in steps.values())),
        "decoders": [word for word in DECODERS if word in spec.formats],
    }
    files: dict[str, bytes] = {}
    unused = {backend_of(runtime) for runtime in RUNTIMES} | backends()
    others = {f"src/model_{backend}.cpp" for backend in unused - {spec.backend}}
    others |= {f"src/decode_{word}.cpp" for word in set(DECODERS) - set(spec.formats)}
    others |= {"src/no_licence.cpp"} if spec.licence_keys else _LICENCE
    others |= frozenset() if spec.encrypted else _SEALED
    others |= frozenset() if spec.python else _PYTHON
    others |= frozenset() if spec.licence_keys or spec.encrypted else _DEVICE
    for path in sorted(template.rglob("*")):
        relative = path.relative_to(template).as_posix()
        if not path.is_file() or relative in others:
            continue
        if relative.endswith(_SUFFIX):
            text = environment.get_template(relative).render(known)
            files[relative.removesuffix(_SUFFIX)] = text.encode()
        else:
            files[relative] = path.read_bytes()
    return files


def _told(found: Mapping[str, tuple[Step, ...]]) -> dict[str, list[tuple[str, Any, Block]]]:
    return {section: [(s.kind, s.by, s.block) for s in those] for section, those in found.items()}


def _environment(template: Path) -> Any:
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - C++ and CMake, whose escaping is done by the filters below
        loader=jinja2.FileSystemLoader(template),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= quoting.FILTERS
    return environment
