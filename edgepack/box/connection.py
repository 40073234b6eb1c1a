"""One SSH connection to a box: opened as the user's own ``ssh`` would, with strict host keys.

Nothing is ever asked: a password or a passphrase that would be needed is an error that says so.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fabric
import paramiko

from edgepack.box import hostkeys
from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import HostKeyError, UnreachableError
from edgepack.errors import InputError

CONNECT_S = 10  # each of: TCP, the server's banner, the authentication, a channel
ALIVE_S = 15  # a packet this often keeps address translators from forgetting an idle connection


def connect(endpoint: Endpoint) -> fabric.Connection:
    """Open the connection. Raises UnreachableError or HostKeyError, each with what to do."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else it writes on the screen
    connection = _prepare(endpoint)
    hops = _hops(connection)
    for hop in reversed(hops[1:]):
        _open(hop, f"{endpoint.node}'s jump host {hop.host}", endpoint, from_pin=False)
    _open(connection, endpoint.where, endpoint, from_pin=endpoint.host_key is not None)
    connection.transport.set_keepalive(ALIVE_S)
    return connection


def _prepare(endpoint: Endpoint) -> fabric.Connection:
    try:
        config = fabric.Config(lazy=True)
        config.load_ssh_config()
    except (paramiko.SSHException, OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(
            "your SSH configuration cannot be read", where="~/.ssh/config", why=str(error)
        ) from error
    gateway = None
    for hop in (endpoint.jump or "").split(","):
        if hop:
            gateway = fabric.Connection(
                hop, config=config.clone(), gateway=gateway, connect_kwargs=_how(endpoint, only=False)
            )
    try:
        connection = fabric.Connection(
            endpoint.host,
            user=endpoint.user,
            port=endpoint.port,
            config=config,
            gateway=gateway,
            connect_kwargs=_how(endpoint, only=True),
        )
    except (ValueError, paramiko.ConfigParseError) as error:
        raise InputError("this address cannot be used", where=endpoint.where, why=str(error)) from error
    for hop in _hops(connection):
        own = hop is connection
        where = endpoint.where if own else f"{endpoint.node}'s jump host {hop.host}"
        _check_keys(hop, endpoint.host_key if own else None, where, pins=own)
    return connection


def _how(endpoint: Endpoint, *, only: bool) -> dict[str, Any]:
    """paramiko's arguments: where the keys come from, and how long anything may take."""
    how: dict[str, Any] = {
        "timeout": CONNECT_S,
        "banner_timeout": CONNECT_S,
        "auth_timeout": CONNECT_S,
        "channel_timeout": CONNECT_S,
        "transport_factory": _transport,
    }
    if endpoint.identity is not None:
        identity = endpoint.identity.expanduser()
        if not identity.is_file():
            raise InputError(
                "the private key is not there",
                where=str(identity),
                why=f"`identity:` of {endpoint.node} names it",
                fix="give the path of a private key file, or leave it out to use your own keys",
            )
        how["key_filename"] = [str(identity)]
        if only and not _locked(identity):
            # A server counts every key that is tried, and hangs up after a few.
            how["allow_agent"] = how["look_for_keys"] = False
    return how


def _locked(identity: Path) -> bool:
    """Whether a passphrase is on the key file, so that only an agent can use it."""
    try:
        paramiko.PKey.from_path(identity)
    except (paramiko.PasswordRequiredException, TypeError):
        return True
    except (paramiko.SSHException, ValueError, OSError) as error:
        raise InputError(
            "the private key cannot be read", where=str(identity), why=str(error) or type(error).__name__
        ) from error
    return False


def _transport(sock: Any, **rest: Any) -> paramiko.Transport:
    """paramiko's, but with the ciphers first that processors have instructions for."""
    transport = paramiko.Transport(sock, **rest)
    options = transport.get_security_options()
    quick = [cipher for cipher in options.ciphers if "gcm" in cipher]
    safe = [cipher for cipher in options.ciphers if "ctr" in cipher]
    options.ciphers = [*quick, *safe]
    return transport


def _hops(connection: fabric.Connection) -> list[fabric.Connection]:
    """The connection, then the hosts it goes through, the nearest to us last."""
    hops = [connection]
    while isinstance(hops[-1].gateway, fabric.Connection):
        hops.append(hops[-1].gateway)
    return hops


def _check_keys(connection: fabric.Connection, pin: str | None, where: str, *, pins: bool) -> None:
    client = connection.client
    client.set_missing_host_key_policy(hostkeys.Strict(where, pins=pins))
    name = (
        connection.host
        if connection.port == paramiko.config.SSH_PORT
        else f"[{connection.host}]:{connection.port}"
    )
    if pin is not None:
        hostkeys.pinned(client, name, pin, where)
    else:
        hostkeys.known(client, name, connection.ssh_config)


def _open(connection: fabric.Connection, where: str, endpoint: Endpoint, *, from_pin: bool) -> None:
    try:
        connection.open()
    except HostKeyError:
        raise
    except paramiko.BadHostKeyException as error:
        raise hostkeys.changed(error, where, from_pin=from_pin) from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        connection.client.close()
        raise _unreachable(error, connection, where, endpoint) from error


def _unreachable(
    error: Exception, connection: fabric.Connection, where: str, endpoint: Endpoint
) -> UnreachableError:
    at = f"{connection.host}:{connection.port}"
    for kind, explain in _CAUSES:
        if isinstance(error, kind):
            what, why, fix = explain(error, at, connection, endpoint)
            return UnreachableError(what, where=where, why=why, fix=fix)
    return UnreachableError(f"no SSH connection to {at}", where=where, why=str(error) or type(error).__name__)


_Sentences = tuple[str, str, str]
_Explain = Callable[[Any, str, fabric.Connection, Endpoint], _Sentences]


def _no_name(
    error: socket.gaierror, at: str, connection: fabric.Connection, endpoint: Endpoint
) -> _Sentences:
    return (
        f"the name {connection.host} is not known",
        error.strerror or "",
        "check `address:` of the node in fleet.yaml, or the Host in your ~/.ssh/config",
    )


def _refused(error: Any, at: str, connection: fabric.Connection, endpoint: Endpoint) -> _Sentences:
    causes = {str(cause.strerror) for cause in error.errors.values()}
    return (
        f"{at} does not take the connection",
        ", ".join(sorted(causes)),
        "check that the box is on, that its SSH server runs, and `port:` in fleet.yaml",
    )


def _timed_out(error: Any, at: str, connection: fabric.Connection, endpoint: Endpoint) -> _Sentences:
    return (
        f"{at} does not answer",
        f"nothing came within {CONNECT_S} s: the box is off, or a firewall drops what is sent to it",
        "check its power, its cable and the address",
    )


def _not_let_in(error: Any, at: str, connection: fabric.Connection, endpoint: Endpoint) -> _Sentences:
    keys = str(endpoint.identity) if endpoint.identity else "your agent's and ~/.ssh's keys"
    locked = isinstance(error, paramiko.PasswordRequiredException)
    return (
        f"{at} does not let {connection.user} in",
        "the key has a passphrase, and nothing is asked here" if locked else f"it took none of {keys}",
        "load the key into your agent: ssh-add"
        if locked
        else f"put the public key into ~{connection.user}/.ssh/authorized_keys on the box, "
        "or set `user:` and `identity:` of the node in fleet.yaml",
    )


def _no_server(error: Any, at: str, connection: fabric.Connection, endpoint: Endpoint) -> _Sentences:
    return (
        f"what answers at {at} does not speak SSH as it should",
        str(error) or "it hung up in the middle",
        "check `port:` of the node in fleet.yaml; on the box, look at its SSH server's log",
    )


_CAUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], _Explain], ...] = (
    (socket.gaierror, _no_name),
    (paramiko.ssh_exception.NoValidConnectionsError, _refused),
    (paramiko.AuthenticationException, _not_let_in),
    (TimeoutError, _timed_out),
    ((paramiko.SSHException, EOFError, ConnectionError), _no_server),
)
