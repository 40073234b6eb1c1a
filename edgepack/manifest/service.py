"""The manifest's `service:`: how the form `service` listens, and how much it takes."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from edgepack.manifest.words import Model

Port = Annotated[int, Field(ge=0, le=65535)]


class Batching(Model):
    """Several requests in one go."""

    most: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=8, description="samples that an instance takes at once, and that one request may have"
    )
    wait_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        default=0,
        description="how long a request waits for others, until there are `most` samples, and no longer than "
        "half of the time that it has; 0: an instance takes what is there",
    )


class Service(Model):
    """How the form `service` listens, and how much it takes."""

    address: str = Field(
        default="127.0.0.1",
        description="where it listens, in numbers; `0.0.0.0` or `::` for all of the box's addresses. It has "
        "no TLS and asks nobody who they are",
    )
    http: Port = Field(default=8000, description="port for HTTP; 0: one that is free, which the log says")
    grpc: Port | None = Field(default=8001, description="port for gRPC; `null`: none")
    instances: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="threads that compute, each with a model of its own in memory"
    )
    batching: Batching = Batching()
    queue: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=64, description="requests that may wait; one more is answered 503, UNAVAILABLE"
    )
    timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = Field(
        default=10_000, description="how long a request may wait; then it is answered 504, DEADLINE_EXCEEDED"
    )
    most_request_mb: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=64, description="the largest request; four times as much may be in memory, of all together"
    )

    @field_validator("address")
    @classmethod
    def _numeric(cls, value: str) -> str:
        try:
            found = ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("an address in numbers, like 127.0.0.1, 0.0.0.0 or ::1") from None
        if getattr(found, "scope_id", None):
            raise ValueError("an address without a zone, like ::1")
        return str(found)

    @model_validator(mode="after")
    def _apart(self) -> Service:
        if self.http and self.http == self.grpc:
            raise ValueError("service.http and service.grpc must be different")
        return self
