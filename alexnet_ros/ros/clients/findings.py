"""Findings of a node and the message that tells them, after REP-107."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE


@dataclass(frozen=True)
class Finding:
    """
    One line of diagnostics.

    :param task: what it is about, such as ``input``.
    :param values: key with its unit to a value.
    """

    task: str
    level: bytes
    message: str
    values: Mapping[str, Any]


def array_from_findings(
    stamp: Any, node_name: str, hardware_id: str, findings: Sequence[Finding]
) -> DiagnosticArray:
    """Return the message; names are ``node: task``, floats have one decimal."""
    message = DiagnosticArray()
    message.header.stamp = stamp
    for one in findings:
        message.status.append(
            DiagnosticStatus(
                level=one.level,
                name=f'{node_name}: {one.task}',
                message=one.message,
                hardware_id=hardware_id or socket.gethostname(),
                values=[
                    KeyValue(key=key, value=f'{v:.1f}' if isinstance(v, float) else str(v))
                    for key, v in one.values.items()
                ],
            )
        )
    return message
