"""
Write the SROS2 policy of one deployment from its parameter files.

Each node gets the topics and services that it has with these parameters and
remaps, and no others: no second camera that is not configured, no odometry
that is not read. ``tools/make_keystore.sh`` turns the policy into signed
permissions.
"""

import argparse
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from alexnet_ros.config import (
    ClassifierSettings,
    GateSettings,
    NavigatorSettings,
    settings_from_mapping,
)
from alexnet_ros.errors import AlexnetRosError, ConfigError
from alexnet_ros.files import MAX_YAML_BYTES, read_file, yaml_mapping
from alexnet_ros.navigation import find_table, read_table

NODES = {'classifier': 'alexnet', 'navigator': 'sign_navigator', 'gate': 'velocity_gate'}
KINDS: dict[str, Any] = {
    'classifier': ClassifierSettings,
    'navigator': NavigatorSettings,
    'gate': GateSettings,
}
PARAMETERS = (
    *('describe_parameters', 'get_parameter_types', 'get_parameters', 'get_type_description'),
    *('list_parameters', 'set_parameters', 'set_parameters_atomically'),
)
LIFECYCLE = (
    *('change_state', 'get_state', 'get_available_states', 'get_available_transitions'),
    'get_transition_graph',
)
ALWAYS = ('/parameter_events', '/rosout')
Rights = dict[str, list[str]]


def rights_of(node: str, values: Mapping[str, Any]) -> Rights:
    """
    Return what a node may subscribe to, publish and answer.

    :param node: ``classifier``, ``navigator`` or ``gate``.
    :param values: its parameters; ``use_sim_time`` among them.
    :raises ConfigError: a parameter is unknown or out of its range.
    """
    own = {key: value for key, value in values.items() if key != 'use_sim_time'}
    settings = settings_from_mapping(KINDS[node], own)
    hears, says, answers = {
        'classifier': _classifier,
        'navigator': _navigator,
        'gate': lambda _: (['cmd_vel_in', 'stop_lock'], ['cmd_vel'], []),
    }[node](settings)
    if values.get('use_sim_time') is True:
        hears = [*hears, '/clock']
    return {
        'subscribe': hears,
        'publish': [*says, *ALWAYS],
        'reply': [*answers, *(f'~/{name}' for name in PARAMETERS)],
    }


def _classifier(settings: ClassifierSettings) -> tuple[list[str], list[str], list[str]]:
    hears, says = [], ['~/transition_event', '/diagnostics']
    for camera in settings.cameras:
        place = f'{camera}/' if camera else ''
        compressed = settings.image_transport == 'compressed'
        hears.append(f'{place}image/compressed' if compressed else f'{place}image')
        if settings.recognizer.regions == 'detections':
            hears.append(f'{place}detections_in')
        outputs = ['classification', 'detections', 'label_info', 'overlay/compressed']
        outputs += ['features'] * settings.recognizer.features
        says += [f'~/{place}{name}' for name in outputs]
    if settings.bond:
        hears.append('bond')
        says.append('bond')
    return hears, says, ['~/enable', *(f'~/{name}' for name in LIFECYCLE)]


def _navigator(settings: NavigatorSettings) -> tuple[list[str], list[str], list[str]]:
    reads = read_table(find_table(settings.actions)).reads
    hears = []
    for camera in settings.cameras:
        place = f'{camera}/' if camera else ''
        hears += [f'{place}{reads}', f'{place}label_info']
    # Its own topics too: a second publisher of them is a fault that it must see.
    hears += ['speed_limit_in', 'speed_limit', 'stop_lock']
    hears += {'twist': ['velocity'], 'odom': ['odom']}.get(settings.velocity_source, [])
    says = ['speed_limit', 'stop_lock', '~/events', '~/heading', '/diagnostics']
    return hears, says, ['~/release']


def renamed(names: Iterable[str], remaps: Mapping[str, str]) -> list[str]:
    """Apply remaps; a remapping of ``image`` moves the compressed topic with it."""
    found = []
    for name in names:
        head, slash, tail = name.rpartition('/compressed')
        base = head if slash and not tail and head.endswith('image') else name
        found.append(remaps.get(base, base) + ('/compressed' if base != name else ''))
    return found


def policy_of(
    parameters: Mapping[str, Mapping[str, Any]],
    remaps: Mapping[str, Mapping[str, str]] | None = None,
    namespace: str = '/',
) -> str:
    """
    Return the policy as XML.

    :param parameters: node to its parameters; a node that is not there is not deployed.
    :param remaps: node to its remaps, from name to name.
    """
    root = ET.Element('policy', version='0.2.0')
    enclaves = ET.SubElement(root, 'enclaves')
    for node, values in parameters.items():
        enclave = ET.SubElement(enclaves, 'enclave', path=f'/alexnet_ros/{node}')
        profiles = ET.SubElement(enclave, 'profiles')
        profile = ET.SubElement(profiles, 'profile', ns=namespace, node=NODES[node])
        for verb, names in rights_of(node, values).items():
            kind = 'service' if verb == 'reply' else 'topic'
            group = ET.SubElement(profile, f'{kind}s', {verb: 'ALLOW'})
            for name in renamed(names, (remaps or {}).get(node, {})):
                ET.SubElement(group, kind).text = name
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def parameters_in(path: Path) -> dict[str, Any]:
    """
    Return the parameters of a ROS parameter file with one node.

    :raises ConfigError: unreadable, or not of that form.
    """
    content = yaml_mapping(read_file(path, MAX_YAML_BYTES, ConfigError), str(path), ConfigError)
    (found, *more) = [*content.values(), None]
    if len(more) != 1 or not isinstance(found, dict) or set(found) != {'ros__parameters'}:
        raise ConfigError(f'{path}: expected one node with ros__parameters')
    return dict(found['ros__parameters'])


def main() -> int:
    """Write the policy of the nodes that the command line tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    for node in NODES:
        parser.add_argument(
            f'--{node}',
            nargs='*',
            type=Path,
            metavar='FILE',
            help=f'deploy the {node}, with these',
        )
    parser.add_argument('--namespace', default='/')
    parser.add_argument(
        '--remap', action='append', default=[], metavar='NODE:FROM:=TO', help='as in the launch'
    )
    parser.add_argument('--sim-time', action='store_true', help='the nodes follow /clock')
    args = parser.parse_args()
    remaps: dict[str, dict[str, str]] = {}
    for one in args.remap:
        node, _, rule = one.partition(':')
        name, sign, to = rule.partition(':=')
        if node not in NODES or not sign:
            parser.error(f'--remap takes NODE:FROM:=TO, got {one!r}')
        remaps.setdefault(node, {})[name] = to
    parameters: dict[str, dict[str, Any]] = {}
    try:
        for node in NODES:
            files = getattr(args, node)
            if files is not None:
                parameters[node] = {'use_sim_time': True} if args.sim_time else {}
                for path in files:
                    parameters[node] |= parameters_in(path)
        print(policy_of(parameters, remaps, args.namespace), end='')
    except AlexnetRosError as error:
        print(f'make_policy: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
