"""The shape of the tree: includes point downwards, no circles, one third-party header in one .c file.

Every rule is proven to bite on a small tree that breaks it."""
import collections
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What the C library and the kernel bring; anything else in <> is a third party's.
LIBC = set("""assert ctype dirent dlfcn errno fcntl fnmatch getopt glob grp iconv inttypes langinfo libintl limits locale netdb
poll pthread pwd signal stdarg stdatomic stdbool stddef stdint stdio stdlib string strings syslog termios threads time unistd
wchar wctype sched stdnoreturn""".split())
LIBC_FOLDERS = ("sys/", "netinet/", "arpa/", "linux/", "net/")

# drivers/ is pure: nothing that opens, waits, tells the time or allocates.
DRIVER_MAY = set("ctype errno iconv inttypes libintl limits stdarg stdbool stddef stdint stdio stdlib string wchar".split())
DRIVER_MUST_NOT_CALL = re.compile(
    r"\b(malloc|calloc|realloc|free|fopen|open|socket|read|write|time|clock_gettime|localtime\w*|printf|fprintf|puts|"
    r"pthread_\w+|usleep|nanosleep|poll|select)\s*\(")

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def sources(root):
    for folder in ("drivers", "daemon"):
        path = os.path.join(root, folder)
        for name in sorted(os.listdir(path) if os.path.isdir(path) else []):
            if name.endswith((".c", ".h")):
                with open(os.path.join(path, name), encoding="utf-8") as text:
                    yield folder, name, text.read()


def bare(code):
    """Code without comments and texts."""
    code = re.sub(r"/\*.*?\*/", " ", code, flags=re.S)
    code = re.sub(r'"(\\.|[^"\\])*"', '""', code)
    return re.sub(r"//[^\n]*", " ", code)


def circle_in(graph):
    """A module that can reach itself, or None."""
    state = {}

    def visit(node, path):
        state[node] = "open"
        for other in sorted(graph[node]):
            if state.get(other) == "open":
                return path + [node, other]
            if other not in state:
                found = visit(other, path + [node])
                if found:
                    return found
        state[node] = "done"
        return None

    for node in sorted(graph):
        if node not in state:
            found = visit(node, [])
            if found:
                return found
    return None


def faults_of(root):
    faults, third, graph = [], collections.defaultdict(list), collections.defaultdict(set)
    for folder, name, text in sources(root):
        where = f"{folder}/{name}"
        for quote, header in INCLUDE.findall(text):
            if quote == '"':
                target = os.path.normpath(os.path.join(folder, header))
                if folder == "drivers" and not target.startswith("drivers/"):
                    faults.append(f"{where}: includes upwards: {header}")
                if target.split("/")[0] not in ("drivers", "daemon"):
                    faults.append(f"{where}: includes from outside the product: {header}")
                if target[:-2] != where[:-2]:
                    graph[where if where.endswith(".c") else where[:-2]].add(target[:-2])
                continue
            base = header[:-2]
            is_libc = base in LIBC or header.startswith(LIBC_FOLDERS)
            if folder == "drivers" and base not in DRIVER_MAY:
                faults.append(f"{where}: a driver is pure and may not include <{header}>")
            if not is_libc:
                third[header].append(where)
        if folder == "drivers":
            for call in DRIVER_MUST_NOT_CALL.finditer(bare(text)):
                faults.append(f"{where}: a driver is pure and may not call {call.group(1)}()")
    for header, users in third.items():
        files = sorted(set(users))
        if len(files) > 1:
            faults.append(f"<{header}> is included by {len(files)} files: {', '.join(files)}")
        faults += [f"{user}: a header includes the third party's <{header}>" for user in files if user.endswith(".h")]
    circle = circle_in(graph)
    if circle:
        faults.append("circle: " + " -> ".join(circle))
    return faults


def test_the_tree_keeps_its_layers():
    assert faults_of(ROOT) == []


def tree(tmp_path, **files):
    for name, text in files.items():
        folder, file, ending = name.split("__")
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{file}.{ending}").write_text(text)
    return faults_of(str(tmp_path))


def test_a_sound_tree_passes(tmp_path):
    assert tree(tmp_path, drivers__a__h="", drivers__a__c='#include "a.h"\n#include <string.h>\n',
                daemon__b__c='#include <modbus/modbus.h>\n#include "../drivers/a.h"\n') == []


def test_an_upward_include_is_refused(tmp_path):
    assert any("upwards" in fault for fault in tree(tmp_path, drivers__a__c='#include "../daemon/b.h"\n', daemon__b__h=""))


def test_a_circle_is_refused(tmp_path):
    assert any("circle" in fault for fault in tree(tmp_path, daemon__a__h='#include "b.h"\n', daemon__b__h='#include "c.h"\n',
                                                   daemon__c__h='#include "a.h"\n'))


def test_a_third_party_header_in_two_files_is_refused(tmp_path):
    assert any("2 files" in fault for fault in tree(tmp_path, daemon__a__c="#include <sqlite3.h>\n",
                                                    daemon__b__c="#include <sqlite3.h>\n"))


def test_a_third_party_header_in_a_header_is_refused(tmp_path):
    assert any("a header includes" in fault for fault in tree(tmp_path, daemon__a__h="#include <jansson.h>\n"))


def test_a_driver_that_is_not_pure_is_refused(tmp_path):
    faults = tree(tmp_path, drivers__a__c="#include <time.h>\nint f(void)\n{\n\treturn (int)time(0);\n}\n",
                  drivers__b__c="void *g(void)\n{\n\treturn malloc(1);\n}\n")
    assert any("<time.h>" in fault for fault in faults) and any("malloc()" in fault for fault in faults)


def test_comments_and_texts_are_not_code(tmp_path):
    assert tree(tmp_path, drivers__a__c='/* malloc(1) */\nconst char *t = "open(";\n') == []
