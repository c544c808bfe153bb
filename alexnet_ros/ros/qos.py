"""Quality of service of every topic, in one place."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions


def _profile(
    depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy
) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=durability,
    )


RESULTS = _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
OVERLAY = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
LATCHED = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
BOXES = _profile(5, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
DIAGNOSTICS = _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)

OVERRIDES = QoSOverridingOptions.with_default_policies()
"""Lets ``qos_overrides.TOPIC.subscription.reliability`` and the like change a profile."""


def own(profile: QoSProfile) -> QoSProfile:
    """Return a copy for one topic; overrides are written into the profile itself."""
    return _profile(profile.depth, profile.reliability, profile.durability)


def image_qos(reliability: str) -> QoSProfile:
    """
    Return sensor-data quality of service that holds the newest image only.

    :param reliability: ``best_effort``, which takes any publisher, or
        ``reliable``.
    """
    return _profile(1, ReliabilityPolicy[reliability.upper()], DurabilityPolicy.VOLATILE)
