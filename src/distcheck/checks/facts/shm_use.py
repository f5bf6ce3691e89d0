"""What is in every pod's `/dev/shm`, and what of it no process holds any more."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing, ShmMount
from distcheck.checks.evidence.shm import ShmSegment
from distcheck.checks.facts.age import seconds
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.shm import PodShm, ShmMounts
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.shm import MIB
from distcheck.checks.knowledge.shm_rise import Rise, rise


class PodUse(Struct, frozen=True):
    """One pod's; `leaked` counts files of dead ranks, `names` are the largest of them.

    `doubtful` are bytes of such files that may be held by a process that was not asked.
    `wanted` is what ranks that have yet to start need and do not have: at most that where it is
    not `sure`, as files without a name may be theirs. `others` are bytes of files that are
    neither NCCL's nor Python's.
    """

    shm: PodShm
    used: int
    leaked: int = 0
    leaked_bytes: int = 0
    names: tuple[str, ...] = ()
    doubtful: int = 0
    wanted: int = 0
    sure: bool = True
    others: int = 0
    rise: Rise | None = None

    @property
    def size(self) -> int:
        """Of the whole tmpfs."""
        return self.shm.mount.size_bytes

    @property
    def free(self) -> int:
        """What is not used."""
        return max(0, self.size - self.used)

    @property
    def cite(self) -> Cite:
        """The use, as it was seen."""
        what = (
            f"/dev/shm of {self.shm.pod}: {self.used / MIB:.0f} of {self.size / MIB:.0f} MiB used"
        )
        if self.leaked:
            files = counted(self.leaked, "segment")
            what += f", {files} ({self.leaked_bytes / MIB:.0f} MiB) that no process holds"
        return Cite(what, self.shm.mount.cited, self.shm.mount.seen_at)


class ShmUse(Fact, frozen=True, kw_only=True):
    """Of all pods with GPUs; gaps are those whose use, or whose files, were not seen."""

    pods: tuple[PodUse, ...]

    @classmethod
    def fold(cls, evidence: Evidence) -> "ShmUse | Missing":
        """Missing where it was seen of no pod."""
        mounts = folded(ShmMounts, evidence)
        if isinstance(mounts, Missing):
            return mounts
        uses = [(p, _use(p)) for p in mounts.pods]
        seen = tuple(u for _, u in uses if isinstance(u, PodUse))
        gaps = tuple(f"{p.pod}: {u.reason}" for p, u in uses if isinstance(u, Missing))
        gaps = (*mounts.gaps, *gaps, *_doubts(seen))
        return cls(pods=seen, gaps=gaps) if seen else Missing("; ".join(gaps))


def _use(pod: PodShm) -> PodUse | Missing:
    mount = pod.mount
    if isinstance(mount.segments, Missing):
        return mount.segments
    if mount.used_bytes is None:
        return Missing("how much of /dev/shm is used was not seen")
    ours = [s for s in mount.segments if s.kind != "other"]
    loose = [s for s in ours if s.held is False]
    known = mount.unheld_bytes is not None
    return PodUse(
        shm=pod,
        used=mount.used_bytes,
        leaked=mount.unheld_files or 0 if known else len(loose),
        leaked_bytes=mount.unheld_bytes or 0 if known else _bytes(loose),
        names=tuple(s.name for s in loose),
        doubtful=0 if known else _bytes(s for s in ours if s.held is None),
        wanted=0 if pod.up else max(0, pod.need.least - _taken(mount, ours)),
        sure=not (mount.folders or mount.segments_left),
        others=_bytes(s for s in mount.segments if s.kind == "other"),
        rise=_rise(mount),
    )


def _bytes(segments: Iterable[ShmSegment]) -> int:
    return sum(s.bytes for s in segments)


def _taken(mount: ShmMount, ours: Iterable[ShmSegment]) -> int:
    """What ranks that start hold: segments with a name, and those that have lost theirs.

    NCCL removes the name of a segment as soon as all who share it have it (src/proxy.cc).
    """
    nameless = (mount.used_bytes or 0) - _bytes(mount.segments or ())  # type: ignore[arg-type]
    sure = nameless if not (mount.folders or mount.segments_left) else 0
    return max(0, sure) + _bytes(s for s in ours if s.held and s.kind == "nccl")


def _doubts(pods: Iterable[PodUse]) -> tuple[str, ...]:
    """Where segments that somebody may hold would matter if nobody does."""
    return tuple(
        f"whether segments in /dev/shm of {p.shm.pod} ({p.doubtful / MIB:.0f} MiB) are held:"
        f" {p.shm.mount.unasked or 'not seen'}"
        for p in pods
        if p.doubtful and (p.free < p.wanted or p.size - p.doubtful < p.shm.need.least)
    )


def _rise(mount: ShmMount) -> Rise | None:
    told = [(seconds(one.at), one.used_bytes) for one in mount.earlier]
    told.append((seconds(mount.seen_at), mount.used_bytes or 0))
    known = [(at, used) for at, used in told if at is not None]
    return rise(sorted(known), mount.size_bytes)
