"""A container is not trusted: its files never lead out of it, and never hold up the agent."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.probes.node_folder import Node

from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError

OUTSIDE = b"of the node"
INSIDE = b"of the container"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a container of process 7, beside a file of the node."""
    root = tmp_path / "containers" / "one"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "file").write_bytes(INSIDE)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "file").write_bytes(OUTSIDE)
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "root").symlink_to(root)
    return root


def container(root: Path) -> Container:
    return Container(str(root.parents[1] / "proc"), 7)


@pytest.mark.parametrize(
    "target",
    [
        "/etc/file",
        "../../../../etc/file",
        "/../../etc/file",
        "./../etc/./file",
        "/proc/../etc/file",
    ],
)
def test_a_link_is_followed_within_the_container_only(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    assert container(root).read("/link", 100) == INSIDE


def test_a_folder_that_is_a_link_does_not_lead_out(root: Path) -> None:
    (root / "up").symlink_to("../..")
    (root / "top").symlink_to("/")
    assert container(root).read("/up/top/up/etc/file", 100) == INSIDE
    assert "containers" not in container(root).names("/up")


def test_dots_in_the_path_itself_do_not_lead_out(root: Path) -> None:
    assert container(root).read("/../../../etc/file", 100) == INSIDE


def test_a_link_to_a_file_of_the_node_by_its_real_path_is_not_there(root: Path) -> None:
    (root / "link").symlink_to(root.parents[1] / "etc" / "file")
    with pytest.raises(FileNotFoundError):
        container(root).read("/link", 100)


def test_the_link_to_the_root_of_a_process_stays_inside(root: Path) -> None:
    (root / "proc").mkdir()
    (root / "proc" / "root").symlink_to("/")
    assert container(root).read("/proc/root/etc/file", 100) == INSIDE


@pytest.mark.parametrize("target", ["loop", "/loop", "other"])
def test_links_in_circles_end(root: Path, target: str) -> None:
    (root / "loop").symlink_to(target)
    (root / "other").symlink_to("loop")
    with pytest.raises(ProbeError, match="too many links"):
        container(root).read("/loop", 100)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize("make", [_fifo, _folder, _socket])
def test_only_regular_files_are_opened(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "odd")
    with pytest.raises(ProbeError, match="not a regular file"):
        container(root).read("/odd", 100)


def test_a_device_is_not_opened(root: Path) -> None:
    if os.geteuid():
        assert not os.environ.get("CI"), "CI runs as root"
        pytest.skip("only root can make a device")
    os.mknod(root / "zero", 0o666 | 0o020000, os.makedev(1, 5))
    with pytest.raises(ProbeError, match="not a regular file"):
        container(root).read("/zero", 100)


def test_a_huge_file_is_refused_before_it_is_read(root: Path) -> None:
    with (root / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ProbeError, match="larger than 100 bytes"):
        container(root).read("/huge", 100)


def test_what_is_not_there_says_so(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        container(root).read("/none", 100)
    with pytest.raises(FileNotFoundError):
        container(root).names("/none")
    with pytest.raises(FileNotFoundError):
        Container(str(root), 8).names("/")


def test_a_path_with_a_nul_is_refused(root: Path) -> None:
    with pytest.raises(ProbeError, match="NUL"):
        container(root).read("/a\0b", 100)


def test_a_folder_of_any_size_gives_a_bounded_list(root: Path) -> None:
    for number in range(4200):
        (root / "etc" / f"{number:05}").touch()
    assert len(container(root).names("/etc")) == 4096


def test_no_descriptor_stays_open(root: Path) -> None:
    (root / "loop").symlink_to("loop")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("/etc/file", "/none", "/loop", "/etc"):
        try:
            container(root).read(path, 100)
        except (OSError, ProbeError):
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("path", ["/" + "a/" * 60_000, "/" + "a/" * 300, "/" + "a" * 4096])
def test_a_path_that_is_too_long_or_too_deep_is_not_followed(tmp_path: Path, path: str) -> None:
    node = Node(tmp_path).start()
    node.process(77, ["x"])
    with pytest.raises(ProbeError, match="too long or too deep"):
        Container(node.settings.host_proc, 77).read(path, 10)


def test_a_link_that_leads_too_deep_is_not_followed(tmp_path: Path) -> None:
    node = Node(tmp_path).start()
    node.process(77, ["x"])
    (node.root / "container" / "l").symlink_to("a/" * 1000 + "b")
    with pytest.raises(ProbeError, match="too deep"):
        Container(node.settings.host_proc, 77).read("/l", 10)
