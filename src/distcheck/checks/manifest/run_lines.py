"""What of a script is run, or of YAML is read: neither here-documents nor comments."""

from distcheck.pattern import pattern

_HERE = pattern(r"(?<!<)<<-?(?!<)\s*[\"'\\]?([A-Za-z_]\w{0,40})")


_COMMENT = pattern(r"(?m)(?:^|(?<=\s))#.*$", near=("#",))


def without_comments(text: str) -> str:
    """A script or YAML without them; a `#` behind a blank counts within quotes, too."""
    return _COMMENT.sub("", text)


def run_lines(script: str) -> str:
    """The script without its here-documents."""
    if "<<" not in script:
        return script
    kept, end = [], ""
    for line in script.split("\n"):
        if end:
            end = "" if line.strip() == end else end
            continue
        kept.append(line)
        found = _HERE.search(line)
        end = found[1] if found else ""
    return "\n".join(kept)
