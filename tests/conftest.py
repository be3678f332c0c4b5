"""What every test may use."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["e2e.fixtures"]

# No test may pass or fail on time, so neither do examples: no deadline, no check for slowness.
settings.register_profile(
    "default", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("nightly", parent=settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
