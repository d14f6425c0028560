#!/bin/bash
# powercut.sh [--cuts N] [--unsafe] [--fs ext4|xfs] [--build DIR]: cuts the power under a journal that is being written
# and counts what was said to be durable and is gone. Prints one JSON line. Needs root: it mounts a file by loop.
# With --unsafe the journal does not wait for the disk, and the harness must see losses: it proves that this one bites.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
cuts=20 fs=ext4 unsafe='' sync=FULL build=$here/build
while [ $# -gt 0 ]; do
	case $1 in
	--cuts) cuts=$2 && shift ;;
	--fs) fs=$2 && shift ;;
	--build) build=$2 && shift ;;
	--unsafe) unsafe=-u sync=NORMAL ;;
	*) echo "powercut.sh: unknown word $1; see its first lines" >&2 && exit 64 ;;
	esac
	shift
done
if [ "$(id -u)" != 0 ]; then
	echo "powercut.sh: skipped: mounting needs root" >&2
	exit 77
fi

work=$(mktemp -d)
mkdir "$work/disk"
appender=
clean_up() {
	[ -z "$appender" ] || kill -9 "$appender" 2>/dev/null || true
	umount "$work/disk" 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT

tool=$work/powercut
gcc -std=gnu17 -O2 -D_GNU_SOURCE "$here/tests/faults/powercut.c" "$build/libassay.a" -lsqlite3 -ljansson -lcrypto -lpthread -o "$tool"

format() {
	truncate -s "$([ "$fs" = xfs ] && echo 512M || echo 128M)" "$work/image"
	if [ "$fs" = xfs ]; then mkfs.xfs -q -f "$work/image"; else mkfs.ext4 -q -F "$work/image"; fi
}

# a cut counts an entry as lost only when it was said to be durable before the cut began
lost=0 cuts_with_loss=0 damaged=0 acknowledged=0 integrity_ok=0
for cut in $(seq "$cuts"); do
	# every journal lives through five cuts
	[ $((cut % 5)) != 1 ] || { rm -f "$work/image" && format; }
	mount -o loop "$work/image" "$work/disk"
	"$tool" $unsafe append "$work/disk/journal" >"$work/said" 2>"$work/complaints" &
	appender=$!
	sleep "0.$((RANDOM % 60 + 30))"
	moment=$("$tool" cut "$work/disk")
	kill -9 "$appender" 2>/dev/null || true
	wait "$appender" 2>/dev/null || true
	appender=
	umount "$work/disk"
	mount -o loop "$work/image" "$work/disk"
	awk -v moment="$moment" 'NF == 2 && $2 < moment { print $1 }' "$work/said" >"$work/durable"
	! "$here/tests/faults/integrity.py" "$work/disk/journal" || integrity_ok=$((integrity_ok + 1))
	read -r _ gone broken < <("$tool" check "$work/disk/journal" <"$work/durable")
	umount "$work/disk"
	acknowledged=$((acknowledged + $(wc -l <"$work/durable")))
	lost=$((lost + gone))
	[ "$gone" = 0 ] || cuts_with_loss=$((cuts_with_loss + 1))
	damaged=$((damaged + broken))
done
printf '{"fault":"powercut","fs":"%s","sync":"%s","cuts":%d,"acknowledged":%d,"lost":%d,"cuts_with_loss":%d,"damaged":%d,"integrity_ok":%d}\n' \
	"$fs" "$sync" "$cuts" "$acknowledged" "$lost" "$cuts_with_loss" "$damaged" "$integrity_ok"
if [ -n "$unsafe" ]; then
	[ "$lost" -gt 0 ] || { echo "powercut.sh: nothing was lost without syncing: the harness does not bite" >&2 && exit 1; }
else
	[ "$lost" = 0 ] && [ "$damaged" = 0 ] && [ "$integrity_ok" = "$cuts" ]
fi
