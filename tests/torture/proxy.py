"""A proxy for TCP that can be slow, deaf, or cut connections: between a job and its broker."""

import random
import socket
import struct
import threading
import time

CHUNK = 16 * 1024


class Link:
    """Passes on what comes to `listen` to `target`; both are HOST:PORT. Settings may change at any time."""

    def __init__(self, listen, target, seed=0):
        self.target = split(target)
        self.latency_s, self.jitter_s = 0.0, 0.0
        self.out_bytes_per_s = self.in_bytes_per_s = None
        # Held: bytes wait, as on a network that drops packets; the connection stays.
        self.hold_out = self.hold_in = False
        # Resets each connection after so many bytes to the broker, in the middle of a frame.
        self.reset_after = None
        self.pairs, self.lock, self.dice = [], threading.Lock(), random.Random(seed)
        self.server = socket.create_server(split(listen))
        self.is_open = True
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=5)
                far.settimeout(None)
            except OSError:
                reset(near)
                continue
            with self.lock:
                self.pairs.append((near, far))
            for one, other, out in ((near, far, True), (far, near, False)):
                threading.Thread(target=self.pass_on, args=(one, other, out), daemon=True).start()

    def pass_on(self, source, target, out):
        passed = 0
        try:
            while chunk := source.recv(CHUNK):
                rate = self.out_bytes_per_s if out else self.in_bytes_per_s
                delay = self.latency_s + self.dice.uniform(0, self.jitter_s) + (len(chunk) / rate if rate else 0)
                if delay:
                    time.sleep(delay)
                while self.is_open and (self.hold_out if out else self.hold_in):
                    time.sleep(0.02)
                if out and self.reset_after is not None and passed + len(chunk) > self.reset_after:
                    target.sendall(chunk[: self.reset_after - passed])
                    reset(source), reset(target)
                    return
                target.sendall(chunk)
                passed += len(chunk)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def partition(self, seconds, out=True, into=True):
        """Nothing passes for a time, in both directions or one."""
        self.hold_out, self.hold_in = out, into
        time.sleep(seconds)
        self.hold_out = self.hold_in = False

    def reset_all(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                reset(end)

    def close(self):
        self.is_open = False
        self.server.close()
        self.reset_all()


def split(address):
    host, _, port = address.rpartition(":")
    return host, int(port)


def reset(end):
    """Closes so that the other side gets a reset and not an end."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()
