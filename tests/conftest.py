"""What every test may use."""

pytest_plugins = ["e2e.fixtures"]
