"""Bags in several files, as recorders split them; the package itself writes one file."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from alexnet_ros.bags.writer import BagWriter

KEY = 'rosbag2_bagfile_information'


class SplitBagWriter(BagWriter):
    """A bag that begins a new file after so many messages."""

    def __init__(self, folder: Path, split_messages: int, **how: Any) -> None:
        super().__init__(folder, **how)
        self._limit, self._how, self._count = split_messages, how, 0
        self._scratch = folder.parent / f'.{folder.name}'
        self._bags: list[BagWriter] = []

    def write_raw(self, topic: str, kind: str, data: bytes, log_ns: int) -> None:
        if self._count % self._limit == 0:
            for bag in self._bags[-1:]:
                bag.close()
            name = f'{self.folder.name}_{len(self._bags)}'
            self._bags.append(BagWriter(self._scratch / name, **self._how))
            for one, (its_kind, offer) in self._offers.items():
                self._bags[-1].add_topic(one, its_kind, offer)
        self._bags[-1].write_raw(topic, kind, data, log_ns)
        self._count += 1

    def close(self) -> None:
        """Put the files into one folder, with one metadata file."""
        self._bags[-1].close()
        self.folder.mkdir()
        infos = []
        for bag in self._bags:
            infos.append(yaml.safe_load((bag.folder / 'metadata.yaml').read_text())[KEY])
            for name in infos[-1]['relative_file_paths']:
                shutil.move(str(bag.folder / name), self.folder / name)
        whole = infos[-1]
        for place, entry in enumerate(whole['topics_with_message_count']):
            counts = [info['topics_with_message_count'] for info in infos]
            entry['message_count'] = sum(
                one[place]['message_count'] for one in counts if place < len(one)
            )
        first = infos[0]['starting_time']
        start, end = (
            one['starting_time']['nanoseconds_since_epoch'] for one in (infos[0], infos[-1])
        )
        whole.update(
            relative_file_paths=[name for i in infos for name in i['relative_file_paths']],
            files=[file for i in infos for file in i['files']],
            message_count=sum(i['message_count'] for i in infos),
            starting_time=first,
            duration={'nanoseconds': end + whole['duration']['nanoseconds'] - start},
        )
        (self.folder / 'metadata.yaml').write_text(yaml.safe_dump({KEY: whole}))
        shutil.rmtree(self._scratch)


def bag_writer(folder: Path, *, split_messages: int = 0, **how: Any) -> BagWriter:
    """Return a writer of a whole bag, or of one in parts."""
    return (
        SplitBagWriter(folder, split_messages, **how)
        if split_messages
        else BagWriter(folder, **how)
    )
