"""What makes a rank hold more or less than its share: drafts, adapters, offload, sleep."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.checks.evidence import Evidence, Missing, ModelConfig, VllmLog
from distcheck.checks.evidence.serving import EngineArguments, EngineHttp

WEIGHTLESS = ("ngram", "ngram_gpu", "suffix")
"""Speculation that needs no model of its own (vllm/config/speculative.py)."""


_CUT_CACHE = (
    "--decode-context-parallel-size",
    "-dcp",
    "--prefill-context-parallel-size",
    "-pcp",
)


class Allowances(Struct, frozen=True, kw_only=True):
    """What the engine was started with besides its model; sizes in GiB.

    `read` says that a command line was read, so that what it lacks is known to be absent.
    `may_sleep`: nothing says that it is awake; `asleep`: it says that it is not.
    `cuts_cache`: ranks share the cache's tokens between them.
    """

    read: bool = False
    offload: float = 0.0
    lora: bool = False
    draft: ModelConfig | None = None
    speculates: bool = False
    may_sleep: bool = False
    asleep: bool = False
    quantisation: str | None = None
    cache_dtype: str | None = None
    cuts_cache: bool = False

    @property
    def says(self) -> tuple[str, ...]:
        """What is allowed for, in words."""
        named = self.draft.path if self.draft else "of a size that was not seen"
        told = (
            (self.offload > 0, f"CPU offload of up to {self.offload:g} GiB"),
            (self.lora, "LoRA adapters"),
            (self.speculates, f"a draft model {named}"),
            (self.may_sleep, "sleep mode, in which the GPUs hold no weights"),
        )
        return tuple(text for holds, text in told if holds)


def allowances_of(evidence: Evidence) -> Allowances:
    """Over all pods: an engine speaks for ranks on other nodes too."""
    looks = [evidence.look(p) for p in evidence.pods]
    told = [a for look in looks if isinstance(a := look.arguments, EngineArguments)]
    logs = [v for look in looks if isinstance(v := look.vllm, VllmLog)]
    drafts = [d for look in looks if isinstance(d := look.draft, ModelConfig)]
    http = [h for look in looks if isinstance(h := look.engine_http, EngineHttp)]
    methods = [a.draft_method for a in told if a.draft_method or a.draft_model]
    weightless = bool(methods) and all(m in WEIGHTLESS for m in methods)
    return Allowances(
        read=bool(told) and not any(a.unread for a in told),
        offload=_offload(told, http),
        lora=any(a.lora for a in told) or any(m.parent for h in http for m in h.models),
        draft=drafts[0] if len(drafts) == 1 and methods and not weightless else None,
        speculates=not weightless and (bool(methods) or any(log.speculative for log in logs)),
        may_sleep=_may_sleep(told, http),
        asleep=any(state != "awake" for state in _states(http)),
        quantisation=flag_of(told, "--quantization", "-q"),
        cache_dtype=flag_of(told, "--kv-cache-dtype") or _cache_dtype(http),
        cuts_cache=flag_of(told, *_CUT_CACHE) is not None,
    )


def _offload(told: Iterable[EngineArguments], http: Iterable[EngineHttp]) -> float:
    asked = [a.cpu_offload_gib or 0.0 for a in told]
    return max((0.0, *asked, *(c.cpu_offload_gib or 0.0 for h in http for c in h.caches)))


def _cache_dtype(http: Iterable[EngineHttp]) -> str | None:
    named = {c.cache_dtype for h in http for c in h.caches if c.cache_dtype}
    return named.pop() if len(named) == 1 else None


def _may_sleep(told: Iterable[EngineArguments], http: Iterable[EngineHttp]) -> bool:
    states = _states(http)
    if any(state != "awake" for state in states):
        return True
    return any(a.sleep_mode for a in told) and not states


def _states(http: Iterable[EngineHttp]) -> list[str]:
    return [c.sleep for h in http for c in h.caches if c.sleep is not None]


def flag_of(told: Iterable[EngineArguments], *names: str) -> str | None:
    """The value that a flag has last, in `--flag value` or `--flag=value`."""
    found: str | None = None
    for arguments in told:
        words = tuple(_spelt(w) for w in arguments.words)
        for word, after in zip(words, (*words[1:], ""), strict=False):
            flag, equals, value = word.partition("=")
            if flag in names:
                found = (value if equals else after) or None
    return found


def _spelt(word: str) -> str:
    """Long names may be written with `_` in place of `-`."""
    flag, equals, value = word.partition("=")
    return (flag.replace("_", "-") if flag.startswith("--") else flag) + equals + value


def quantisation_of(evidence: Evidence, allowed: Allowances) -> tuple[str | None, bool]:
    """How the engine quantises while loading, and whether anybody who knows was heard."""
    looks = [evidence.look(p).vllm for p in evidence.pods]
    logs = [v for v in looks if isinstance(v, VllmLog)]
    named = next((log.quantization for log in logs if log.quantization), allowed.quantisation)
    return named, allowed.read or any(log.config_source for log in logs)


def sleeping(evidence: Evidence) -> Missing | None:
    """Why memory says nothing of the weights where the engine may sleep; None where it is awake."""
    if not allowances_of(evidence).may_sleep:
        return None
    return Missing("the engine sleeps, or may: sleep mode takes the weights off the GPUs")
