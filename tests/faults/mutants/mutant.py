"""What a deliberate breakage consists of."""

from typing import NamedTuple

RAW = 'tests/faults/test_raw_image.py'
COMPRESSED = 'tests/faults/test_compressed_image.py'
CONTENT = 'tests/faults/test_content.py'
STREAM = 'tests/faults/test_stream.py'
MODEL = 'tests/faults/test_model.py'
LIFECYCLE = 'tests/faults/test_lifecycle.py'
PROCESS = 'tests/faults/test_process.py'
PARAMETERS = 'tests/faults/test_parameters.py'
NAVIGATION = 'tests/faults/test_navigation.py'
SECURITY = 'tests/faults/test_security.py'
FUZZ = 'tests/faults/test_fuzz.py'
SOAK = 'tests/faults/test_soak.py'
CLASSIFIER = 'tests/ros/test_classifier_faults.py'
CLASSIFIER_PROCESS = 'tests/ros/test_classifier_process.py'
TWO_CAMERAS = 'tests/ros/test_classifier_cameras.py'
TRANSITIONS = 'tests/ros/test_lifecycle.py'


class Mutant(NamedTuple):
    """
    One breakage.

    :param group: the group of cases that must notice it.
    :param what: what is broken, in words.
    :param file: below the package, or below the checkout for other files.
    :param old: text that occurs once in it.
    :param new: what takes its place.
    :param tests: node ids of pytest; without ``[...]`` all tests of that
        function. Every one of them must fail.
    """

    group: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def broken(group: str, what: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    """Return a breakage; see :class:`Mutant`."""
    return Mutant(group, what, file, old, new, tests)


def each(test: str, *cases: str) -> tuple[str, ...]:
    """Return the node ids of some cases of a parametrised test."""
    return tuple(f'{test}[{case}]' for case in cases)
