"""
Every deliberate error of the package, over one root.

A message says what was expected, what came, and what to do about it. Only
:class:`EngineUnavailableError` lets the engine selection fall back.
"""

import re

_HIDDEN = re.compile('[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]')


class AlexnetRosError(Exception):
    """Root of all deliberate errors; its text is one line fit for a user."""


class ConfigError(AlexnetRosError, ValueError):
    """A setting is unknown, of the wrong type or out of its range."""


class ImageFormatError(AlexnetRosError, ValueError):
    """
    An image cannot be decoded as declared.

    :param reason: short stable key for counters, such as ``short_data``.
    :param detail: one sentence: what was expected and what came.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f'{reason}: {detail}')
        self.reason = reason
        self.detail = detail


class LabelFileError(AlexnetRosError, ValueError):
    """A label file is missing, malformed or does not match its model."""


class ModelPackageError(AlexnetRosError, ValueError):
    """A model package is missing, incomplete, altered or inconsistent."""


class EngineUnavailableError(AlexnetRosError):
    """A backend cannot run here (no library, driver or device); fall back."""


class EngineBuildError(AlexnetRosError):
    """A network could not be compiled for this backend."""


class EngineMismatchError(AlexnetRosError):
    """An engine or its key belongs to another model, version or device."""


class EngineCacheError(AlexnetRosError):
    """The folder for compiled engines cannot be used or trusted."""


class EngineRunError(AlexnetRosError):
    """One inference failed or gave non-finite values; the next may work."""


class EngineFatalError(EngineRunError):
    """The device context is lost; only a new process can go on."""


class BagError(AlexnetRosError):
    """A bag cannot be read or written."""


class DatasetError(AlexnetRosError, ValueError):
    """A data set is missing files, labels or classes."""


class TrainingError(AlexnetRosError):
    """Training cannot go on, for instance because the loss is not finite."""


class FileWriteError(AlexnetRosError):
    """A file cannot be written: the disk is full, read-only or not the user's."""


def printable(text: str) -> str:
    """
    Return a text that is safe on a terminal and in a log.

    Control characters, escape sequences and marks that turn the direction of
    writing come out as escapes.
    """
    if text.isprintable():
        return text
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in text)


def is_one_line(text: str) -> bool:
    """Tell whether a text has no line breaks, control characters or marks of direction."""
    return _HIDDEN.search(text) is None
