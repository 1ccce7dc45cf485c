#!/usr/bin/env python3
"""Moves the same content with peerit and with other programs, in turns, on this machine.

Each round starts a fresh seed and times one download, or several at once: from the start of the second program until the last
one has ended with the content complete, and verified where the program verifies. CPU-seconds are user and system time of all
sides. Everything runs on
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
    seed = Seed([options.peerit, "daemon", "--foreground"], here)
    manifest = work / "content.p2p"
    while not (work / "seed" / "daemon.sock").exists():
        time.sleep(0.01)
    subprocess.run([options.peerit, "share", content, "-o", manifest], check=True,
                   env={**os.environ, **here}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return seed, lambda target: [options.peerit, "download", "--no-daemon", manifest, "-d", target]


def libtorrent(content, work, _options):
    port, torrent = free_port(), work / "content.torrent"
    script = [sys.executable, HERE / "with_libtorrent.py"]
    subprocess.run([*map(str, script), "create", str(content), str(torrent)], check=True, stderr=subprocess.DEVNULL)
    seed = Seed([*script, "seed", torrent, content.parent, port])
    wait_for(port)
    return seed, lambda target: [*script, "fetch", torrent, target, port]


def curl(content, work, _options):
    port, config = free_port(), work / "nginx.conf"
    config.write_text(
        f"user root; worker_processes 1; daemon off; pid {work}/pid; error_log /dev/null;\nevents {{}}\n"
        f"http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {content.parent}; }} }}\n")
    seed = Seed(["nginx", "-c", config])
    wait_for(port)
    address = f"http://127.0.0.1:{port}/{content.name}"

    def fetch(target):
        file = target / content.name
        return ["sh", "-c", f"curl -s -o {file} {address} && b3sum --num-threads 1 {file}"]
    return seed, fetch


def rsync(content, work, _options):
    port, config = free_port(), work / "rsyncd.conf"
    config.write_text(f"use chroot = no\nuid = 0\ngid = 0\n[all]\npath = {content.parent}\n")
    seed = Seed(["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={config}"])
    wait_for(port)
    return seed, lambda target: ["rsync", "-a", f"rsync://127.0.0.1:{port}/all/{content.name}", f"{target}/"]


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


def fetch_all(fetch, targets):
    """Runs a download to each target at once: CPU-seconds of all, and the most that one had resident, in MB."""
    running = [subprocess.Popen([str(word) for word in fetch(target)], stdout=subprocess.DEVNULL,
                                env={**os.environ, "PEERIT_DATA_DIR": f"{target}.data"}) for target in targets]
    cpu, resident = 0, 0
    for one in running:
        _, status, usage = os.wait4(one.pid, 0)
        if status != 0:
            sys.exit(f"{one.args[0]} failed with status {status}")
        cpu, resident = cpu + usage.ru_utime + usage.ru_stime, max(resident, usage.ru_maxrss / 1000)
    return cpu, resident


def measure(name, content, options):
    """Wall seconds, CPU-seconds of all sides, and the most that a receiver had resident, in MB."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        work = Path(folder)
        targets = [work / f"target{number}" for number in range(options.leeches)]
        for target in targets:
            target.mkdir()
        seed, fetch = CLIENTS[name](content, work, options)
        try:
            before, start = seed.cpu_seconds(), time.monotonic()
            cpu, resident = fetch_all(fetch, targets)
            wall = time.monotonic() - start
            cpu += seed.cpu_seconds() - before
        finally:
            seed.stop()
        if not all(same(content, target / content.name) for target in targets):
            sys.exit(f"{name} brought something else")
        return wall, cpu, resident


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
    parser.add_argument("--leeches", type=int, default=1, help="so many downloads at once [1]")
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
    print("| program | seconds | fastest to slowest | CPU-seconds, all sides | a receiver, MB resident |\n|---|---|---|---|---|")
    for name, rounds in results.items():
        wall, cpu, resident = zip(*rounds)
        print(f"| {name} | {statistics.median(wall):.2f} | {min(wall):.2f} to {max(wall):.2f} "
              f"| {statistics.median(cpu):.2f} | {max(resident):.0f} |")


if __name__ == "__main__":
    main()
