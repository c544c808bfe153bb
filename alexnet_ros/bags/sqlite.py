"""sqlite3 bag files: whole, cut off, or with the log that a killed recorder left."""

import contextlib
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from alexnet_ros.bags.salvage import Say, StoredMessage
from alexnet_ros.bags.unpack import MAX_UNPACKED_BYTES

MAX_TOPICS = 10_000
MAX_NAMES = 16 << 20  # characters of all topics and types
MIN_ROW_BYTES = 8  # a page that is its own grandchild gives rows for ever, all of the same bytes
STEPS = 1_000_000  # of sqlite's machine, between two looks at the clock
QUIET_S = 60.0  # a query that gives nothing for so long is ended
MAX_FILLED_BYTES = 1 << 40
ERRORS = (sqlite3.Error, UnicodeDecodeError)  # where its message quotes a name that is no UTF-8
LEFT_BEHIND = ('-wal', '-journal')  # what sqlite keeps beside a database that is not closed


class SqliteFile:
    """Messages of one ``.db3`` file; what a recorder left beside it goes to ``scratch``."""

    def __init__(self, path: Path, say: Say, scratch: Path) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.span_ns: tuple[int, int] | None = None
        self.claimed = 0
        self._name, self._say = path.name, say
        self._topics: dict[int, tuple[str, str]] = {}
        self._path = self._closed(path, scratch)
        self._most_rows = self._path.stat().st_size // MIN_ROW_BYTES
        try:
            self._path = _filled_up(self._path, scratch)
            with self._database() as database:
                _check_schema(database)
                self._look(database)
        except (*ERRORS, OSError) as error:
            self._topics.clear()
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
                database.execute('PRAGMA trusted_schema=OFF')
                database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
                database.execute('SELECT COUNT(*) FROM sqlite_master').fetchall()
        except ERRORS as error:
            self._say(f'{path.name}: the write-ahead log cannot be read ({error})')
            return path
        self._say(f'{path.name}: its recorder was killed; its write-ahead log is read too')
        return copy

    def _database(self) -> contextlib.closing[sqlite3.Connection]:
        """Open the file for reading; ``#``, ``?`` and ``%`` in its path are no options."""
        name = quote(str(self._path.resolve()))
        return _guarded(sqlite3.connect(f'file:{name}?mode=ro&immutable=1', uri=True))

    def _look(self, database: sqlite3.Connection) -> None:
        """Count the messages, as far as the file can be read."""
        characters = 0
        for number, name, kind in database.execute('SELECT id, name, type FROM topics'):
            if type(number) is int and isinstance(name, str) and isinstance(kind, str):
                self._topics[number] = (name, kind)
                characters += len(name) + len(kind)
            if len(self._topics) > MAX_TOPICS or characters > MAX_NAMES:
                raise sqlite3.DatabaseError(f'it has more than {MAX_TOPICS} topics')
        per_topic: Counter[int] = Counter()
        first_ns, last_ns = 1 << 63, -1
        rows = 0
        try:
            for topic, log_ns in database.execute(
                'SELECT topic_id, timestamp FROM messages NOT INDEXED ORDER BY rowid LIMIT ?',
                (self._most_rows + 1,),
            ):
                rows += 1
                if topic in self._topics and type(log_ns) is int:
                    per_topic[topic] += 1
                    first_ns, last_ns = min(first_ns, log_ns), max(last_ns, log_ns)
        except ERRORS as error:
            found = sum(per_topic.values())
            self._say(
                f'{self._name}: damaged after message {found} ({error}); everything before is used'
            )
        if rows > self._most_rows:
            raise sqlite3.DatabaseError('it gives more messages than fit into it')
        for topic, count in per_topic.items():
            self.counts[self._topics[topic]] += count
        self.span_ns = (first_ns, last_ns) if per_topic else None

    def messages(self, wanted: frozenset[str]) -> Iterator[StoredMessage]:
        """Yield the messages of some topics in the order of time."""
        chosen = [n for n, (name, _) in self._topics.items() if not wanted or name in wanted]
        given: set[int] = set()
        # Without an index of the file's own, which may lead nowhere or round and round.
        table = 'FROM messages NOT INDEXED WHERE'
        query = f'{table} topic_id IN ({", ".join(map(str, chosen))}) ORDER BY'
        with self._database() as database:
            try:
                # Ids alone are sorted: without an index the pictures would be.
                for (number,) in database.execute(f'SELECT rowid {query} timestamp, rowid'):
                    rows = database.execute(
                        f'SELECT topic_id, timestamp, data {table} rowid = ?', (number,)
                    )
                    for topic, log_ns, data in rows:
                        given.add(number)
                        if type(log_ns) is int and isinstance(data, bytes):
                            yield StoredMessage(*self._topics[topic], log_ns, data)
            except ERRORS:
                with contextlib.suppress(*ERRORS):  # said when the file was opened
                    for number, topic, log_ns, data in database.execute(
                        f'SELECT rowid, topic_id, timestamp, data {query} rowid'
                    ):
                        if number not in given and type(log_ns) is int and isinstance(data, bytes):
                            yield StoredMessage(*self._topics[topic], log_ns, data)


def _guarded(database: sqlite3.Connection) -> contextlib.closing[sqlite3.Connection]:
    """
    Keep what a stranger's schema can do within bounds.

    Nothing but reading, no functions of the schema's choice, values of at most
    the size of an image, and no query that goes on and gives nothing.
    """
    database.execute('PRAGMA trusted_schema=OFF')
    database.execute('PRAGMA temp_store=FILE')
    if sys.version_info >= (3, 11):
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_UNPACKED_BYTES)
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}
    pragmas = {'table_xinfo'}

    def may(action: int, name: str | None, *_: str | None) -> int:
        fine = action in allowed or (action == sqlite3.SQLITE_PRAGMA and name in pragmas)
        return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY

    database.set_authorizer(may)
    end_s = [time.monotonic() + QUIET_S]
    database.set_progress_handler(lambda: int(time.monotonic() > end_s[0]), STEPS)

    def renewed(_: sqlite3.Cursor, row: tuple[object, ...]) -> tuple[object, ...]:
        end_s[0] = time.monotonic() + QUIET_S
        return row

    database.row_factory = renewed
    return contextlib.closing(database)


def _check_schema(database: sqlite3.Connection) -> None:
    """Raise DatabaseError for views, virtual tables and computed columns in place of tables."""
    query = 'SELECT type, rootpage FROM sqlite_master WHERE name = ?'
    for table in ('topics', 'messages'):
        found = list(database.execute(query, (table,)))
        columns = list(database.execute(f'PRAGMA table_xinfo({table})'))
        if [kind for kind, _ in found] != ['table'] or not found[0][1] or len(columns) > 32:
            raise sqlite3.DatabaseError(f'{table} is not a plain table')
        if any(hidden for *_, hidden in columns):
            raise sqlite3.DatabaseError(f'{table} has a computed column')
        if any(str(name).lower() == 'rowid' for _, name, *_ in columns):
            raise sqlite3.DatabaseError(f'{table} has a column called rowid')


def _filled_up(path: Path, scratch: Path) -> Path:
    """
    Return the file, or a copy that is as long as its header says.

    sqlite opens no file that was cut off; filled with empty pages it does, and
    reads what is there. The copy is sparse: it takes no more than the file.
    """
    with path.open('rb') as file:
        head = file.read(100)
    size = int.from_bytes(head[16:18], 'big')
    wanted = int.from_bytes(head[28:32], 'big') * (65536 if size == 1 else size)
    if path.stat().st_size >= wanted or wanted > MAX_FILLED_BYTES:
        return path
    copy = scratch / f'filled-{path.name}'
    shutil.copy(path, copy)
    with copy.open('r+b') as file:
        file.truncate(wanted)
    return copy
