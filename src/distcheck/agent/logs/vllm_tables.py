"""The lines that the vLLM reader keeps, each table with its bound."""

from msgspec.structs import replace

from distcheck.agent.logs import vllm_words as words
from distcheck.agent.logs.vllm_prefix import Said
from distcheck.checks.evidence.vllm import (
    EngineFailure,
    KvCache,
    MemoryUse,
    RankLine,
    VllmLog,
    WeightsLine,
    WorkerName,
)

_MOST_LINES = 512
_MOST_FAILURES = 64
_MOST_EXCEPTIONS = 32
_MOST_VALUES = 64


class EngineTables:
    """Rank, weights and KV lines, worker names and failures; what the bounds leave out is counted.

    `log` gives what an earlier reader of the same log had kept.
    """

    def __init__(self, log: VllmLog) -> None:
        self.lines, self._dropped = log.lines, log.dropped
        self._ranks, self._weights = list(log.ranks), list(log.weights)
        self._workers = {(w.host, w.pid, w.label): w for w in log.workers}
        self._memory = {(m.host, m.pid, m.label): m for m in log.memory}
        self._failures = {(f.id, f.says): f for f in log.failures}
        self._kv = log.kv_cache
        self._exceptions = sum(f.id == "exception" for f in log.failures)

    def within(self, log: VllmLog) -> VllmLog:
        """`log` with everything kept."""
        return replace(
            log,
            lines=self.lines,
            ranks=tuple(self._ranks),
            weights=tuple(self._weights),
            workers=tuple(self._workers.values()),
            kv_cache=self._kv,
            memory=tuple(self._memory.values()),
            failures=tuple(self._failures.values()),
            dropped=self._dropped,
        )

    @property
    def room_for_exceptions(self) -> bool:
        """Whether one more exception of a request would be kept."""
        return self._exceptions < _MOST_EXCEPTIONS

    def keep_rank(self, line: RankLine | None) -> None:
        """One line of a process about its rank."""
        if line is not None and self._room(len(self._ranks)):
            self._ranks.append(line)

    def keep_weights(self, line: WeightsLine | None) -> None:
        """One line of a process about its weights."""
        if line is not None and self._room(len(self._weights)):
            self._weights.append(line)

    def keep_memory(self, line: MemoryUse | None) -> None:
        """One line of a process about its memory, added to what it said before."""
        if line is None:
            return
        key = (line.host, line.pid, line.label)
        known = self._memory.get(key, line)
        if key in self._memory or len(self._memory) < _MOST_LINES:
            self._memory[key] = replace(known, **{n: _known(line, known, n) for n in words.MEMORY})

    def _room(self, kept: int) -> bool:
        self._dropped += kept >= _MOST_LINES
        return kept < _MOST_LINES

    def name(self, one: Said) -> None:
        """The worker that wrote this line, where its label names it."""
        if not one.label.startswith(words.NAMED):
            return
        key = (one.host, one.pid, one.label)
        if key not in self._workers and len(self._workers) < _MOST_LINES:
            self._workers[key] = WorkerName(one.label, one.source, one.pid, one.host)

    def keep_failure(self, found: EngineFailure) -> None:
        """A failure by its first line; many exceptions of requests leave room for the engine's."""
        key = (found.id, found.says)
        if key in self._failures:
            return
        plain = found.id == "exception"
        kept = self._exceptions if plain else len(self._failures) - self._exceptions
        if kept < (_MOST_EXCEPTIONS if plain else _MOST_FAILURES):
            self._failures[key] = found
            self._exceptions += plain

    def keep_kv(self, one: Said) -> None:
        """What one line says about the KV cache."""
        tokens, blocks, gib = (
            p.search(one.text) for p in (words.KV_TOKENS, words.KV_BLOCKS, words.KV_GIB)
        )
        if not (tokens or blocks or gib):
            return
        now = self._kv or KvCache(one.source)
        if tokens:
            now = _counted(now, int(tokens[1].replace(",", "")), 1 + one.repeated)
        if blocks:
            fewest = min(int(blocks[1]), now.gpu_blocks or int(blocks[1]))
            now = replace(now, gpu_blocks=fewest)
        if gib and len(now.available_gib) < _MOST_VALUES:
            values = dict.fromkeys((*now.available_gib, float(gib[1])))
            now = replace(now, available_gib=tuple(values))
        self._kv = now


def _counted(kv: KvCache, tokens: int, lines: int) -> KvCache:
    """`kv` with further lines that give this many tokens."""
    counts = dict(zip(kv.tokens, kv.token_lines, strict=False))
    if tokens in counts or len(counts) < _MOST_VALUES:
        counts[tokens] = counts.get(tokens, 0) + lines
    return replace(kv, tokens=tuple(counts), token_lines=tuple(counts.values()))


def _known(line: MemoryUse, before: MemoryUse, name: str) -> float | None:
    now: float | None = getattr(line, name)
    known: float | None = getattr(before, name)
    return known if now is None else now
