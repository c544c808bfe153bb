"""
The Fast DDS profile: where it lies, how to name it, and whether it is used.

With Fast DDS's defaults almost no image gets through under best effort: its
shared-memory segment of 512 KiB is smaller than one frame.
"""

import os
import re
import socket
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.files import share_folders

VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
FOREIGN = (  # they join nodes to a server, or demand security files
    'ROS_DISCOVERY_SERVER',
    'ROS_SUPER_CLIENT',
    'ROS_SECURITY_ENABLE',
    'ROS_SECURITY_KEYSTORE',
    'ROS_SECURITY_STRATEGY',
    'ROS_STATIC_PEERS',
)
OWN_DOMAINS = range(215, 233)  # ports above those that Linux hands out
_CLAIMS: list[socket.socket] = []
MIN_SEGMENT_BYTES = 16 << 20  # four frames of 1920x1080 rgb8, rounded down
SHARED_MEMORY = Path('/dev/shm')  # noqa: S108 - where Fast DDS keeps its segments


def profile_path() -> Path | None:
    """Return the Fast DDS profile of this package, or None where it is not installed."""
    for folder in share_folders():
        for path in sorted((folder / 'config').glob('fastdds*.xml')):
            return path
    return None


def own_domain() -> int:
    """Return a ROS domain for this process alone, of those that people seldom choose."""
    for offset in range(len(OWN_DOMAINS)):
        domain = OWN_DOMAINS[(os.getpid() + offset) % len(OWN_DOMAINS)]
        claim = socket.socket(socket.AF_UNIX)  # a name that goes with the process
        try:
            claim.bind(f'\0alexnet_ros_domain_{domain}')
        except OSError:
            claim.close()
        else:
            _CLAIMS.append(claim)
            return domain
    raise AlexnetRosError(f'ROS domains {OWN_DOMAINS[0]} to {OWN_DOMAINS[-1]} are all in use')


def profile_environment(domain: int) -> dict[str, str]:
    """
    Return the variables under which nodes of this machine find each other alone.

    :param domain: ROS domain, 0 to 101 or 215 to 232.
    """
    found = {'ROS_DOMAIN_ID': str(domain), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    if os.environ.get('ROS_DISTRO') == 'humble':  # later ones warn about it
        found['ROS_LOCALHOST_ONLY'] = '1'
    path = profile_path()
    if path is not None:
        found |= {name: str(path) for name in VARIABLES}
    return found


def active_profile(env: Mapping[str, str]) -> Path | None:
    """Return the profile file that the variables name, or None."""
    for name in VARIABLES:
        if env.get(name):
            return Path(env[name])
    return None


def profile_fault(path: Path) -> str:
    """Say what is wrong with a profile for images, or return an empty string."""
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - the user's own file
    except OSError as error:
        return f'{path} cannot be read: {error.strerror}'
    except ET.ParseError as error:
        return f'{path} is not XML: {error}'
    texts: dict[str, list[str]] = {}
    for element in root.iter():
        name = re.sub(r'^\{.*\}', '', element.tag)
        texts.setdefault(name, []).append((element.text or '').strip())
    if 'SHM' not in texts.get('type', []):
        return f'{path} has no shared-memory transport'
    sizes = [int(text) for text in texts.get('segment_size', []) if text.isdigit()]
    if not sizes or max(sizes) < MIN_SEGMENT_BYTES:
        got = max(sizes, default=0)
        return (
            f'{path} has a shared-memory segment of {got} bytes; at least '
            f'{MIN_SEGMENT_BYTES} are needed for images'
        )
    if 'false' not in [text.lower() for text in texts.get('useBuiltinTransports', [])]:
        return f'{path} leaves the built-in transports on (useBuiltinTransports)'
    return ''


def profile_export() -> str:
    """Return the shell command that names the shipped profile."""
    path = profile_path()
    return 'export ' + ' '.join(f'{name}={path}' for name in VARIABLES)


def profile_warning(env: Mapping[str, str]) -> str:
    """
    Say why images may not get through to this process, or return an empty string.

    :param env: its variables; the profile is read once, when it joins DDS.
    """
    middleware = env.get('RMW_IMPLEMENTATION', '')
    if middleware and 'fastrtps' not in middleware:
        return ''  # another one has its own settings
    named = active_profile(env)
    if named is None:
        return f'no Fast DDS profile: large images will hardly get through; {profile_export()}'
    return profile_fault(named)


def loss_remedy(env: Mapping[str, str]) -> str:
    """Say what to do where images are lost between the camera and this process."""
    warning = profile_warning(env)
    if warning:
        return warning
    return f'start the camera with the Fast DDS profile too ({profile_export()}) or send less'


def environment_faults(env: Mapping[str, str]) -> dict[str, str]:
    """Return variables that keep nodes from finding each other, with what is wrong."""
    faults = {name: f'{name}={env[name]} is set' for name in FOREIGN if env.get(name)}
    middleware = env.get('RMW_IMPLEMENTATION', '')
    if middleware and 'fastrtps' not in middleware:
        text = f'RMW_IMPLEMENTATION={middleware}: the shipped profile is for Fast DDS'
        faults['RMW_IMPLEMENTATION'] = text
    log = env.get('ROS_LOG_DIR', '')
    if log and not os.access(log if Path(log).is_dir() else Path(log).parent, os.W_OK):
        faults['ROS_LOG_DIR'] = f'ROS_LOG_DIR={log} cannot be written'
    return faults
