"""The Go modules that pin the programs of the test cluster, and how they are built."""
