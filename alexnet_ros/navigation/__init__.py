"""
From what is recognised to what the robot is told, without ROS.

Observations go into a :class:`Navigator` with the time at which they arrive, a
:class:`Command` comes out. What is in force may only become less by a
documented event whose evidence is complete. Image stamps order the signs of a
camera and tell of lost frames; all times are measured on a steady clock, and
only while the camera in question speaks.
"""

from alexnet_ros.navigation.actions import Action, ActionTable, find_table, read_table
from alexnet_ros.navigation.checks import ClassFrame, Score, SignFrame, SignSeen
from alexnet_ros.navigation.events import Command, Event, Moment, event_json
from alexnet_ros.navigation.machine import Navigator
from alexnet_ros.navigation.state import distrust_state, restore_navigator, text_from_navigator

__all__ = [
    'Action',
    'ActionTable',
    'ClassFrame',
    'Command',
    'Event',
    'Moment',
    'Navigator',
    'Score',
    'SignFrame',
    'SignSeen',
    'distrust_state',
    'event_json',
    'find_table',
    'read_table',
    'restore_navigator',
    'text_from_navigator',
]
