#include "scanner.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const ends[] = { "\r", "\n", "\r\n", "\t", "" };

bool scanner_line(const char *line, struct scanner_code *ret)
{
	char *end;
	double seconds = strtod(line, &end);

	if (end == line || *end != ' ' || !(seconds >= 0 && seconds < 1e8))
		return false;
	ret->bytes = strdup(end + 1);
	if (!ret->bytes)
		err(1, "no memory for a code");
	ret->length = strcspn(ret->bytes, "\r\n");
	ret->at_ns = (int64_t)(seconds * 1e9);
	return ret->length > 0 || (free(ret->bytes), false);
}

static int by_time(const void *a, const void *b)
{
	const struct scanner_code *one = a, *other = b;

	return one->at_ns < other->at_ns ? -1 : one->at_ns > other->at_ns;
}

static void read_codes(struct scanner *scanner, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	struct scanner_code code;

	if (!file)
		err(1, "%s", path);
	for (unsigned number = 1; getline(&line, &room, file) > 0; number++) {
		if (!scanner_line(line, &code))
			errx(1, "%s:%u: not SECONDS CODE, as in: 2.5 20260305-017", path, number);
		scanner->codes = reallocarray(scanner->codes, scanner->count + 1, sizeof code);
		if (!scanner->codes)
			err(1, "no memory for the codes");
		scanner->codes[scanner->count++] = code;
	}
	free(line);
	fclose(file);
	if (scanner->count > 0)
		qsort(scanner->codes, scanner->count, sizeof code, by_time);
}

static void write_truth(const struct scanner *scanner, const struct scanner_code *code)
{
	char line[8192] = "{\"archetype\":\"scanner\",\"bytes\":\"";
	size_t used = strlen(line);

	for (size_t i = 0; i < code->length && used + 8 < sizeof line; i++)
		used += (size_t)snprintf(line + used, sizeof line - used, "%02x", (unsigned char)code->bytes[i]);
	used += (size_t)snprintf(line + used, sizeof line - used, "\"}\n");
	if (scanner->truth >= 0 && write(scanner->truth, line, used) != (ssize_t)used)
		err(1, "the truth cannot be written");
}

static void scan_due(void *context)
{
	struct scanner *scanner = context;
	int64_t now = loop_now_ns() - scanner->started_ns;

	for (; scanner->next < scanner->count && scanner->codes[scanner->next].at_ns <= now; scanner->next++) {
		const struct scanner_code *code = &scanner->codes[scanner->next];
		const char *end = ends[scanner->line->options->code_end];
		for (struct peer *peer = scanner->line->peers; peer; peer = peer->next) {
			peer_send(peer, (const uint8_t *)code->bytes, code->length, 0);
			peer_send(peer, (const uint8_t *)end, strlen(end), 0);
		}
		write_truth(scanner, code);
	}
	if (scanner->next < scanner->count)
		timer_set(&scanner->timer, scanner->started_ns + scanner->codes[scanner->next].at_ns);
}

void scanner_start(struct scanner *scanner, struct line *line, const struct options *options, int truth)
{
	*scanner = (struct scanner){ .line = line, .truth = truth, .started_ns = loop_now_ns() };
	scanner->timer = (struct timer){ .fire = scan_due, .context = scanner };
	read_codes(scanner, options->codes);
	if (scanner->count > 0)
		timer_set(&scanner->timer, scanner->started_ns + scanner->codes[0].at_ns);
}

void scanner_free(struct scanner *scanner)
{
	timer_clear(&scanner->timer);
	for (size_t i = 0; i < scanner->count; i++)
		free(scanner->codes[i].bytes);
	free(scanner->codes);
}
