"""A box's Compose file: what stands in it, from what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edgepack.containers import app, compose
from edgepack.errors import InputError
from edgepack.oci import PLATFORMS
from edgepack.package import image, image_layers

from .samples import HTTP, MQTT, REDIS, made

NODE = {"target": "raspberry-pi-4", "address": "192.0.2.7"}


def rendered(folder: Path, **more: Any) -> tuple[dict[str, Any], compose.Rendered]:
    one, name, node = made(folder, **more)
    files = compose.render(compose.Box(name, node, (one,)))
    return yaml.safe_load(files.files[compose.FILE]), files


def service(folder: Path, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = rendered(folder, **more)[0]["services"]["doors"]
    return found


def test_what_it_takes_of_images_is_what_images_are() -> None:
    assert f"/{image_layers.DATA}" == app.DATA
    assert app.USER == image_layers.USER
    assert image.tag_of("1.0.0+b2") == "1.0.0_b2"
    assert PLATFORMS["armhf"]["variant"] == "v7"


def test_an_image_is_named_by_version_and_target(tmp_path: Path) -> None:
    one = service(tmp_path, version="1.0.0+b2")
    assert one["image"] == "localhost/doors:1.0.0_b2-raspberry-pi-4"
    assert one["platform"] == "linux/arm64"


PLATFORM = {
    "x86_64": "linux/amd64",
    "aarch64": "linux/arm64",
    "armhf": "linux/arm/v7",
    "riscv64": "linux/riscv64",
}


@pytest.mark.parametrize("target", PLATFORM)
def test_the_platform_is_the_architectures(tmp_path: Path, target: str) -> None:
    one = service(tmp_path, nodes={"b": {"target": target, "address": "192.0.2.7"}})
    assert one["platform"] == PLATFORM[target]


MAIL = {"kind": "mail", "host": "127.0.0.1", "sender": "b@s.example", "to": ["g@s.example"], "alarm": "a"}
NETWORKS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("a folder and a file", {}, {"network_mode": "none"}),
    ("asked by all", {"source": HTTP, "sink": []}, {"ports": ["8080:8080"]}),
    ("asked by the box", {"source": {"kind": "http", "port": 8080}, "sink": []}, {"network_mode": "host"}),
    ("metrics for the box", {"metrics": {"port": 9100}}, {"network_mode": "host"}),
    (
        "at one address of the box",
        {"source": HTTP | {"address": "192.0.2.7"}, "sink": []},
        {"network_mode": "host"},
    ),
    ("a broker elsewhere", {"sink": MQTT | {"host": "192.0.2.9"}}, {}),
    ("a broker on the box", {"sink": MQTT}, {"network_mode": "host"}),
    ("a broker on the box, by another name", {"sink": MQTT | {"host": "::1"}}, {"network_mode": "host"}),
    ("a proxy on the box", {"sink": {"kind": "http", "url": "http://127.0.0.1/x"}}, {"network_mode": "host"}),
    ("a stream", {"source": {"kind": "ffmpeg", "input": "rtsp://192.0.2.5/live"}}, {}),
    ("a stream to a server", {"sink": {"kind": "rtsp", "url": "rtsp://192.0.2.5/door"}}, {}),
    ("a relay on the box", {"sink": MAIL}, {"network_mode": "host"}),
    ("a service", {"form": "service"}, {"network_mode": "host"}),
    (
        "a service for all",
        {"form": "service", "service": {"address": "0.0.0.0"}},
        {"ports": ["8000:8000", "8001:8001"]},
    ),
]


@pytest.mark.parametrize(("more", "wanted"), [row[1:] for row in NETWORKS], ids=[row[0] for row in NETWORKS])
def test_an_app_has_the_least_network_it_can_do_with(
    tmp_path: Path, more: dict[str, Any], wanted: dict[str, Any]
) -> None:
    one = service(tmp_path, **more)
    assert {key: one[key] for key in ("network_mode", "ports") if key in one} == wanted
    assert ("hostname" in one) == (wanted.get("network_mode") != "host")


@pytest.mark.parametrize(
    ("target", "runtime", "wanted"),
    [
        ("raspberry-pi-4", None, {}),
        ("rk3588", None, {"devices": ["/dev/dri:/dev/dri"]}),
        (
            "rk3566",
            None,
            {"devices": ["/dev/dri/card1:/dev/dri/card1", "/dev/dri/renderD129:/dev/dri/renderD129"]},
        ),
        ("rk3588", "ncnn", {}),
        ("jetson-orin-nano", None, {"runtime": "nvidia"}),
        ("sophon-se5", None, {}),
    ],
)
def test_devices_are_those_of_the_targets_facts(
    tmp_path: Path, target: str, runtime: str | None, wanted: dict[str, Any]
) -> None:
    nodes = {"b": {"target": target, "address": "192.0.2.7"}}
    one, name, node = made(tmp_path, nodes=nodes)
    if runtime:
        one = app.App(**{**vars(one), "runtime": runtime})
    files = compose.render(compose.Box(name, node, (one,)))
    found = yaml.safe_load(files.files[compose.FILE])["services"]["doors"]
    assert {key: found[key] for key in ("devices", "runtime") if key in found} == wanted
    assert ("names no device" in str(files.warnings)) == (target == "sophon-se5")


def own_target(folder: Path, **facts: Any) -> None:
    place = folder / "doors" / "targets"
    place.mkdir(parents=True)
    known = {"arch": "aarch64", **facts}
    about = {"name": "Ours", "facts": {k: {"value": v, "source": "unit 12"} for k, v in known.items()}}
    (place / "ours.yaml").write_text(yaml.safe_dump({**about, "runtimes": ["rknn"]}))


OURS = {"b": {"target": "ours", "address": "192.0.2.7"}}


def test_a_projects_own_target_has_devices_and_groups(tmp_path: Path) -> None:
    own_target(tmp_path, devices={"NPU": "/dev/galcore", "other": "/dev/foo*"}, device_groups=[44])
    data, files = rendered(tmp_path, nodes=OURS)
    assert data["services"]["doors"]["devices"] == ["/dev/galcore:/dev/galcore"]
    assert data["services"]["doors"]["group_add"] == ["44"]
    assert "/dev/foo* is a pattern" in files.warnings[0]


@pytest.mark.parametrize(
    "facts",
    [
        {"devices": "/dev/x:/dev/mem:rwm"},
        {"devices": "/etc/shadow"},
        {"devices": "/dev/../etc"},
        {"devices": ["/dev/x\n- y"]},
        {"devices": 7},
        {"device_groups": ["video"]},
        {"device_groups": 0},
        {"container_runtime": "../x"},
        {"container_mounts": "/data"},
        {"container_mounts": "/a/../b"},
        {"device_plugin": "gpu"},
    ],
)
def test_a_fact_that_is_no_device_is_refused(tmp_path: Path, facts: dict[str, Any]) -> None:
    own_target(tmp_path, **facts)
    with pytest.raises(InputError, match="cannot be used") as error:
        rendered(tmp_path, nodes=OURS)
    assert error.value.where == "targets/ours.yaml"


ROOM: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {"mem_limit": "768m", "cpus": 3.5}),
    ({}, {"sink": [MQTT, REDIS]}, {"mem_limit": "576m", "cpus": 3.5}),
    ({"limits": {"memory_mb": 300}}, {}, {"mem_limit": "300m", "cpus": 3.5}),
    ({"limits": {"cpu_percent": 150}}, {}, {"mem_limit": "768m", "cpus": 1.5}),
    ({"target": "aarch64"}, {}, {}),
]


@pytest.mark.parametrize(("box", "more", "wanted"), ROOM)
def test_room_is_the_fleets_or_the_targets(
    tmp_path: Path, box: dict[str, Any], more: dict[str, Any], wanted: dict[str, Any]
) -> None:
    one = service(tmp_path, nodes={"b": NODE | box}, **more)
    assert {key: one[key] for key in ("mem_limit", "cpus") if key in one} == wanted


def test_brokers_stand_beside_the_app_that_sends_to_the_box_itself(tmp_path: Path) -> None:
    data, files = rendered(
        tmp_path, sink=[MQTT, REDIS, REDIS | {"key": "other"}, MQTT | {"host": "192.0.2.9"}]
    )
    assert list(data["services"]) == ["doors", "mqtt", "redis"]
    assert data["services"]["doors"]["depends_on"] == ["mqtt", "redis"]
    assert "listener 1883 127.0.0.1\nallow_anonymous true\n" in files.files["mqtt.conf"]
    assert "$$SYS/broker/version" in data["services"]["mqtt"]["healthcheck"]["test"]
    assert "secrets" not in data


def test_a_brokers_users_are_a_file_and_no_words_of_a_command(tmp_path: Path) -> None:
    known = {"user": "box", "password_file": "secrets/mqtt"}
    secrets = {"secrets": {"mqtt": {"env": "MQTT"}}}
    data, files = rendered(
        tmp_path, nodes={"b": NODE | secrets}, sink=[MQTT | known, REDIS | {"password_file": "secrets/mqtt"}]
    )
    assert data["services"]["doors"]["secrets"] == [{"source": "doors-mqtt", "target": "/data/secrets/mqtt"}]
    assert data["secrets"]["mqtt-users"] == {"file": "./secrets/mqtt-users"}
    assert data["services"]["redis"]["command"][-2:] == ["--aclfile", "/run/secrets/redis-users"]
    assert "password_file /run/secrets/mqtt-users" in files.files["mqtt.conf"]
    assert files.files["secrets/.gitignore"].endswith("*\n!.gitignore\n")
    assert files.secrets == ("secrets/doors/mqtt", "secrets/mqtt-users", "secrets/redis-users")


def test_a_licence_is_a_file_beside_the_secrets_and_the_box_is_known_by_its_machine_id(
    tmp_path: Path,
) -> None:
    (tmp_path / "doors").mkdir()
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    (tmp_path / "doors" / "issuer.pub").write_bytes(public)
    data, files = rendered(tmp_path, licence={"key": "issuer.pub"})
    one = data["services"]["doors"]
    assert one["secrets"] == [{"source": "doors.licence", "target": "/data/licence"}]
    assert data["secrets"] == {"doors.licence": {"file": "./secrets/doors.licence"}}
    device = {"type": "bind", "source": "/etc/machine-id", "target": "/etc/machine-id", "read_only": True}
    assert device in one["volumes"]
    assert "#   secrets/doors.licence" in files.files[compose.FILE]


def test_a_secret_that_nobody_brings_is_told(tmp_path: Path) -> None:
    _, files = rendered(tmp_path, sink=MQTT | {"user": "box", "password_file": "secrets/mqtt"})
    assert "doors reads secrets/mqtt" in files.warnings[0]


def test_every_container_can_do_as_little_as_possible(tmp_path: Path) -> None:
    data, _ = rendered(tmp_path, sink=[MQTT, REDIS])
    for one in data["services"].values():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert one["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
        assert one["restart"] == "unless-stopped"
        assert one["pids_limit"]
        assert "privileged" not in one


HOSTILE = "$HOME ${X:-y} `z` \"q\" 's' \\ # c: d\n- e é"


def test_what_is_written_means_what_the_fleet_says(tmp_path: Path) -> None:
    one = service(tmp_path, nodes={"b": NODE | {"zone": HOSTILE}})
    assert one["environment"]["TZ"] == HOSTILE.replace("$", "$$")


def test_a_file_of_the_box_is_given_as_it_is_called(tmp_path: Path) -> None:
    token = "/etc/reader/a,b=c x"
    one = service(tmp_path, sink={"kind": "http", "url": "http://192.0.2.9/", "token_file": token})
    assert one["volumes"][1] == {"type": "bind", "source": token, "target": token, "read_only": True}


def test_a_camera_is_a_device_and_no_file(tmp_path: Path) -> None:
    one = service(tmp_path, source={"kind": "ffmpeg", "input": "/dev/video0"})
    assert one["devices"] == ["/dev/video0:/dev/video0"]
    assert len(one["volumes"]) == 1


def test_a_screen_is_a_device_and_no_file(tmp_path: Path) -> None:
    one = service(tmp_path, sink={"kind": "screen", "device": "/dev/fb1"})
    assert one["devices"] == ["/dev/fb1:/dev/fb1"]
    assert len(one["volumes"]) == 1


def two(folder: Path, first: dict[str, Any], second: dict[str, Any]) -> compose.Rendered:
    one, name, node = made(folder / "1", **first)
    other, _, _ = made(folder / "2", **second)
    return compose.render(compose.Box(name, node, (one, other)))


def test_two_apps_share_the_box_and_a_broker(tmp_path: Path) -> None:
    data = yaml.safe_load(two(tmp_path, {"sink": MQTT}, {"name": "gates", "sink": MQTT}).files[compose.FILE])
    assert list(data["services"]) == ["doors", "gates", "mqtt"]
    assert [data["services"][name]["mem_limit"] for name in ("doors", "gates")] == ["336m", "336m"]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({}, "two projects for box-07 are named doors"),
        ({"name": "gates", "source": HTTP, "sink": []}, "both want port 8080"),
        ({"name": "gates", "sink": REDIS | {"port": 8080}}, "both want port 8080"),
    ],
)
def test_apps_that_do_not_go_together_are_refused(tmp_path: Path, second: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        two(tmp_path, {"source": HTTP, "sink": []}, second)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"form": "sdk"}, "doors is a library"),
        ({"form": "service", "service": {"http": 0}}, "a port that nobody knows"),
        ({"sink": [MQTT, REDIS | {"port": 1883}]}, "two sinks take port 1883"),
    ],
)
def test_what_no_container_can_run_is_refused(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        rendered(tmp_path, **more)


def test_an_app_that_is_called_as_a_broker_keeps_its_name(tmp_path: Path) -> None:
    one, name, node = made(tmp_path, name="mqtt", sink=MQTT)
    files = compose.render(compose.Box(name, node, (one,)))
    assert files.services == ("mqtt", "mqtt-1883")
