"""One door per outside world. Probes look; they do not judge."""
