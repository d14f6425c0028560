/* SQLite's write-ahead log, looked at before SQLite does (its file format: sqlite.org/fileformat2.html, section 4).
 *
 *   header   magic u32 377f0682|3, version u32, page size u32, sequence u32, salt u32 u32, checksum u32 u32
 *   frame    page number u32, size after commit u32 (0: no commit), salt u32 u32, checksum u32 u32, page
 *
 * All big-endian; checksums run on from the header over each frame's first 8 bytes and page, in the byte order the
 * magic's last bit tells. SQLite takes the log to end at the first frame that does not fit. That is right for the
 * commit a power cut tore apart; but each commit is synced before the next is written, so where two commits follow a
 * bad frame the log was damaged, and going on would forget durable entries and give their numbers to others.
 */
#include "journal_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/bytes.h"
#include "progress.h"

enum { LOG_HEADER = 32, FRAME_HEADER = 24, PAGE_MAX = 65536, MAGIC = 0x377f0682 };

struct log {
	bool big_endian;
	uint32_t page;
	uint32_t salt[2], sum[2];
	bool broken;
	unsigned commits_after;
};

static void sum_up(struct log *log, const uint8_t *data, size_t length)
{
	struct bytes bytes = bytes_of(data, length);
	while (bytes_left(&bytes) >= 8) {
		uint32_t first = log->big_endian ? bytes_u32be(&bytes) : bytes_u32le(&bytes);
		log->sum[0] += first + log->sum[1];
		uint32_t second = log->big_endian ? bytes_u32be(&bytes) : bytes_u32le(&bytes);
		log->sum[1] += second + log->sum[0];
	}
}

/* 0: nothing in it; 1: a header; -EUCLEAN. A header lies in one sector and is never torn. */
static int take_header(struct log *log, const uint8_t header[static LOG_HEADER])
{
	static const uint8_t nothing[LOG_HEADER];
	if (memcmp(header, nothing, LOG_HEADER) == 0)
		return 0;
	struct bytes bytes = bytes_of(header, LOG_HEADER);
	uint32_t magic = bytes_u32be(&bytes);
	bytes_u32be(&bytes);
	log->page = bytes_u32be(&bytes);
	bytes_u32be(&bytes);
	log->salt[0] = bytes_u32be(&bytes);
	log->salt[1] = bytes_u32be(&bytes);
	log->big_endian = magic & 1;
	sum_up(log, header, LOG_HEADER - 8);
	bool sound = (magic & ~1u) == MAGIC && log->page >= JOURNAL_PAGE && log->page <= PAGE_MAX &&
	             log->sum[0] == bytes_u32be(&bytes);
	return sound && log->sum[1] == bytes_u32be(&bytes) ? 1 : -EUCLEAN;
}

static void take_frame(struct log *log, const uint8_t *frame)
{
	struct bytes bytes = bytes_of(frame, FRAME_HEADER);
	bytes_u32be(&bytes);
	bool commit = bytes_u32be(&bytes) != 0, ours = bytes_u32be(&bytes) == log->salt[0];
	ours = bytes_u32be(&bytes) == log->salt[1] && ours;
	if (!log->broken) {
		sum_up(log, frame, 8);
		sum_up(log, frame + FRAME_HEADER, log->page);
		bool fits = bytes_u32be(&bytes) == log->sum[0];
		fits = bytes_u32be(&bytes) == log->sum[1] && fits;
		log->broken = !fits || !ours;
	}
	if (log->broken && commit && ours)
		log->commits_after++;
}

static int take_log(struct log *log, FILE *file, uint8_t *frame)
{
	int state = fread(frame, LOG_HEADER, 1, file) == 1 ? take_header(log, frame) : 0;
	for (unsigned frames = 0; state == 1 && log->commits_after < 2;) {
		if (fread(frame, FRAME_HEADER + log->page, 1, file) != 1)
			break;
		take_frame(log, frame);
		if (++frames % (2 * LOG_PAGES_MAX) == 0) /* much more than is ever left; SQLite will read it, too */
			progress();
	}
	return state;
}

int log_suspect(const char *path, struct fault *fault)
{
	char name[PATH_ROOM];
	struct log log = { 0 };
	snprintf(name, sizeof(name), "%s-wal", path);
	FILE *file = fopen(name, "rbe");
	if (!file)
		return 0; /* none: the journal was closed in order, or is new */
	/* from the heap and given back: were it thread-local, each thread of the daemon would carry one */
	uint8_t *frame = malloc(FRAME_HEADER + PAGE_MAX);
	int state = frame ? take_log(&log, file, frame) : -ENOMEM;
	free(frame);
	fclose(file);
	if (state == -ENOMEM)
		return fault_set(fault, ENOMEM, _("%s: no memory left"), name);
	if (state < 0 || log.commits_after >= 2)
		return fault_set(fault, EUCLEAN, _("%s: the write-ahead log is damaged before its end"), name);
	return 0;
}
