"""Files of other tools that are no Kubernetes objects, told before they are read.

A pre-commit hook is given all JSON and YAML of a commit: `tsconfig.json` has comments, which no
JSON has, and a lock file has more than is worth reading.
"""

from distcheck.checks.manifest.report import PIPED
from distcheck.pattern import pattern

MOST_READ = 1 << 18
"""Characters up to which JSON without these words is read: values of a chart have neither."""
OTHER_JSON = "JSON that names no kind or apiVersion: no Kubernetes object, not judged"
OTHER_YAML = "too large to be read, and names no kind or apiVersion: no Kubernetes object"
OF_OTHERS = (OTHER_JSON, OTHER_YAML)
_YAML = (".yaml", ".yml")


def is_other_json(name: str, text: str) -> bool:
    """Whether the file `name` is by its name and its first character JSON, and no manifest."""
    if name == PIPED or name.endswith(_YAML) or _names_object(text):
        return False
    return name.endswith(".json") or text.lstrip()[:1] in ("{", "[")


def is_other_yaml(name: str, text: str) -> bool:
    """Whether a file that is above a limit of ours is large, and no line of it begins an object."""
    return len(text) > MOST_READ and name != PIPED and _KEY.search(text) is None


def _names_object(text: str) -> bool:
    """Whether one of the words stands in it as JSON, or as a key in any of YAML's ways."""
    return any(f'"{word}"' in text for word in _WORDS) or _KEY.search(text) is not None


_WORDS = ("kind", "apiVersion")
_KEY = pattern(
    r"""(?m)(?:^[ \t-]*|[{,][ \t]*)(?:(?:kind|apiVersion)[ \t]*:(?:[ \t]|$)"""
    r"""|'(?:kind|apiVersion)'[ \t]*:|"(?:kind|apiVersion)"[ \t]*:)"""
)
