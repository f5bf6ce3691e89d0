"""What the Kubernetes API says of the group."""
