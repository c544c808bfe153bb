"""What the tests of a module share, made anew after a failure."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

import pytest

T = TypeVar('T')


class Shared(Generic[T]):
    """
    One thing that several tests use after one another.

    A process that a test has led astray must not make the tests behind it fail
    as well: after a failure it is thrown away and the next test gets a new one.

    :param make: returns the context that makes it, checks it at its end and
        clears it away.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        self._make = make
        self._context: AbstractContextManager[T] | None = None
        self._one: T | None = None

    def lent(self, request: pytest.FixtureRequest) -> Iterator[T]:
        """Lend it for one test; the body of a fixture."""
        if self._one is None:
            self._context = self._make()
            self._one = self._context.__enter__()
        failed = request.session.testsfailed
        yield self._one
        if request.session.testsfailed > failed:
            self._end(AssertionError('a test failed with it'))

    def close(self) -> None:
        """Check it and clear it away, if it is there."""
        self._end(None)

    def _end(self, error: AssertionError | None) -> None:
        context, self._context, self._one = self._context, None, None
        if context is None:
            return
        try:
            context.__exit__(None if error is None else type(error), error, None)
        except AssertionError as raised:
            if raised is not error:
                raise
