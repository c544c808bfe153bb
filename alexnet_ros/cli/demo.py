"""
``alexnet_ros demo``: a camera drive through the real nodes, start to end.

The classifier and the sign navigator run as processes of their own on a ROS
domain of their own; the drive is played to them in real time, and what they
publish is printed as it comes and kept.
"""

import argparse
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_ros.bags.pictures import bag_from_sources
from alexnet_ros.bags.salvage import StoredMessage
from alexnet_ros.bags.typestore import COMPRESSED, stamp_ns_from_cdr
from alexnet_ros.cli.demo_input import DemoInput, bag_input, rendered_drive
from alexnet_ros.cli.options import (
    SOURCES,
    above,
    add_model_option,
    add_regions_option,
    add_speed_option,
)
from alexnet_ros.cli.play import BagClock, tell
from alexnet_ros.cli.progress import Progress
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.video import is_camera

if TYPE_CHECKING:
    from alexnet_ros.ros.clients.recorder import Recorder

CLASSIFIER, NAVIGATOR = 'alexnet', 'sign_navigator'
TOPICS = {
    f'/{CLASSIFIER}/classification': 'vision_msgs/msg/Classification',
    f'/{CLASSIFIER}/detections': 'vision_msgs/msg/Detection2DArray',
    f'/{CLASSIFIER}/label_info': 'vision_msgs/msg/LabelInfo',
    '/speed_limit': 'nav2_msgs/msg/SpeedLimit',
    '/stop_lock': 'std_msgs/msg/Bool',
    f'/{NAVIGATOR}/events': 'std_msgs/msg/String',
    '/diagnostics': 'diagnostic_msgs/msg/DiagnosticArray',
}
CONFIGURE_S = 900.0  # a TensorRT engine may be built first
APPEAR_S = 180.0
TAIL_S = 1.0  # the clock runs on so long for the last results
MIN_ANSWERED = 0.99


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--bag', type=Path, help='play this bag instead of the rendered drive')
    source.add_argument(
        '--video', metavar='SOURCE', help=f'play this instead, at its own rate: {SOURCES}'
    )
    text = 'record so much of a camera, then play it (default: %(default)g)'
    parser.add_argument('--seconds', type=above(0, 3600), default=20.0, metavar='S', help=text)
    parser.add_argument('--topic', default='', help='image topic of the bag (default: its first)')
    add_model_option(parser)
    add_regions_option(parser)
    add_speed_option(parser)
    parser.add_argument('--output', type=Path, default=Path('build/demo'), help='folder to write')
    parser.add_argument('--render-only', action='store_true', help='render the drive and stop')


def steers(package: ModelPackage) -> bool:
    """Whether a model says where the way goes on rather than what signs there are."""
    return bool(package.labels.with_role('heading'))


def choose_input(args: argparse.Namespace, package: ModelPackage) -> DemoInput:
    """Return what the arguments ask to play."""
    if args.bag is not None:
        return bag_input(args.bag, args.topic)
    if args.video is not None:
        if Path(args.video).exists() and not is_camera(args.video):
            return bag_input(Path(args.video))
        return recorded_input(args)
    return rendered_drive(args.output, weaving=steers(package))


def recorded_input(args: argparse.Namespace) -> DemoInput:
    """Record a camera, or gather the pictures of a pattern, and return the bag of it."""
    bag = args.output / 'input'
    shutil.rmtree(bag, ignore_errors=True)
    if is_camera(args.video):
        tell(f'recording {args.seconds:g} s of camera {args.video} ...')
    bag_from_sources(bag, [args.video], compressed=True, seconds=args.seconds)
    return bag_input(bag)


def run(args: argparse.Namespace) -> int:
    """Play the input through the nodes; 1 with one line if the chain failed."""
    package = ModelPackage.load(args.model)
    args.output.mkdir(parents=True, exist_ok=True)
    source = choose_input(args, package)
    if args.render_only:
        return 0
    print(f'input:  {source.text}')
    print(f'model:  {package.name} {package.version}, {package.default_precision}')
    from alexnet_ros.ros.clients.dds_check import (
        environment_faults,
        own_domain,
        profile_environment,
    )

    for name, fault in environment_faults(os.environ).items():
        tell(f'left aside for the demo: {fault}')
        del os.environ[name]
    os.environ.update(profile_environment(own_domain()))
    stamps, recorder = play_through(args, source)
    return conclude(args, source, package, stamps, recorder)


def play_through(args: argparse.Namespace, source: DemoInput) -> tuple[list[int], 'Recorder']:
    """
    Start the nodes, play, stop the nodes.

    :returns: the stamps sent and all that came back.
    :raises NodeControlError: a node could not be started, led or heard.
    """
    from alexnet_ros.cli.demo_print import Printer
    from alexnet_ros.ros.clients.control import LifecycleClient, NodeControlError, NodeProcess
    from alexnet_ros.ros.clients.player import Player
    from alexnet_ros.ros.clients.recorder import Recorder
    from alexnet_ros.ros.clients.session import Session

    package = ModelPackage.load(args.model)
    first_ns = next((picture.log_ns for picture in source.pictures()), 0)
    compressed = source.kind == COMPRESSED  # by type: not every name ends in /compressed
    classifier = {
        'model': str(package.folder),
        'regions': 'frame' if steers(package) else args.regions,
        'use_sim_time': True,
        'image_transport': 'compressed' if compressed else 'raw',
    }
    topics = dict(TOPICS)
    # No robot listens: every sign may show what it does, and nothing is kept
    navigator: dict[str, Any] = {'use_sim_time': True, 'max_speed_mps': 36.2, 'state_file': 'none'}
    if steers(package):
        navigator['actions'] = 'heading_actions.yaml'
        topics[f'/{NAVIGATOR}/heading'] = 'std_msgs/msg/Float32'
    with ExitStack() as stack:

        def started(
            module: str, name: str, parameters: dict[str, Any], remappings: dict[str, str]
        ) -> NodeProcess:
            log = args.output / f'{name}.log'
            how: dict[str, Any] = {'parameters': parameters, 'remappings': remappings, 'log': log}
            return stack.enter_context(NodeProcess(f'alexnet_ros.ros.{module}', name, **how))

        image = 'image/compressed' if compressed else 'image'
        told = ('detections', 'classification', 'label_info')
        answers = {topic: f'/{CLASSIFIER}/{topic}' for topic in told}
        nodes = [
            started('classifier_node', CLASSIFIER, classifier, {image: source.topic}),
            started('sign_navigator_node', NAVIGATOR, navigator, answers),
        ]
        session = stack.enter_context(Session('alexnet_ros_demo'))
        printer = Printer(first_ns, dict(enumerate(package.labels.names)))
        clock = BagClock(first_ns, args.rate)
        recorder = Recorder(
            session.node,
            topics,
            latched=(f'/{CLASSIFIER}/label_info',),
            on_message=printer.show,
            clock=clock,
        )
        player = Player(session.node, {source.topic: source.kind})
        leader = LifecycleClient(session.node, nodes[0])
        leader.change('configure', CONFIGURE_S)
        leader.change('activate', APPEAR_S)
        missing = recorder.wait_for_publishers(list(topics), APPEAR_S)
        missing += player.wait_for_subscribers(APPEAR_S)
        if missing:
            raise NodeControlError(f'nobody is on {", ".join(missing)}')
        printer.heading()
        progress = stack.enter_context(Progress(source.frames, 'playing'))

        def check_nodes(sent: StoredMessage) -> None:
            clock.follow(sent.log_ns)
            progress.update()
            for node in nodes:
                node.check()

        report = player.play(
            source.pictures(), rate=args.rate, tail_s=TAIL_S, on_sent=check_nodes, say=tell
        )
        for node in nodes:
            node.check()
    return report.stamps_ns[source.topic], recorder


def conclude(
    args: argparse.Namespace,
    source: DemoInput,
    package: ModelPackage,
    stamps: list[int],
    recorder: 'Recorder',
) -> int:
    """Say how much was answered, write the results; 1 if nothing was answered."""
    from alexnet_ros.cli.demo_results import write_results

    for line in source.losses:
        tell(line)
    topic = f'/{CLASSIFIER}/classification'
    answers = [stamp_ns_from_cdr(m.data) for m in recorder.received if m.topic == topic]
    sent, answered = set(stamps), set(answers)
    share = len(answered & sent) / max(len(sent), 1)
    strange = len(answered - sent)
    print(
        f'\n{len(answered & sent)} of {len(sent)} frames were classified ({share:.1%}); '
        + (
            "all stamps equal the input's"
            if not strange
            else f'{strange} results have stamps that no input has'
        )
    )
    if not sent:
        raise AlexnetRosError(f'{source.path} has no frames')
    if not answered & sent:
        raise AlexnetRosError(f'no frame was classified, see {args.output / CLASSIFIER}.log')
    if share < MIN_ANSWERED:
        print(
            'the rest was dropped: this machine is too slow or too busy for every frame',
            file=sys.stderr,
        )
    for line in write_results(args.output, source, package, recorder.received):
        print(line)
    for line in next_steps(args.output):
        print(line)
    return 1 if strange else 0


def next_steps(output: Path) -> list[str]:
    """Return what to type after the demo, ready to be copied."""
    activate = Path(sys.prefix) / 'bin' / 'activate'
    inside = sys.prefix != sys.base_prefix and 'VIRTUAL_ENV' not in os.environ
    drive = next(iter(output.glob('drive-*')), Path('BAG'))
    steps = [
        *([f'. {activate}'] if inside else []),
        'alexnet_ros recognize photo.jpg --output seen   # a photograph of your own',
        f'alexnet_ros replay {drive} --output replayed   # the same drive without ROS',
        'alexnet_ros doctor                              # what this machine lacks',
    ]
    return ['', 'next:', *(f'  {step}' for step in steps)]
