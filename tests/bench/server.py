"""server - one of our services against a server that only echoes

For tests/bench/policy and tests/bench/socketmap, which say what is asked.
"""

import argparse
import os
import pathlib
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

CONNECTIONS = (1, 8, 64)
IDLE = 1000

MAILBRAKE_CONF = """\
egress = ( {{ name = "mx1"; addresses = ["203.0.113.1"];
    transport = "mx1"; }}, {{ name = "mx2"; addresses = ["203.0.113.2"];
    transport = "mx2"; }} );
user = "{user}";
catalogue = "{dir}/lists.conf";
state_file = "{dir}/state";
listen = {{ {service} = "unix:{dir}/service.sock"; }};
"""


def answers(path):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
        except OSError:
            return False
    return True


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        for line in f:
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
    raise ValueError("no Private_Dirty for %d" % pid)


class Server:
    def __init__(self, name, directory, sock, *command):
        self.name = name
        self.path = "%s/%s" % (directory, sock)
        log = directory / ("%s.log" % name)
        with open(log, "wb") as f:
            self.process = subprocess.Popen([str(c) for c in command],
                stdout=f, stderr=f, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not answers(self.path):
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit("%s does not listen:\n%s" % (command[0],
                    log.read_text(errors="replace")))
            time.sleep(0.01)

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def ask(client, what, server, connections, requests):
    """Requests a second, median and 99th percentile in us, CPU in us."""
    before = server.cpu()
    done = subprocess.run([client, what, "unix:" + server.path,
        str(connections), str(requests)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s: %s" % (server.name, done.stderr))
    return [float(n) for n in done.stdout.split()] + [
        (server.cpu() - before) / requests * 1e6]


def memory(client, what, server):
    """Bytes that a connection costs on which nothing happens."""
    sizes = []
    for count in (50, 50 + IDLE):
        with subprocess.Popen([client, what, "unix:" + server.path,
            str(count), "idle"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
            p.stdout.readline()
            sizes.append(resident(server.process.pid))
            p.stdin.close()
    return (sizes[1] - sizes[0]) / IDLE


def middle(values, form):
    v = sorted(values)
    return (form + " (" + form + "-" + form + ")") % (statistics.median(v),
        v[len(v) // 4], v[-1 - len(v) // 4])


def table(client, whats, servers, options):
    for what in whats:
        print("\n%s: %d rounds of %d requests" % (what, options.rounds,
            options.requests))
        print("%-6s %-9s %9s %10s %8s %8s  %s" % ("conns", "server",
            "req/s", "median us", "p99 us", "CPU us", "req/s to echo"))
        for connections in CONNECTIONS:
            measured = {s.name: [] for s in servers}
            for n in range(options.rounds):
                for s in (servers if n % 2 else servers[::-1]):
                    measured[s.name].append(ask(client, what, s, connections,
                        options.requests))
            for s in servers:
                m = measured[s.name]
                print("%-6d %-9s %9.0f %10.1f %8.1f %8.2f  %s" % (
                    connections, s.name,
                    *(statistics.median(r[i] for r in m) for i in range(3)),
                    statistics.mean(r[3] for r in m),
                    middle([a[0] / b[0] for a, b in zip(m,
                    measured["echo"])], "%.2f")
                    if s.name != "echo" else ""))
            sys.stdout.flush()


def run(service, whats):
    """service: its name in listen.  whats: what tests/bench/client is to
    ask, one table each."""
    parser = argparse.ArgumentParser(description="The %s service against a "
        "server that only echoes." % service)
    parser.add_argument("build", type=pathlib.Path,
        help="where mailbraked was built")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=50000,
        help="in each round")
    parser.add_argument("--user", default="root",
        help="that mailbraked runs as")
    options = parser.parse_args()
    build = options.build.resolve()
    client = build / "tests/bench/client"
    for name in ("mailbraked", "tests/bench/client", "tests/bench/echo"):
        if not (build / name).exists():
            sys.exit("%s is not built" % (build / name))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench."))
    servers = []
    try:
        (directory / "lists.conf").write_text("lists = ();\n")
        conf = directory / "mailbrake.conf"
        conf.write_text(MAILBRAKE_CONF.format(dir=directory,
            user=options.user, service=service))
        servers.append(Server("echo", directory, "echo.sock",
            build / "tests/bench/echo", "unix:%s/echo.sock" % directory))
        servers.append(Server(service, directory, "service.sock",
            build / "mailbraked", "-f", "-c", conf))
        print("memory of an idle connection: " + ", ".join("%s %.1f kB" %
            (s.name, memory(client, whats[0], s) / 1024) for s in servers))
        table(client, whats, servers, options)
    finally:
        for s in servers:
            s.stop()
        shutil.rmtree(directory, ignore_errors=True)
