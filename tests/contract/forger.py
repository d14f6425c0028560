"""A station of two pages: what it made can be forged with its own key, which no vector's can."""
import base64
import hashlib
import json
import subprocess
import uuid

STATION, EPOCH = "330421103-01", "e" * 32


def compact(document):
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def openssl(*words):
    return subprocess.run(["openssl", *words], capture_output=True, check=True).stdout


def chain(count, station=STATION, epoch=EPOCH, tag="x"):
    """Entries 1 to `count`."""
    entries, prev = [], "sha256:" + "0" * 64
    for seq in range(1, count + 1):
        entry = {"v": 1, "id": str(uuid.uuid4()), "station": station, "epoch": epoch, "seq": seq, "prev": prev, "event": tag}
        entries.append(compact(entry))
        prev = digest(entries[-1])
    return entries


def head(entries, **more):
    first, last = json.loads(entries[0]), json.loads(entries[-1])
    return compact({"export": "assay/v1", "station": last["station"], "epoch": last["epoch"], "first": first["seq"],
                    "last": last["seq"], **more})


class Station:
    """Its key, and what it signs."""

    def __init__(self, directory, name="station", code=STATION, epoch=EPOCH):
        self.private, self.pem, self.text = (str(directory / f"{name}.{end}") for end in ("key", "pem", "text"))
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.private)
        openssl("pkey", "-in", self.private, "-pubout", "-out", self.pem)
        self.key = digest(openssl("pkey", "-in", self.private, "-pubout", "-outform", "DER"))
        self.code, self.epoch = code, epoch

    def signed(self, kind, members, lines):
        """The document of these members and this signed text."""
        whole = {"v": 1, "station": self.code, "epoch": self.epoch, **members, "at": "2026-03-06T00:00:02.118+08:00", "alg": "ed25519",
                 "key": self.key}
        text = [f"assay/v1/{kind}", self.code, self.epoch, *lines, whole["at"], whole["alg"], self.key, ""]
        with open(self.text, "w", encoding="utf-8") as file:
            file.write("\n".join(text))
        sig = openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.private, "-in", self.text)
        return {**whole, "sig": base64.b64encode(sig).decode()}

    def seal(self, seq, data):
        return compact(self.signed("seal", {"seq": seq, "hash": digest(data)}, [str(seq), digest(data)]))

    def manifest(self, entries, instruments, **false):
        first, last = (json.loads(entries[at])["seq"] for at in (0, -1))
        members = {"day": "2026-03-05", "first": first, "last": last, "hash": digest(entries[-1]),
                   "digest": digest("".join(f"{digest(entry)}\n" for entry in entries).encode()), "events": 0, **false}
        counts = [f"{name} {key} {about[key]}" for name, about in sorted(instruments.items()) for key in sorted(about)]
        return self.signed("manifest", {**members, "instruments": instruments}, [*map(str, members.values()), *counts])
