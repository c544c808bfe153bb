"""What holds for all tests."""

import contextlib
import signal

# A shell that runs the tests in the background hands "ignore" down to every process of theirs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
