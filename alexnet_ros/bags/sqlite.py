"""sqlite3 bag files: whole, cut off, or with the log that a killed recorder left."""

import contextlib
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from alexnet_ros.bags.salvage import Say, StoredMessage

LEFT_BEHIND = ('-wal', '-journal')  # what sqlite keeps beside a database that is not closed


class SqliteFile:
    """
    The messages of one ``.db3`` file.

    :param path: the file; it is never written to.
    :param say: is told, in one line, what could not be read.
    :param scratch: a folder for a copy, needed where the recorder left its log.
    """

    def __init__(self, path: Path, say: Say, scratch: Path) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.span_ns: tuple[int, int] | None = None
        self.claimed = 0
        self._name, self._say = path.name, say
        self._topics: dict[int, tuple[str, str]] = {}
        self._path = self._closed(path, scratch)
        try:
            with self._database() as database:
                self._look(database)
        except sqlite3.Error as error:
            say(f'{path.name}: cannot be opened ({error})')

    def _closed(self, path: Path, scratch: Path) -> Path:
        """Return the file, or a copy into which the log beside it was worked."""
        left = [path.with_name(path.name + end) for end in LEFT_BEHIND]
        left = [file for file in left if file.exists() and file.stat().st_size]
        if not left:
            return path
        for file in (path, *left):
            shutil.copy(file, scratch / file.name)
        copy = scratch / path.name
        try:
            with contextlib.closing(sqlite3.connect(copy)) as database:
                database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
                database.execute('SELECT COUNT(*) FROM sqlite_master').fetchall()
        except sqlite3.Error as error:
            self._say(f'{path.name}: the log that its recorder left cannot be read ({error})')
            return path
        self._say(f'{path.name}: its recorder was killed; the log that it left is read too')
        return copy

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Open the file for reading; ``#``, ``?`` and ``%`` in its path are no options."""
        name = quote(str(self._path.resolve()))
        with contextlib.closing(
            sqlite3.connect(f'file:{name}?mode=ro&immutable=1', uri=True)
        ) as database:
            # Lets sqlite open a file that is shorter than its header says.
            database.execute('PRAGMA writable_schema=ON')
            yield database

    def _look(self, database: sqlite3.Connection) -> None:
        """Count the messages, as far as the file can be read."""
        self._topics = {
            number: (str(name), str(kind))
            for number, name, kind in database.execute('SELECT id, name, type FROM topics')
        }
        per_topic: Counter[int] = Counter()
        first_ns, last_ns = 1 << 63, -1
        try:
            for topic, log_ns in database.execute(
                'SELECT topic_id, timestamp FROM messages ORDER BY id'
            ):
                if topic in self._topics:
                    per_topic[topic] += 1
                    first_ns, last_ns = min(first_ns, log_ns), max(last_ns, log_ns)
        except sqlite3.Error as error:
            found = sum(per_topic.values())
            self._say(
                f'{self._name}: damaged after message {found} ({error}); everything before is used'
            )
        for topic, count in per_topic.items():
            self.counts[self._topics[topic]] += count
        self.span_ns = (first_ns, last_ns) if per_topic else None

    def messages(self, wanted: frozenset[str]) -> Iterator[StoredMessage]:
        """
        Yield the messages of some topics in the order of time.

        :param wanted: topics; empty for all.
        """
        chosen = [n for n, (name, _) in self._topics.items() if not wanted or name in wanted]
        given: set[int] = set()
        query = f'FROM messages WHERE topic_id IN ({", ".join(map(str, chosen))}) ORDER BY'
        with self._database() as database:
            try:
                # Ids alone are sorted: without an index the pictures would be.
                for (number,) in database.execute(f'SELECT id {query} timestamp, id'):
                    rows = database.execute(
                        'SELECT topic_id, timestamp, data FROM messages WHERE id = ?', (number,)
                    )
                    for topic, log_ns, data in rows:
                        given.add(number)
                        yield StoredMessage(*self._topics[topic], log_ns, bytes(data))
            except sqlite3.Error:
                with contextlib.suppress(sqlite3.Error):  # said when the file was opened
                    for number, topic, log_ns, data in database.execute(
                        f'SELECT id, topic_id, timestamp, data {query} id'
                    ):
                        if number not in given:
                            yield StoredMessage(*self._topics[topic], log_ns, bytes(data))
