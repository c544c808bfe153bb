"""
From what is recognised to what the robot is told, without ROS.

Observations go into a :class:`Navigator` with the time at which they arrive, a
:class:`Command` comes out. Three clocks: image stamps order the signs; the
node's clock, cut at every jump, runs the holds; a steady clock tells that
images have stopped. While they have, the holds stand still, so that nothing
is let go.
"""

from alexnet_ros.navigation.actions import Action, ActionTable, find_table, read_table
from alexnet_ros.navigation.checks import ClassFrame, Score, SignFrame, SignSeen
from alexnet_ros.navigation.events import Command, Event, Moment, event_json
from alexnet_ros.navigation.machine import Navigator

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
    'event_json',
    'find_table',
    'read_table',
]
