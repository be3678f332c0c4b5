"""The test cluster (a real control plane with fake GPU nodes) and the end-to-end scenarios."""
