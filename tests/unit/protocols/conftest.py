"""Property tests here run the same examples everywhere: a red build can be repeated at a desk."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "protocols",
    settings(
        derandomize=True,
        deadline=None,
        max_examples=100,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    ),
)
settings.load_profile("protocols")
