"""How a checkpoint's weights are quantised, read from its `config.json`."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct, structs

from distcheck.checks.knowledge.weights.layout import Unmodelled
from distcheck.checks.knowledge.weights.stored_as import method_of, stored_in

Kind = Literal["none", "fp8", "fp8_channel", "fp8_block", "int8", "int4", "mxfp4", "nvfp4", "bnb"]
_FUSED = {"qkv_proj": "q_proj", "gate_up_proj": "gate_proj"}
_TOWERS = ("visual", "vision")
_LONGEST, _MOST_PATTERNS = 300, 500
_KEPT_KEYS = (
    "modules_to_not_convert",
    "ignored_layers",
    "ignore",
    "exclude_modules",
    "llm_int8_skip_modules",
)
_INSIDE = ("awq", "awq_marlin", "bitsandbytes", "modelopt", "modelopt_fp4")


class Scheme(Struct, frozen=True, kw_only=True):
    """One way of storing the weights of linear layers."""

    kind: Kind = "none"
    bits: int = 16
    group: int = 0
    """Inputs that share one scale; 0: all of a row."""
    block: tuple[int, int] = (0, 0)
    """Outputs and inputs that share one scale."""
    zeros: bool = False
    order: bool = False
    """GPTQ's act-order: each input's group is stored."""
    activations: bool = False
    """A fixed scale for the inputs, too."""
    whole_router: bool = False
    """The checkpoint itself decides which layers are quantised, and routers are not."""
    kept: frozenset[str] = frozenset()
    """Layers that stay in 16 bit, by name."""
    patterns: tuple[str, ...] = ()
    """The same, by wildcard."""
    described: str = "16 bit"

    def keeps(self, layer: str) -> bool:
        """Whether a layer stays in 16 bit; a fused one goes by its first part."""
        stem, _, last = layer.rpartition(".")
        names = {layer, f"{stem}.{_FUSED.get(last, last)}"}
        return not names.isdisjoint(self.kept) or any(
            fnmatchcase(name, pattern) for pattern in self.patterns for name in names
        )

    def keeps_vision(self) -> bool:
        """Whether a vision tower is known to stay in 16 bit."""
        return self.kind == "none" or any(
            tower in name for name in (*self.kept, *self.patterns) for tower in _TOWERS
        )


def scheme_of(config: Mapping[str, object], named: str | None) -> Scheme:
    """The checkpoint's own quantisation, else what `--quantization` does while loading."""
    stored = stored_in(config)
    if stored is None:
        return _online(named)
    method = method_of(stored)
    reader = _READERS.get(method)
    if reader is None:
        raise Unmodelled(f"weights quantised with {method or None!r} are not modelled")
    return structs.replace(reader(stored), **_kept(stored, inside=method in _INSIDE))


def _online(named: str | None) -> Scheme:
    """`--quantization` on a checkpoint that is not quantised itself."""
    if named in (None, "none"):
        return Scheme()
    if named in ("fp8", "fp8_per_tensor"):
        return Scheme(kind="fp8", bits=8, described="fp8, while loading")
    if named == "bitsandbytes":
        return _BNB4
    raise Unmodelled(f"weights quantised with {named!r} are not modelled")


_BNB4 = Scheme(kind="bnb", bits=4, group=64, described="bitsandbytes, 4 bit")


def _fp8(stored: Mapping[str, object]) -> Scheme:
    block = stored.get("weight_block_size")
    static = stored.get("activation_scheme") == "static"
    if block is None:
        return Scheme(kind="fp8", bits=8, activations=static, described="fp8")
    sides = block if isinstance(block, list) else []
    if len(sides) != 2 or not all(isinstance(s, int) and 0 < s < 1 << 20 for s in sides):
        raise Unmodelled("weight_block_size is not two sizes")
    described = f"fp8, blocks of {sides[0]} x {sides[1]}"
    return Scheme(kind="fp8_block", bits=8, block=(sides[0], sides[1]), described=described)


def _fbgemm(_: Mapping[str, object]) -> Scheme:
    return Scheme(kind="fp8_channel", bits=8, activations=True, described="fp8, by channel")


def _awq(stored: Mapping[str, object]) -> Scheme:
    bits = stored.get("bits", stored.get("w_bit"))
    if bits != 4:
        raise Unmodelled(f"AWQ with {bits!r} bits is not modelled")
    group = _group(stored, "group_size", "q_group_size")
    return Scheme(
        kind="int4", bits=4, group=group, zeros=True, whole_router=True, described="AWQ int4"
    )


def _gptq(stored: Mapping[str, object]) -> Scheme:
    bits = stored.get("bits")
    if bits not in (4, 8) or stored.get("lm_head") is True or stored.get("dynamic"):
        raise Unmodelled("this form of GPTQ (bits, lm_head or dynamic) is not modelled")
    return Scheme(
        kind="int4",
        bits=int(str(bits)),
        group=_group(stored, "group_size"),
        zeros=stored.get("sym") is False,
        order=stored.get("desc_act") is True,
        whole_router="autoround_version" not in stored,
        described=f"GPTQ int{bits}",
    )


def _mxfp4(_: Mapping[str, object]) -> Scheme:
    return Scheme(kind="mxfp4", bits=4, group=32, described="mxfp4")


def _bitsandbytes(stored: Mapping[str, object]) -> Scheme:
    if stored.get("load_in_8bit") is True:
        return Scheme(kind="int8", bits=8, described="bitsandbytes, 8 bit")
    return Scheme(kind="bnb", bits=4, group=64, described=_BNB4.described)


def _modelopt(stored: Mapping[str, object]) -> Scheme:
    inner = stored.get("quantization", stored)
    settings = inner if isinstance(inner, dict) else {}
    algorithm = settings.get("quant_algo")
    match algorithm.upper() if isinstance(algorithm, str) else None:
        case "FP8":
            return Scheme(kind="fp8", bits=8, activations=True, described="ModelOpt fp8")
        case "NVFP4":
            return Scheme(kind="nvfp4", bits=4, group=16, described="NVFP4")
    raise Unmodelled(f"ModelOpt's {algorithm!r} is not modelled")


def _compressed(stored: Mapping[str, object]) -> Scheme:
    groups = stored.get("config_groups")
    settings = list(groups.values()) if isinstance(groups, dict) else []
    if len(settings) != 1 or not isinstance(settings[0], dict):
        raise Unmodelled("compressed-tensors with other than one group of settings")
    weights, inputs = settings[0].get("weights"), settings[0].get("input_activations")
    if not isinstance(weights, dict) or settings[0].get("targets") != ["Linear"]:
        raise Unmodelled("compressed-tensors with targets other than all linear layers")
    fixed = isinstance(inputs, dict) and inputs.get("dynamic") is False
    return _compressed_weights(weights, fixed=fixed)


def _compressed_weights(weights: Mapping[str, object], *, fixed: bool) -> Scheme:
    form = (weights.get("type"), weights.get("num_bits"), weights.get("strategy"))
    match form:
        case ("float", 8, "tensor"):
            return Scheme(kind="fp8", bits=8, activations=fixed, described="fp8")
        case ("float", 8, "channel"):
            return Scheme(kind="fp8_channel", bits=8, described="fp8, by channel")
        case ("float", 8, "block"):
            return _fp8({"weight_block_size": weights.get("block_structure")})
        case ("float", 4, "tensor_group" | "group"):
            return Scheme(kind="nvfp4", bits=4, group=16, described="NVFP4")
        case ("int", 8, "channel" | "tensor"):
            return Scheme(kind="int8", bits=8, described="int8")
        case ("int", 4 | 8, "group" | "channel"):
            return Scheme(
                kind="int4",
                bits=4 if form[1] == 4 else 8,
                group=_group(weights, "group_size") if form[2] == "group" else 0,
                zeros=weights.get("symmetric") is False,
                order=weights.get("actorder") == "group",
                described=f"compressed-tensors int{form[1]}",
            )
    raise Unmodelled(f"compressed-tensors with {form} is not modelled")


_READERS = {
    "fp8": _fp8,
    "fbgemm_fp8": _fbgemm,
    "awq": _awq,
    "awq_marlin": _awq,
    "gptq": _gptq,
    "gptq_marlin": _gptq,
    "mxfp4": _mxfp4,
    "bitsandbytes": _bitsandbytes,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "compressed-tensors": _compressed,
}


def _group(stored: Mapping[str, object], *keys: str) -> int:
    """Inputs that share a scale; -1 in the file means all of them."""
    group = next((stored[key] for key in keys if stored.get(key) is not None), 128)
    if group == -1:
        return 0
    if not isinstance(group, int) or isinstance(group, bool) or not 0 < group < 1 << 20:
        raise Unmodelled("group_size is not a size")
    return group


def _kept(stored: Mapping[str, object], *, inside: bool) -> dict[str, object]:
    """`kept` and `patterns`; `inside`: a name counts wherever it occurs in a layer's name."""
    inner = stored.get("quantization")
    places = (stored, inner if isinstance(inner, dict) else {})
    lists = (place.get(key) for place in places for key in _KEPT_KEYS)
    names = {n for found in lists if isinstance(found, list) for n in found if isinstance(n, str)}
    exact, patterns = set[str](), list[str]()
    for name in sorted(names):
        pattern = _wildcard(name, inside=inside)
        if "*" in pattern:
            patterns.append(pattern)
        else:
            exact.add(pattern)
    if len(patterns) > _MOST_PATTERNS:
        raise Unmodelled("too many patterns of layers that stay in 16 bit")
    return {"kept": frozenset(exact), "patterns": tuple(patterns)}


def _wildcard(name: str, *, inside: bool) -> str:
    """A name as it is, or "re:" patterns as wildcards where they say no more than those can."""
    regex = name.startswith("re:")
    plain = name.removeprefix("re:").removeprefix("^") if regex else name
    if regex:
        plain = plain.removesuffix("$").replace("\\.", "\0").replace(".*", "*")
    if len(name) > _LONGEST or any(mark in plain for mark in "[](){}+|?^$\\"):
        raise Unmodelled(f"the pattern {name[:60]!r} of layers that stay in 16 bit")
    if regex:
        return plain.replace("\0", ".") + ("" if name.endswith("$") else "*")
    return f"*{plain}*" if inside else plain
