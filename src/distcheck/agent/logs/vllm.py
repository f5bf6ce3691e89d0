"""The lines of vLLM that say what it loaded and which world it formed (vLLM 0.6 to 0.33).

Messages are matched, not headers: a site can replace vLLM's log format fully.
"""

from typing import TypeVar

from msgspec.structs import replace

from distcheck.agent.logs import vllm_words as words
from distcheck.agent.logs.vllm_config import config_line, configured
from distcheck.agent.logs.vllm_failures import failure
from distcheck.agent.logs.vllm_merge import concluded, join_ranks, merge
from distcheck.agent.logs.vllm_prefix import Said, said
from distcheck.checks.evidence.vllm import EngineFailure, KvCache, RankLine, VllmLog, WeightsLine

__all__ = ["VllmReader", "merge"]

_N = TypeVar("_N", int, float)

_MOST_LINES = 512
_MOST_FAILURES = 64
_MOST_VALUES = 64
_LONGEST = 1 << 16


class VllmReader:
    """Reads the vLLM lines of one file; `source` is the file's name, used in every citation.

    The name of a Ray worker's own file (`worker-<id>-<job>-<pid>.out`) gives its lines the
    pid that they lack.
    """

    WANTED: tuple[bytes, ...] = words.WANTED

    def __init__(self, source: str) -> None:
        found = words.RAY_FILE.search(source)
        self._source = source
        self._pid = int(found[1]) if found else None
        self._log = VllmLog(executor="ray" if found else None)
        self._lines = 0
        self._dropped = 0
        self._ranks: list[RankLine] = []
        self._weights: list[WeightsLine] = []
        self._failures: dict[tuple[str, str], EngineFailure] = {}
        self._kv: KvCache | None = None
        self._readers = (
            self._read_weights,
            self._read_rank,
            self._read_world,
            self._read_kv,
            self._read_config,
            self._read_start,
            self._read_failure,
            self._read_hints,
        )

    def line(self, number: int, stamp: str | None, text: str) -> None:
        """Take one line without its transport framing; `stamp` is the transport's RFC 3339 time."""
        if not words.is_wanted(text):
            return
        one = said(text[:_LONGEST], f"{self._source}:{number}", stamp)
        self._lines += 1
        for read in self._readers:
            read(one)

    def result(self) -> VllmLog:
        """Everything that the lines so far show."""
        known = replace(
            self._log,
            lines=self._lines,
            ranks=tuple(self._ranks),
            weights=tuple(self._weights),
            kv_cache=self._kv,
            failures=tuple(self._failures.values()),
            dropped=self._dropped,
        )
        return join_ranks(concluded(known))

    def _pid_of(self, one: Said) -> int | None:
        return self._pid if one.pid is None else one.pid

    def _read_weights(self, one: Said) -> None:
        found = words.WEIGHTS.search(one.text)
        if found is None or (found[1] is None and self._has_weights(one)):
            return
        line = WeightsLine(
            gib=float(next(g for g in found.groups() if g)),
            source=one.source,
            rank=one.rank,
            tp=one.dimension("TP"),
            pp=one.dimension("PP"),
            label=one.label,
            pid=self._pid_of(one),
            host=one.host,
            repeated=one.repeated,
            clock=one.clock,
            seen_at=one.seen_at,
        )
        if self._room(len(self._weights)):
            self._weights.append(line)

    def _has_weights(self, one: Said) -> bool:
        """Whether this process's exact line was read, so that its rounded summary adds nothing."""
        who = (self._pid_of(one), one.host, one.label)
        return any((w.pid, w.host, w.label) == who for w in self._weights)

    def _read_rank(self, one: Said) -> None:
        found = words.ASSIGNED.search(one.text)
        if found is None:
            return
        index = {name: int(value) for name, value in words.INDEX.findall(found[3])}
        line = self._rank(one, int(found[1]), int(found[2]))
        axes = {axis.lower(): index.get(axis) for axis in ("DP", "PP", "TP", "EP")}
        self._keep_rank(replace(line, **axes))

    def _read_world(self, one: Said) -> None:
        found = words.WORLD.search(one.text)
        if found is not None:
            line = self._rank(one, int(found[2]), int(found[1]))
            self._keep_rank(replace(line, init_method=found[3]))

    def _rank(self, one: Said, rank: int, size: int) -> RankLine:
        return RankLine(
            rank=rank,
            world_size=size,
            source=one.source,
            label=one.label,
            pid=self._pid_of(one),
            host=one.host,
            repeated=one.repeated,
            clock=one.clock,
            seen_at=one.seen_at,
        )

    def _keep_rank(self, line: RankLine) -> None:
        if self._room(len(self._ranks)):
            self._ranks.append(line)

    def _room(self, kept: int) -> bool:
        self._dropped += kept >= _MOST_LINES
        return kept < _MOST_LINES

    def _read_kv(self, one: Said) -> None:
        tokens, blocks, gib = (
            p.search(one.text) for p in (words.KV_TOKENS, words.KV_BLOCKS, words.KV_GIB)
        )
        if not (tokens or blocks or gib):
            return
        now = self._kv or KvCache(one.source)
        if tokens:
            now = replace(now, tokens=_added(now.tokens, int(tokens[1].replace(",", ""))))
        if blocks:
            now = replace(now, gpu_blocks=int(blocks[1]))
        if gib:
            now = replace(now, available_gib=_added(now.available_gib, float(gib[1])))
        self._kv = now

    def _read_config(self, one: Said) -> None:
        found = config_line(one.text)
        if found is None:
            return
        self._log = configured(self._log, found, one.source)
        if found.block_size is not None:
            self._kv = replace(self._kv or KvCache(one.source), block_size=found.block_size)

    def _read_start(self, one: Said) -> None:
        if words.is_started(one.text):
            self._log = replace(self._log, started=True, started_source=one.source)

    def _read_failure(self, one: Said) -> None:
        found = failure(one.text, one.source, one.seen_at)
        if found is None:
            return
        if len(self._failures) < _MOST_FAILURES:
            self._failures.setdefault((found.id, found.says), found)
        if found.fatal and not self._log.started:
            self._log = replace(self._log, started=False, started_source=one.source)

    def _read_hints(self, one: Said) -> None:
        if self._log.engine is None and words.is_v1(one.text):
            self._log = replace(self._log, engine="V1")
        executor = words.executor_of(one.text)
        if executor and self._log.executor in (None, "mp"):
            self._log = replace(self._log, executor=executor)


def _added(values: tuple[_N, ...], value: _N) -> tuple[_N, ...]:
    kept = dict.fromkeys(values)
    if len(kept) < _MOST_VALUES:
        kept[value] = None
    return tuple(kept)
