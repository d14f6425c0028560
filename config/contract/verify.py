#!/usr/bin/env python3
"""Judges an export of a station without a line of the station's code: verify.py PUBLIC-KEY.pem FILE (see evidence.md)."""
import base64, hashlib, json, os, re, subprocess, sys, tempfile
ENTRY = re.compile(rb'\{"v":1,"id":"[0-9a-f-]{36}","station":"([^"\\]+)","epoch":"([^"\\]+)","seq":([1-9][0-9]*),'
                   rb'"prev":"((sha256|sm3):[0-9a-f]{64})",".*\}', re.DOTALL)

def digest(algorithm, data): return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"

def is_signed(document, pem):
    kind, keys = ("manifest", ("station", "epoch", "day", "first", "last", "hash", "digest", "events")) if "day" in document \
        else ("seal", ("station", "epoch", "seq", "hash"))
    counts = [f"{name} {key} {value}" for name, about in sorted(document.get("instruments", {}).items())
              for key, value in sorted(about.items())]
    lines = [f"assay/v1/{kind}", *(document[key] for key in keys), *counts, *(document[key] for key in ("at", "alg", "key"))]
    with tempfile.TemporaryDirectory() as folder:
        message, signature = os.path.join(folder, "message"), os.path.join(folder, "signature")
        open(message, "wb").write("".join(f"{line}\n" for line in lines).encode())
        open(signature, "wb").write(raw := base64.b64decode(document["sig"], validate=True))
        how = {"ed25519": ["pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", message, "-sigfile", signature],
               "sm2-sm3": ["dgst", "-sm3", "-sigopt", "distid:1234567812345678", "-verify", pem, "-signature", signature, message]}
        done = subprocess.run(["openssl", *how[document["alg"]]], capture_output=True, check=False)
        return done.returncode == 0 and base64.b64encode(raw).decode() == document["sig"]

def judge(pem, path):
    faults, entries, seals, manifests, proven, head, end, last = [], {}, {}, [], {}, None, None, 0
    hasher, (*lines, rest) = hashlib.sha256(), open(path, "rb").read().split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            if entry := ENTRY.fullmatch(line):
                faults += [f"line {number}: entry {int(entry[3])} stands behind entry {last}"] if int(entry[3]) <= last else []
                last = int(entry[3])
                entries.setdefault((entry[2].decode(), last), {})[digest(entry[5].decode(), line)] = entry[4].decode()
            elif "export" in (document := json.loads(line)) and number == 1:
                head = document
            elif "end" in document and number == len(lines):
                end = line == b'{"end":"assay/v1","digest":"sha256:%s"}' % hasher.hexdigest().encode() or faults.append("other lines")
            elif not is_signed(document, pem):
                faults.append(f"line {number}: this is not signed by the station")
            elif "day" in document:
                manifests.append(document)
            else:
                seals[document["epoch"], document["seq"]] = document["hash"]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            faults.append(f"line {number}: {error!r}")
        hasher.update(line + b"\n")
    if rest or not head or not end: return [*faults, "the export is not whole"]
    for seq in range(head["last"], head["first"] - 1, -1):  # a seal proves its entry, that entry the one before, and so on
        expected = seals.get((head["epoch"], seq), None if seq == head["last"] else expected)
        found, proven[seq] = entries.pop((head["epoch"], seq), {}), expected
        if len(found) != 1 or expected not in found:
            faults.append(f"entry {seq} is " + ("changed" if found and expected else "not sealed" if found else "missing"))
        expected = found.get(expected)
    for day in (day for day in manifests if day["first"] in proven and day["last"] in proven):
        said = "".join(f"{proven[seq]}\n" for seq in range(day["first"], day["last"] + 1)).encode()
        faults += [f"the manifest of {day['day']} counts others"] if digest(day["digest"].split(":")[0], said) != day["digest"] else []
    return faults + [f"entry {seq} of epoch {epoch} does not belong here" for epoch, seq in entries]

if __name__ == "__main__":
    print("\n".join(found := judge(*sys.argv[1:3])) or "unaltered and complete: every entry is proven by a seal")
    sys.exit(bool(found))
