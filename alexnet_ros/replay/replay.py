"""
A bag through the recognizer: results, report and video in one folder.

Offline, every frame is processed, one after the other, whatever the machine's
speed: the same bag and model give the same results.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alexnet_ros.bags.find import camera_names
from alexnet_ros.bags.frames import BagFrame, every_frame, paced_frames
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.config import NavigatorSettings
from alexnet_ros.errors import AlexnetRosError, EngineFatalError, FileWriteError
from alexnet_ros.files import make_folder, remove_drafts
from alexnet_ros.navigation.offline import NavigationLog, OfflineNavigator
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame, Recognition
from alexnet_ros.replay.recorded import Recorded
from alexnet_ros.replay.results import ResultsWriter
from alexnet_ros.report.compare import compare
from alexnet_ros.report.ground_truth import read_truth
from alexnet_ros.report.run import Run, identity_of
from alexnet_ros.report.write import read_report, write_report
from alexnet_ros.video import VideoWriter


@dataclass(frozen=True)
class ReplayOptions:
    """
    How a bag is replayed.

    :param topics: image topics; empty for all cameras of the bag.
    :param realtime: in the bag's own time, dropping as the live node does.
    :param truth: a truth file, see :mod:`alexnet_ros.report.ground_truth`.
    :param compare: another ``report.json`` to say the differences to.
    :param actions: table of the sign navigator; empty for no navigation.
    """

    topics: tuple[str, ...] = ()
    realtime: bool = False
    rate: float = 1.0
    truth: Path | None = None
    video: bool = False
    compare: Path | None = None
    actions: str = 'sign_actions.yaml'
    on_frame: Callable[[], None] | None = None


def replay_bag(
    bag: str | Path,
    output: str | Path,
    recognizer: Recognizer,
    options: ReplayOptions | None = None,
) -> Run:
    """
    Run a bag through a recognizer.

    :param output: folder for ``results.mcap``, ``report.json``,
        ``report.html`` and the video; made if missing.
    :returns: the finished run; ``complete`` is false after Ctrl-C, and the
        report says so.
    :raises BagError: no bag, or no images.
    :raises FileWriteError: the folder cannot be written; an older report stands.
    :raises DatasetError: the truth file cannot be read.
    """
    options = options or ReplayOptions()
    # Its own, so that track ids begin anew: the same bag gives the same results.
    recognizer = recognizer.with_new_tracks()
    names = {label.class_id: label.name for label in recognizer.package.known_labels}
    whole = recognizer.settings.regions == 'frame'
    guide = None  # none for whole frames unless a table is named
    if options.actions and not (whole and options.actions == ReplayOptions.actions):
        guide = OfflineNavigator(names, NavigatorSettings(actions=options.actions))
    log, identity = None if guide is None else guide.log, identity_of(recognizer)
    running = _running(bag, output, options, names, identity, navigation=log, whole_frames=whole)
    with running as (run, folder, reader):
        cameras = camera_names(run.topics)
        video = VideoWriter(folder, _rate_hz(reader, run.topics)) if options.video else None
        sink = _Sink(run, ResultsWriter(folder, sorted(set(cameras.values()))), guide, video)
        source = (
            paced_frames(reader, cameras, options.rate)
            if options.realtime
            else every_frame(reader, cameras)
        )
        try:
            for group in source:
                sink.begin(recognizer, group[0].image.log_ns)
                good = [(one, f) for one in group if (f := _counted(run, reader, one))]
                for one, recognition in _recognized(recognizer, good, run, reader):
                    sink.take(one, recognition)
                _tell(options, group)
        except FileWriteError:
            sink.results.close(keep=False)  # half of them must not replace those of before
            raise
        finally:
            sink.close()
            refused = {} if guide is None else guide.navigator.refused
            if refused:
                reasons = ', '.join(f'{count} {why}' for why, count in sorted(refused.items()))
                reader.say(f'the sign navigator ignores results, as on the robot: {reasons}')
    return run


@contextlib.contextmanager
def _running(
    bag: str | Path,
    output: str | Path,
    options: ReplayOptions,
    names: dict[int, str],
    identity: Mapping[str, Any],
    *,
    navigation: NavigationLog | None,
    whole_frames: bool,
) -> Iterator[tuple[Run, Path, BagReader]]:
    """Open a bag and the books of a run; at the end close them and write the report."""
    folder = Path(output)
    make_folder(folder)
    remove_drafts(folder)
    with BagReader(bag) as reader:
        topics = list(camera_names(options.topics or reader.image_topics()))
        truth = None
        if options.truth is not None:  # its relative times count from the first image
            first = next(iter(reader.images(topics)), None)
            truth = read_truth(options.truth, names, 0 if first is None else first.time_ns)
        run = Run(str(bag), names, identity, truth, navigation, whole_frames, topics)
        complete = False
        try:
            yield run, folder, reader
            complete = True
        except KeyboardInterrupt:
            reader.account.stop()  # the report says that it is not complete
        run.read_from(reader)
    other = None if options.compare is None else read_report(options.compare)
    run.finish(complete=complete)
    compared = None if other is None else compare(run.as_json(), other, str(options.compare))
    write_report(folder, run, compared)


@dataclass(slots=True)
class _Sink:
    """Where the result of a frame goes: navigator, results, report, video."""

    run: Run
    results: ResultsWriter
    guide: OfflineNavigator | None
    video: VideoWriter | None
    begun: bool = False

    def begin(self, recognizer: Recognizer, log_ns: int) -> None:
        """Write the labels with the time of the first image."""
        if not self.begun:
            self.begun = True
            threshold = recognizer.settings.score_threshold
            self.results.write_labels(recognizer.package, log_ns, threshold)

    def take(self, one: BagFrame, recognition: Recognition) -> None:
        """Take the result of one frame."""
        image = one.image
        if self.guide is not None:
            self.results.write_told(self.guide.add(recognition, image.log_ns))
        self.results.write(recognition, image.frame_id, image.log_ns)
        image_rgb = None if one.frame is None else one.frame.image_rgb
        self.run.add(replace(recognition, stamp_ns=image.time_ns), image_rgb, image.log_ns)
        if self.video is not None and image_rgb is not None:
            self.video.write(recognition, image_rgb)

    def close(self) -> None:
        """Finish the files."""
        self.results.close()
        if self.video is not None:
            self.video.close()


def score_recording(
    bag: str | Path, output: str | Path, results: str | Path, options: ReplayOptions | None = None
) -> Run:
    """Score what nodes published for a bag; frames without a result count as dropped."""
    options = options or ReplayOptions()
    recorded = Recorded(results)
    model = dict.fromkeys(('version', 'sha256', 'precision'), '')
    identity = {
        'model': {'name': 'recorded', **model, 'classes': len(recorded.names)},
        'engine': {'backend': 'recorded', 'device': '', 'reason': f'read from {results}'},
        'settings': {},
    }
    log, whole, names = recorded.navigation, recorded.whole_frames, recorded.names
    running = _running(bag, output, options, names, identity, navigation=log, whole_frames=whole)
    with running as (run, _, reader):
        for (one,) in every_frame(reader, camera_names(run.topics)):
            frame = _counted(run, reader, one)
            _tell(options, [one])
            if frame is None:
                continue
            height, width = frame.image_rgb.shape[:2]
            found = recorded.recognition(one.camera, frame.stamp_ns, (width, height))
            if found is None:
                run.camera(one.camera).dropped += 1
            else:
                run.add(found, frame.image_rgb)
    return run


def no_frames(run: Run) -> str:
    """Say why a run has no result at all: what became of the messages, and the losses."""
    sums = {key: run.account.get(key, 0) for key in ('claimed', 'lost')}
    rejected = sum(run.account.get('rejected', {}).values())
    reasons = f' ({"; ".join(run.losses)})' if run.losses else ''
    return (
        f'not one frame of {run.bag} could be used: of {sums["claimed"]} messages '
        f'{rejected} were rejected and {sums["lost"]} are lost{reasons}'
    )


def _counted(run: Run, reader: BagReader, one: BagFrame) -> Frame | None:
    """Count an image of the bag and those passed over before it; None where it was refused."""
    count = run.camera(one.camera)
    count.read += 1 + one.dropped
    count.dropped += one.dropped
    if one.frame is None:
        count.rejected[one.refused] += 1
        reader.account.reject(one.image.topic, one.refused)
    return one.frame


def _tell(options: ReplayOptions, group: list[BagFrame]) -> None:
    """Report the images that are done with."""
    for _ in range(sum(1 + one.dropped for one in group)):
        if options.on_frame:
            options.on_frame()


def _recognized(
    recognizer: Recognizer, good: list[tuple[BagFrame, Frame]], run: Run, reader: BagReader
) -> Iterator[tuple[BagFrame, Recognition]]:
    try:
        found = recognizer.recognize([frame for _, frame in good]) if good else []
    except EngineFatalError:
        raise
    except AlexnetRosError as error:
        for one, _ in good:
            reason = getattr(error, 'reason', 'inference')
            run.camera(one.camera).rejected[reason] += 1
            reader.account.reject(one.image.topic, reason)
        return
    for (one, _), recognition in zip(good, found, strict=True):
        yield one, recognition


def _rate_hz(reader: BagReader, topics: list[str]) -> float:
    """Return the frame rate of the fastest camera, for the video."""
    seconds = (reader.end_ns - reader.start_ns) / 1e9
    most = max((reader.topics[t].messages for t in topics if t in reader.topics), default=0)
    return min(max((most - 1) / seconds, 1.0), 120.0) if seconds > 0 else 30.0
