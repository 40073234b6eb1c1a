"""Where a node's secrets come from: never their values, which nobody should find in git."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from edgepack.manifest.words import Model, matching

SecretName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}",
        "a secret's name has only letters, digits, . _ -, as it becomes a file's name on the box",
    ),
]
_Variable = Annotated[
    str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "this must be the name of an environment variable")
]
_WAYS = ("env", "file", "command", "sops", "age")
_BESIDE = {"key": "sops", "identity": "age"}


class SecretSource(Model):
    """One secret: exactly one of the ways to come by it."""

    env: _Variable | None = Field(default=None, description="a variable of edgepack's own environment")
    file: str | None = Field(
        default=None, description="a file that is not in git; from the project's folder on"
    )
    command: list[str] | None = Field(
        default=None, min_length=1, description="a program and its words, whose output it is; no shell"
    )
    sops: str | None = Field(default=None, description="a file that sops decrypts; `key` says which value")
    key: str | None = Field(default=None, description="in a `sops` file: the value's name")
    age: str | None = Field(default=None, description="a file that age decrypts")
    identity: str | None = Field(default=None, description="with `age`: the file of the identity")

    @model_validator(mode="after")
    def _one_way(self) -> SecretSource:
        given = [way for way in _WAYS if getattr(self, way) is not None]
        if len(given) != 1:
            raise ValueError(f"this must say one of {', '.join(_WAYS)}, and says {len(given)} of them")
        for beside, way in _BESIDE.items():
            if (getattr(self, beside) is not None) != (way in given):
                raise ValueError(f"`{beside}` goes with `{way}`, and `{way}` with `{beside}`")
        return self

    @property
    def at_hand(self) -> bool:
        """Whether nothing has to be run for it, which might ask for a touch or a PIN."""
        return self.env is not None or self.file is not None


Secrets = Annotated[
    dict[SecretName, SecretSource],
    Field(
        description="name → where it comes from; on the box it is the file `secrets/NAME` below the app's "
        "data folder, of mode 0600"
    ),
]
