"""What a real vLLM does under the same loads, and the simulated one beside it."""
