"""The user's own scripts around a switch, which run on the box: migrations of data, telling others."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgepack.manifest.words import Model


class Hook(Model):
    """One script, and how long it may take."""

    file: str = Field(
        description="a script of the project that begins with `#!`; it runs on the box, in the data folder"
    )
    timeout: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=60, description="seconds after which it is ended, and all that it started; it has failed then"
    )


class Hooks(Model):
    """What runs on the box around the switch to a release; its output is in the box's journal."""

    before_switch: Hook | None = Field(
        default=None,
        description="runs while the old release still answers; where it fails, nothing is switched",
    )
    after_switch: Hook | None = Field(
        default=None, description="runs once the new release was started; where it fails, the box goes back"
    )
    healthy: Hook | None = Field(
        default=None,
        description="a probe of your own, asked once the program looks healthy: it ends with 0 where it is. "
        "It is asked again each second until `health.timeout`; then the box goes back",
    )

    def named(self) -> dict[str, Hook]:
        """Those that there are, as the box calls them."""
        all_of_them = {
            "before-switch": self.before_switch,
            "after-switch": self.after_switch,
            "healthy": self.healthy,
        }
        return {name: hook for name, hook in all_of_them.items() if hook is not None}
