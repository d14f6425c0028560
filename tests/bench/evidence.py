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


def verifying():
    count = sized(50000, 400000)
    with harness.Room() as room:
        daemon = room.daemon("")
        run("journal_fill", daemon.state, count)
        daemon.start()  # seals what is there
        path = room.path("export.jsonl")
        begun = time.monotonic()
        done = daemon.ctl("export", "-o", path)
        exported_s = time.monotonic() - begun
        assert done.returncode == 0, done.stderr
        daemon.stop()
        before, begun = children_cpu_s(), time.monotonic()
        done = subprocess.run([os.path.join(harness.BUILD, "assayctl"), "verify", path], capture_output=True, text=True, check=False)
        cpu_s, wall_s = children_cpu_s() - before, time.monotonic() - begun
        assert done.returncode == 0, done.stdout
        rate = count / cpu_s
        figure("records verified per second of one core", rate, "1/s", ">= 200,000", rate >= 200000, wall_per_s=round(count / wall_s),
               records=count, bytes=os.path.getsize(path), exported_per_s=round(count / exported_s))


def evidence():
    sealing()
    verifying()
