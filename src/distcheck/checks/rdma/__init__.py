"""What a pod needs for RDMA."""
