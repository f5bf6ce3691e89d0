"""Charts and overlays before they are rendered: said once each, with the command that renders."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from distcheck.agent.manifests.source import UNRENDERED, Document, Problem

_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


def told_once(
    problems: Iterable[Problem], names: Sequence[str], inner: Collection[str] = ()
) -> Iterator[Problem]:
    """`problems` with one for each chart of `names` in place of those of its templates.

    Kustomizations that others build upon (`inner`) are not what is applied.
    """
    charts = dict.fromkeys(_charts(names), 0)
    for one in problems:
        chart = _chart(one.file, charts) if one.says == UNRENDERED else None
        if chart is not None:
            charts[chart] += 1
        else:
            yield one
    for chart, count in charts.items():
        templates = f"{count} template{'s' * (count != 1)} not judged"
        templates = templates if count else "what is in it is judged as it is written"
        says = f"a Helm chart, {templates}: give the output of `helm template {chart or '.'}`"
        yield Problem(f"{chart}/Chart.yaml" if chart else "Chart.yaml", 0, 0, says, fatal=False)
    overlays = [n for n in names if is_kustomization(n)]
    overlays = [n for n in overlays if n not in inner] or overlays
    if overlays:
        more = f", and {len(overlays) - 1} more" if len(overlays) > 1 else ""
        folder = _split(overlays[0])[0] or "."
        says = f"what it builds is not judged{more}: give the output of `kustomize build {folder}`"
        yield Problem(overlays[0], 0, 0, says, fatal=False)


def is_kustomization(path: str) -> bool:
    """Whether it is a file that kustomize builds from."""
    return _split(path)[1] in _KUSTOMIZATIONS


def _split(path: str) -> tuple[str, str]:
    """Folder and name; a plain start does not load pathlib."""
    folder, _, name = path.rpartition("/")
    return folder, name


def _charts(names: Sequence[str]) -> list[str]:
    """The folders that are charts."""
    return [_split(n)[0] for n in names if _split(n)[1] == "Chart.yaml"]


def _chart(file: str, charts: Iterable[str]) -> str | None:
    """The innermost chart that the file is in."""
    around = [c for c in charts if not c or file.startswith(f"{c}/")]
    return max(around, key=len, default=None)


def nameless(strange: Iterable[Document], names: Sequence[str]) -> Iterator[Document]:
    """Documents that should have had a kind: not what belongs to a chart or to kustomize."""
    charts = _charts(names)
    for one in strange:
        folder, name = _split(one.source.name)
        of_chart = folder in charts and name.startswith(("Chart", "values"))
        if not of_chart and name not in _KUSTOMIZATIONS:
            yield one
