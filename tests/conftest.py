"""What holds for all tests."""

import contextlib

with contextlib.suppress(ImportError):  # as on a robot
    from hypothesis import settings

    # How long an example takes says something of the machine, which others use too.
    settings.register_profile('any machine', deadline=None)
    settings.load_profile('any machine')
