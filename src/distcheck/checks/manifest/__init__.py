"""What manifests, or the live objects of a group, say: the facts that CONF rules judge."""
