"""What proof costs: sealing beside the journal alone, and verifying an export on one core."""
import os
import resource
import shutil
import subprocess
import tempfile
import time

from measure import figure, harness, run, sized


def sealing():
    directory = tempfile.mkdtemp(prefix="assayd-bench-")
    try:
        got = run("sealing", directory, sized(1, 5))["sealing"]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    alone, sealed = got["cpu_us_per_record"], got["sealed_cpu_us_per_record"]
    figure("CPU per record at 1,000 a second, sealed", sealed, "us", "<= 5 % more", sealed <= 1.05 * alone, "unsealed", alone)


def children_cpu_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def verifying(name, count, every, budget=None):
    """An export of `count` records of which each `every`th is sealed."""
    with harness.Room() as room:
        daemon = room.daemon("")
        run("journal_fill", daemon.state, count, every)
        daemon.start()
        path = room.path("export.jsonl")
        begun = time.monotonic()
        done = daemon.ctl("export", "-o", path)
        exported_s = time.monotonic() - begun
        assert done.returncode == 0, done.stderr
        daemon.stop()
        with open(path, "rb") as file:
            seals = sum(b'"sig":' in line for line in file)
        before, begun = children_cpu_s(), time.monotonic()
        done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "verify", path], capture_output=True, text=True, check=False)
        cpu_s, wall_s = children_cpu_s() - before, time.monotonic() - begun
        assert done.returncode == 0, done.stdout
        assert seals >= count // every, f"{seals} seals of {count // every}"
        rate = count / cpu_s
        figure(name, rate, "1/s", f">= {budget:,}" if budget else "told only", not budget or rate >= budget,
               wall_per_s=round(count / wall_s), records=count, seals=seals, bytes=os.path.getsize(path),
               exported_per_s=round(count / exported_s))


def evidence():
    sealing()
    verifying("records verified per second of one core, a seal each 1,000", sized(50000, 400000), 1000, 200000)
    verifying("records verified per second of one core, each sealed", sized(2000, 10000), 1)
