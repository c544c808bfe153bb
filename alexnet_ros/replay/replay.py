"""
A bag through the recognizer: results, report and video in one folder.

Offline, every frame is processed, one after the other, whatever the machine's
speed: the same bag and model give the same results.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from alexnet_ros.bags.account import Account
from alexnet_ros.bags.find import camera_names
from alexnet_ros.bags.frames import BagFrame, every_frame, paced_frames
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.config import NavigatorSettings
from alexnet_ros.errors import AlexnetRosError, EngineFatalError, EngineRunError, FileWriteError
from alexnet_ros.files import make_folder, remove_drafts
from alexnet_ros.navigation.offline import OfflineNavigator
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Recognition
from alexnet_ros.replay.recorded import Recorded
from alexnet_ros.replay.results import ResultsWriter
from alexnet_ros.report.compare import compare
from alexnet_ros.report.ground_truth import Truth, read_truth
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
    folder = _folder(output)
    # Its own, so that track ids begin anew: the same bag gives the same results.
    recognizer = recognizer.with_new_tracks()
    names = {label.class_id: label.name for label in recognizer.package.known_labels}
    with BagReader(bag) as reader:
        cameras = camera_names(options.topics or reader.image_topics())
        guide = _guide(recognizer, options, names)
        run = Run(
            str(bag),
            names,
            identity_of(recognizer),
            whole_frames=recognizer.settings.regions == 'frame',
            truth=_truth(reader, cameras, options, names),
            navigation=None if guide is None else guide.log,
        )
        run.topics = list(cameras)
        video = VideoWriter(folder, _rate_hz(reader, cameras)) if options.video else None
        sink = _Sink(run, ResultsWriter(folder, sorted(set(cameras.values()))), guide, video)
        source = (
            paced_frames(reader, cameras, options.rate)
            if options.realtime
            else every_frame(reader, cameras)
        )
        complete = False
        try:
            for group in source:
                sink.begin(recognizer, group[0].image.log_ns)
                for one, recognition in _recognized(recognizer, group, run, reader.account):
                    sink.take(one, recognition)
                for one in group:
                    for _ in range(1 + one.dropped):
                        if options.on_frame:
                            options.on_frame()
            complete = True
        except KeyboardInterrupt:
            reader.account.stop()  # the report says that it is not complete
        except FileWriteError:
            sink.results.close(keep=False)  # half of them must not replace those of before
            raise
        finally:
            sink.close()
        if guide is not None and guide.navigator.refused:
            refused = guide.navigator.refused
            reasons = ', '.join(f'{count} {why}' for why, count in sorted(refused.items()))
            reader.say(f'the sign navigator ignores results, as on the robot: {reasons}')
        run.read_from(reader)
    return _finished(run, folder, options, complete=complete)


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


def _guide(
    recognizer: Recognizer, options: ReplayOptions, names: dict[int, str]
) -> OfflineNavigator | None:
    """Return the navigator to run; none for whole frames unless a table is named."""
    whole = recognizer.settings.regions == 'frame'
    if not options.actions or (whole and options.actions == ReplayOptions.actions):
        return None
    return OfflineNavigator(names, NavigatorSettings(actions=options.actions))


def score_recording(
    bag: str | Path, output: str | Path, results: str | Path, options: ReplayOptions | None = None
) -> Run:
    """Score what nodes published for a bag; frames without a result count as dropped."""
    options = options or ReplayOptions()
    folder = _folder(output)
    recorded = Recorded(results)
    identity = {
        'model': {
            'name': 'recorded',
            'version': '',
            'sha256': '',
            'precision': '',
            'classes': len(recorded.names),
        },
        'engine': {'backend': 'recorded', 'device': '', 'reason': f'read from {results}'},
        'settings': {},
    }
    with BagReader(bag) as reader:
        cameras = camera_names(options.topics or reader.image_topics())
        run = Run(
            str(bag),
            recorded.names,
            identity,
            navigation=recorded.navigation,
            whole_frames=recorded.whole_frames,
            truth=_truth(reader, cameras, options, recorded.names),
        )
        run.topics = list(cameras)
        complete = False
        try:
            for (one,) in every_frame(reader, cameras):
                count = run.camera(one.camera)
                count.read += 1
                if options.on_frame:
                    options.on_frame()
                if one.frame is None:
                    count.rejected[one.refused] += 1
                    reader.account.reject(one.image.topic, one.refused)
                    continue
                height, width = one.frame.image_rgb.shape[:2]
                found = recorded.recognition(one.camera, one.frame.stamp_ns, (width, height))
                if found is None:
                    count.dropped += 1
                else:
                    run.add(found, one.frame.image_rgb)
            complete = True
        except KeyboardInterrupt:
            reader.account.stop()
        run.read_from(reader)
    return _finished(run, folder, options, complete=complete)


def no_frames(run: Run) -> str:
    """Say why a run has no result at all: what became of the messages, and the losses."""
    sums = {key: run.account.get(key, 0) for key in ('claimed', 'lost')}
    rejected = sum(run.account.get('rejected', {}).values())
    reasons = f' ({"; ".join(run.losses)})' if run.losses else ''
    return (
        f'not one frame of {run.bag} could be used: of {sums["claimed"]} messages '
        f'{rejected} were rejected and {sums["lost"]} are lost{reasons}'
    )


def _finished(run: Run, folder: Path, options: ReplayOptions, *, complete: bool) -> Run:
    """Close the run and write its report."""
    other = None if options.compare is None else read_report(options.compare)
    run.finish(complete=complete)
    compared = None
    if other is not None:
        compared = compare(run.as_json(), other, str(options.compare))
    write_report(folder, run, compared)
    return run


def _recognized(
    recognizer: Recognizer, group: list[BagFrame], run: Run, account: Account
) -> Iterator[tuple[BagFrame, Recognition]]:
    """Recognise a batch and count what became of each of its frames."""
    good = []
    for one in group:
        count = run.camera(one.camera)
        count.read += 1 + one.dropped
        count.dropped += one.dropped
        if one.frame is None:
            count.rejected[one.refused] += 1
            account.reject(one.image.topic, one.refused)
        else:
            good.append((one, one.frame))
    if not good:
        return
    try:
        found = recognizer.recognize([frame for _, frame in good])
    except EngineFatalError:
        raise
    except (EngineRunError, AlexnetRosError) as error:
        for one, _ in good:
            reason = getattr(error, 'reason', 'inference')
            run.camera(one.camera).rejected[reason] += 1
            account.reject(one.image.topic, reason)
        return
    for (one, _), recognition in zip(good, found, strict=True):
        yield one, recognition


def _truth(
    reader: BagReader, cameras: dict[str, str], options: ReplayOptions, names: dict[int, str]
) -> Truth | None:
    """Read the truth; its relative times count from the first image."""
    if options.truth is None:
        return None
    first = next(iter(reader.images(cameras)), None)
    return read_truth(options.truth, names, 0 if first is None else first.time_ns)


def _rate_hz(reader: BagReader, cameras: dict[str, str]) -> float:
    """Return the frame rate of the fastest camera, for the video."""
    seconds = (reader.end_ns - reader.start_ns) / 1e9
    most = max((reader.topics[t].messages for t in cameras if t in reader.topics), default=0)
    return min(max((most - 1) / seconds, 1.0), 120.0) if seconds > 0 else 30.0


def _folder(output: str | Path) -> Path:
    folder = Path(output)
    make_folder(folder)
    remove_drafts(folder)
    return folder
