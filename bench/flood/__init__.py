"""What a flood does to the time to first token of a contract: `make bench-flood`."""
