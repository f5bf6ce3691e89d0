"""Manifests on paper: read with positions, understood as the cluster would, and mended."""
