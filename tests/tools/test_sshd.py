from __future__ import annotations

from pathlib import Path

from edgepack.tools import sshd


def settings(folder: Path) -> sshd.Settings:
    return sshd.Settings(
        host_key=folder / "host_ed25519",
        authorized_keys=folder / "authorized_keys",
        user="anna",
        home=folder / "home",
        begin=("/bin/sh", str(folder / "session.sh"), "it's"),
    )


def test_the_configuration_lets_one_user_in_by_key_and_forwards_nothing() -> None:
    lines = sshd.configuration(settings(Path("/srv/box"))).splitlines()
    assert {
        "AllowUsers anna",
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "UsePAM no",
        "DisableForwarding yes",
    } <= set(lines)


def test_folders_with_odd_names_are_quoted_as_each_reader_needs() -> None:
    lines = sshd.configuration(settings(Path('/srv/a "b" 100%'))).splitlines()
    assert r'HostKey "/srv/a \"b\" 100%/host_ed25519"' in lines
    assert r'AuthorizedKeysFile "/srv/a \"b\" 100%%/authorized_keys"' in lines
    assert r'SetEnv "HOME=/srv/a \"b\" 100%/home" SHLVL=1' in lines
    assert "ForceCommand /bin/sh '/srv/a \"b\" 100%/session.sh' 'it'\"'\"'s'" in lines
