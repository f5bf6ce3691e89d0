"""GPU001."""

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.facts.gpu_health import OwnGpu, OwnGpus
from distcheck.checks.facts.gpu_xids import in_words, steps
from distcheck.checks.knowledge import gpu_health as known
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.gpu_remedies import REMEDIES
from distcheck.checks.knowledge.names import few, names
from distcheck.checks.verdict import Verdict, failed, passed, warned

_MOST = 3


@check("GPU001", weight="supporting", remedies=REMEDIES)
def healthy(own: OwnGpus) -> Verdict:
    """Every GPU that the group requests is present and healthy.

    Proves:
        NVML lists every GPU that the pods were given, and of each of them tells no uncorrected
        error of memory since the driver was loaded, no row or page that waits for a reset, no
        clock held down by heat or power failure, all NVLinks and PCIe lanes up; driver and NCCL
        are new enough. GPUs of others are not judged. Xid events count since the pods' processes
        started, and only while an agent waited for them, which a pass dates; NCCL004 has those
        that a pod's log names.

    Causes:
        gpu_lost: the driver counts the GPU, and it does not answer
        gpu_missing: the kubelet gave the pod a GPU that the node does not have
        gpu_broken: the driver asks for a reset, or a row of memory failed without a spare one
        gpu_ecc: memory errors that could not be corrected
        gpu_remap_pending: bad memory is replaced at the next reset only
        gpu_recovery: the driver asks for work to be drained from the GPU
        gpu_xid: the driver reported an Xid that means broken hardware or a GPU to be reset
        gpu_throttled: clocks are held down by heat, or by the power supply
        nvlink_down: fewer NVLinks are up than on other GPUs of the node
        fabric_not_ready: the fabric manager has not finished
        pcie_narrow: fewer PCIe lanes are in use than the slot and the GPU have
        driver_old: the driver is older than 535
        nccl_old: NCCL is older than 2.18

    Remedy:
        Cordon the node, move the group, and look at the kernel's log for Xid (`dmesg | grep
        NVRM`); reset the GPU (`nvidia-smi -r`) or reboot, and have it replaced if that comes back.
        Each cause has advice of its own in the report.
    """
    if own.absent:
        gone = own.absent
        cause = "gpu_missing" if gone[0].cite.what.startswith("NVML does not") else "gpu_lost"
        says = "; ".join(a.what for a in gone[:_MOST])
        pods = dict.fromkeys(a.pod for a in gone)
        return failed(says, cause, [a.cite for a in gone], pods, REMEDIES[cause])
    broken = [(g, why) for g in own.gpus if (why := known.broken(g.state))]
    if broken:
        says = "; ".join(f"{g.words}: {why}" for g, why in broken[:_MOST])
        cites = [g.cite(why) for g, why in broken]
        pods = dict.fromkeys(g.pod for g, _ in broken)
        return failed(says, "gpu_broken", cites, pods, REMEDIES["gpu_broken"])
    found = [*_gpu_warnings(own), *_version_warnings(own)]
    return _warned(found) if found else _fine(own)


class _Warning(Struct, frozen=True):
    """What one cause comes to: of which GPU first, in which words, on which pods."""

    cause: str
    who: str
    words: str
    cites: tuple[Cite, ...]
    pods: tuple[str, ...] = ()


def _gpu_warnings(own: OwnGpus) -> Iterator[_Warning]:
    """One for each cause: the first GPU that has it, and how many are alike."""
    seen: dict[str, list[tuple[OwnGpu, str]]] = {}
    for gpu in own.gpus:
        for cause, words in (*known.warnings(gpu.state, gpu.fellow_links), *_xid_warnings(gpu)):
            seen.setdefault(cause, []).append((gpu, words))
    for cause, found in seen.items():
        gpu, words = found[0]
        more = f" ({counted(len(found) - 1, 'more GPU')} alike)" if len(found) > 1 else ""
        cites = tuple(g.cite(w) for g, w in found[:8])
        pods = tuple(dict.fromkeys(g.pod for g, _ in found))
        yield _Warning(cause, f"{gpu.words}: ", f"{words}{more}", cites, pods)


def _xid_warnings(gpu: OwnGpu) -> Iterator[tuple[str, str]]:
    faults = gpu.xids.faults
    if faults:
        yield "gpu_xid", f"{', '.join(map(in_words, faults[:_MOST]))}: {steps(faults)}"


def _version_warnings(own: OwnGpus) -> Iterator[_Warning]:
    old = {n: d for n, d in own.drivers.items() if known.older(d, known.MIN_DRIVER)}
    if old:
        says = f"driver {min(old.values())} on {names(old)} is older than 535"
        cites = tuple(Cite(f"driver {d}", f"NVML on {n}") for n, d in old.items())
        yield _Warning("driver_old", "", says, cites)
    versions = [v for v in own.versions if known.older(v, known.MIN_NCCL)]
    if versions:
        cite = Cite(f"NCCL version {versions[0]}", "NCCL's log")
        yield _Warning("nccl_old", "", f"NCCL {few(versions)} is older than 2.18", (cite,))


def _warned(found: list[_Warning]) -> Verdict:
    """What the same GPU has is said together."""
    said: dict[str, list[str]] = {}
    for one in found:
        said.setdefault(one.who, []).append(one.words)
    says = "; ".join(f"{who}{', '.join(words)}" for who, words in list(said.items())[:_MOST])
    cites = [cite for one in found for cite in one.cites]
    pods = dict.fromkeys(p for one in found for p in one.pods)
    remedy = " ".join(dict.fromkeys(REMEDIES[one.cause] for one in found))
    return warned(says, found[0].cause, cites, pods, remedy)


def _fine(own: OwnGpus) -> Verdict:
    kinds = names(dict.fromkeys(g.state.name for g in own.gpus if g.state.name))
    says = (
        f"{counted(len(own.gpus), 'GPU')} ({kinds}) without errors{_xid_words(own)}{_advice(own)}"
    )
    nodes = {g.node: g for g in own.gpus}
    many = Counter(g.node for g in own.gpus)
    cites = [
        Cite(f"{counted(many[n], 'GPU')} without errors", f"NVML on {n}", g.seen_at)
        for n, g in nodes.items()
    ]
    cites += [g.cite(in_words(x)) for g in own.gpus for x in g.xids.hints][:_MOST]
    return passed(says, cites, dict.fromkeys(g.pod for g in own.gpus))


def _xid_words(own: OwnGpus) -> str:
    """Since when there was none; those that prove nothing of the hardware; where nobody waited."""
    hints = [f"{in_words(x)} on {g.words}" for g in own.gpus for x in g.xids.hints]
    told = hints[:_MOST] + [counted(len(hints) - _MOST, "more Xid")] * (len(hints) > _MOST)
    if own.xids_since and not hints:
        told = [f"no Xid since {own.xids_since}"]
    why = next(iter(own.xids_unseen.values()), "")
    told += [f"Xids unseen on {names(own.xids_unseen)} ({why})"] * bool(own.xids_unseen)
    return "".join(f"; {one}" for one in told)


def _advice(own: OwnGpus) -> str:
    """What newer versions are advised, where those here are older."""
    told = []
    drivers = [d for d in own.drivers.values() if known.older(d, known.ADVISED_DRIVER)]
    if drivers:
        told.append(f"driver {min(drivers)}: 550 or newer is advised")
    old = [v for v in own.versions if known.older(v, known.ADVISED_NCCL)]
    if old:
        told.append(f"NCCL {old[0]}: 2.21 or newer is advised")
    return "".join(f"; {words}" for words in told)
