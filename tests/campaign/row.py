"""row: what every row of the campaign needs: its form (whole or smoke), the harness, and the one line it ends with."""
import os
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests/e2e"), os.path.join(ROOT, "tests/faults"), os.path.join(ROOT, "tests/platform")]

SMOKE = bool(os.environ.get("CAMPAIGN_SMOKE"))
BUILD = os.environ.setdefault("BUILD", "build")

# A row that is ended puts away what it started.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def size(whole, smoke):
    """How many kills, cuts, seconds: the figure of the acceptance, or the one of a few seconds."""
    return smoke if SMOKE else whole


def name():
    """S1 in s01_kill.py."""
    group = os.path.basename(sys.argv[0])
    return f"{group[0].upper()}{int(group[1:3])}"


def explain(*lines):
    """What a person who reads a FAIL wants to know; rows run side by side, so each line names its own."""
    for line in lines:
        print(f"{name()}  {line}", file=sys.stderr, flush=True)


def end(row, figures, passed):
    """The row's one line, and its end."""
    print(f"{row}: {figures} {'PASS' if passed else 'FAIL'}", flush=True)
    sys.exit(0 if passed else 1)


def skip(row, why):
    """This machine cannot run the row: said aloud, never passed over."""
    print(f"{row}: {why} SKIP", flush=True)
    sys.exit(77)


def unit(program, **environment):
    """Runs a cmocka program: (what it printed, passed, failed)."""
    done = subprocess.run([os.path.join(ROOT, BUILD, "tests/unit", program)], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment}, check=False)
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        explain(*text.splitlines()[-30:])
    return text, text.count("[       OK ]"), 0 if done.returncode == 0 else max(1, text.count("[  FAILED  ]"))


def units(program):
    """Runs a cmocka program: (passed, failed)."""
    return unit(program)[1:]


def end_to_end(*arguments):
    """Runs tests of tests/e2e (pytest's arguments): (passed, failed)."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments], cwd=ROOT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors="replace")
    tail = text.splitlines()[-1] if text else ""
    counts = {word: int(number) for number, word in
              (pair.split() for pair in tail.split(" in ")[0].strip("= ").split(", ") if len(pair.split()) == 2)}
    if done.returncode != 0:
        explain(*text.splitlines()[-30:])
    return counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0) + (done.returncode not in (0, 1))
