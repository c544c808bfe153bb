from alexnet_ros.bench.compare import moved, table


def row(name: str, faster: float) -> dict[str, object]:
    return {'group': 'engine', 'name': name, 'faster': faster, 'baseline': 'torch'}


def test_moved_names_what_is_beyond_the_noise() -> None:
    old = [row('int8', 8.0), row('fp32', 1.0), row('gone', 2.0)]
    new = [row('int8', 5.0), row('fp32', 1.2), row('new', 2.0)]
    assert moved(old, new) == [
        'slower: engine: int8: 8.00 to 5.00 times torch',
        'new: engine: new',
        'gone: engine: gone',
    ]


def test_moved_says_nothing_within_the_noise() -> None:
    assert moved([row('int8', 8.0)], [row('int8', 7.0)]) == []


def test_table_leaves_what_a_row_lacks_empty() -> None:
    text = table([{'a': 1.23456, 'b': 'x'}, {'a': 1234.5}], {'a': 'A', 'b': 'B'})
    assert text.splitlines() == ['| A | B |', '|---|---|', '| 1.23 | x |', '| 1234 |  |']
