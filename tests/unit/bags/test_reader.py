import shutil
from pathlib import Path

import numpy as np
import pytest

from alexnet_ros.bags.find import camera_names, is_bag
from alexnet_ros.bags.frames import every_frame, paced_frames
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.bags.typestore import definitions, typestore
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.errors import BagError
from tests.split_bag import bag_writer

FORMS = [
    (storage, compression, split)
    for storage in ('mcap', 'sqlite3')
    for compression in ('', 'message', 'file', 'storage')
    for split in (0, 7)
    if not (compression == 'storage' and storage == 'sqlite3')
]


def write_bag(folder: Path, frames: int = 10, **how: object) -> None:
    rng = np.random.default_rng(1)
    with bag_writer(folder, **how) as bag:
        for index in range(frames):
            image = rng.integers(0, 255, (24, 32, 3), np.uint8)
            bag.write_image('/front/image', 10**9 + index, image)
            bag.write_image('/left/image', 10**9 + index, image[:, ::-1])


def stamps_and_sums(path: Path) -> list[tuple[str, int, int]]:
    with BagReader(path) as bag:
        assert not bag.losses
        return [(i.topic, i.stamp_ns, int(i.message.data.sum())) for i in bag.images()]


@pytest.mark.parametrize(('storage', 'compression', 'split'), FORMS)
def test_every_form_of_bag_reads_the_same(
    tmp_path: Path, storage: str, compression: str, split: int
) -> None:
    write_bag(tmp_path / 'plain')
    write_bag(tmp_path / 'form', storage=storage, compression=compression, split_messages=split)
    assert stamps_and_sums(tmp_path / 'form') == stamps_and_sums(tmp_path / 'plain')
    files = [f for f in (tmp_path / 'form').iterdir() if f.name != 'metadata.yaml']
    assert len(files) == (3 if split else 1)
    assert is_bag(tmp_path / 'form')


@pytest.mark.parametrize('split', [0, 3])
@pytest.mark.parametrize('metadata', ['missing', 'broken'])
def test_bag_without_metadata_is_read_and_said(tmp_path: Path, split: int, metadata: str) -> None:
    write_bag(tmp_path / 'bag', split_messages=split)
    if metadata == 'missing':
        (tmp_path / 'bag/metadata.yaml').unlink()
    else:
        (tmp_path / 'bag/metadata.yaml').write_text('{[')
    with BagReader(tmp_path / 'bag') as bag:
        stamps = [image.stamp_ns for image in bag.images()]
        assert len(stamps) == 20
        assert stamps == sorted(stamps)
        assert 'metadata.yaml' in bag.losses[0]


@pytest.mark.parametrize('compression', ['', 'file', 'storage'])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_cut_off_bag_gives_its_first_part_and_says_the_loss(
    tmp_path: Path, storage: str, compression: str
) -> None:
    if compression == 'storage' and storage == 'sqlite3':
        compression = ''
    write_bag(tmp_path / 'bag', frames=1000, storage=storage, compression=compression)
    path = next(f for f in (tmp_path / 'bag').iterdir() if f.name != 'metadata.yaml')
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with BagReader(tmp_path / 'bag') as bag:
        found = [image.stamp_ns - 10**9 for image in bag.images('/left/image' for _ in range(1))]
        assert 400 < len(found) < 1000
        assert found == list(range(len(found)))
        assert any('of 2000 messages are lost' in loss for loss in bag.losses)


def test_damage_in_the_middle_costs_one_chunk_only(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag', compression='storage') as writer:
        for index in range(1000):
            image = np.full((24, 32, 3), index % 251, np.uint8)
            writer.write_image('/left/image', 10**9 + index, image)
    path = tmp_path / 'bag/bag.mcap'
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = b'\xff' * 64
    path.write_bytes(data)
    with BagReader(tmp_path / 'bag') as bag:
        found = {image.stamp_ns for image in bag.images(['/left/image'])}
        assert 400 < len(found) < 1000
        assert 10**9 + 999 in found
        assert bag.losses


def test_missing_split_file_is_said(tmp_path: Path) -> None:
    write_bag(tmp_path / 'bag', split_messages=10)
    (tmp_path / 'bag/bag_1.mcap').unlink()
    with BagReader(tmp_path / 'bag') as bag:
        assert len(list(bag.images())) == 10
        assert 'bag_1.mcap' in bag.losses[0]


def test_unknown_types_and_broken_messages_are_skipped(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_image('/camera/image', 5, np.zeros((4, 4, 3), np.uint8))
        bag.write_raw('/camera/image', 'sensor_msgs/msg/Image', b'\x00\x01\x00\x00short', 6)
        speed = typestore().types['std_msgs/msg/Bool'](data=True)
        bag.write('/lock', speed, 7)
    with BagReader(tmp_path / 'bag') as reader:
        assert len(list(reader.images())) == 1
        assert 'cannot be read' in reader.losses[0]
        with pytest.raises(BagError, match='no images on /lock'):
            next(reader.images(['/lock']))


@pytest.mark.parametrize('make', ['nothing', 'empty', 'text'])
def test_no_bag_is_refused_in_one_line(tmp_path: Path, make: str) -> None:
    path = tmp_path / 'bag'
    if make == 'empty':
        path.mkdir()
    elif make == 'text':
        path.write_text('hello')
    with pytest.raises(BagError, match='is not a bag'):
        BagReader(path)
    assert not is_bag(path)


@pytest.mark.parametrize('name', ['x.mcap', 'x.db3'])
@pytest.mark.parametrize('data', [b'', b'SQLite format 3\x00', b'\x89MCAP0\r\n', b'rubbish' * 99])
def test_file_of_rubbish_gives_nothing_and_says_so(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with BagReader(tmp_path / name) as bag:
        assert bag.losses
        with pytest.raises(BagError, match='no images'):
            next(bag.images())


def test_metadata_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    write_bag(tmp_path / 'bag')
    shutil.copy(tmp_path / 'bag/bag.mcap', tmp_path / 'secret.mcap')
    text = (tmp_path / 'bag/metadata.yaml').read_text()
    (tmp_path / 'bag/metadata.yaml').write_text(text.replace('bag.mcap', '../secret.mcap'))
    with BagReader(tmp_path / 'bag') as bag:
        assert any('secret.mcap' in loss for loss in bag.losses)
        assert len(list(bag.images())) == 20


def test_writer_refuses_to_overwrite(tmp_path: Path) -> None:
    write_bag(tmp_path / 'bag', frames=1)
    with pytest.raises(BagError, match='exists already'):
        BagWriter(tmp_path / 'bag')
    with pytest.raises(BagError, match='stored as'):
        BagWriter(tmp_path / 'other', storage='csv')


def test_compressed_companion_overlay_and_depth_are_left_out(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for topic in ('/a/image', '/a/depth/image', '/alexnet/overlay'):
            bag.write_image(topic, 5, np.zeros((4, 4, 3), np.uint8))
        bag.write_jpeg('/a/image/compressed', 5, b'x')
        bag.write_jpeg('/b/image/compressed', 5, b'x')
    with BagReader(tmp_path / 'bag') as reader:
        topics = reader.image_topics()
    assert topics == ['/a/image', '/b/image/compressed']
    assert camera_names(topics) == {'/a/image': 'a', '/b/image/compressed': 'b'}


def test_definitions_equal_those_the_node_is_built_from() -> None:
    root = Path(__file__).parents[3] / 'tools/interfaces'
    for name, text in definitions().items():
        package, _, kind = name.split('/')
        if package not in {'vision_msgs', 'nav2_msgs'}:  # the node's own; others are for viewers
            continue
        lines = (root / package / 'msg' / f'{kind}.msg').read_text().splitlines()
        fields = [line.split('#')[0].split() for line in lines if line.split('#')[0].strip()]
        ours = [line.split() for line in text.splitlines()]
        assert [[f[0].split('/')[-1], f[1]] for f in fields] == [
            [f[0].split('/')[-1], f[1]] for f in ours
        ]


def test_path_that_looks_like_options_is_written_and_read(tmp_path: Path) -> None:
    folder = tmp_path / 'runs #1' / 'what? 50%20'
    write_bag(folder)
    assert [path.name for path in tmp_path.iterdir()] == ['runs #1']
    assert len(stamps_and_sums(folder)) == 20


def test_path_that_sqlite_would_read_as_options_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='use mcap'):
        BagWriter(tmp_path / 'what? 50%20', storage='sqlite3')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('paced', [False, True])
def test_frames_read_ahead_can_be_stopped(tmp_path: Path, storage: str, paced: bool) -> None:
    """A database is closed by the thread that opened it, or Python complains."""
    write_bag(tmp_path / 'bag', storage=storage)
    cameras = {'/front/image': 'front', '/left/image': 'left'}
    with BagReader(tmp_path / 'bag') as reader:
        groups = paced_frames(reader, cameras) if paced else every_frame(reader, cameras)
        first = next(iter(groups))[0]
        assert first.frame is not None
        assert first.frame.camera in {'front', 'left'}
        groups.close()
