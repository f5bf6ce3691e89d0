"""Draws a Grafana dashboard from its JSON and a Prometheus, for pictures in the docs."""
