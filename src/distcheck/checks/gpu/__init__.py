"""The GPUs that the group asks for."""
