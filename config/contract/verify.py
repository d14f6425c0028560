#!/usr/bin/env python3
"""Judges an export of a station without a line of the station's code: verify.py PUBLIC-KEY.pem FILE (see evidence.md)."""
import base64, hashlib, json, os, re, subprocess, sys, tempfile
ENTRY = re.compile(r'\{"v":1,"id":"(?P<id>[0-9a-f-]{36})","station":"(?P<station>[^"\\]+)","epoch":"(?P<epoch>[^"\\]+)",'
                   r'"seq":(?P<seq>[1-9][0-9]{,17}),"prev":"(?P<prev>(?P<algorithm>sha256|sm3):[0-9a-f]{64})",".*\}', re.DOTALL)
def digest(algorithm, data): return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
def demand(right, otherwise):
    if not right: raise ValueError(otherwise)
def once(pairs): return demand(len(dict(pairs)) == len(pairs), "a name stands twice") or dict(pairs)  # RFC 8259, 4: readers differ
def counted(it, of): return [f"{it} {at} {of[at]}" for at in demand(of and " " not in it + "".join(of), "no count or name") or sorted(of)]
def texts(document, names, numbers=("seq", "first", "last", "events")):  # as "17", or cut at other line breaks, the same text is signed
    right = (type(document[name]) is (int if name in numbers else str) and not {*"\r\n"} & {*str(document[name])} for name in names)
    return demand(all(right), "a member is no number or line of text, as it should be") or [str(document[name]) for name in names]
def signed(paper, pem):
    kind, keys = ("manifest", "station epoch day first last hash digest events") if "day" in paper else ("seal", "station epoch seq hash")
    counts = [line for each in sorted(paper["instruments"].items() if "day" in paper else []) for line in counted(*each)]
    lines = [f"assay/v1/{kind}", *texts(paper | dict(zip(counts, counts)), [*keys.split(), *counts, "at", "alg", "key"]), ""]
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("message", "\n".join(lines).encode()), ("sig", base64.b64decode(sig := paper["sig"], validate=True))):
            open(f"{folder}/{name}", "wb").write(data)
        how = {"ed25519": ["pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", "message", "-sigfile", "sig"],
               "sm2-sm3": ["dgst", "-sm3", "-sigopt", "distid:1234567812345678", "-verify", pem, "-signature", "sig", "message"]}
        done = subprocess.run(["openssl", *how[paper["alg"]]], cwd=folder, capture_output=True, check=False)
    return demand(done.returncode == 0 and base64.b64encode(data).decode() == sig, f"not signed by the station of {pem}") or paper

def judge(pem, path):
    faults, entries, seals, ends, papers, names, proven, run, last = [], {}, {}, {}, {}, {}, {}, (), 0
    *lines, end, rest = [b"", *(whole := open(path, "rb").read()).split(b"\n")]
    for number, line in enumerate(lines[1:], 1):
        try:
            if entry := ENTRY.fullmatch(text := line.decode()):
                faults += [f"line {number}: entry {entry['seq']} stands behind entry {last}"] if int(entry["seq"]) <= last else []
                papers[number] = entries.setdefault(last := int(entry["seq"]), {})[digest(entry["algorithm"], line)] = entry.groupdict()
            elif (document := json.loads(text, object_pairs_hook=once)).get("export") == "assay/v1" and number == 1:
                head, run = document, texts(document, "station epoch first last".split()) and range(document["first"], document["last"] + 1)
            else:
                papers[number] = signed(document, pem) | {"seq": document["last" if "day" in document else "seq"]}
                demand((ends if "day" in document else seals).setdefault(papers[number]["seq"], said := document["hash"]) == said, "forked")
        except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error: faults.append(f"line {number}: {error!a}")
    if rest or not (run and entries) or end != b'{"end":"assay/v1","digest":"%s"}' % digest("sha256", whole[:-len(end) - 1]).encode():
        return [*faults, "the export is not whole, or was changed" if entries else "there is no entry here: nothing to judge"]
    for number, paper in {**papers, 1: head | {"seq": run.stop - 1}}.items():  # what line 1 says nothing signs: the entries must say it
        if names.setdefault(int(paper["seq"]), said := (paper["station"], paper["epoch"])) != said:
            faults.append(f"line {number} says station, epoch {said!a}; entry {paper['seq']} is of {names[int(paper['seq'])]!a}")
    if "subject" in head and [*seals, *(entry["id"] for entry in entries.get(run.start, {}).values())] != [run.stop - 1, head["subject"]]:
        faults.append("line 1 says another record: this is the evidence of its first entry, if it ends with the next seal")
    for seq in sorted(filter(run.__contains__, entries), reverse=True):  # a seal proves its entry, that entry the one before, and so on
        found, said = entries.pop(seq), proven.setdefault(seq, seals.pop(seq, None))
        faults += [f"entry {seq} is " + ("changed" if said else "not sealed")] * ({*found, ends.get(seq, said)} != {said})
        if said in found and seals.setdefault(seq - 1, prev := found[said]["prev"]) != prev: faults.append(f"entry {seq - 1} is forked")
    for day in (each for each in papers.values() if "day" in each and each["first"] in proven and each["last"] in proven):
        said = "".join(f"{proven.get(seq)}\n" for seq in range(day["first"], day["last"] + 1)).encode()
        faults += [f"the manifest of {day['day']!a} counts others"] if digest(day["digest"].split(":")[0], said) != day["digest"] else []
    faults += [f"entries {lo + 1} to {up - 1} are missing" for up, lo in zip([run.stop, *proven], [*proven, run.start - 1]) if up - lo > 1]
    return faults + [f"line 1 does not name entry {seq}" for seq in {*entries, *seals.keys() - {run.start - 1}} if seq not in run]

if __name__ == "__main__":
    try: print("\n".join(found := judge(*map(os.path.abspath, sys.argv[1:]))) or "unaltered and complete: every entry is proven by a seal")
    except Exception as error: sys.exit(f"{__doc__}\nThis cannot be judged: {error}")
    sys.exit(bool(found))
