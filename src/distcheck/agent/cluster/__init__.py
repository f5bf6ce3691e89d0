"""The Kubernetes side: find the serving group, read its intent, reach the agents."""
