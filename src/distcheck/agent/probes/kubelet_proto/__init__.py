"""Messages of the kubelet that this project reads: generated from the .proto beside them."""
