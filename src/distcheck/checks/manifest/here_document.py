"""Here-documents of shell scripts: what is written into files, and not run."""

from distcheck.pattern import pattern

_HERE = pattern(r"(?<!<)<<-?(?!<)\s*[\"'\\]?([A-Za-z_]\w{0,40})")


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
