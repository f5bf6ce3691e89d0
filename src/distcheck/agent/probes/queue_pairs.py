"""The queue pairs of a pod's processes, by RDMA's resource tracking.

Asked as `rdma resource show qp` does (rdma-resource(8), drivers/infiniband/core/nldev.c). It
needs no capability: the kernel gives numbers of processes as the asker's own `/proc` has
them. HCAs that belong to one network namespace (`rdma system` is exclusive) are seen from
inside that one only.
"""

import struct
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from msgspec import Struct, field

from distcheck.agent import netlink
from distcheck.agent.netlink import Ask, attribute, attributes, dump_request, messages
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence.rdma import QueuePair, QueuePairs

_DEVICES, _QUEUE_PAIRS = (5 << 10) + 1, (5 << 10) + 10
"""RDMA_NLDEV_CMD_GET and RDMA_NLDEV_CMD_RES_QP_GET of RDMA_NL_NLDEV."""
_INDEX, _NAME, _PORT, _TABLE, _ENTRY = 1, 2, 3, 19, 20
_LOCAL, _REMOTE, _KIND, _STATE, _PID, _DETAILS, _SUBTYPE = 21, 22, 26, 27, 28, 97, 98
"""Numbers of enum rdma_nldev_attr; kernels that do not know the last two pass them over."""
_KINDS = {0: "SMI", 1: "GSI", 2: "RC", 3: "UC", 4: "UD", 8: "RAW_PACKET", 9: "XRC_INI"}
_KINDS |= {10: "XRC_TGT", 255: "DRIVER"}
_STATES = ("RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR")
"""enum ib_qp_type and enum ib_qp_state (rdma/ib_verbs.h)."""
_MOST_DEVICES, _MOST_PAIRS, _MOST_KEPT = 64, 65_536, 4096
_MOST_SHARED = 131_072
_LONGEST = 64


class _Round(Struct):
    """What HCAs told at one time, by index and name; `room` is how many pairs more are kept."""

    at: str
    told: dict[tuple[int, str], tuple[QueuePair, ...] | OSError] = field(default_factory=dict)
    room: int = _MOST_SHARED
    lock: threading.Lock = field(default_factory=threading.Lock)


class Dumps:
    """Asks each HCA once in a round, for all pods of the node.

    An HCA is either seen from every network namespace, or belongs to one: what it tells is the
    same wherever it is asked.
    """

    def __init__(self) -> None:
        self._lock, self._round = threading.Lock(), _Round("")

    def of(
        self, now: str, ask: Callable[[int, str], Iterable[QueuePair]], device: tuple[int, str]
    ) -> tuple[QueuePair, ...]:
        """What `ask` gives for `device`, or gave in this round.

        Raises:
            OSError: it gives, or gave, no answer.
        """
        with self._lock:
            if self._round.at != now:
                self._round = _Round(now)
            own = self._round
        with own.lock:
            found = own.told.get(device)
            if found is None:
                found = _answer(ask, *device)
                size = 1 if isinstance(found, OSError) else len(found)
                if size <= own.room:
                    own.told[device], own.room = found, own.room - size
        if isinstance(found, OSError):
            raise OSError(*found.args)
        return found


def _answer(
    ask: Callable[[int, str], Iterable[QueuePair]], index: int, name: str
) -> tuple[QueuePair, ...] | OSError:
    try:
        return tuple(ask(index, name))
    except OSError as error:
        return error


def look(
    sys: str,
    namespaces: Iterable[Path],
    pids: Collection[int],
    now: str,
    ask: Ask = netlink.ask,
    dumps: Dumps | None = None,
) -> QueuePairs:
    """The queue pairs of the processes `pids`, seen from the first namespace that tells.

    The kernel is asked only where it has HCAs: the question alone would load its RDMA core.
    `dumps` has what was asked for other pods at the time `now`.

    Raises:
        ProbeError: there is no HCA, or the kernel does not tell of any.
    """
    if not has_hcas(sys):
        raise ProbeError("the node has no HCA, so the kernel tracks no queue pair")
    why = "no namespace to ask from"
    for namespace in namespaces:
        try:
            devices = list(islice(_devices(namespace, ask), _MOST_DEVICES + 1))
        except OSError as error:
            why = str(error)
            continue
        if devices:
            told = partial((dumps or Dumps()).of, now, partial(_pairs, ask, namespace))
            return _seen(devices, pids, now, told)
        why = "RDMA netlink names no device there: HCAs may belong to another network namespace"
    raise ProbeError(f"the kernel's RDMA netlink does not tell queue pairs: {why}")


def has_hcas(sys: str) -> bool:
    """Whether the node's `/sys` has an HCA."""
    folder = Path(sys) / "class" / "infiniband"
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def _seen(
    devices: list[tuple[int, str]],
    pids: Collection[int],
    now: str,
    pairs: Callable[[tuple[int, str]], tuple[QueuePair, ...]],
) -> QueuePairs:
    own, others, unread, dropped = list[QueuePair](), set[str](), list[str](), 0
    asked = devices[:_MOST_DEVICES]
    if len(devices) > len(asked):
        unread.append(f"HCAs beyond the first {_MOST_DEVICES} were not asked")
    for index, name in asked:
        try:
            for pair in pairs((index, name)):
                if pair.pid in pids:
                    dropped += len(own) >= _MOST_KEPT
                    own += [pair] * (len(own) < _MOST_KEPT)
                elif _sends(pair):
                    others.add(name)
        except OSError as error:
            unread.append(f"{name}: {error}")
    own.sort(key=lambda p: (p.state != "RTS", p.device, p.local_qpn))
    return QueuePairs(
        tuple(own),
        "RDMA netlink",
        now,
        dropped=dropped,
        devices=tuple(name for _, name in asked),
        shared=tuple(sorted(others)),
        unread=tuple(unread),
    )


def _sends(pair: QueuePair) -> bool:
    """Whether others of the node send over it: processes, or what the kernel itself connected.

    Storage over RDMA (NFS, Lustre, NVMe) has RC queue pairs of no process; those for management
    and IPoIB, which every port has, carry little.
    """
    return pair.state == "RTS" and (pair.pid != 0 or pair.type == "RC")


def _devices(namespace: Path, ask: Ask) -> Iterator[tuple[int, str]]:
    """(index, name) of each HCA that the namespace has."""
    for one in messages(ask(namespace, netlink.RDMA, dump_request(_DEVICES, b""))):
        told = dict(attributes(one.body))
        index, name = _number(told, _INDEX), _text(told, _NAME)
        if one.kind == _DEVICES and index is not None and name:
            yield index, name


def _pairs(ask: Ask, namespace: Path, index: int, name: str) -> Iterator[QueuePair]:
    """Those of drivers' own types too, as EFA's are, where the kernel knows that wish."""
    wish = attribute(_INDEX, struct.pack("=I", index)) + attribute(_DETAILS, b"\1")
    answer = ask(namespace, netlink.RDMA, dump_request(_QUEUE_PAIRS, wish))
    count = 0
    for one in messages(answer):
        for pair in pairs_of(name, one.body) if one.kind == _QUEUE_PAIRS else ():
            count += 1
            if count > _MOST_PAIRS:
                raise OSError(f"more than {_MOST_PAIRS} queue pairs")
            yield pair


def pairs_of(device: str, body: bytes) -> Iterator[QueuePair]:
    """The queue pairs of one message; an entry without its numbers is left out."""
    for kind, table in attributes(body):
        for inner, entry in attributes(table) if kind == _TABLE else ():
            pair = _pair(device, dict(attributes(entry))) if inner == _ENTRY else None
            if pair is not None:
                yield pair


def _pair(device: str, told: dict[int, bytes]) -> QueuePair | None:
    local, kind, state = (_number(told, a) for a in (_LOCAL, _KIND, _STATE))
    if local is None or kind is None or state is None:
        return None
    return QueuePair(
        device,
        _number(told, _PORT) or 0,
        local,
        _text(told, _SUBTYPE) or _KINDS.get(kind, f"type {kind}"),
        _STATES[state] if state < len(_STATES) else f"state {state}",
        _number(told, _PID) or 0,
        _number(told, _REMOTE),
    )


def _number(told: dict[int, bytes], kind: int) -> int | None:
    value = told.get(kind, b"")
    return int.from_bytes(value, netlink.ORDER) if len(value) in (1, 4) else None


def _text(told: dict[int, bytes], kind: int) -> str:
    text = told.get(kind, b"")[:_LONGEST].rstrip(b"\0").decode("utf-8", "replace")
    return text if text.isprintable() else ""
