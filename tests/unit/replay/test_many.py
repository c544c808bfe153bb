import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from alexnet_ros.bags.find import bags_in
from alexnet_ros.errors import BagError
from alexnet_ros.replay.many import Task, merge, run_local, run_ray, run_task, write_summary
from tests.boxes_bag import write_frames

RAY = {  # a busy machine is late, a full one is no reason to kill a worker
    'RAY_USAGE_STATS_ENABLED': '0',
    'RAY_gcs_server_request_timeout_seconds': '300',
    'RAY_health_check_failure_threshold': '100',
    'RAY_memory_monitor_refresh_ms': '0',
    'RAY_worker_register_timeout_seconds': '300',
}


@pytest.fixture
def three_bags(tmp_path: Path) -> Path:
    folder = tmp_path / 'bags'
    for name in ('a', 'b', 'deep/c'):
        write_frames(folder / name, [0] * 5 + [1] * 5)
    return folder


def tasks_of(folder: Path, out: Path, model: Path) -> list[Task]:
    return [
        Task(str(bag), str(out / bag.name), str(model), {'regions': 'frame'}, {'backend': 'cpu'})
        for bag in bags_in([str(folder)])
    ]


def test_bags_are_found_in_folders_files_and_patterns(three_bags: Path) -> None:
    names = [bag.name for bag in bags_in([str(three_bags)])]
    assert names == ['a', 'b', 'c']
    assert [b.name for b in bags_in([f'{three_bags}/[ab]', str(three_bags / 'a')])] == ['a', 'b']
    loose = three_bags / 'loose'
    loose.mkdir()
    for name in ('a', 'b'):
        shutil.copy(three_bags / name / f'{name}.mcap', loose)
    assert [b.name for b in bags_in([str(loose)])] == ['a.mcap', 'b.mcap']
    with pytest.raises(BagError, match='is not a bag and contains none'):
        bags_in([str(three_bags / 'none*')])


def test_one_bad_bag_stops_nothing(three_bags: Path, tmp_path: Path, colours: Path) -> None:
    next((three_bags / 'b').glob('*.mcap')).write_bytes(b'rubbish')
    outcomes = list(run_local(tasks_of(three_bags, tmp_path / 'out', colours), 1))
    merged = merge(outcomes)
    assert (merged['bags'], merged['failed'], merged['frames']) == (3, 1, 20)
    (failed,) = [o for o in outcomes if 'error' in o]
    assert 'no images' in failed['error']
    write_summary(tmp_path / 'out', merged)
    assert json.loads((tmp_path / 'out/summary.json').read_text())['failed'] == 1
    assert 'a/report.html' in (tmp_path / 'out/index.html').read_text()


def test_jobs_give_the_same_as_one_after_the_other(
    three_bags: Path, tmp_path: Path, colours: Path
) -> None:
    one = merge(list(run_local(tasks_of(three_bags, tmp_path / 'one', colours), 1)))
    two = merge(list(run_local(tasks_of(three_bags, tmp_path / 'two', colours), 2)))
    assert two['failed'] == 0, two
    assert [r['signs'] for r in one['runs']] == [r['signs'] for r in two['runs']] == [2, 2, 2]
    for name in ('a', 'b', 'c'):
        assert (tmp_path / 'one' / name / 'results.mcap').read_bytes() == (
            tmp_path / 'two' / name / 'results.mcap'
        ).read_bytes()


def test_task_without_a_model_is_an_outcome(three_bags: Path, tmp_path: Path) -> None:
    task = Task(str(three_bags / 'a'), str(tmp_path / 'out'), str(tmp_path / 'no_model'))
    assert 'error' in run_task(task)


@pytest.fixture
def ray_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of two workers with one core each."""
    for name, value in RAY.items():
        monkeypatch.setenv(name, value)
    utilities = pytest.importorskip(
        'ray.cluster_utils', reason='Ray is not installed: pip install ray'
    )
    node = {'num_cpus': 1, 'object_store_memory': 100 << 20}
    cluster = utilities.Cluster(
        initialize_head=True, head_node_args={**node, 'include_dashboard': False}
    )
    cluster.add_node(**node)
    cluster.wait_for_nodes(timeout=300)
    yield cluster.address
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings('default')
def test_ray_cluster_runs_the_bags(
    three_bags: Path, tmp_path: Path, colours: Path, ray_cluster: str
) -> None:
    write_frames(three_bags / 'd', [0] * 5)
    next((three_bags / 'b').glob('*.mcap')).write_bytes(b'rubbish')
    outcomes = list(run_ray(tasks_of(three_bags, tmp_path / 'out', colours), ray_cluster))
    merged = merge(outcomes)
    assert (merged['bags'], merged['failed'], merged['frames']) == (4, 1, 25)
    # one worker or two: the second may come up when the first has done all of them
    workers = {outcome['worker'].rpartition(':')[2] for outcome in outcomes}
    assert 1 <= len(workers) <= 2
    assert str(os.getpid()) not in workers
    assert (tmp_path / 'out/c/report.html').exists()


def test_ray_missing_is_said(
    three_bags: Path, tmp_path: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__('sys').modules, 'ray', None)
    with pytest.raises(BagError, match='pip install'):
        list(run_ray(tasks_of(three_bags, tmp_path / 'out', colours), 'local'))
