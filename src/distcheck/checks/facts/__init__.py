"""Facts: evidence folded over a group, typed. Each is Missing with a reason, or has its gaps."""
