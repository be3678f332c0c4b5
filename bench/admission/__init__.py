"""How fast the admission core is, and how much room a tenant takes: `make bench-admission`."""
