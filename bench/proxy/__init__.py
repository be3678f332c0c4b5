"""What a request and a streamed chunk cost: the sidecar beside nginx and other routers."""
