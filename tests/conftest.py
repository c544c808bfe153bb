"""What holds for all tests."""

import contextlib

with contextlib.suppress(ImportError):  # as on a robot
    from hypothesis import HealthCheck, settings

    # How long an example takes says something of the machine, which others use too. The
    # examples are the same at every run: what finds new ones is the fuzzer.
    settings.register_profile(
        'any machine',
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile('any machine')
