"""Cameras that send too much, too little or nothing, to a classifier process."""

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from tests.faults import faulty_classifier as faulty
from tests.faults.faults import fault
from tests.faults.wire import Wire, status_kib
from tests.ros.robot import make_image

COUNTED = ('frames received', 'frames processed', 'frames dropped for a newer one')
PARAMETERS = {'stale_after_s': 1.0, 'error_after_s': 3600.0, 'inference_timeout_s': 60.0}


@fault('stream', 'camera stalls', 'no image for two seconds', 'STALE, then ERROR, then OK again')
def test_silence_is_stale_then_an_error_then_over(wire: Wire) -> None:
    wire.recovers()
    seen = len(wire.reports)

    def levels() -> list[bytes]:
        found = [one.level for one in wire._statuses('input', seen)]
        return [one for n, one in enumerate(found) if not n or found[n - 1] != one]

    wire.bench.until('it is stale', lambda: levels()[-1:] == [DiagnosticStatus.STALE])
    results = len(wire.results)
    assert wire.set('error_after_s', 2.0).successful
    wire.bench.until('it is an error', lambda: levels()[-1:] == [DiagnosticStatus.ERROR])
    assert levels()[-2:] == [DiagnosticStatus.STALE, DiagnosticStatus.ERROR]
    wire.bench.spin_for(0.3)
    assert len(wire.results) == results, 'something was published without an image'
    assert wire.set('error_after_s', 3600.0).successful
    wire.recovers()

    def well() -> bool:
        wire.send(wire.good_image(), answerable=True)
        return levels()[-1:] == [DiagnosticStatus.OK]

    wire.bench.until('all is well again', well)


@fault(
    'stream',
    'burst of large images',
    '200 images of 1280 x 720 as fast as they go out',
    'the newest is answered, the others dropped and counted, memory bounded',
)
def test_burst_is_dropped_but_for_the_newest(wire: Wire) -> None:
    wire.recovers()
    big = make_image((255, 0, 0), 0, size_wh=(1280, 720))
    for _ in range(20):  # buffers of DDS and of the node reach their size
        wire.send(big, answerable=True)
    before = int(wire.values('input')['frames dropped for a newer one'])
    received = int(wire.values('input')['frames received'])
    start_kib = status_kib(wire.node.process.pid, 'RssAnon')  # the segments are the camera's
    for _ in range(200):
        wire.bench.stamp_s += 1
        big.header.stamp.sec = wire.bench.stamp_s
        wire._good_ns.add(big.header.stamp.sec * 10**9)
        wire._camera.publish(big)
    last_ns = big.header.stamp.sec * 10**9

    def caught_up() -> bool:
        now = {key: int(wire.values('input')[key]) for key in COUNTED}
        failed = int(wire.values('backend')['inference errors'])  # of other tests
        return now['frames received'] > received and failed + now['frames processed'] == (
            now['frames received'] - now['frames dropped for a newer one']
        )

    wire.bench.until('everything received is processed or dropped', caught_up)
    grown_mib = (status_kib(wire.node.process.pid, 'RssAnon') - start_kib) / 1024
    assert grown_mib < 64, f'{grown_mib:.0f} MiB for images of 2.6 MiB'
    dropped = int(wire.values('input')['frames dropped for a newer one']) - before
    print(f'{dropped} dropped in the node; the rest went before it, in DDS')
    stamps = wire.results.stamps()
    assert stamps == sorted(stamps)
    wire.bench.until('nothing older comes after', lambda: max(wire.results.stamps()) <= last_ns)
    wire.recovers()


@pytest.mark.parametrize(
    'colour',
    [
        pytest.param(
            faulty.FAILS,
            id='refused',
            marks=fault(
                'stream',
                'one run fails',
                'the engine raises its own error',
                'counted, next one works',
            ),
        ),
        pytest.param(
            faulty.SURPRISE,
            id='unforeseen',
            marks=fault(
                'stream',
                'one run fails unforeseen',
                'the engine raises ValueError',
                'counted, logged with its traceback, next one works',
            ),
        ),
    ],
)
def test_run_that_fails_costs_its_image_only(wire: Wire, colour: tuple[int, int, int]) -> None:
    wire.recovers()
    wire.bench.until('diagnostics', lambda: 'inference errors' in wire.values('backend'))
    before = int(wire.values('backend')['inference errors'])

    def counted() -> bool:
        wire.send(make_image(colour, 0))
        return int(wire.values('backend').get('inference errors', '0')) > before

    wire.bench.until('the error is counted', counted)
    if colour == faulty.SURPRISE:
        wire.bench.until('the log has it', lambda: 'ValueError: unforeseen' in wire.node.log)
        wire.node.lines[:] = [one for one in wire.node.lines if 'Traceback' not in one]
    wire.recovers()
