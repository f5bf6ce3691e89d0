"""Names looked up from inside another network namespace, with real firewall rules in the way."""

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.probes.node_folder import need_root

from distcheck.agent.dns_message import AAAA, question
from distcheck.agent.netns import entered
from distcheck.agent.probes import names
from distcheck.agent.probes.names import Asking, Wanted
from distcheck.agent.resolv_conf import read_resolver
from distcheck.checks.evidence.rendezvous import NameLookup
from distcheck.lab.name_server import NameServer

SERVER, DROPS, REJECTS, NOBODY = "127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4"
RULES = f"""
table inet distcheck {{
  chain in {{
    type filter hook input priority 0;
    ip daddr {DROPS} udp dport 53 drop
    ip daddr {REJECTS} udp dport 53 reject with icmpx type admin-prohibited
  }}
}}
"""
HEAD = "vllm-head-0.vllm-head"
DOMAIN = "llm.svc.cluster.local"
RECORDS = {f"{HEAD}.{DOMAIN}": "10.0.0.2", "six.svc.cluster.local": "fd00::2"}


@pytest.fixture(scope="module")
def pod() -> Iterator[Path]:
    """A namespace with a name server that nobody outside can ask."""
    for tool in ("ip", "nft"):
        why = need_root(tool)
        if why:
            assert not os.environ.get("CI"), f"CI {why}"
            pytest.skip(why)
    name = f"distcheck-dns-{os.getpid()}"
    run = ("ip", "netns", "exec", name)
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run([*run, "ip", "link", "set", "lo", "up"], check=True)
        subprocess.run([*run, "nft", "-f", "-"], check=True, input=RULES, text=True)
        path = Path("/run/netns") / name
        with entered(path):
            server = NameServer(SERVER, RECORDS, 53)
        yield path
        server.close()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def looked(pod: Path, name: str, *servers: str, hosts: str = "") -> NameLookup:
    text = "".join(f"nameserver {s}\n" for s in servers)
    search = f"search {DOMAIN} svc.cluster.local cluster.local\noptions ndots:5\n"
    asking = Asking(read_resolver(text + search), hosts)
    return names.look(pod, asking, [Wanted(name, "ray start --address")])[0]


def test_a_name_is_found_by_the_pods_own_search_list(pod: Path) -> None:
    seen = looked(pod, HEAD, SERVER)
    assert (seen.outcome, seen.addresses) == ("resolved", ("10.0.0.2",))
    assert seen.asked == (f"{HEAD}.{DOMAIN}",)
    assert looked(pod, "six", SERVER).addresses == ("fd00::2",)


def test_a_name_that_nobody_has_was_asked_for_in_every_form(pod: Path) -> None:
    seen = looked(pod, "vllm-head-1.vllm-head", SERVER)
    assert (seen.outcome, len(seen.asked)) == ("no_such_name", 4)


def test_dropped_questions_end_in_no_answer_in_bounded_time(pod: Path) -> None:
    seen = looked(pod, HEAD, DROPS)
    assert seen.outcome == "no_answer"
    assert f"{DROPS} gives no answer" in seen.detail


def test_rejected_questions_end_sooner_than_dropped_ones(pod: Path) -> None:
    dropped = looked(pod, HEAD, DROPS)
    for server in (REJECTS, NOBODY):
        seen = looked(pod, HEAD, server)
        assert (seen.outcome, seen.seconds < dropped.seconds) == ("no_answer", True)


def test_the_next_server_is_asked_where_one_is_silent(pod: Path) -> None:
    assert looked(pod, HEAD, NOBODY, SERVER).outcome == "resolved"


def test_hosts_need_no_server(pod: Path) -> None:
    seen = looked(pod, "head", hosts="10.0.0.7 head\n")
    assert (seen.outcome, seen.addresses, seen.asked) == ("resolved", ("10.0.0.7",), ())
    assert looked(pod, "head").outcome == "error"


def test_this_process_stays_home_and_cannot_ask_from_there(pod: Path) -> None:
    home = Path("/proc/thread-self/ns/net").readlink()
    looked(pod, HEAD, SERVER)
    assert Path("/proc/thread-self/ns/net").readlink() == home
    assert looked(Path("/proc/self/ns/net"), HEAD, SERVER).outcome == "no_answer"


def test_a_pod_that_names_many_has_each_of_them_told() -> None:
    asking = Asking(read_resolver(""), "10.0.0.2 n0 n1 n2 n3 n4 n5\n")
    wanted = [Wanted(f"n{n}", "x") for n in range(6)]
    seen = names.look(Path("/proc/self/ns/net"), asking, wanted)
    assert [s.outcome for s in seen] == ["resolved"] * 4 + ["error"] * 2
    assert "at most 4" in seen[-1].detail


class Liar:
    """Answers every question with the bytes that it was given."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                _, client = self._socket.recvfrom(512)
                for one in self._answers:
                    self._socket.sendto(one, client)


def test_lies_are_passed_over_and_do_not_make_it_wait_for_ever() -> None:
    lie = struct.pack("!6H", 1, 0x8180, 1, 1, 0, 0) + question(1, "evil", 1)[12:]
    liar = Liar(*[lie] * 40)
    asking = Asking(read_resolver("nameserver 127.0.0.1\n"), port=liar.port)
    seen = names.attempt(asking, Wanted("head", "x"))
    assert (seen.outcome, seen.addresses) == ("error", ())


def test_a_server_that_answers_over_tcp_alone_is_asked_there() -> None:
    server = NameServer("127.0.0.1", {"head": "10.0.0.2"})
    answer = server._answer
    cut = struct.pack("!H", 0x8380)

    def over_udp(asked: bytes) -> bytes:
        whole = answer(asked)
        is_udp = threading.current_thread().name == "cut"
        return whole[:2] + cut + whole[4:6] + b"\0\0" + whole[8:] if is_udp else whole

    server._answer = over_udp  # type: ignore[method-assign]
    threads = [t for t in threading.enumerate() if "_serve_udp" in t.name]
    threads[-1].name = "cut"
    asking = Asking(read_resolver("nameserver 127.0.0.1\n"), port=server.port)
    assert names.attempt(asking, Wanted("head", "x")).addresses == ("10.0.0.2",)
    server.close()


class Lossy(NameServer):
    """A name server from which some questions do not come through."""

    def __init__(self, is_lost: Callable[[int, int], bool]) -> None:
        self._is_lost, self._asked = is_lost, 0
        super().__init__("127.0.0.1", {"head": "10.0.0.2", "six": "fd00::2"})

    def _answer(self, asked: bytes) -> bytes:
        self._asked += 1
        (kind,) = struct.unpack("!H", asked[-4:-2])
        return b"" if self._is_lost(self._asked, kind) else super()._answer(asked)


@pytest.mark.parametrize(
    "is_lost",
    [lambda number, _: number == 1, lambda _, kind: kind == AAAA],
    ids=["the-first-packet", "every-question-for-ipv6"],
)
def test_a_lost_packet_or_silence_on_ipv6_is_no_silent_server(
    monkeypatch: pytest.MonkeyPatch, is_lost: Callable[[int, int], bool]
) -> None:
    monkeypatch.setattr(names, "TIMEOUT", 0.3)
    server = Lossy(is_lost)
    asking = Asking(read_resolver("nameserver 127.0.0.1\n"), port=server.port)
    seen = names.attempt(asking, Wanted("head", "x"))
    server.close()
    assert (seen.outcome, seen.addresses) == ("resolved", ("10.0.0.2",))


def test_a_name_with_ipv6_alone_on_which_its_server_is_silent_has_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names, "TIMEOUT", 0.2)
    server = Lossy(lambda _, kind: kind == AAAA)
    asking = Asking(read_resolver("nameserver 127.0.0.1\n"), port=server.port)
    assert names.attempt(asking, Wanted("six", "x")).outcome == "no_answer"
    server.close()
