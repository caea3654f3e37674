"""Between radio and receiver: what waits, what is dropped and said to be, how it ends."""

import threading
import time

import pytest
import torch

from sdrjscc.errors import RadioError
from sdrjscc.link.reading import DirectReader, ThreadReader, make_reader
from sdrjscc.radio.base import Reception

CHUNK = 100
BYTES = 8
PATIENCE_S = 30.0


class Script:
    """A radio that counts in its samples; ``ends`` with an error, or with nothing more."""

    antennas = 1

    def __init__(self, count, *, live, ends=None, antennas=1, dropped=0):
        self.live, self.antennas = live, antennas
        self._count, self._ends, self._dropped = count, ends, dropped
        self.given = self._position = 0
        self.done = threading.Event()

    def receive(self):
        if self.given >= self._count:
            self.done.set()
            if self._ends is not None:
                raise self._ends
            return None
        self._position += self._dropped
        samples = torch.arange(self._position, self._position + CHUNK).expand(self.antennas, -1)
        self.given += 1
        self._position += CHUNK
        return Reception(samples.to(torch.complex64), self._dropped)


class Gate(Script):
    """A live radio that gives a chunk whenever it is let."""

    def __init__(self):
        super().__init__(10**9, live=True)
        self.allowed = threading.Semaphore(0)

    def receive(self):
        while not self.allowed.acquire(timeout=0.02):
            if self.done.is_set():
                return None
        return super().receive()


def room(chunks, antennas=1):
    return BYTES * CHUNK * antennas * chunks


def check_positions(receptions):
    """Every sample is where the dropped ones say; returns the position after the last."""
    position = 0
    for one in receptions:
        position += one.dropped
        assert int(one.samples[0, 0].real) == position
        position += one.samples.shape[-1]
    return position


def wait_until(condition):
    ends_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(1e-3)


@pytest.mark.parametrize("antennas", [1, 3])
def test_what_a_live_radio_gave_without_room_is_dropped_and_counted(antennas):
    radio = Script(50, live=True, antennas=antennas)
    reader = ThreadReader(radio, memory_bytes=room(7, antennas))
    reader.start()
    assert radio.done.wait(PATIENCE_S)
    receptions = list(reader.receptions())
    reader.stop()
    assert len(receptions) == 7
    assert check_positions(receptions) == 7 * CHUNK
    assert reader.lost == 43 * CHUNK


def test_what_was_dropped_is_told_with_the_next_reception():
    radio = Gate()
    reader = ThreadReader(radio, memory_bytes=room(3))
    reader.start()
    for _ in range(8):
        radio.allowed.release()
    wait_until(lambda: reader.lost == 5 * CHUNK)
    stream = reader.receptions()
    receptions = [next(stream) for _ in range(3)]
    for _ in range(2):
        radio.allowed.release()
    receptions += [next(stream) for _ in range(2)]
    radio.done.set()
    assert list(stream) == []
    reader.stop()
    assert [one.dropped for one in receptions] == [0, 0, 0, 5 * CHUNK, 0]
    assert check_positions(receptions) == 10 * CHUNK


def test_the_radios_own_losses_add_up_with_ours():
    """Ten lost before every chunk; of 6 chunks the queue holds 2."""
    radio = Script(6, live=True, dropped=10)
    reader = ThreadReader(radio, memory_bytes=room(2))
    reader.start()
    assert radio.done.wait(PATIENCE_S)
    assert check_positions(list(reader.receptions())) == 2 * (CHUNK + 10)
    assert reader.lost == 4 * CHUNK
    reader.stop()


def test_memory_is_bounded_by_what_it_was_given():
    radio = Script(200, live=True)
    reader = ThreadReader(radio, memory_bytes=room(5) + 1)
    reader.start()
    assert radio.done.wait(PATIENCE_S)
    assert sum(one.samples.numel() * BYTES for one in reader._queue) == room(5)
    reader.stop()


def test_a_chunk_larger_than_the_memory_is_still_passed_on():
    reader = ThreadReader(Script(1, live=True), memory_bytes=1)
    reader.start()
    assert [one.samples.shape[-1] for one in reader.receptions()] == [CHUNK]
    reader.stop()


def test_a_radio_that_waits_is_never_made_to_drop():
    radio = Script(40, live=False)
    reader = ThreadReader(radio, memory_bytes=room(2))
    reader.start()
    wait_until(lambda: radio.given >= 3)
    receptions = list(reader.receptions())
    reader.stop()
    assert len(receptions) == 40
    assert check_positions(receptions) == 40 * CHUNK
    assert reader.lost == 0


def test_an_error_comes_after_what_was_given_before_it():
    reader = ThreadReader(Script(3, live=False, ends=RadioError("the radio must be there (it went)")))
    reader.start()
    got = []
    with pytest.raises(RadioError, match="it went"):
        for one in reader.receptions():
            got.append(one)
    reader.stop()
    assert check_positions(got) == 3 * CHUNK


def test_an_error_of_the_tap_is_not_swallowed():
    def tap(reception):
        raise ValueError("tap")

    reader = ThreadReader(Script(3, live=True), tap)
    reader.start()
    with pytest.raises(ValueError, match="tap"):
        list(reader.receptions())
    reader.stop()


@pytest.mark.parametrize("live", [True, False])
def test_the_tap_sees_all_in_order_also_what_found_no_room(live):
    seen = []
    radio = Script(30, live=live)
    reader = ThreadReader(radio, seen.append, memory_bytes=room(4))
    reader.start()
    if live:
        assert radio.done.wait(PATIENCE_S)
    got = list(reader.receptions())
    reader.stop()
    assert len(seen) == 30
    assert check_positions(seen) == 30 * CHUNK
    assert (len(got) < 30) == live


def test_waiting_ends_after_the_duration():
    radio = Gate()
    reader = ThreadReader(radio)
    reader.start()
    assert list(reader.receptions(0.05)) == []
    radio.allowed.release()
    wait_until(lambda: radio.given)
    assert len(list(reader.receptions(0.3))) == 1
    radio.done.set()
    reader.stop()


def test_no_duration_at_all_gives_nothing():
    for reader in (ThreadReader(Script(3, live=False)), DirectReader(Script(3, live=False))):
        reader.start()
        assert list(reader.receptions(0.0)) == []
        reader.stop()


def test_whoever_reads_can_wish_to_stop_while_nothing_comes():
    radio, wishes = Gate(), []
    reader = ThreadReader(radio)
    reader.start()

    def stop():
        wishes.append(1)
        return len(wishes) > 3

    assert list(reader.receptions(stop=stop)) == []
    radio.done.set()
    reader.stop()


def test_a_wish_to_stop_reads_no_more_and_gives_out_what_is_held():
    radio, got = Gate(), []
    reader = ThreadReader(radio)
    reader.start()
    for _ in range(6):
        radio.allowed.release()
    wait_until(lambda: len(reader._queue) == 6)
    for one in reader.receptions(stop=lambda: len(got) >= 2):
        got.append(one)
    assert check_positions(got) == 6 * CHUNK
    radio.allowed.release()
    reader._thread.join(PATIENCE_S)
    assert not reader._thread.is_alive()
    assert radio.given <= 7


def test_a_direct_reader_stops_between_receptions():
    radio, got = Script(10, live=False), []
    reader = DirectReader(radio)
    for one in reader.receptions(stop=lambda: len(got) >= 4):
        got.append(one)
    assert radio.given == 4
    got += reader.receptions()
    assert check_positions(got) == 10 * CHUNK


def test_reading_stops_though_the_radio_gives_on_and_on():
    for radio in (Gate(), Script(10**9, live=True), Script(10**9, live=False)):
        reader = ThreadReader(radio, memory_bytes=room(2))
        reader.start()
        wait_until(lambda radio=radio: radio.given >= 2 or isinstance(radio, Gate))
        if isinstance(radio, Gate):
            radio.done.set()
        reader.stop()
        assert not reader._thread.is_alive()


def test_what_is_forgotten_counts_as_dropped():
    radio = Gate()
    reader = ThreadReader(radio)
    reader.start()
    stream = reader.receptions()
    for _ in range(5):
        radio.allowed.release()
    wait_until(lambda: len(reader._queue) == 5)
    receptions = [next(stream)]
    reader.forget()
    radio.allowed.release()
    receptions.append(next(stream))
    radio.done.set()
    reader.stop()
    assert [one.dropped for one in receptions] == [0, 4 * CHUNK]
    assert check_positions(receptions) == 6 * CHUNK


def test_a_reader_can_be_started_anew():
    radio = Script(3, live=False, ends=RadioError("gone"))
    reader = ThreadReader(radio)
    for _ in range(2):
        radio.given = radio._position = 0
        reader.start()
        with pytest.raises(RadioError, match="gone"):
            list(reader.receptions())
        reader.stop()
    radio.given = radio._position = 0
    reader.start()
    assert check_positions([next(reader.receptions())]) == CHUNK
    reader.stop()


def test_a_direct_reader_reads_when_it_is_asked():
    radio, seen = Script(4, live=False), []
    reader = DirectReader(radio, seen.append)
    reader.start()
    stream = reader.receptions()
    assert radio.given == 0
    next(stream)
    assert radio.given == 1
    reader.forget()
    got = list(stream)
    reader.stop()
    assert (len(got), len(seen), reader.lost) == (3, 4, 0)
    assert check_positions(seen) == 4 * CHUNK


@pytest.mark.parametrize(
    ("live", "transmits_here", "kind"),
    [
        (False, True, DirectReader),
        (False, False, ThreadReader),
        (True, True, ThreadReader),
        (True, False, ThreadReader),
    ],
)
def test_only_a_waiting_radio_that_is_both_ends_is_read_directly(live, transmits_here, kind):
    assert type(make_reader(Script(1, live=live), None, transmits_here=transmits_here)) is kind
