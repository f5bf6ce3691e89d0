"""Ray's membership."""
