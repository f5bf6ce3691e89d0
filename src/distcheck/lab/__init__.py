"""A two-node cluster on this machine, with faults to inject."""
