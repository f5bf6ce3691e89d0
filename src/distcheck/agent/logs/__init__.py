"""Pure, streaming parsers of log text."""
