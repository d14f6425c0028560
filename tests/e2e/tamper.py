"""Random tamperings of an export, each with what it did; and honest exports made of others.

A forger who knows the format writes the last line anew (`mended`): then only the chain and its seals are left to tell.
"""
import hashlib
import json
import random
import re
import uuid


def lines_of(data):
    return data.split(b"\n")[:-1]


def is_entry(line):
    return line.startswith(b'{"v":1,"id":"')


def mended(lines):
    """The export with a last line that fits."""
    body = lines[:-1] if lines and lines[-1].startswith(b'{"end":') else lines
    text = b"".join(line + b"\n" for line in body)
    return text + b'{"end":"assay/v1","digest":"sha256:%s"}\n' % hashlib.sha256(text).hexdigest().encode()


def whole(lines):
    return b"".join(line + b"\n" for line in lines)


def places(lines):
    return [index for index, line in enumerate(lines) if is_entry(line)]


def edit(chance, lines, _):
    """One byte of one entry."""
    index = chance.choice(places(lines))
    line = bytearray(lines[index])
    at = chance.randrange(len(line))
    line[at] = chance.choice([byte for byte in b"0123456789abcdefxyz" if byte != line[at]])
    lines[index] = bytes(line)
    return lines


def edit_value(chance, lines, _):
    """A result made harmless: its verdict or value."""
    index = chance.choice([i for i in places(lines) if b'"verdict":"' in lines[i]])
    lines[index] = re.sub(rb'"verdict":"\w+"', chance.choice([b'"verdict":"none"', b'"verdict":"negative" ']), lines[index])
    return lines


def delete(chance, lines, _):
    del lines[chance.choice(places(lines))]
    return lines


def delete_several(chance, lines, _):
    where = places(lines)
    start = chance.randrange(len(where))
    for index in reversed(where[start:start + chance.randint(2, 9)]):
        del lines[index]
    return lines


def insert(chance, lines, _):
    """A copy of an entry, with a number or an identity of its own."""
    index = chance.choice(places(lines))
    line = lines[index]
    if chance.random() < 0.5:
        line = re.sub(rb'"seq":\d+', b'"seq":%d' % chance.randint(1, 10 ** 6), line, count=1)
    else:
        line = re.sub(rb'"id":"........', b'"id":"%08x' % chance.getrandbits(32), line, count=1)
    lines.insert(index + 1, line)
    return lines


def insert_again(chance, lines, _):
    index = chance.choice(places(lines))
    lines.insert(chance.choice(places(lines)) + 1, lines[index])
    return lines


def reorder(chance, lines, _):
    one, other = chance.sample(places(lines), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def renumber(chance, lines, _):
    """Two entries exchanged, with each other's numbers."""
    one, other = chance.sample(places(lines), 2)
    numbers = [re.search(rb'"seq":\d+', lines[i]).group() for i in (one, other)]
    lines[one], lines[other] = (lines[other].replace(numbers[1], numbers[0], 1), lines[one].replace(numbers[0], numbers[1], 1))
    return lines


def truncate(chance, lines, _):
    """Lines off the end, the last seal at least; the forger's last line is put behind what is left. A bundle that lacks only the
    manifest behind that seal is an honest one of a day that is not over."""
    last = max(index for index, line in enumerate(lines) if b'"sig":' in line and b'"day":' not in line)
    return lines[:chance.randint(1, last)]


def replay(chance, lines, other):
    """An entry of another station, perhaps with this station's name on it."""
    line = chance.choice([line for line in other if is_entry(line)])
    index = chance.choice(places(lines))
    if chance.random() < 0.5:
        for key in (b"station", b"epoch"):
            mine = re.search(rb'"%s":"[^"]+"' % key, lines[index]).group()
            line = re.sub(rb'"%s":"[^"]+"' % key, mine, line, count=1)
    if chance.random() < 0.5:
        lines[index] = line
    else:
        lines.insert(index, line)
    return lines


def replay_all(_chance, _lines, other):
    return list(other)


def swap_raw(chance, lines, _):
    """The raw bytes of two results exchanged."""
    candidates = [i for i in places(lines) if b'"raw":"' in lines[i]]
    for _attempt in range(50):
        one, two = chance.sample(candidates, 2)
        raws = [re.search(rb'"raw":"[^"]*"', lines[i]).group() for i in (one, two)]
        if raws[0] != raws[1]:
            break
    else:
        return edit(chance, lines, _)
    lines[one], lines[two] = lines[one].replace(raws[0], raws[1]), lines[two].replace(raws[1], raws[0])
    return lines


def edit_seal(chance, lines, _):
    """A seal's own content: what it signs, when, or the signature."""
    index = chance.choice([i for i, line in enumerate(lines) if b'"sig":' in line and b'"day":' not in line])
    seal = json.loads(lines[index])
    key = chance.choice(["seq", "hash", "at", "sig", "station"])
    if key == "seq":
        seal["seq"] += chance.randint(1, 3)
    else:
        at = chance.choice([i for i, char in enumerate(seal[key]) if char.isdigit()] or [0])
        seal[key] = seal[key][:at] + chance.choice([c for c in "0123456789" if c != seal[key][at]]) + seal[key][at + 1:]
    lines[index] = json.dumps(seal, separators=(",", ":"), ensure_ascii=False).encode()
    return lines


def edit_manifest(chance, lines, _):
    """A day's own content: a count, a digest, what it counts from and to, when, or the signature."""
    where = [i for i, line in enumerate(lines) if b'"sig":' in line and b'"day":' in line]
    if not where:
        return edit_seal(chance, lines, _)
    index = chance.choice(where)
    manifest = json.loads(lines[index])
    key = chance.choice(["first", "last", "events", "hash", "digest", "at", "sig", "day", "instruments"])
    if key == "instruments":
        about = manifest[key].setdefault(chance.choice([*manifest[key], "another-1"]), {})
        kind = chance.choice([*about, "control"])
        about[kind] = about[kind] + "1" if isinstance(about.get(kind), str) else about.get(kind, 0) + chance.randint(1, 3)
    elif isinstance(manifest[key], int):
        manifest[key] += chance.randint(1, 3)
    else:
        at = chance.choice([i for i, char in enumerate(manifest[key]) if char.isdigit()] or [0])
        manifest[key] = manifest[key][:at] + chance.choice([c for c in "0123456789" if c != manifest[key][at]]) + manifest[key][at + 1:]
    lines[index] = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False).encode()
    return lines


def recut(chance, lines, _):
    """Counts of a day hidden in the name of their instrument, with the text that was signed as it was."""
    where = [i for i, line in enumerate(lines) if b'"sig":' in line and b'"day":' in line]
    if not where:
        return edit_seal(chance, lines, _)
    index = chance.choice(where)
    manifest = json.loads(lines[index])
    name = chance.choice([name for name, about in manifest["instruments"].items() if len(about) > 1])
    about = manifest["instruments"].pop(name)
    *keys, last = sorted(about)
    left = chance.randrange(len(keys))
    hidden = "".join(f"{name} {key} {about[key]}\n" for key in keys[left:])
    manifest["instruments"].update({name: {key: about[key] for key in keys[:left]}, hidden + name: {last: about[last]}})
    lines[index] = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False).encode()
    return lines


def edit_head(chance, lines, _):
    """What the first line says of the others: which they are, whose, or of which record they are the evidence."""
    head = json.loads(lines[0])
    key = chance.choice(["export", "station", "epoch", "first", "last", "subject"])
    if key == "subject":
        head[key] = chance.choice([json.loads(lines[i])["id"] for i in places(lines)[1:]] or [str(uuid.UUID(int=chance.getrandbits(128)))])
    elif isinstance(head[key], int):
        head[key] += chance.choice([-1, 1])
    else:
        at = chance.choice([i for i, char in enumerate(head[key]) if char.isdigit()])
        head[key] = head[key][:at] + chance.choice([c for c in "0123456789" if c != head[key][at]]) + head[key][at + 1:]
    lines[0] = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    return lines_of(mended(lines))


def delete_all(_chance, lines, _):
    """All entries of the epoch; what was signed stays."""
    return [line for line in lines if not is_entry(line)]


def empty(_chance, _lines, _):
    return []


def shorten(chance, lines, _):
    """The entries behind an earlier seal gone, with the first line made to fit; their seals and manifests stay."""
    proofs = [i for i, line in enumerate(lines) if b'"sig":' in line and b'"day":' not in line][:-1]
    if not proofs:
        return delete_all(chance, lines, _)
    end = chance.choice(proofs)
    last = json.loads(lines[end])["seq"]
    head = re.sub(rb'"last":\d+', b'"last":%d' % last, lines[0], count=1) if b'"export":' in lines[0] else lines[0]
    return [head, *lines[1:end + 1], *(line for line in lines[end + 1:] if not is_entry(line))]


def say_twice(chance, lines, _):
    """A seal or manifest with a number twice, the false one first or last: readers of JSON differ on which counts."""
    index = chance.choice([i for i, line in enumerate(lines) if b'"sig":' in line])
    key = b"last" if b'"day":' in lines[index] else b"seq"
    false = b'"%s":%d' % (key, chance.randint(1, 10 ** 6))
    lines[index] = b'{%s,%s' % (false, lines[index][1:]) if chance.random() < 0.5 else b'%s,%s}' % (lines[index][:-1], false)
    return lines


def rechain(chance, lines, _):
    """A forger who knows how: an edit, and every digest after it made to fit. Only the seals are left to tell."""
    where = places(lines)
    start = chance.randrange(len(where))
    lines[where[start]] = re.sub(rb'"id":"........', b'"id":"%08x' % chance.getrandbits(32), lines[where[start]], count=1)
    for before, index in zip(where[start:], where[start + 1:]):
        kind = re.search(rb'"prev":"(\w+):', lines[index]).group(1)
        fit = hashlib.new(kind.decode(), lines[before]).hexdigest().encode()
        lines[index] = re.sub(rb'"prev":"\w+:[0-9a-f]{64}"', b'"prev":"%s:%s"' % (kind, fit), lines[index], count=1)
    return lines


WAYS = (edit, edit_value, delete, delete_several, insert, insert_again, reorder, renumber, truncate, replay, replay_all, swap_raw,
        edit_seal, edit_manifest, rechain, delete_all, empty, shorten, say_twice, edit_head, recut)

# A copy may be in any order, with repetitions, and may end anywhere behind a seal.
WAYS_OF_COPIES = (edit, edit_value, delete, delete_several, insert, renumber, replay, replay_all, swap_raw, edit_seal, edit_manifest,
                  rechain, delete_all, empty, shorten, say_twice, recut)


def copy_of(data):
    """An export's lines as a platform keeps them."""
    return whole(lines_of(data)[1:-1])


def tampered_copy(seed, copy, other):
    """(what was done, the bytes): a platform's copy tampered with and shuffled; `other` is one of another station."""
    chance = random.Random(seed)
    way = WAYS_OF_COPIES[seed % len(WAYS_OF_COPIES)]
    first = lines_of(copy)[0]
    while True:
        lines = way(chance, lines_of(copy), lines_of(other))
        begins = way not in (delete, delete_several) or first in lines  # a copy may begin later: the platform may not have been there
        if begins and lines != lines_of(copy):
            break
    chance.shuffle(lines)
    return f"{seed} {way.__name__} of a copy", whole(lines)


def tampered(seed, data, other):
    """(what was done, the bytes): export `data` tampered with; `other` is an export of another station."""
    chance = random.Random(seed)
    way = WAYS[seed % len(WAYS)]
    while True:
        lines = way(chance, lines_of(data), lines_of(other))
        mend = chance.random() < 0.7
        result = mended(lines) if mend else whole(lines)
        if result != data:
            return f"{seed} {way.__name__}{' mended' if mend else ''}", result
