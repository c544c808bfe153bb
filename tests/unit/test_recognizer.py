import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from alexnet_ros.config import RecognizerSettings, TrackerSettings, settings_from_mapping
from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.errors import ConfigError, EngineRunError, ImageFormatError, ModelPackageError
from alexnet_ros.model_package import ModelPackage, ScoreSpec
from alexnet_ros.preprocess import batch_from_regions
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame, Outputs, Region
from tests.models import colour_of, tiny_package

Image = NDArray[np.uint8]
RED, GREEN, BLUE, GREY = range(4)
SECOND = 10**9


@pytest.fixture(name='package', scope='module')
def _package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    folder = tmp_path_factory.mktemp('models') / 'tiny'
    return tiny_package(folder, background=True, margin=0.0)  # grey is "no sign"


class CountingEngine(OnnxRuntimeEngine):
    """A real engine that notes the batch sizes it was given."""

    def __init__(self, package: ModelPackage, **options: Any) -> None:
        super().__init__(package, threads=1, provider='cpu', **options)
        self.batches: list[int] = []

    def infer(self, batch_nhwc: Image, *, features: bool = False) -> Outputs:
        self.batches.append(len(batch_nhwc))
        return super().infer(batch_nhwc, features=features)


def recognizer(package: ModelPackage, **settings: Any) -> Recognizer:
    made = settings_from_mapping(RecognizerSettings, settings)
    return Recognizer(package, CountingEngine(package), made)


def batches(made: Recognizer) -> list[int]:
    assert isinstance(made.engine, CountingEngine)
    return made.engine.batches


def plain(class_id: int, size_wh: tuple[int, int] = (64, 48)) -> Image:
    return np.full((size_wh[1], size_wh[0], 3), colour_of(class_id), np.uint8)


def scene(*patches: tuple[int, tuple[int, int, int, int]]) -> Image:
    """A grey frame of 200x150 with coloured boxes xywh."""
    image = plain(GREY, (200, 150))
    for class_id, (x, y, width, height) in patches:
        image[y : y + height, x : x + width] = colour_of(class_id)
    return image


def box(x: float, y: float, width: float, height: float, score: float = 1.0) -> Region:
    return Region((x, y, width, height), score, 'detection')


def names(made: Recognizer, frame: Frame, boxes: Sequence[Region]) -> list[str]:
    (found,) = made.recognize([frame], [boxes])
    return [
        'unknown' if d.classification.best is None else d.classification.best.class_name
        for d in found.detections
    ]


def test_whole_frame_is_one_detection_with_the_frames_stamp(package: ModelPackage) -> None:
    with recognizer(package) as made:
        (found,) = made.recognize([Frame(plain(GREEN), 12345, 'front')])
    assert found.camera == 'front'
    assert found.stamp_ns == 12345
    assert found.size_wh == (64, 48)
    (detection,) = found.detections
    assert detection.bbox_xywh == (0.0, 0.0, 64.0, 48.0)
    assert detection.track_id is None
    assert found.foremost == detection
    assert detection.classification.best is not None
    assert detection.classification.best.class_name == 'green'
    assert set(found.stage_ms) == {'regions', 'preprocess', 'engine', 'postprocess', 'tracking'}
    assert all(value >= 0 for value in found.stage_ms.values())
    assert found.features is None


def test_all_cameras_and_regions_share_one_batch(package: ModelPackage) -> None:
    frames = [
        Frame(scene((RED, (10, 10, 30, 30)), (BLUE, (100, 50, 40, 40))), 1, 'front'),
        Frame(plain(GREEN), 2, 'left'),
        Frame(scene((GREEN, (50, 50, 20, 20))), 3, 'rear'),
    ]
    boxes = [[box(10, 10, 30, 30, 0.6), box(100, 50, 40, 40, 0.9)], [], [box(50, 50, 20, 20)]]
    with recognizer(package, regions='detections') as made:
        found = made.recognize(frames, boxes)
        assert batches(made) == [3]
    assert [one.camera for one in found] == ['front', 'left', 'rear']
    best = [[d.classification.results[0].class_name for d in one.detections] for one in found]
    assert best == [['blue', 'red'], [], ['green']]
    assert found[0].detections[0].region_score == 0.9


def test_no_region_costs_no_run(package: ModelPackage) -> None:
    with recognizer(package, regions='detections', features=True) as made:
        (found,) = made.recognize([Frame(plain(RED), 1)])
        assert made.recognize([]) == []
        assert batches(made) == []
    assert found.detections == ()
    assert found.features is not None
    assert found.features.shape == (0, 4096)


def test_features_are_those_of_the_detections(package: ModelPackage) -> None:
    regions = [box(0, 0, 40, 40, 0.9), box(60, 60, 40, 40, 0.8)]
    frame = Frame(scene((RED, (0, 0, 40, 40))), 1)
    with recognizer(package, regions='signs', features=True) as made:
        (found,) = made.recognize([frame], [regions])
        batch = batch_from_regions([(frame.image_rgb, regions[0])], package.input)
        expected = made.engine.infer(batch, features=True).features
    assert len(found.detections) == 1  # the grey box is background
    assert found.features is not None
    assert found.features == pytest.approx(expected, abs=1e-5)


def test_background_is_dropped_among_signs_and_unknown_for_given_boxes(
    package: ModelPackage,
) -> None:
    frame = Frame(scene((RED, (0, 0, 40, 40))), 1)
    regions = [box(0, 0, 40, 40), box(60, 60, 40, 40)]
    with recognizer(package, regions='signs') as made:
        assert names(made, frame, regions) == ['red']
    with recognizer(package, regions='detections') as made:
        assert names(made, frame, regions) == ['red', 'unknown']
    with recognizer(package, regions='frame') as made:
        (found,) = made.recognize([Frame(plain(GREY), 1)])
        assert found.detections[0].classification.unknown
        assert found.foremost is None


def test_sign_of_no_known_class_is_kept_as_unknown(package: ModelPackage) -> None:
    strict = replace(package, scores=ScoreSpec(unknown_class_id=GREY, score=0.999999))
    orange = scene((RED, (0, 0, 40, 40)))
    orange[:40, :40] = (255, 110, 0)
    with recognizer(strict, regions='signs') as made:
        assert names(made, Frame(orange, 1), [box(0, 0, 40, 40)]) == ['unknown']


@pytest.mark.parametrize(
    'bad',
    [
        (float('nan'), 0, 10, 10),
        (0, 0, float('inf'), 10),
        (0, 0, 0, 10),
        (0, 0, -5, 10),
        (500, 0, 10, 10),
        (-10, 0, 10, 10),
    ],
)
def test_boxes_without_a_pixel_are_left_out(
    package: ModelPackage, bad: tuple[float, float, float, float]
) -> None:
    frame = Frame(scene((RED, (0, 0, 40, 40))), 1)
    with recognizer(package, regions='detections') as made:
        assert names(made, frame, [Region(bad), box(0, 0, 40, 40)]) == ['red']


def test_most_regions_are_bounded_best_first(package: ModelPackage) -> None:
    frame = Frame(scene((RED, (0, 0, 40, 40)), (BLUE, (100, 0, 40, 40))), 1)
    regions = [box(0, 0, 40, 40, 0.1)] * 100 + [box(100, 0, 40, 40, 0.9)]
    with recognizer(package, regions='detections', max_regions=3) as made:
        assert names(made, frame, regions) == ['blue', 'red', 'red']
        assert batches(made) == [3]


def test_more_regions_than_one_batch_are_all_classified(package: ModelPackage) -> None:
    frames = [Frame(plain(c % 3), c, f'camera {c}') for c in range(23)]
    made = Recognizer(package, CountingEngine(package, max_batch=4))
    found = made.recognize(frames)
    ids = [one.detections[0].classification.results[0].class_id for one in found]
    assert ids == [c % 3 for c in range(23)]


def test_region_of_interest_limits_what_is_seen(package: ModelPackage) -> None:
    frame = Frame(scene((RED, (100, 50, 60, 60)), (BLUE, (0, 0, 20, 20))), 1)
    with recognizer(package, roi_xywh=[100, 50, 60, 60]) as made:
        (found,) = made.recognize([frame])
        assert found.detections[0].bbox_xywh == (100.0, 50.0, 60.0, 60.0)
        assert found.detections[0].classification.results[0].class_name == 'red'
        assert names(made, frame, [box(0, 0, 20, 20), box(110, 60, 20, 20)]) == ['red']
    with recognizer(package, roi_xywh=[190, 140, 0, 0]) as made:
        (found,) = made.recognize([frame])
        assert found.detections[0].bbox_xywh == (190.0, 140.0, 10.0, 10.0)


def test_region_of_interest_outside_of_a_frame_is_told(package: ModelPackage) -> None:
    with recognizer(package, roi_xywh=[64, 0, 10, 10]) as made:
        with pytest.raises(ImageFormatError, match='outside_roi') as caught:
            made.recognize([Frame(plain(RED), 1)])
        assert caught.value.reason == 'outside_roi'


@pytest.mark.parametrize('roi', [[0, 0, 0], [-1, 0, 5, 5]])
def test_malformed_region_of_interest_is_refused(package: ModelPackage, roi: list[int]) -> None:
    with pytest.raises(ConfigError, match='roi_xywh'):
        recognizer(package, roi_xywh=roi)
    with recognizer(package) as made:
        with pytest.raises(ConfigError, match='roi_xywh'):
            made.settings = RecognizerSettings(roi_xywh=roi)
        assert made.settings == RecognizerSettings()


def sign_scene(x: int, y: int) -> Image:
    """A red disc on grey, as the finder looks for."""
    image = plain(GREY, (320, 240))
    cv2.circle(image, (x, y), 24, (200, 0, 0), -1)
    return image


def test_found_signs_are_in_pixels_of_the_whole_frame(package: ModelPackage) -> None:
    """The same sign is found at the same place with and without a part to look at."""
    frame = Frame(sign_scene(200, 120), 1)
    for roi in ([0, 0, 0, 0], [100, 40, 200, 180]):
        with recognizer(package, regions='signs', roi_xywh=roi) as made:
            (found,) = made.recognize([frame])
        assert found.detections
        x, y, width, height = found.detections[0].bbox_xywh
        assert abs(x + width / 2 - 200) < 8
        assert abs(y + height / 2 - 120) < 8


def watch(made: Recognizer, stamps: Sequence[int], camera: str = '') -> list[str | None]:
    """Show the same red box at each stamp; return the track ids."""
    ids = []
    for stamp in stamps:
        frame = Frame(scene((RED, (50, 50, 40, 40))), stamp, camera)
        (found,) = made.recognize([frame], [[box(50, 50, 40, 40)]])
        ids.append(found.detections[0].track_id)
    return ids


def test_sign_seen_often_enough_is_confirmed(package: ModelPackage) -> None:
    with recognizer(package, regions='detections', confirm_hits=3) as made:
        ids = watch(made, [step * SECOND // 10 for step in range(5)])
    assert ids[:2] == [None, None]
    assert ids[2] is not None
    assert ids[2:] == [ids[2]] * 3


def test_jump_back_in_time_starts_again(package: ModelPackage) -> None:
    with recognizer(package, regions='detections', confirm_hits=3) as made:
        assert watch(made, [10 * SECOND + step * SECOND // 10 for step in range(4)])[-1]
        assert watch(made, [step * SECOND // 10 for step in range(3)])[:2] == [None, None]


def test_ids_are_not_used_again(package: ModelPackage) -> None:
    with recognizer(package, regions='detections', confirm_hits=1) as made:
        ids = watch(made, [5 * SECOND]) + watch(made, [1 * SECOND])
        made.reset()
        ids += watch(made, [2 * SECOND])
        made.settings = replace(
            made.settings, tracker=TrackerSettings(confirm_hits=1, confirm_window=2)
        )
        ids += watch(made, [3 * SECOND])
    assert None not in ids
    assert len(set(ids)) == 4


def test_cameras_are_followed_apart(package: ModelPackage) -> None:
    stamps = [step * SECOND // 10 for step in range(3)]
    with recognizer(package, regions='detections', confirm_hits=3) as made:
        assert watch(made, stamps, 'front')[-1]
        assert watch(made, stamps, 'rear')[:2] == [None, None]
        made.reset('front')
        assert watch(made, [SECOND], 'front') == [None]
        assert watch(made, [SECOND // 2], 'rear') != [None]
        made.reset()
        assert watch(made, [SECOND], 'rear') == [None]


def test_settings_change_between_frames(package: ModelPackage) -> None:
    with recognizer(package) as made:
        (before,) = made.recognize([Frame(plain(RED), 1)])
        made.settings = replace(made.settings, top_k=1, score_threshold=1.0)
        (after,) = made.recognize([Frame(plain(RED), 2)])
        made.settings = replace(made.settings, tracker=TrackerSettings(confirm_hits=1))
        made.settings = replace(made.settings, regions='detections', score_threshold=0.0)
        assert watch(made, [3])[0] is not None
    assert len(before.detections[0].classification.results) == 3  # grey is none of them
    assert len(after.detections[0].classification.results) == 1
    assert after.detections[0].classification.unknown


def test_settings_may_change_from_another_thread(package: ModelPackage) -> None:
    with recognizer(package) as made:
        done = threading.Event()

        def change() -> None:
            while not done.is_set():
                made.settings = replace(made.settings, top_k=made.settings.top_k % 3 + 1)

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for stamp in range(50):
                (found,) = made.recognize([Frame(plain(RED), stamp)])
                assert 1 <= len(found.detections[0].classification.results) <= 3
        finally:
            done.set()
            thread.join(300)


@pytest.mark.parametrize(
    'image',
    [np.zeros((5, 5), np.uint8), np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5, 3), np.float32)],
)
def test_array_that_is_no_frame_is_refused_and_the_next_works(
    package: ModelPackage, image: NDArray[Any]
) -> None:
    with recognizer(package) as made:
        with pytest.raises(ImageFormatError, match='bad_array'):
            made.recognize([Frame(image, 1)])
        assert made.recognize([Frame(plain(RED), 2)])[0].foremost is not None


def test_other_number_of_boxes_than_frames_is_refused(package: ModelPackage) -> None:
    with recognizer(package) as made, pytest.raises(ConfigError, match='boxes for 1 frames'):
        made.recognize([Frame(plain(RED), 1)], [[], []])


def test_failed_run_tracks_nothing(package: ModelPackage, tmp_path: Path) -> None:
    broken = tiny_package(tmp_path / 'broken', logit_bias=float('nan'))
    with recognizer(package, regions='detections', confirm_hits=2) as made:
        good = made.engine
        watch(made, [1])
        made.engine = CountingEngine(broken)
        with pytest.raises(EngineRunError):
            watch(made, [2])
        made.engine = good
        assert watch(made, [3]) != [None]


def test_model_is_opened_by_path_with_its_engine(package: ModelPackage) -> None:
    with Recognizer.open(package.folder, backend='onnxruntime', threads=1) as made:
        assert made.package == package
        assert made.engine.info.backend == 'onnxruntime'
        assert made.engine.info.reason
    with Recognizer.open(package, backend='cpu') as made:
        assert made.recognize([Frame(plain(BLUE), 1)])[0].foremost is not None


def test_missing_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelPackageError, match='does not exist'):
        Recognizer.open(tmp_path / 'gone')


def test_read_only_frame_with_padded_rows_is_taken_as_it_is(package: ModelPackage) -> None:
    rows = np.zeros((48, 256), np.uint8)
    view = rows[:, : 64 * 3].reshape(48, 64, 3)
    view[:] = colour_of(BLUE)
    view.setflags(write=False)
    with recognizer(package) as made:
        (found,) = made.recognize([Frame(view, 1)])
    assert found.detections[0].classification.results[0].class_name == 'blue'
