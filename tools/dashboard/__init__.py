"""The Grafana dashboard of deploy/grafana/, made with grafana-foundation-sdk."""
