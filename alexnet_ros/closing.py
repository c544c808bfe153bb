"""Objects that hold something until they are closed."""

from types import TracebackType
from typing import TypeVar

from typing_extensions import Self

T = TypeVar('T', bound='Closing')


class Closing:
    """Context manager that calls :meth:`close` at its end, however it ends."""

    def close(self) -> None:
        """Release everything; calling again does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
