"""What a flood does to a contract on a real node of two replicas: `make bench-node`."""
