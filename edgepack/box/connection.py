"""One SSH connection to a box: opened as the user's own ``ssh`` would, with strict host keys.

Nothing is ever asked: a password or a passphrase that would be needed is an error that says so.
"""

from __future__ import annotations

import logging
import socket
from functools import partial
from pathlib import Path
from typing import Any

import fabric
import paramiko

from edgepack.box import hostkeys
from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import UnreachableError
from edgepack.errors import InputError

CONNECT_S = 10  # each of: TCP, the server's banner, the authentication, a channel
DEAD_MS = 60_000  # what was sent and not acknowledged for so long was sent in vain
ALIVE_S = 15  # a packet this often keeps address translators from forgetting an idle connection


def connect(endpoint: Endpoint) -> fabric.Connection:
    """Open the connection. Raises UnreachableError or HostKeyError, each with what to do."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else it writes on the screen
    connection = _prepare(endpoint)
    hops = _hops(connection)
    for hop in reversed(hops[1:]):
        _open(hop, _jump(endpoint, hop), endpoint)
    _open(connection, endpoint.where, endpoint)
    connection.transport.set_keepalive(ALIVE_S)
    return connection


def hang_up(connection: fabric.Connection) -> None:
    """End a connection, and those to the hosts it goes through."""
    for hop in _hops(connection):
        transport = hop.client.get_transport()
        hop.client.close()
        if transport is not None:
            transport.sock.close()  # paramiko leaves it open where the other end was the first to go


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
    return connection


def _jump(endpoint: Endpoint, hop: fabric.Connection) -> str:
    return f"{endpoint.node}'s jump host {hop.host}"


def _how(endpoint: Endpoint, *, only: bool) -> dict[str, Any]:
    """paramiko's arguments: where the keys come from, and how long anything may take."""
    how: dict[str, Any] = {
        "timeout": CONNECT_S,
        "banner_timeout": CONNECT_S,
        "auth_timeout": CONNECT_S,
        "channel_timeout": CONNECT_S,
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
        how["pkey"] = _load(identity)
        if only:
            # A server counts every key that is tried, and hangs up after a few. A key with a
            # passphrase is its agent's to use.
            how["look_for_keys"] = False
            how["allow_agent"] = how["pkey"] is None
    return how


def _load(identity: Path) -> paramiko.PKey | None:
    """A private key, with its certificate where there is one; None where it has a passphrase.

    Read here, because paramiko's client tries each type of key in turn and reports the last failure.
    """
    try:
        key = paramiko.PKey.from_path(identity)
        certificate = identity.with_name(f"{identity.name}-cert.pub")
        if certificate.is_file():
            key.load_certificate(str(certificate))
    except (paramiko.PasswordRequiredException, TypeError):
        return None
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError, OSError) as error:
        raise InputError(
            "the private key cannot be read", where=str(identity), why=str(error) or type(error).__name__
        ) from error
    return key


def _transport(algorithms: tuple[str, ...], sock: Any, **rest: Any) -> paramiko.Transport:
    """paramiko's own, which first asks for the keys that are known, and for quick ciphers."""
    if isinstance(sock, socket.socket):
        # Else a link that went dead while we send is noticed only after a quarter of an hour.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_MS)
    transport = paramiko.Transport(sock, **rest)
    options = transport.get_security_options()
    # Processors have instructions for these; the others that paramiko offers are old.
    options.ciphers = [
        *(cipher for cipher in options.ciphers if "gcm" in cipher),
        *(cipher for cipher in options.ciphers if "ctr" in cipher),
    ]
    preferred = [name for name in algorithms if name in options.key_types]
    options.key_types = [*preferred, *(name for name in options.key_types if name not in preferred)]
    return transport


def _hops(connection: fabric.Connection) -> list[fabric.Connection]:
    """The connection, then the hosts it goes through, the nearest to us last."""
    hops = [connection]
    while isinstance(hops[-1].gateway, fabric.Connection):
        hops.append(hops[-1].gateway)
    return hops


def _check_keys(connection: fabric.Connection, endpoint: Endpoint, where: str) -> hostkeys.Strict:
    """Have the connection take no key but those that are vouched for."""
    pin = endpoint.host_key if where == endpoint.where else None
    plain = connection.port == paramiko.config.SSH_PORT
    name = connection.host if plain else f"[{connection.host}]:{connection.port}"
    vouched = (
        hostkeys.known(name, connection.ssh_config) if pin is None else hostkeys.pinned(name, pin, where)
    )
    policy = hostkeys.Strict(where, vouched, can_pin=where == endpoint.where)
    connection.client.set_missing_host_key_policy(policy)
    connection.connect_kwargs["transport_factory"] = partial(_transport, vouched.algorithms())
    return policy


def _open(connection: fabric.Connection, where: str, endpoint: Endpoint) -> None:
    policy = _check_keys(connection, endpoint, where)
    try:
        connection.open()
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise _unreachable(error, connection, where, endpoint, policy.vouched) from error
    finally:
        if not connection.is_connected:
            hang_up(connection)


def _unreachable(
    error: Exception, connection: fabric.Connection, where: str, endpoint: Endpoint, vouched: bool
) -> UnreachableError:
    """In words what kept us out. ``vouched``: the host key was checked already, so SSH is spoken."""
    at = f"{connection.host}:{connection.port}"
    if isinstance(error, socket.gaierror):
        return UnreachableError(
            f"the name {connection.host} is not known",
            where=where,
            why=error.strerror or "",
            fix="check `address:` of the node in fleet.yaml, or the Host in your ~/.ssh/config",
        )
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return UnreachableError(
            f"{at} does not take the connection",
            where=where,
            why=", ".join(
                sorted({str(getattr(cause, "strerror", cause)) for cause in error.errors.values()})
            ),
            fix="check that the box is on, that its SSH server runs, and `port:` in fleet.yaml",
        )
    if (between := _between(error, connection, where)) is not None:
        return between
    if vouched and isinstance(error, paramiko.SSHException):
        return _not_let_in(error, connection, where, endpoint)
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        silent = isinstance(error, TimeoutError)
        return UnreachableError(
            f"{at} does not answer",
            where=where,
            why=f"nothing came within {CONNECT_S:g} s: it is off, or a firewall drops what is sent"
            if silent
            else str(error.strerror or error),
            fix="check its power, its cable and the address",
        )
    return UnreachableError(
        f"what answers at {at} does not speak SSH as it should",
        where=where,
        why=str(error) or "it hung up in the middle",
        fix="check `port:` of the node in fleet.yaml; on the box, look at its SSH server's log",
    )


def _between(error: Exception, connection: fabric.Connection, where: str) -> UnreachableError | None:
    """In words what stopped us at a jump host or in a ProxyCommand, if that was it."""
    at = f"{connection.host}:{connection.port}"
    if isinstance(error, paramiko.ChannelException):
        return UnreachableError(
            f"the jump host {connection.gateway.host} does not get through to {at}",
            where=where,
            why=error.text,
            fix="check `address:` and `port:` of the node as the jump host sees it",
        )
    if isinstance(connection.gateway, str) and isinstance(
        error, (FileNotFoundError, paramiko.ProxyCommandFailure)
    ):
        return UnreachableError(
            "the ProxyCommand of your SSH configuration failed",
            where=where,
            why=str(error),
            fix=f"try it: {connection.gateway}",
        )
    return None


def _not_let_in(
    error: paramiko.SSHException, connection: fabric.Connection, where: str, endpoint: Endpoint
) -> UnreachableError:
    user = connection.user
    locked = endpoint.identity is not None and connection.connect_kwargs["pkey"] is None
    if locked or isinstance(error, paramiko.PasswordRequiredException):
        why, fix = "your key has a passphrase, and nothing is asked here", "load it into your agent: ssh-add"
    else:
        keys = str(endpoint.identity) if endpoint.identity else "any of your agent's and ~/.ssh's keys"
        why = f"it did not take {keys} ({str(error).rstrip('.')})"
        fix = (
            f"put your public key into ~{user}/.ssh/authorized_keys on the box, "
            "or set `user:` and `identity:` of the node in fleet.yaml"
        )
    at = f"{connection.host}:{connection.port}"
    return UnreachableError(f"{at} does not let {user} in", where=where, why=why, fix=fix)
