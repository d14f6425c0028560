"""What every section of the bench needs: figures with their peer and budget, and what the kernel says of a process."""
import glob
import json
import os
import statistics
import subprocess
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), folder) for folder in ("../e2e", "../campaign")]
os.environ.setdefault("BUILD", sys.argv[1] if len(sys.argv) > 1 else "build")
import harness  # noqa: E402  (the path is set just above)
import proxy  # noqa: E402, F401  (for the sections)

os.environ["ASSAYD_DATADIR"] = os.path.join(harness.ROOT, "config")
QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
FIGURES = []


def sized(quick, full):
    return quick if QUICK else full


def figure(name, value, unit, budget, met, peer=None, peer_value=None, **more):
    """One line of the bench. `ratio` is value over peer, whatever the budget is about."""
    line = {"bench": name, "value": round(value, 4), "unit": unit}
    if peer is not None:
        line.update(peer=peer, peer_value=round(peer_value, 4), ratio=round(value / peer_value, 3) if peer_value else None)
    line.update(budget=budget, met=bool(met), load=round(os.getloadavg()[0], 2), **more)
    FIGURES.append(line)
    print(json.dumps(line, ensure_ascii=False), flush=True)


def run(program, *arguments, seconds=600):
    """A program of tests/bench: its JSON lines by name."""
    command = [os.path.join(harness.BUILD, "tests/bench", program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr.strip()}")
    return {line["bench"]: line for line in map(json.loads, done.stdout.splitlines())}


def start(program, *arguments):
    command = [os.path.join(harness.BUILD, "tests/bench", program), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(child):
    output, _ = child.communicate(timeout=600)
    if child.returncode != 0:
        raise RuntimeError(f"{child.args[0]} ended with {child.returncode}")
    return json.loads(output)


def cpu_s(pid):
    """User and system time of all threads that live, to the nanosecond (/proc/PID/stat counts in ticks of 10 ms)."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            with open(path, encoding="ascii") as task:
                total += int(task.read().split()[0])
        except FileNotFoundError:
            pass
    return total / 1e9


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} tells no VmRSS")


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def median(values):
    return statistics.median(values)
