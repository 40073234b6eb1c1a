"""``encryption``: the models lie encrypted on a box, and its hardware opens them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgepack.manifest.secrets import SecretSource
from edgepack.manifest.words import Model, matching


class Encryption(Model):
    """The app's models are ciphertext in the bundle and on the box; the program decrypts them into memory."""

    id: Annotated[
        str, matching(r"[0-9a-f]{16}", "this must be a key's id, 16 hexadecimal digits: `edgepack key`")
    ] = Field(description="which key it is, as `edgepack key new` and `edgepack key show` say it")
    key: SecretSource = Field(
        description="where the key comes from, like a node's secrets; never the key itself"
    )
    device: Literal["hardware", "any"] = Field(
        default="hardware",
        description="what a box's key is bound to: its hardware's serial number; or any, also its machine-id "
        "or MAC address, which whoever copies the whole flash has too",
    )
