from typing import Any

import pytest
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter

from alexnet_ros.config import ClassifierSettings, flat_fields
from alexnet_ros.errors import ConfigError
from alexnet_ros.ros.parameters import Parameters
from tests.ros.robot import Bench


class Holder(Node):
    """A node with nothing but the classifier's parameters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('holder', **kwargs)
        self.active = self.configured = False
        self.settings = Parameters(
            self,
            ClassifierSettings,
            active=lambda: self.active,
            configured=lambda: self.configured,
        )


@pytest.fixture
def holder(bench: Bench) -> Holder:
    node = bench.add(Holder)
    assert isinstance(node, Holder)
    return node


def reason_of(node: Node, name: str, value: Any) -> str:
    result = node.set_parameters([Parameter(name, value=value)])[0]
    return '' if result.successful else result.reason


def test_every_setting_is_a_parameter_with_text_and_range(bench: Bench, holder: Holder) -> None:
    names = list(flat_fields(ClassifierSettings))
    answer = bench.call(
        DescribeParameters, '/holder/describe_parameters', DescribeParameters.Request(names=names)
    )
    for name, field, described in zip(
        names, flat_fields(ClassifierSettings).values(), answer.descriptors, strict=True
    ):
        assert described.name == name
        assert described.description == field.metadata['text']
        ranges = list(described.integer_range) + list(described.floating_point_range)
        low, high = field.metadata['low'], field.metadata['high']
        expected = [] if low is None else [(low, high)]
        assert [(one.from_value, one.to_value) for one in ranges] == expected
        for choice in field.metadata['choices']:
            assert choice in described.additional_constraints
    assert holder.settings.current == ClassifierSettings()


@pytest.mark.parametrize(
    ('name', 'value', 'says'),
    [
        ('top_k', 0, 'range'),
        ('score_threshold', 1.5, 'range'),
        ('score_threshold', float('nan'), 'range'),
        ('score_threshold', 1, 'type'),
        ('max_rate_hz', 'fast', 'type'),
        ('regions', 'everything', 'frame'),
        ('confirm_hits', 50, 'confirm_window'),
        ('cameras', ['a', 'a'], 'distinct'),
        ('cameras', ['no spaces'], 'letters'),
        ('roi_xywh', [1, 2, 3], 'four'),
        ('stale_after_s', 60.0, 'error_after_s'),
    ],
)
def test_wrong_values_are_refused_with_a_reason(
    holder: Holder, name: str, value: Any, says: str
) -> None:
    before = holder.settings.current
    assert says in reason_of(holder, name, value)
    assert holder.settings.current == before


def test_live_settings_change_while_active(holder: Holder) -> None:
    seen: list[ClassifierSettings] = []
    holder.settings.on_change = seen.append
    holder.active = holder.configured = True
    assert not reason_of(holder, 'score_threshold', 0.4)
    assert holder.settings.current.recognizer.score_threshold == 0.4
    assert [one.recognizer.score_threshold for one in seen] == [0.4]
    assert not holder.settings.reload_needed


def test_what_needs_a_reload_is_refused_while_active_and_noted_before(holder: Holder) -> None:
    holder.active = holder.configured = True
    assert 'while the node is active' in reason_of(holder, 'model', 'other')
    assert not reason_of(holder, 'model', 'signs')  # no change is no reload
    holder.active = False
    assert not reason_of(holder, 'model', 'other')
    assert holder.settings.reload_needed == {'model'}


def test_a_refused_set_of_values_changes_nothing(bench: Bench, holder: Holder) -> None:
    request = SetParameters.Request(
        parameters=[
            Parameter('confirm_window', value=3).to_parameter_msg(),
            Parameter('confirm_hits', value=4).to_parameter_msg(),
        ]
    )
    answer = bench.call(SetParameters, '/holder/set_parameters', request)
    assert [one.successful for one in answer.results] == [True, False]
    assert holder.settings.current.recognizer.tracker.confirm_hits == 3


@pytest.mark.parametrize(
    ('name', 'value'),
    [('top_k', 1000), ('top_k', 2.5), ('max_rate_hz', -1.0), ('overlay_quality', 'best')],
)
def test_wrong_overrides_end_in_one_line_with_the_range(
    bench: Bench, name: str, value: Any
) -> None:
    field = flat_fields(ClassifierSettings)[name].metadata
    with pytest.raises(ConfigError) as refused:
        bench.add(Holder, **{name: value})
    text = str(refused.value)
    assert name in text
    assert f'[{field["low"]}, {field["high"]}]' in text
    assert '\n' not in text


def test_array_parameters_keep_their_type(holder: Holder) -> None:
    assert holder.get_parameter('cameras').type_.value == ParameterType.PARAMETER_STRING_ARRAY
    assert holder.get_parameter('roi_xywh').type_.value == ParameterType.PARAMETER_INTEGER_ARRAY
    assert not reason_of(holder, 'roi_xywh', [1, 2, 30, 40])
    assert holder.settings.current.recognizer.roi_xywh == [1, 2, 30, 40]


def test_a_misspelt_override_is_named(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench.add(Holder, topk=3, something_of_another_node=1, top_k=2)
    log = capfd.readouterr().err
    assert 'unknown parameter, ignored: topk (did you mean top_k?)' in log
    assert ', something_of_another_node' in log
    assert 'use_sim_time' not in log


def test_an_empty_list_is_refused_in_one_line(start_node: Any) -> None:
    node = start_node('-p', 'cameras:=[]')
    node.wait_for('parameter cameras is an empty list')
    assert node.wait() == 1
    assert 'Traceback' not in node.log
