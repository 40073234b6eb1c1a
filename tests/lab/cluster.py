"""A cluster on the loopback: etcd, API server, controllers, scheduler, with certificates of its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from kubernetes import client, config

from . import cluster_programs

START_S = 600.0  # a loaded machine takes minutes
_ADDRESS = "127.0.0.1"
CONTEXT = "the-lab"


class Authority:
    """Signs what the parts of a cluster show each other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
        made = _certificate(name, name, self._key).add_extension(
            x509.BasicConstraints(True, None), critical=True
        )
        self.certificate = made.sign(self._key, hashes.SHA256())
        (folder / "ca.pem").write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, who: str, group: str = "") -> None:
        """``WHO.pem`` and ``WHO.key``."""
        key = ec.generate_private_key(ec.SECP256R1())
        words = [x509.NameAttribute(NameOID.COMMON_NAME, who)]
        words += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
        made = _certificate(x509.Name(words), self.certificate.subject, key)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(_ADDRESS))])
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        made = made.add_extension(names, critical=False).add_extension(both, critical=False)
        signed = made.sign(self._key, hashes.SHA256())
        (self.folder / f"{who}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        (self.folder / f"{who}.key").write_bytes(_private(key))

    def kubeconfig(self, who: str, port: int) -> Path:
        """A kubeconfig that shows such a certificate."""
        file = self.folder / f"{who}.kubeconfig"
        cluster = {
            "server": f"https://{_ADDRESS}:{port}",
            "certificate-authority": str(self.folder / "ca.pem"),
        }
        user = {
            f"client-{what}": str(self.folder / f"{who}.{end}")
            for what, end in (("certificate", "pem"), ("key", "key"))
        }
        context = {"cluster": "lab", "user": who}
        known: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": CONTEXT}
        known["clusters"] = [{"name": "lab", "cluster": cluster}]
        known["users"] = [{"name": who, "user": user}]
        known["contexts"] = [{"name": CONTEXT, "context": context}]
        file.write_text(yaml.safe_dump(known))
        return file


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> Any:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
    )


def _private(key: Any) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    whole: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return whole


def _ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((_ADDRESS, 0))
        return [one.getsockname()[1] for one in sockets]


class Cluster:
    """Up from ``with`` to its end. ``api``: the official client, as the cluster's administrator."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._programs = folder, cluster_programs.programs()
        folder.mkdir()
        self._running: list[subprocess.Popen[bytes]] = []
        self.port, self._etcd, self._peer = _ports(3)
        authority = Authority(folder)
        for who, group in (("server", ""), ("admin", "system:masters"), ("nobody", "")):
            authority.issue(who, group)
        for who in ("system:kube-controller-manager", "system:kube-scheduler"):
            authority.issue(who)
            authority.kubeconfig(who, self.port)
        self.kubeconfig = authority.kubeconfig("admin", self.port)
        self.without_rights = authority.kubeconfig("nobody", self.port)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (folder / "accounts.key").write_bytes(_private(key))

    def __enter__(self) -> Cluster:
        try:
            self._store()
            self._server()
            settings = client.Configuration()
            config.load_kube_config(str(self.kubeconfig), client_configuration=settings)
            self.api = client.ApiClient(settings)
            self._until_ready()
            self._start("kube-controller-manager", *self._controllers())
            self._start("kube-scheduler", *self._as("system:kube-scheduler"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait()

    def _start(self, name: str, *flags: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            argv = [str(self._programs / name), *flags]
            self._running.append(subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.folder))

    def _store(self) -> None:
        here, peer = (f"http://{_ADDRESS}:{port}" for port in (self._etcd, self._peer))
        flags = {"data-dir": self.folder / "etcd", "listen-client-urls": here, "advertise-client-urls": here}
        flags |= {"listen-peer-urls": peer, "initial-advertise-peer-urls": peer, "name": "lab"}
        flags |= {"initial-cluster": f"lab={peer}"}
        self._start("etcd", *(f"--{key}={value}" for key, value in flags.items()))

    def _server(self) -> None:
        flags = {
            "etcd-servers": f"http://{_ADDRESS}:{self._etcd}",
            "bind-address": _ADDRESS,
            "advertise-address": "192.0.2.1",  # where nobody asks: it may not be the loopback
            "endpoint-reconciler-type": "none",
            "secure-port": self.port,
            "insecure-port": 0,
            "cert-dir": self.folder,
            "tls-cert-file": self.folder / "server.pem",
            "tls-private-key-file": self.folder / "server.key",
            "client-ca-file": self.folder / "ca.pem",
            "authorization-mode": "Node,RBAC",
            "service-cluster-ip-range": "10.96.0.0/24",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self.folder / "accounts.key",
            "service-account-signing-key-file": self.folder / "accounts.key",
        }
        self._start("kube-apiserver", *(f"--{key}={value}" for key, value in flags.items()))

    def _as(self, who: str) -> list[str]:
        return [
            f"--kubeconfig={self.folder / who}.kubeconfig",
            f"--authentication-kubeconfig={self.folder / who}.kubeconfig",
            f"--authorization-kubeconfig={self.folder / who}.kubeconfig",
            "--leader-elect=false",
            f"--bind-address={_ADDRESS}",
            "--secure-port=0",
            "--port=0",
        ]

    def _controllers(self) -> list[str]:
        return [
            *self._as("system:kube-controller-manager"),
            "--use-service-account-credentials=true",  # each controller's own account has its rights
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            f"--root-ca-file={self.folder / 'ca.pem'}",
            # A node whose stand-in has to wait for this host's processor is not lost.
            "--node-monitor-grace-period=600s",
        ]

    def _until_ready(self) -> None:
        """It has written the roles of its own programs, too: the controllers wait ten seconds for that."""
        until = time.monotonic() + START_S
        asked = self.api.param_serialize("GET", "/healthz", auth_settings=["BearerToken"])
        while True:
            try:
                answer = self.api.call_api(*asked, _request_timeout=20).response
                words = answer.read().decode(errors="replace")
                assert answer.status == 200, words
                return
            except Exception as error:
                if time.monotonic() > until or any(one.poll() is not None for one in self._running):
                    log = (self.folder / "kube-apiserver.log").read_text(errors="replace")
                    raise AssertionError(f"the API server is not up: {error}\n{log[-3000:]}") from error
                time.sleep(0.5)

    def running(self) -> list[str]:
        """Programs that still run."""
        return [Path(str(one.args[0])).name for one in self._running if one.poll() is None]  # type: ignore[index]


@contextlib.contextmanager
def up(folder: Path) -> Iterator[Cluster]:
    """One cluster."""
    with Cluster(folder) as made:
        yield made
