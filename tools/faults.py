"""
Run the whole fault suite and write its table into ``docs/reliability.md``.

Beside ``tests/faults`` that is every test of ``tests/faults/elsewhere.py``.
Further arguments go to pytest; with ``-k`` or ``-m`` no table is written.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Become pytest."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    from tests.faults.elsewhere import FILES

    words = [
        sys.executable,
        '-m',
        'pytest',
        '-p',
        'tests.faults.table',
        '-q',
        '--faults-table',
        'docs/reliability.md',
        'tests/faults',
        *FILES,
        *sys.argv[1:],
    ]
    os.execv(sys.executable, words)  # noqa: S606 - this Python, these words


if __name__ == '__main__':
    main()
