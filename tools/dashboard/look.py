"""Colours, words and thresholds. Grey is for what nobody saw: it is never green."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

NOT_SEEN = "not seen"
GREY, GREEN, YELLOW, ORANGE, RED, PURPLE, BLUE = (
    "#7b8087", "green", "yellow", "orange", "red", "purple", "blue",
)  # fmt: skip
DOCS = "https://github.com/distcheck/distcheck/blob/main/docs"

OUTCOMES = {
    "0": ("does not apply", GREY),
    "1": ("pass", GREEN),
    "2": ("warn", YELLOW),
    "3": ("unknown", PURPLE),
    "4": ("FAIL", RED),
}
TRANSPORTS = {
    "rdma": GREEN, "mnnvl": GREEN, "peer-to-peer": GREEN, "gpu-direct-tcp": YELLOW,
    "rdma-no-gdr": YELLOW, "shared-memory": ORANGE, "socket": RED, "other": PURPLE,
}  # fmt: skip
"""Kinds of transport between two ranks, as `docs/metrics.md` has them."""


def steps(*marks: tuple[float, str]) -> build.ThresholdsConfig:
    """Thresholds above a grey base: a panel without a value takes the base's colour."""
    made = [model.Threshold(value=None, color=GREY)]
    made += [model.Threshold(value=value, color=color) for value, color in marks]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def values(words: Mapping[str, tuple[str, str]]) -> list[model.ValueMapping]:
    """Numbers as coloured words, and nothing as "not seen"."""
    known = {
        value: model.ValueMappingResult(text=text, color=color, index=n)
        for n, (value, (text, color)) in enumerate(words.items())
    }
    return [model.ValueMap(options=known), unseen(len(known))]


def unseen(index: int = 0) -> model.SpecialValueMap:
    """Null is "not seen", in grey."""
    says = model.ValueMappingResult(text=NOT_SEEN, color=GREY, index=index)
    options = model.DashboardSpecialValueMapOptions(
        match=model.SpecialValueMatch.NULL_AND_NAN, result=says
    )
    return model.SpecialValueMap(options=options)


def colors(known: Mapping[str, str]) -> list[model.ValueMapping]:
    """Words with a colour each, and nothing as "not seen"."""
    return values({word: (word, color) for word, color in known.items()})
