#!/usr/bin/env python3
"""Judges an export of a station without a line of the station's code: verify.py PUBLIC-KEY.pem FILE (see evidence.md)."""
import base64, hashlib, json, os, re, subprocess, sys, tempfile
ENTRY = re.compile(rb'\{"v":1,"id":"[0-9a-f-]{36}","station":"([^"\\]+)","epoch":"([^"\\]+)","seq":([1-9][0-9]*),'
                   rb'"prev":"((sha256|sm3):[0-9a-f]{64})",".*\}', re.DOTALL)

def digest(algorithm, data): return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"

def once(pairs):  # RFC 8259, 4: where a name stands twice, readers differ
    if len(dict(pairs)) < len(pairs): raise ValueError("a name stands twice")
    return dict(pairs)

def signed(document, pem):
    kind, keys = ("manifest", "day first last hash digest events") if "day" in document else ("seal", "seq hash")
    counts = [f"{name} {key} {about[key]}" for name, about in sorted(document.get("instruments", {}).items()) for key in sorted(about)]
    lines = [f"assay/v1/{kind}", *map(document.get, f"station epoch {keys}".split()), *counts, *map(document.get, ("at", "alg", "key"))]
    with tempfile.TemporaryDirectory() as folder:
        message, signature = os.path.join(folder, "message"), os.path.join(folder, "signature")
        open(message, "wb").write("".join(f"{line}\n" for line in lines).encode())
        open(signature, "wb").write(raw := base64.b64decode(document["sig"], validate=True))
        how = {"ed25519": ["pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", message, "-sigfile", signature],
               "sm2-sm3": ["dgst", "-sm3", "-sigopt", "distid:1234567812345678", "-verify", pem, "-signature", signature, message]}
        done = subprocess.run(["openssl", *how[document["alg"]]], capture_output=True, check=False)
        if done.returncode or base64.b64encode(raw).decode() != document["sig"]: raise ValueError("this is not signed by the station")
    return document

def judge(pem, path):
    faults, entries, seals, manifests, proven, head, end, last = [], {}, {}, [], {}, None, None, 0
    *lines, rest = (whole := open(path, "rb").read()).split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            if entry := ENTRY.fullmatch(line):
                faults += [f"line {number}: entry {int(entry[3])} stands behind entry {last}"] if int(entry[3]) <= last else []
                entries.setdefault((entry[2].decode(), last := int(entry[3])), {})[digest(entry[5].decode(), line)] = entry[4].decode()
            elif "export" in (document := json.loads(line, object_pairs_hook=once)) and number == 1:
                head = document if document["epoch"] and 1 <= document["first"] <= document["last"] else None
            elif "end" in document and number == len(lines):
                end = line.decode() == '{"end":"assay/v1","digest":"%s"}' % digest("sha256", whole[:-len(line) - 1])
            elif "day" in signed(document, pem):
                manifests.append(document)
            elif seals.setdefault((document["epoch"], document["seq"] + 0), document["hash"]) != document["hash"]:
                faults.append(f"line {number}: entry {document['seq']} was sealed otherwise too")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            faults.append(f"line {number}: {error!r}")
    if rest or not head or not end or not entries:
        return [*faults, "the export is not whole, or was changed" if entries else "there is no entry here: nothing to judge"]
    for seq in range(head["last"], head["first"] - 1, -1):  # a seal proves its entry, that entry the one before, and so on
        here, before = (head["epoch"], seq), (head["epoch"], seq - 1)
        found, said = entries.pop(here, {}), proven.setdefault(seq, seals.pop(here, None))
        faults += [f"entry {seq} is " + ("changed" if found and said else "not sealed" if found else "missing")] * ({*found} != {said})
        if (prev := found.get(said)) and seals.setdefault(before, prev) != prev: faults.append(f"entry {before[1]} is sealed otherwise too")
    for day in (day for day in manifests if day["first"] in proven and day["last"] in proven):
        said = "".join(f"{proven[seq]}\n" for seq in range(day["first"], day["last"] + 1)).encode()
        faults += [f"the manifest of {day['day']} counts others"] if digest(day["digest"].split(":")[0], said) != day["digest"] else []
    faults += [f"entry {seq} of epoch {epoch} was sealed, and is not here" for epoch, seq in seals if (epoch, seq) != before]
    return faults + [f"entry {seq} of epoch {epoch} does not belong here" for epoch, seq in entries]

if __name__ == "__main__":
    print("\n".join(found := judge(*sys.argv[1:3])) or "unaltered and complete: every entry is proven by a seal")
    sys.exit(bool(found))
