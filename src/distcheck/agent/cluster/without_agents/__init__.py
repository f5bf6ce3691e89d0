"""Looking without agents: logs, one exec a pod, port-forwards."""
