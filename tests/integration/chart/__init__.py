"""A package, so that the cluster of these tests ends with the last of them."""
