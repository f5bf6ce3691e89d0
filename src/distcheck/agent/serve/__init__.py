"""`distcheck serve`: finds the serving groups of a cluster, and verifies each on an interval."""
