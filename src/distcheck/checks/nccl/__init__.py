"""What NCCL's logs prove."""
