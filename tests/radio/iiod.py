"""An IIOD server that pretends to be a PlutoSDR: libiio 0.x's network protocol, loopback only.

It serves libiio itself, so pyadi-iio and gr-iio are the real ones. ``iiod_pluto`` is the device,
``iiod_air`` what lies between its converters. Faults are injected from outside: ``drop`` cuts
every connection (the device can be found again), ``hang`` stops answering, ``die`` is for good.
"""

import contextlib
import errno
import socket
import threading

import numpy as np
from iiod_air import Air, Gone
from iiod_pluto import (
    ADC,
    ADC_OVERFLOW,
    DAC,
    DAC_UNDERFLOW,
    NAMES,
    PHY,
    STATUS_REGISTER,
    Phy,
    Refused,
    channels,
    context_xml,
)

ADC_FULL_SCALE, DAC_FULL_SCALE = 2**11, 2**15
_LONGEST = 1 << 26


class Iiod:
    """The server; a ``with`` runs it. ``loss_db`` lies between its TX and RX sockets.

    Received amplitude in full scales: sent times 10^((tx gain + rx gain - loss) / 20).
    """

    def __init__(self, air=None, *, pairs=1, loss_db=0.0, ignored=(), coerced=(), registers=True):
        self.air = Air() if air is None else air
        self.air.antennas = pairs
        self.phy = Phy(ignored=ignored, coerced=coerced)
        self.pairs, self.loss_db, self.registers = pairs, loss_db, registers
        self.log = []
        self.open_buffers = set()
        self.drop_after_blocks = None
        self._files = {(d, way, key): files for d, way, key, _, files, _ in channels(pairs)}
        self._tones, self._register = {}, {}
        self._sockets, self._threads = set(), []
        self._answering = threading.Event()
        self._answering.set()
        self._listener, self.port = None, 0
        self._lock = threading.Lock()

    @property
    def uri(self):
        return f"ip:127.0.0.1:{self.port}"

    def __enter__(self):
        self.listen()
        return self

    def __exit__(self, *_):
        self.air.close()
        self.die()
        for thread in self._threads:
            thread.join(5.0)

    def listen(self):
        """Begin to listen; after ``die`` on the port it had."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept, self._listener)

    def drop(self):
        """Cut all connections, as a pulled cable does; new ones are accepted."""
        with self._lock:
            gone, self._sockets = self._sockets, set()
        for one in gone:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def die(self):
        """Cut all connections and stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._answering.set()
        self.drop()

    def hang(self):
        """Stop answering, with all connections open."""
        self._answering.clear()

    def recover(self):
        """Answer again."""
        self._answering.set()

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                # or every answer waits 40 ms for an acknowledgement
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._sockets.add(connection)
                self._start(self._serve, connection)

    def _serve(self, connection):
        session = Session(self, connection)
        try:
            with connection, contextlib.suppress(OSError, Gone, ValueError):
                while session.answer(session.stream.readline().decode()):
                    pass
        finally:
            session.close_buffers()
            with self._lock:
                self._sockets.discard(connection)

    def connected(self, connection):
        return connection in self._sockets

    def wait_if_hanging(self):
        self._answering.wait()

    def read(self, device, way, channel, attribute):
        if way == "debug":
            return self._read_debug(device, attribute)
        if way is None:
            return self.phy.read(attribute)
        file = self._file(device, way, channel, attribute)
        return self._tones.get(file, "0") if "altvoltage" in file and device == DAC else self.phy.read(file)

    def write(self, device, way, channel, attribute, text):
        if way == "debug":
            self._write_debug(device, attribute, text)
        elif way is None:
            self.phy.write(attribute, text)
        else:
            file = self._file(device, way, channel, attribute)
            if "altvoltage" in file and device == DAC:
                self._tones[file] = text
            else:
                self.phy.write(file, text)
        self._retune()

    def _file(self, device, way, channel, attribute):
        try:
            return self._files[device, way, channel][attribute]
        except KeyError:
            raise Refused(errno.ENOENT) from None

    def _retune(self):
        if self.air.rate_hz != self.phy.rate_hz:
            self.air.set_rate(self.phy.rate_hz)

    def gain(self):
        gain_db = self.phy.gain_db("out_voltage0_hardwaregain") + self.phy.gain_db("in_voltage0_hardwaregain")
        return 10 ** ((gain_db - self.loss_db) / 20)

    def _read_debug(self, device, attribute):
        if attribute != "direct_reg_access":
            return self.phy.read(attribute)
        if not self.registers:
            raise Refused(errno.ENOSYS)
        if self._register.get(device) != STATUS_REGISTER:
            return "0x0"
        if device == ADC:
            return hex(ADC_OVERFLOW if self.air.overflow else 0)
        return hex(DAC_UNDERFLOW if device == DAC and self.air.underflow else 0)

    def _write_debug(self, device, attribute, text):
        if attribute != "direct_reg_access":
            self.phy.write(attribute, text)
            return
        address, *value = (int(word, 0) for word in text.strip("\0").split())
        self._register[device] = address
        if value and address == STATUS_REGISTER:  # writing a one clears it
            self.air.overflow &= not (device == ADC and value[0] & ADC_OVERFLOW)
            self.air.underflow &= not (device == DAC and value[0] & DAC_UNDERFLOW)


class Session:
    """One connection: libiio has one for attributes, and one for each buffer."""

    def __init__(self, server, connection):
        self.server, self.connection = server, connection
        self.stream = connection.makefile("rwb")
        self.buffers = {}

    def answer(self, line):
        """Carry out one command; False at the end."""
        words = line.split()
        if not line or (words and words[0] == "EXIT"):
            return False
        self.server.wait_if_hanging()
        command = getattr(self, f"_{words[0].lower()}", None) if words else None
        try:
            if command is None:
                raise Refused
            command(*words[1:])
        except Refused as refusal:
            self._number(-refusal.number)
        self.stream.flush()
        return True

    def close_buffers(self):
        for device in list(self.buffers):
            self._release(device)

    def _number(self, value):
        self.stream.write(b"%d\n" % value)

    def _text(self, text):
        data = text.encode()
        self._number(len(data))
        self.stream.write(data + b"\n")

    def _version(self):
        self.stream.write(b"0.24.standin\n")

    def _print(self):
        self._text(context_xml(self.server.pairs))

    def _timeout(self, _milliseconds):
        self._number(0)

    def _gettrig(self, _device):
        raise Refused(errno.ENODEV)

    def _set(self, device, *_what):
        if device not in NAMES:
            raise Refused(errno.ENODEV)
        self._number(0)

    def _read(self, *words):
        self._text(self.server.read(*_attribute(words)))

    def _write(self, *words):
        *where, length = words
        text = self.stream.read(int(length)).decode().rstrip("\0")
        self.server.write(*_attribute(where), text)
        self._number(int(length))

    def _open(self, device, length, mask, cyclic=""):
        if device not in {ADC, DAC} or not 0 < int(length) <= _LONGEST:
            raise Refused
        if device in self.server.open_buffers:
            raise Refused(errno.EBUSY)
        count = int(mask, 16).bit_count()
        if not count or count % 2 or int(mask, 16) >> (2 * self.server.pairs):
            raise Refused
        capture = self.server.air.open_capture(int(length)) if device == ADC else None
        self.buffers[device] = (int(length), mask, count, cyclic == "CYCLIC", capture)
        self.server.open_buffers.add(device)
        self.server.log.append(("open", device, int(length), cyclic))
        self._number(0)

    def _close(self, device):
        self._release(device)
        self._number(0)

    def _release(self, device):
        if self.buffers.pop(device, None) is None:
            raise Refused(errno.EBADF)
        if device == DAC:
            self.server.air.stop_sending()
        self.server.open_buffers.discard(device)
        self.server.log.append(("close", device))

    def _readbuf(self, device, size):
        length, mask, count, _, capture = self._buffer(device)
        if int(size) != length * count * 2:
            raise Refused
        block = self.server.air.fetch(capture, self._alive)
        if self._is_dropped():
            raise Gone
        codes = np.clip(
            np.round(block.view(np.float32) * ADC_FULL_SCALE), -ADC_FULL_SCALE, ADC_FULL_SCALE - 1
        )
        pairs = codes.reshape(self.server.air.antennas, length, 2)[: count // 2]
        data = pairs.transpose(1, 0, 2).astype("<i2").tobytes()
        self._number(len(data))
        self.stream.write(mask.encode() + b"\n" + data)

    def _writebuf(self, device, size):
        length, _, count, cyclic, _ = self._buffer(device)
        if int(size) > length * count * 2:
            raise Refused
        self._number(int(size))
        self.stream.flush()
        codes = np.frombuffer(self.stream.read(int(size)), dtype="<i2").reshape(-1, count)[:, :2]
        samples = np.ascontiguousarray(codes.astype(np.float32) / DAC_FULL_SCALE).view(np.complex64)[:, 0]
        self.server.wait_if_hanging()
        self.server.air.gain = self.server.gain()
        if cyclic:
            self.server.air.repeat(samples)
        else:
            self.server.air.send(samples, self._alive)
        self._number(int(size))

    def _buffer(self, device):
        if device not in self.buffers:
            raise Refused(errno.EBADF)
        return self.buffers[device]

    def _alive(self):
        return self.server.connected(self.connection)

    def _is_dropped(self):
        if self.server.drop_after_blocks is None:
            return False
        self.server.drop_after_blocks -= 1
        if self.server.drop_after_blocks >= 0:
            return False
        self.server.drop_after_blocks = None
        self.server.drop()
        return True


def _attribute(words):
    """``(device, way, channel, attribute)`` of a command's words."""
    device, *rest = words
    if device not in NAMES:
        raise Refused(errno.ENODEV)
    if rest[0] in {"INPUT", "OUTPUT"}:
        return device, {"INPUT": "in", "OUTPUT": "out"}[rest[0]], rest[1], rest[2]
    if rest[0] == "DEBUG":
        return device, "debug", None, rest[1]
    if device != PHY:
        raise Refused(errno.ENOENT)
    return device, None, None, rest[0]
