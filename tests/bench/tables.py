"""What reading the station's tables costs: as many items as a city laboratory lists, and the limits of a national standard."""
import csv
import os
import shutil
import statistics
import tempfile
import time

from measure import figure, run, sized

ITEMS, LIMITS, SAMPLES = 1290, 20000, 400


def write_tables(directory, encoding):
    """The files as a spreadsheet saves them: every item with its aliases, each limit for the samples of one row."""
    items, limits = os.path.join(directory, f"items-{encoding}.csv"), os.path.join(directory, f"limits-{encoding}.csv")
    with open(items, "w", encoding=encoding, newline="") as file:
        table = csv.writer(file)
        table.writerow("code name aliases method basis unit rule limit_op limit_value limit_unit limit_source control_min".split())
        for i in range(ITEMS):
            table.writerow([f"X-{i}", f"农药项目{i}", f"别名{i}；pesticide {i};ＣＡＳ {i}", "colloidal-gold", f"KJ 2017{i:04}", "μg/kg", "limit",
                            "≤", f"{i}.5", "", "GB 2763-2021", ""])
    with open(limits, "w", encoding=encoding, newline="") as file:
        table = csv.writer(file)
        table.writerow("item samples op value unit source edition valid_from valid_until remark".split())
        for i in range(LIMITS):
            sample = i // ITEMS
            table.writerow([f"X-{i % ITEMS}", f"蔬菜{sample};叶菜类{sample}", "<=", f"0.{i % 97 + 1:02}", "mg/kg", "GB 2763", "2021",
                            "2021-09-03", "", ""])
    return items, limits


def python_ms(items, limits, encoding):
    """The peer: Python's csv module, written in C, reads the same files into dictionaries, and checks nothing."""
    begun = time.process_time()
    known, allowed = {}, {}
    with open(items, encoding=encoding, newline="") as file:
        for row in csv.DictReader(file):
            for name in [row["code"], row["name"], *row["aliases"].replace("；", ";").split(";")]:
                known[name] = row
    with open(limits, encoding=encoding, newline="") as file:
        for row in csv.DictReader(file):
            for sample in row["samples"].split(";"):
                allowed[row["item"], sample] = row
    assert len(known) == 5 * ITEMS and len(allowed) == 2 * LIMITS
    return 1000 * (time.process_time() - begun)


def tables():
    directory = tempfile.mkdtemp(prefix="assayd-bench-")
    try:
        for encoding in ("utf-8", "gb18030"):
            files = write_tables(directory, encoding)
            got = run("tables", *files, sized(10, 40))
            peer = statistics.median(python_ms(*files, encoding) for _ in range(sized(3, 10)))
            ours = got["tables"]["cpu_us"] / 1000
            figure(f"loading {ITEMS:,} items and {LIMITS:,} limits, {encoding.upper()}", ours, "ms", "< 50 ms", ours < 50,
                   "Python's csv", peer, wall_p50_ms=got["tables"]["p50_us"] / 1000)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
