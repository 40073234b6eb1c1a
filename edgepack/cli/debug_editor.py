"""``edgepack debug NODE --editor``: files and words with which an editor does the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def run(folder: Path, node: str, editor: str, screen: Screen) -> int:
    """Write them, or say them. The box is not asked. Raises EditorError, InputError, ToolError."""
    from edgepack.catalog import targets
    from edgepack.cli import nodes
    from edgepack.debug import editors, gdb, sources
    from edgepack.tools import debug_files
    from edgepack.tools import gdb as tool

    target = nodes.target_of(folder, node)
    arch = targets.load(target, folder).arch
    where = sources.of(folder, target)
    if "/project" not in where:
        screen.remark(f"edgepack build {target} first, else an editor does not find the generated sources")
    file = editors.link(folder, node)
    setup = gdb.Setup(arch, file, sources=where, debug_root=debug_files.folder())
    wanted = editors.Wanted(node, folder, tool.find(gdb.ARCHITECTURES[arch]), setup)
    if editor != "vscode":
        said = editors.neovim(wanted) if editor == "nvim" else editors.jetbrains(wanted)
        screen.result({"editor": editor, "port": wanted.port, "words": said})
        screen.text(said)
        return 0
    written = editors.write_vscode(wanted)
    screen.result({"editor": editor, "port": wanted.port, "changed": written.changed, "kept": written.kept})
    for name in written.changed:
        screen.text(f"wrote {name}")
    for name in written.kept:
        screen.remark(f"left as it is, though edgepack would write something else: {name}")
    if not written.changed:
        screen.text("nothing to change")
    return 0
