"""Quality of service of every topic, in one place."""

import copy

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

RESULTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
OVERLAY = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
BOXES = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
DIAGNOSTICS = RESULTS

OVERRIDES = QoSOverridingOptions.with_default_policies()
"""Lets ``qos_overrides.TOPIC.subscription.reliability`` and the like change a profile."""


def own(profile: QoSProfile) -> QoSProfile:
    """Return a copy for one topic; overrides are written into the profile itself."""
    return copy.copy(profile)


def image_qos(reliability: str) -> QoSProfile:
    """
    Return sensor-data quality of service that holds the newest image only.

    :param reliability: ``best_effort``, which takes any publisher, or
        ``reliable``.
    """
    return QoSProfile(depth=1, reliability=ReliabilityPolicy[reliability.upper()])
