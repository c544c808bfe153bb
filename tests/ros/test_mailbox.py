import threading
import time

from alexnet_ros.ros.mailbox import Arrival, Mailbox


def arrival(camera: str, number: int, received_s: float = 0.0) -> Arrival:
    return Arrival(camera, number, None, received_s)


def test_put_twice_keeps_the_newest() -> None:
    box = Mailbox([''])
    assert not box.put(arrival('', 1))
    assert box.put(arrival('', 2))
    assert [one.message for one in box.take(1.0)] == [2]


def test_take_gives_every_camera_in_their_order() -> None:
    box = Mailbox(['front', 'left', 'rear'])
    box.put(arrival('rear', 3))
    box.put(arrival('front', 1))
    assert [one.camera for one in box.take(1.0)] == ['front', 'rear']
    assert box.take(0.0) == []


def test_take_from_an_empty_box_returns_nothing_in_time() -> None:
    assert Mailbox(['']).take(0.01) == []


def test_close_wakes_the_taker() -> None:
    box = Mailbox([''])
    taken: list[object] = [None]
    thread = threading.Thread(target=lambda: taken.__setitem__(0, box.take(3600.0)), daemon=True)
    thread.start()
    box.close()
    thread.join(60.0)
    assert taken == [[]]
    assert not box.put(arrival('', 1))


def test_take_waits_for_a_camera_that_is_about_to_deliver() -> None:
    box = Mailbox(['a', 'b'])
    now_s = time.monotonic()
    for step in range(10, 0, -1):  # both every five seconds so far
        box.put(arrival('a', step, now_s - 5.0 * step))
        box.put(arrival('b', step, now_s - 5.0 * step))
    box.clear()
    box.put(arrival('a', 0, now_s))
    late = threading.Timer(0.05, lambda: box.put(arrival('b', 0, time.monotonic())))
    late.start()
    assert [one.camera for one in box.take(1.0, batch_wait_s=60.0)] == ['a', 'b']
    late.join()


def test_take_does_not_wait_for_a_camera_that_has_stopped() -> None:
    box = Mailbox(['a', 'b'])
    now_s = time.monotonic()
    for step in range(10, 0, -1):
        box.put(arrival('b', step, now_s - 5.0 - 0.1 * step))
    box.clear()
    box.put(arrival('a', 0, now_s))
    start_s = time.monotonic()
    assert [one.camera for one in box.take(1.0, batch_wait_s=120.0)] == ['a']
    assert time.monotonic() - start_s < 60.0


def test_take_keeps_to_the_due_time_and_gives_the_newest() -> None:
    box = Mailbox([''])
    box.put(arrival('', 1))
    assert box.take(0.01, due_s=time.monotonic() + 600.0) == []
    box.put(arrival('', 2))
    assert [one.message for one in box.take(1.0, due_s=time.monotonic())] == [2]
