"""Side-by-side benchmarks: what we claim, beside what others do, from one run."""
