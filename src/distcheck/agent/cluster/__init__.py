"""The Kubernetes side: find the group, read its intent, reach the agents."""
