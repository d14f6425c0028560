"""node_tools: npm's part of the test tools, from the lock file; nothing of it is built or run at installation."""
import fcntl
import json
import os
import subprocess
import sys

TESTS = os.path.dirname(os.path.abspath(__file__))


def there():
    with open(os.path.join(TESTS, "package.json"), encoding="utf-8") as about:
        wanted = json.load(about)["devDependencies"]
    for name, version in wanted.items():
        try:
            with open(os.path.join(TESTS, "node_modules", name, "package.json"), encoding="utf-8") as about:
                if json.load(about)["version"] != version:
                    return False
        except OSError:
            return False
    return True


def fetch():
    """Fetches them once. False where the registry cannot be reached: the tests that need them are skipped, and counted so."""
    with open(os.path.join(TESTS, "package-lock.json"), encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes meanwhile waits, and finds them there
        return fetch_alone()


def fetch_alone():
    system_authorities = {"NODE_OPTIONS": os.environ.get("NODE_OPTIONS", "--use-openssl-ca")}
    for _ in range(2):
        if there():
            return True
        print("npm ci --prefix tests", file=sys.stderr, flush=True)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"],
                       cwd=TESTS, env={**os.environ, **system_authorities}, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    return there()
