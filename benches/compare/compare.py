#!/usr/bin/env python3
"""Moves the same content with peerit and with other programs, in turns, on this machine.

Each round starts a fresh seed and times one download: from the start of the second program until it has ended with the
content complete, and verified where the program verifies. CPU-seconds are user and system time of both sides. Everything runs on
loopback, in a temporary folder that is taken away. Programs that are not installed are left out:

    apt install nginx curl b3sum rsync; pip install libtorrent

The content is compared with the original after every download, outside the time.
"""

import argparse
import filecmp
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")


class Seed:
    """A program that gives, with its children: a session of its own."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(
            [str(word) for word in command], env={**os.environ, **(environment or {})},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def cpu_seconds(self):
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[3]) == self.process.pid:
                total += int(fields[11]) + int(fields[12])
        return total / TICK

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    sys.exit(f"nothing listens on port {port}")


def peerit(content, work, options):
    here = {"PEERIT_DATA_DIR": str(work / "seed")}
    there = {"PEERIT_DATA_DIR": str(work / "leech")}
    seed = Seed([options.peerit, "daemon", "--foreground"], here)
    manifest = work / "content.p2p"
    while not (work / "seed" / "daemon.sock").exists():
        time.sleep(0.01)
    subprocess.run([options.peerit, "share", content, "-o", manifest], check=True,
                   env={**os.environ, **here}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    target = work / "target"
    return seed, [options.peerit, "download", "--no-daemon", manifest, "-d", target], there


def libtorrent(content, work, _options):
    port, torrent = free_port(), work / "content.torrent"
    script = [sys.executable, HERE / "with_libtorrent.py"]
    subprocess.run([*map(str, script), "create", str(content), str(torrent)], check=True, stderr=subprocess.DEVNULL)
    seed = Seed([*script, "seed", torrent, content.parent, port])
    wait_for(port)
    return seed, [*script, "fetch", torrent, work / "target", port], None


def curl(content, work, _options):
    port, config = free_port(), work / "nginx.conf"
    config.write_text(
        f"user root; worker_processes 1; daemon off; pid {work}/pid; error_log /dev/null;\nevents {{}}\n"
        f"http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {content.parent}; }} }}\n")
    seed = Seed(["nginx", "-c", config])
    wait_for(port)
    target = work / "target" / content.name
    fetch = f"curl -s -o {target} http://127.0.0.1:{port}/{content.name} && b3sum --num-threads 1 {target}"
    return seed, ["sh", "-c", fetch], None


def rsync(content, work, _options):
    port, config = free_port(), work / "rsyncd.conf"
    config.write_text(f"use chroot = no\nuid = 0\ngid = 0\n[all]\npath = {content.parent}\n")
    seed = Seed(["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={config}"])
    wait_for(port)
    return seed, ["rsync", "-a", f"rsync://127.0.0.1:{port}/all/{content.name}", f"{work}/target/"], None


CLIENTS = {"peerit": peerit, "libtorrent": libtorrent, "nginx + curl + b3sum": curl, "rsync": rsync}


def installed(name, options):
    if name == "libtorrent":
        return subprocess.run([sys.executable, "-c", "import libtorrent"], stderr=subprocess.DEVNULL).returncode == 0
    programs = {"peerit": [options.peerit], "rsync": ["rsync"]}.get(name, ["nginx", "curl", "b3sum"])
    return all(shutil.which(program) for program in programs)


def same(one, other):
    if one.is_file():
        return filecmp.cmp(one, other, shallow=False)
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    _, mismatch, errors = filecmp.cmpfiles(one, other, map(str, names), shallow=False)
    return not mismatch and not errors


def measure(name, content, options):
    """Wall seconds, CPU-seconds of both sides, and the most that the receiver had resident, in MB."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        work = Path(folder)
        (work / "target").mkdir()
        seed, command, environment = CLIENTS[name](content, work, options)
        try:
            before, start = seed.cpu_seconds(), time.monotonic()
            fetch = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL,
                                     env={**os.environ, **(environment or {})})
            _, status, usage = os.wait4(fetch.pid, 0)
            wall = time.monotonic() - start
            if status != 0:
                sys.exit(f"{name} failed with status {status}")
            cpu = seed.cpu_seconds() - before + usage.ru_utime + usage.ru_stime
        finally:
            seed.stop()
        if not same(content, work / "target" / content.name):
            sys.exit(f"{name} brought something else")
        return wall, cpu, usage.ru_maxrss / 1000


def make_content(folder, options):
    content = Path(folder) / "content"
    if options.files:
        content.mkdir()
        for number in range(options.files):
            (content / f"{number:06}").write_bytes(os.urandom(4096))
    else:
        with content.open("wb") as file:
            for _ in range(options.mib):
                file.write(os.urandom(1 << 20))
    return content


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peerit", default=HERE.parents[1] / "target/release/peerit", help="the program")
    parser.add_argument("--only", nargs="+", choices=CLIENTS, default=list(CLIENTS), help="these programs")
    parser.add_argument("--mib", type=int, default=1024, help="length of the one file [1024]")
    parser.add_argument("--files", type=int, default=0, help="so many files of 4 KiB instead")
    parser.add_argument("--rounds", type=int, default=3, help="downloads with each program [3]")
    parser.add_argument("--folder", default=None, help="where: a disk or a tmpfs [the system's temporary folder]")
    options = parser.parse_args()
    clients = [name for name in options.only if installed(name, options) and not (options.files and "curl" in name)]
    results = {name: [] for name in clients}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        content = make_content(folder, options)
        for _ in range(options.rounds):
            for name in clients:
                os.sync()  # what earlier rounds wrote is not written in this one's time
                results[name].append(measure(name, content, options))
    print("| program | seconds | fastest to slowest | CPU-seconds, both sides | receiver, MB resident |\n|---|---|---|---|---|")
    for name, rounds in results.items():
        wall, cpu, resident = zip(*rounds)
        print(f"| {name} | {statistics.median(wall):.2f} | {min(wall):.2f} to {max(wall):.2f} "
              f"| {statistics.median(cpu):.2f} | {max(resident):.0f} |")


if __name__ == "__main__":
    main()
