"""Tiered LLM inference capacity on Kubernetes: declared, enforced on every request, verifiable."""
