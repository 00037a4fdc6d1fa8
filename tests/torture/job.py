"""The job as it runs for a user: real processes, started, killed, and started again."""

import os
import pathlib
import signal
import subprocess
import time

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def status_of(pid):
    """The fields of /proc/PID/stat after the name, or None if the process is gone or dead."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields


def session_of(leader):
    """Processes of a session, oldest first."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = status_of(entry.name)
            if fields and int(fields[3]) == leader:
                found.append((int(fields[19]), int(entry.name)))
    return [pid for _, pid in sorted(found)]


class Job:
    """One command line that can be started again and again; its processes are a session of their own."""

    def __init__(self, command, folder, name="job", env=None, limits=None):
        self.command = [str(part) for part in command]
        self.folder, self.name, self.env, self.limits = folder, name, env or {}, limits
        self.starts, self.kills, self.process = 0, 0, None

    def start(self, *more, env=None):
        assert not self.is_alive(), "started twice"
        self.starts += 1
        self.out = self.folder / f"{self.name}-{self.starts}.out"
        self.err = self.folder / f"{self.name}-{self.starts}.err"
        with open(self.out, "w") as out, open(self.err, "w") as err:
            self.process = subprocess.Popen(
                self.command + [str(part) for part in more], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                cwd=self.folder, start_new_session=True, preexec_fn=self.limits,
                env=dict(os.environ, NO_COLOR="1", **self.env, **(env or {})),
            )
        self.begun = time.monotonic()
        return self

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def pids(self):
        """The processes of the job, the first being the one that was started."""
        return session_of(self.process.pid) if self.process else []

    def workers(self):
        """Processes that do the work: those that the first one started, or it alone."""
        return self.pids()[1:] or self.pids()

    def kill_all(self):
        """SIGKILL to all at once; False if it had ended before."""
        if not self.is_alive():
            return False
        os.killpg(self.process.pid, signal.SIGKILL)
        self.kills += 1
        self.reap()
        return True

    def kill_one(self, dice):
        """SIGKILL to one process of the job."""
        pids = self.pids()
        if not self.is_alive() or not pids:
            return False
        os.kill(dice.choice(pids), signal.SIGKILL)
        self.kills += 1
        return True

    def signal(self, number, pids=None):
        for pid in pids or self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def reap(self):
        """Nothing of the job is left behind."""
        if self.process is None:
            return
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def wait(self, seconds):
        """The exit code; None if it is still running after that time."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        # Others of its processes may need a moment to see that the first has ended.
        end = time.monotonic() + 10
        while self.pids() and time.monotonic() < end:
            time.sleep(0.05)
        self.reap()
        return code

    def told(self):
        """What it has said, on both streams."""
        return self.out.read_text(errors="replace") + self.err.read_text(errors="replace")

    def sockets(self):
        """TCP sockets of the job: (state, own port, other port); state 0A listens, 01 is connected."""
        inodes, found = set(), []
        for pid in self.pids():
            for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                try:
                    inodes.add(os.readlink(entry).removeprefix("socket:[").rstrip("]"))
                except OSError:
                    continue
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in pathlib.Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[9] in inodes:
                    own, other = (int(words[at].rpartition(":")[2], 16) for at in (1, 2))
                    found.append((words[3], own, other))
        return found

    def rss_kib(self):
        pages = sum(int(fields[21]) for fields in map(status_of, self.pids()) if fields)
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024

    def processor_s(self):
        fields = [fields for fields in map(status_of, self.pids()) if fields]
        return sum(int(one[11]) + int(one[12]) for one in fields) / TICKS_PER_S
