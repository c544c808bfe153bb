"""The table of kinds: what was read, lost and said. ``make corpus``."""

import sys
import tempfile
from pathlib import Path

from alexnet_ros.config import RecognizerSettings
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.recognizer import Recognizer
from tests.corpus.kinds import KINDS
from tests.corpus.outcome import outcome_of
from tests.models import tiny_package


def main() -> int:
    """Print the table; 1 if a kind is not read as it must be."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix='corpus-') as place:
        model = Path(place) / 'colours'
        tiny_package(model)
        settings = RecognizerSettings(regions='frame')
        with Recognizer.open(model, backend='cpu', settings=settings) as recognizer:
            print(f'{"":4} {"kind":<32} {"read":>8} {"rejected":>8} {"lost":>4}  said')
            for number, kind in enumerate(KINDS):
                folder = Path(place) / str(number)
                folder.mkdir()
                wanted = sum(kind.read.values())
                try:
                    found = outcome_of(kind, folder, recognizer)
                except AlexnetRosError as error:
                    print(f'FAIL {kind.name:<32} {0:>3} / {wanted:<3} {error}')
                    failed += 1
                    continue
                good = (found.read, found.lost, found.rejected, found.signs) == (
                    kind.read,
                    kind.lost,
                    kind.rejected,
                    kind.signs,
                ) and kind.said in found.said
                failed += not good
                read = f'{sum(found.read.values())} / {wanted}'
                print(
                    f'{"ok" if good else "FAIL":4} {kind.name:<32} {read:>8} '
                    f'{sum(found.rejected.values()):>8} {found.lost:>4}  {found.said or "-"}'
                )
    print(f'{len(KINDS) - failed} of {len(KINDS)} kinds are read as they must be')
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
