#!/usr/bin/env python3
"""Judges an export of a station without a line of the station's code: verify.py PUBLIC-KEY.pem FILE (see evidence.md)."""
import base64, hashlib, json, os, re, subprocess, sys, tempfile
ENTRY = re.compile(r'\{"v":1,"id":"(?P<id>[0-9a-f-]{36})","station":"(?P<station>[^"\\]+)","epoch":"(?P<epoch>[^"\\]+)",'
                   r'"seq":(?P<seq>[1-9][0-9]*),"prev":"(?P<prev>(?P<algorithm>sha256|sm3):[0-9a-f]{64})",".*\}', re.DOTALL)

def digest(algorithm, data): return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
def once(pairs):  # RFC 8259, 4: where a name stands twice, readers differ
    if len(dict(pairs)) < len(pairs): raise ValueError("a name stands twice")
    return dict(pairs)

def signed(document, pem):
    kind, keys = ("manifest", "day first last hash digest events") if "day" in document else ("seal", "seq hash")
    counts = [f"{name} {key} {about[key]}" for name, about in sorted(document.get("instruments", {}).items()) for key in sorted(about)]
    lines = [f"assay/v1/{kind}", *map(document.get, f"station epoch {keys}".split()), *counts, *map(document.get, ("at", "alg", "key"))]
    with tempfile.TemporaryDirectory() as folder:
        open(f"{folder}/message", "wb").write("".join(f"{line}\n" for line in lines).encode())
        open(f"{folder}/signature", "wb").write(raw := base64.b64decode(document["sig"], validate=True))
        how = {"ed25519": ["pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", "message", "-sigfile", "signature"],
               "sm2-sm3": ["dgst", "-sm3", "-sigopt", "distid:1234567812345678", "-verify", pem, "-signature", "signature", "message"]}
        done = subprocess.run(["openssl", *how[document["alg"]]], cwd=folder, capture_output=True, check=False)
        if done.returncode or base64.b64encode(raw).decode() != document["sig"]: raise ValueError("this is not signed by the station")
    return document

def judge(pem, path):
    faults, entries, seals, papers, names, proven, head, end, last = [], {}, {}, {}, {}, {}, None, None, 0
    *lines, rest = (whole := open(path, "rb").read()).split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            if entry := ENTRY.fullmatch(line.decode()):
                faults += [f"line {number}: entry {entry['seq']} stands behind entry {last}"] if int(entry["seq"]) <= last else []
                papers[number] = entries.setdefault(last := int(entry["seq"]), {})[digest(entry["algorithm"], line)] = entry.groupdict()
            elif (document := json.loads(line, object_pairs_hook=once)).get("export") == "assay/v1" and number == 1:
                if 0 < (run := range(document["first"], document["last"] + 1)).start < run.stop < run.start + len(lines): head = document
            elif "end" in document and number == len(lines):
                end = line.decode() == '{"end":"assay/v1","digest":"%s"}' % digest("sha256", whole[:-len(line) - 1])
            else:
                papers[number], said = signed(document, os.path.abspath(pem)), document["hash"]
                if "day" not in document and seals.setdefault(document["seq"] + 0, said) != said: raise ValueError("forked")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            faults.append(f"line {number}: {error!r}")
    if rest or not head or not end or not entries:
        return [*faults, "the export is not whole, or was changed" if entries else "there is no entry here: nothing to judge"]
    for number, paper in {**papers, 1: head}.items():  # nothing signs line 1: what it says, the entries must say too
        seq, name = int(paper["last" if number == 1 or "day" in paper else "seq"]), (paper.get("station"), paper.get("epoch"))
        if names.setdefault(seq, name) != name: faults.append(f"line {number} says station, epoch {name}; entry {seq} is of {names[seq]}")
    if "subject" in head and [*seals, *(entry["id"] for entry in entries.get(run.start, {}).values())] != [run.stop - 1, head["subject"]]:
        faults.append(f"line 1 says record {head['subject']}: its evidence is that record and what follows up to the next seal")
    for seq in reversed(run):  # a seal proves its entry, that entry the one before, and so on
        found, said = entries.pop(seq, {}), proven.setdefault(seq, seals.pop(seq, None))
        faults += [f"entry {seq} is " + ("changed" if found and said else "not sealed" if found else "missing")] * ({*found} != {said})
        if said in found and seals.setdefault(seq - 1, prev := found[said]["prev"]) != prev: faults.append(f"entry {seq - 1} is forked")
    for day in (each for each in papers.values() if "day" in each and each["first"] in proven and each["last"] in proven):
        said = "".join(f"{proven[seq]}\n" for seq in range(day["first"], day["last"] + 1)).encode()
        faults += [f"the manifest of {day['day']} counts others"] if digest(day["digest"].split(":")[0], said) != day["digest"] else []
    return faults + [f"line 1 does not name entry {seq}, which is here or sealed" for seq in {*entries, *seals.keys() - {run.start - 1}}]

if __name__ == "__main__":
    print("\n".join(found := judge(*sys.argv[1:3])) or "unaltered and complete: every entry is proven by a seal")
    sys.exit(bool(found))
