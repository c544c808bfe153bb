from dataclasses import MISSING

import pytest

from alexnet_ros.config import RecognizerSettings, flat_fields, settings_from_mapping
from alexnet_ros.errors import ConfigError


def test_defaults_are_within_their_own_ranges() -> None:
    values = {
        name: field.default if field.default is not MISSING else field.default_factory()
        for name, field in flat_fields(RecognizerSettings).items()
    }
    assert settings_from_mapping(RecognizerSettings, values) == RecognizerSettings()


def test_nested_settings_are_set_by_their_flat_name() -> None:
    made = settings_from_mapping(RecognizerSettings, {'confirm_hits': 4, 'top_k': 2})
    assert made.tracker.confirm_hits == 4
    assert made.top_k == 2


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('top_k', 0, r'in \[1, 100\]'),
        ('score_threshold', float('nan'), r'in \[0.0, 1.0\]'),
        ('regions', 'everything', 'one of'),
        ('top_k', 'five', 'must be int'),
        ('topk', 5, 'unknown setting'),
    ],
)
def test_bad_values_are_refused_with_their_range(name: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        settings_from_mapping(RecognizerSettings, {name: value})
