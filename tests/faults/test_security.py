"""SROS2: refusals name their cause, and the policy is what the nodes really have."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.faults import fault
from tests.faults.wire import change_state, state_of
from tests.ros.robot import ROOT, Bench, NodeProcess
from tools import make_policy

SHIPPED = ROOT / 'config' / 'security' / 'policy.xml'
START = Callable[..., NodeProcess]
NODES = {
    'classifier': ('alexnet', 'alexnet_ros.ros.classifier_node'),
    'navigator': ('sign_navigator', 'alexnet_ros.ros.sign_navigator_node'),
}
ENCLAVE_FILES = (
    'identity_ca.cert.pem',
    'cert.pem',
    'key.pem',
    'permissions_ca.cert.pem',
    'governance.p7s',
    'permissions.p7s',
)
# What comes with rclpy's own choice or with an optional package, not with every graph.
SOMETIMES = {
    ('classifier', 'subscribe', 'bond'),
    ('classifier', 'publish', 'bond'),
    ('classifier', 'subscribe', '/clock'),
    ('navigator', 'subscribe', '/clock'),
    ('classifier', 'reply', '~/get_type_description'),
    ('navigator', 'reply', '~/get_type_description'),
    ('navigator', 'subscribe', 'odom'),
}


def secured(keystore: Path) -> dict[str, str]:
    return {
        'ROS_SECURITY_ENABLE': 'true',
        'ROS_SECURITY_STRATEGY': 'Enforce',
        'ROS_SECURITY_KEYSTORE': str(keystore),
    }


def refusal(start_node: START, keystore: Path, name: str) -> str:
    """Start a node in its enclave, see it end with 1, and return the line that says why."""
    node = start_node(
        '--enclave', f'/alexnet_ros/{name}', module=NODES[name][1], environment=secured(keystore)
    )
    assert node.wait() == 1
    (line,) = [one for one in node.lines if one.startswith('alexnet_ros:')]
    assert 'Traceback' not in node.log
    return line


@pytest.mark.parametrize('name', NODES)
@fault(
    'security',
    'Enforce without an enclave',
    'a keystore that has no files for this node',
    'exit 1; one line names the folder',
)
def test_missing_enclave_is_refused_by_name(start_node: START, tmp_path: Path, name: str) -> None:
    line = refusal(start_node, tmp_path, name)
    assert 'SECURITY' in line
    assert str(tmp_path) in line


@pytest.mark.parametrize('name', NODES)
@fault(
    'security',
    'Enforce with a permission missing',
    'an enclave whose files permit nothing, or a Fast DDS without its security libraries',
    'exit 1; one line names the cause',
)
def test_enclave_that_permits_nothing_is_refused(
    start_node: START, tmp_path: Path, name: str
) -> None:
    enclave = tmp_path / 'enclaves' / 'alexnet_ros' / name
    enclave.mkdir(parents=True)
    for file in ENCLAVE_FILES:
        (enclave / file).write_text('nothing is permitted\n')
    line = refusal(start_node, tmp_path, name)
    assert 'no node can be created' in line
    assert 'security' in line.lower() or 'permission' in line.lower()


def policy() -> dict[str, set[tuple[str, str]]]:
    """Return (verb, name) of each enclave in the policy that is shipped."""
    root = ET.parse(SHIPPED).getroot()  # noqa: S314 - ours
    found = {}
    for enclave in root.iter('enclave'):
        rights = set()
        for group in [*enclave.iter('topics'), *enclave.iter('services')]:
            (verb,) = group.attrib
            assert group.attrib[verb] == 'ALLOW'
            rights |= {(verb, one.text or '') for one in group}
        found[enclave.attrib['path'].rsplit('/', 1)[1]] = rights
    return found


def resolved(name: str, node: str) -> str:
    if name.startswith('~/'):
        return f'/{node}/{name[2:]}'
    return name if name.startswith('/') else f'/{name}'


def graph(bench: Bench, node: str) -> set[tuple[str, str]]:
    """Return (verb, resolved name) of what a running node has; nothing before it is seen."""
    ask = bench.node
    if node not in ask.get_node_names():
        return set()
    return (
        {('publish', name) for name, _ in ask.get_publisher_names_and_types_by_node(node, '/')}
        | {
            ('subscribe', name)
            for name, _ in ask.get_subscriber_names_and_types_by_node(node, '/')
        }
        | {('reply', name) for name, _ in ask.get_service_names_and_types_by_node(node, '/')}
    )


Configuration = tuple[str, list[str], dict[str, Any]]
CONFIGURATIONS: list[Configuration] = [
    ('classifier', [], {'regions': 'detections', 'features': True, 'use_sim_time': True}),
    ('classifier', [], {'image_transport': 'compressed'}),
    ('navigator', [], {'velocity_source': 'twist', 'use_sim_time': True}),
    ('navigator', [], {'actions': 'blocked_actions.yaml'}),
    (
        'navigator',
        ['-r', 'detections:=/alexnet/detections', '-r', 'label_info:=/alexnet/label_info'],
        {},
    ),
    (
        'navigator',
        ['-r', 'classification:=/alexnet/classification'],
        {'actions': 'heading_actions.yaml'},
    ),
]


def graph_of(
    bench: Bench,
    start_node: START,
    model: Path,
    configuration: Configuration,
    expected: set[tuple[str, str]],
) -> set[tuple[str, str]]:
    """Run a node until its graph has all that is expected and settled; return it."""
    name, words, parameters = configuration
    node, module = NODES[name]
    more = {'model': model, 'autostart': True} if name == 'classifier' else {}
    process = start_node(*words, module=module, **more, **parameters)
    if name == 'classifier':
        bench.until('it is active', lambda: state_of(bench) == 'active')
    bench.until(f'all of {sorted(expected)} is there', lambda: expected <= graph(bench, node))
    sizes: list[int] = []

    def settled() -> bool:
        sizes.append(len(graph(bench, node)))
        return len(sizes) > 20 and len(set(sizes[-20:])) == 1

    bench.until('the graph has settled', settled)
    have = graph(bench, node)
    assert process.stop() == 0, process.log
    bench.until('it is gone', lambda: not graph(bench, node))
    return have


@pytest.mark.parametrize(
    'configuration',
    CONFIGURATIONS,
    ids=[f'{name} {count}' for count, (name, *_) in enumerate(CONFIGURATIONS)],
)
@fault(
    'security',
    'policy against the graph',
    'every configuration of both nodes, running',
    'the policy made for it names all topics and services of the node, and no others',
)
def test_policy_is_what_the_nodes_have(
    bench: Bench, start_node: START, model: Path, configuration: Configuration
) -> None:
    name, words, parameters = configuration
    remaps = dict(word.split(':=') for word in words if ':=' in word)
    allowed = {
        (verb, resolved(one, NODES[name][0]))
        for verb, names in make_policy.rights_of(name, parameters).items()
        for one in make_policy.renamed(names, remaps)
    }
    sometimes = {(v, resolved(one, NODES[name][0])) for own, v, one in SOMETIMES if own == name}
    # What the policy allows and the node never has does not come before the deadline.
    have = graph_of(bench, start_node, model, configuration, allowed - sometimes)
    assert have - sometimes <= allowed, f'not in the policy: {sorted(have - allowed)}'


@fault(
    'security',
    'policy permits no more',
    'config/security/policy.xml',
    'it is what tools/make_policy.py writes for signs.launch.py',
)
def test_shipped_policy_is_that_of_the_launch_file() -> None:
    config = ROOT / 'config'
    parameters = {
        'classifier': make_policy.parameters_in(config / 'signs.param.yaml'),
        'navigator': {},
        'gate': {},
    }
    remaps = {'navigator': {name: f'/alexnet/{name}' for name in ('detections', 'label_info')}}
    assert make_policy.policy_of(parameters, remaps) == SHIPPED.read_text()


@fault(
    'security',
    'who may speak to navigation',
    'policy.xml',
    'the navigator alone may publish speed_limit and stop_lock',
)
def test_only_the_navigator_may_speak_to_navigation() -> None:
    rights = policy()
    assert set(rights) == {*NODES, 'gate'}
    for topic in ('speed_limit', 'stop_lock'):
        speakers = [name for name, own in rights.items() if ('publish', topic) in own]
        assert speakers == ['navigator']
    assert not [one for _, one in rights['navigator'] if one.startswith('image')]


@fault(
    'security',
    'no service takes a path',
    'the services of the running classifier',
    'only enable, lifecycle and parameter services',
)
def test_no_service_takes_a_path(bench: Bench, start_node: START, model: Path) -> None:
    start_node(model=model)
    assert change_state(bench, 1)
    bench.until('its services', lambda: ('reply', '/alexnet/enable') in graph(bench, 'alexnet'))
    kinds = {
        kind
        for name, found in bench.node.get_service_names_and_types_by_node('alexnet', '/')
        for kind in found
    }
    packages = {kind.split('/')[0] for kind in kinds}
    assert packages <= {
        'std_srvs',
        'lifecycle_msgs',
        'rcl_interfaces',
        'type_description_interfaces',
    }
    assert 'std_srvs/srv/SetBool' in kinds
