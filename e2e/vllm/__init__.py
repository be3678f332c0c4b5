"""A real vLLM on the processor, and tests of the sidecar in front of it: `make e2e-vllm`."""
