"""The file in which a navigator leaves to the next one what is in force."""

import fcntl
import os
from pathlib import Path

from alexnet_ros.errors import ConfigError

MAX_BYTES = 1 << 20
OFF = 'none'


class StateFile:
    """
    A small text file, written at once or not at all.

    Not flushed to the disk: it has to survive the process, and a robot that
    loses its power starts anew.

    :param path: of the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._text: str | None = None
        self._lock: int | None = None
        self.error = ''

    @classmethod
    def of_node(cls, setting: str, full_name: str) -> 'StateFile':
        """
        Return the file of a node.

        :param setting: a path, ``none``, or empty for one in ``$ROS_HOME``
            by the ROS domain and the node's name.
        :param full_name: of the node, with its namespace.
        """
        if setting == OFF:
            return cls(None)
        if setting:
            return cls(Path(setting).expanduser())
        home = Path(os.environ.get('ROS_HOME') or '~/.ros').expanduser()
        domain = os.environ.get('ROS_DOMAIN_ID') or '0'
        name = full_name.strip('/').replace('/', '.')
        return cls(home / 'alexnet_ros' / f'domain{domain}.{name}.json')

    def read(self) -> str:
        """
        Return what the last process has written, empty if there is nothing.

        :raises ConfigError: there is something, and it cannot be read.
        """
        if self._path is None:
            return ''
        try:
            with self._path.open('rb') as file:
                data = file.read(MAX_BYTES + 1)
            text = data.decode('utf-8')
        except FileNotFoundError:
            return ''
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f'{self._path}: cannot be read: {error}') from error
        if len(data) > MAX_BYTES or not text.strip():
            raise ConfigError(f'{self._path}: {len(data)} bytes, expected 1 to {MAX_BYTES}')
        self._text = text
        return text

    def write(self, text: str) -> None:
        """Write the text if it is new; what goes wrong is kept in ``error``."""
        if self._path is None or text == self._text:
            return
        try:
            self._claim(self._path)
            draft = self._path.with_name(f'{self._path.name}.{os.getpid()}')
            draft.write_text(text, encoding='utf-8')
            draft.replace(self._path)
        except OSError as error:
            self.error = f'{self._path}: cannot be written: {error.strerror}'
        else:
            self._text, self.error = text, ''

    def _claim(self, path: Path) -> None:
        """Be the only writer, or raise OSError; a killed one leaves its place."""
        if self._lock is not None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(f'{path.name}.lock'), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise OSError(error.errno, 'another navigator writes it') from error
        self._lock = lock

    def close(self) -> None:
        """Leave the file to the next one."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
