#include "textfile.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../drivers/fault.h"
#include "../drivers/text.h"

#define FILE_MAX_BYTES ((size_t)16 << 20)
#define PLACES_TOLD    8 /* bad places named per file: more only hide that the whole file is something else */

enum encoding { ENCODING_UTF8, ENCODING_GB18030 };

struct file {
	const char *path;
	char *data;
	size_t length;
	struct faults *faults;
};

static int whole_file_fault(const struct file *file, int error, const char *reason)
{
	faults_add(file->faults, FAULTS_ERROR, file->path, 0, 0, NULL, "%s", reason);
	return -error;
}

static int open_fault(const struct file *file, int error)
{
	const char *reason;
	switch (error) {
	case ENOENT:
		reason = _("this file does not exist; create it, or name one that does");
		break;
	case EACCES:
		reason = _("this file may not be read; give the user that runs assayd the right to read it");
		break;
	default:
		faults_add(file->faults, FAULTS_ERROR, file->path, 0, 0, NULL,
			_("this file cannot be opened: %s; name a file that can be read"), strerror(error));
		return -error;
	}
	return whole_file_fault(file, error, reason);
}

/* Reads everything of an open stream; a file that grows while it is read is cut at the size limit like any other. */
static int read_stream(struct file *file, FILE *stream)
{
	struct stat about;
	if (fstat(fileno(stream), &about) != 0)
		return open_fault(file, errno);
	if (S_ISDIR(about.st_mode))
		return whole_file_fault(file, EISDIR, _("this is a directory; a text file belongs here"));
	if (!S_ISREG(about.st_mode))
		return whole_file_fault(file, EINVAL, _("this is no ordinary file; a text file belongs here"));
	size_t room = (size_t)about.st_size < FILE_MAX_BYTES ? (size_t)about.st_size + 1 : FILE_MAX_BYTES + 1;
	file->data = malloc(room + 1);
	if (!file->data)
		return whole_file_fault(file, ENOMEM, _("not enough memory for this file; use a smaller one"));
	file->length = fread(file->data, 1, room, stream);
	if (ferror(stream))
		return open_fault(file, EIO);
	file->data[file->length] = '\0';
	if (file->length > FILE_MAX_BYTES)
		return whole_file_fault(file, EFBIG,
			_("this file is larger than 16 MiB; settings and lists are far smaller: is it the right file?"));
	return 0;
}

static int read_file(struct file *file)
{
	FILE *stream = fopen(file->path, "rbe");
	if (!stream)
		return open_fault(file, errno);
	int result = read_stream(file, stream);
	fclose(stream);
	return result;
}

/* How long the UTF-8 character at `at` is, or 0 when the bytes there are none. */
static size_t utf8_character(const char *at, size_t left)
{
	unsigned char first = (unsigned char)*at;
	size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
	return length && length <= left && text_is_utf8(at, length) ? length : 0;
}

/* UTF-8 with a few damaged places must not pass for GB 18030, where almost any pair of bytes is a character: what has
 * more bytes in good UTF-8 characters of three bytes, as Chinese ones are, than bad bytes was meant to be UTF-8. Good
 * ones of two bytes say nothing: every tenth pair of GB 18030 looks like one. */
static enum encoding guess_encoding(const struct file *file)
{
	size_t good = 0, bad = 0;
	for (size_t i = 0; i < file->length;) {
		size_t length = utf8_character(file->data + i, file->length - i);
		good += length > 2 ? length : 0;
		bad += length == 0;
		i += length ? length : 1;
	}
	return bad && bad >= good ? ENCODING_GB18030 : ENCODING_UTF8;
}

/* The line at `offset`, as UTF-8 with U+FFFD for what is no character, for the excerpt. */
static void excerpt_line(const struct file *file, enum encoding encoding, size_t start, char *out, size_t size)
{
	const char *end = memchr(file->data + start, '\n', file->length - start);
	size_t length = end ? (size_t)(end - (file->data + start)) : file->length - start;
	text_decode(encoding == ENCODING_UTF8 ? TEXT_UTF8 : TEXT_GB18030, file->data + start, length, out, size);
}

/* Adds a fault at `offset`; the column counts characters of this encoding up to it. */
static void place_fault(const struct file *file, enum encoding encoding, size_t offset, const char *reason)
{
	int line = 1, column = 1;
	size_t start = 0;
	for (size_t i = 0; i < offset; i++)
		if (file->data[i] == '\n') {
			line++;
			start = i + 1;
		}
	for (size_t i = start; i < offset; column++) {
		size_t length = 1;
		if (encoding == ENCODING_UTF8)
			length = utf8_character(file->data + i, offset - i);
		else if ((unsigned char)file->data[i] >= 0x80)
			length = i + 1 < offset && file->data[i + 1] >= '0' && file->data[i + 1] <= '9' ? 4 : 2;
		i += length ? length : 1;
	}
	char excerpt[512];
	excerpt_line(file, encoding, start, excerpt, sizeof(excerpt));
	faults_add(file->faults, FAULTS_ERROR, file->path, line, column, excerpt, "%s", reason);
}

/* Goes on behind the line's end: one fault per line is enough. */
static size_t next_line(const struct file *file, size_t offset)
{
	const char *end = memchr(file->data + offset, '\n', file->length - offset);
	return end ? (size_t)(end - file->data) + 1 : file->length;
}

static int check_utf8(const struct file *file)
{
	unsigned told = 0;
	for (size_t i = 0; i < file->length && told < PLACES_TOLD;) {
		size_t length = utf8_character(file->data + i, file->length - i);
		if (length) {
			i += length;
			continue;
		}
		place_fault(file, ENCODING_UTF8, i,
			_("these bytes are no character, or half of one; type the text again and save the file as UTF-8"));
		told++;
		i = next_line(file, i);
	}
	return told ? -EILSEQ : 0;
}

static int decode_gb18030(struct file *file)
{
	iconv_t decoder = iconv_open("UTF-8", "GB18030");
	if (decoder == (iconv_t)-1)
		return whole_file_fault(file, errno, _("this system cannot read GB 18030; save the file as UTF-8"));
	size_t room = file->length * 3 + 1, room_left = room; /* two bytes become at most three */
	char *text = malloc(room);
	if (!text) {
		iconv_close(decoder);
		return whole_file_fault(file, ENOMEM, _("not enough memory for this file; use a smaller one"));
	}
	char *from = file->data, *to = text;
	size_t left = file->length;
	unsigned told = 0;
	while (left && told < PLACES_TOLD && iconv(decoder, &from, &left, &to, &room_left) == (size_t)-1) {
		place_fault(file, ENCODING_GB18030, (size_t)(from - file->data),
			_("these bytes are no character of GB 18030, or half of one; type the text again and save the file as "
			  "UTF-8"));
		told++;
		from = file->data + next_line(file, (size_t)(from - file->data));
		left = file->length - (size_t)(from - file->data);
	}
	iconv_close(decoder);
	*to = '\0';
	free(file->data);
	file->data = text;
	file->length = (size_t)(to - text);
	return told ? -EILSEQ : 0;
}

/* UTF-16 as Notepad's "Unicode" saves it, with its byte order mark or, without one, given away by its NUL bytes. */
static bool looks_like_utf16(const struct file *file)
{
	if (file->length >= 2 && (!memcmp(file->data, "\xFF\xFE", 2) || !memcmp(file->data, "\xFE\xFF", 2)))
		return true;
	size_t nuls[2] = { 0, 0 };
	for (size_t i = 0; i < file->length; i++)
		if (!file->data[i])
			nuls[i % 2]++;
	return (nuls[0] > file->length / 8 && !nuls[1]) || (nuls[1] > file->length / 8 && !nuls[0]);
}

static int check_nul(const struct file *file, enum encoding encoding)
{
	unsigned told = 0;
	for (size_t i = 0; i < file->length && told < PLACES_TOLD;) {
		const char *nul = memchr(file->data + i, '\0', file->length - i);
		if (!nul)
			break;
		i = (size_t)(nul - file->data);
		place_fault(file, encoding, i,
			_("a NUL byte; a text file holds none: the file is damaged or no text, restore or rewrite it"));
		told++;
		i = next_line(file, i);
	}
	return told ? -EILSEQ : 0;
}

static void use_lf_line_ends(struct file *file)
{
	size_t to = 0;
	for (size_t i = 0; i < file->length; i++)
		if (!(file->data[i] == '\r' && (i + 1 == file->length || file->data[i + 1] == '\n')))
			file->data[to++] = file->data[i];
	file->length = to;
	file->data[to] = '\0';
}

static int make_utf8(struct file *file)
{
	if (looks_like_utf16(file)) {
		faults_add(file->faults, FAULTS_ERROR, file->path, 1, 0, NULL,
			_("this file is UTF-16 (\"Unicode\" in old editors); save it as UTF-8"));
		return -EILSEQ;
	}
	bool marked = file->length >= 3 && !memcmp(file->data, "\xEF\xBB\xBF", 3);
	if (marked) {
		file->length -= 3;
		memmove(file->data, file->data + 3, file->length + 1);
	}
	bool sound = text_is_utf8(file->data, file->length); /* in one go: nearly every file is */
	enum encoding encoding = marked || sound ? ENCODING_UTF8 : guess_encoding(file);
	int result = check_nul(file, encoding), decoded = 0;
	if (!sound)
		decoded = encoding == ENCODING_UTF8 ? check_utf8(file) : decode_gb18030(file);
	use_lf_line_ends(file);
	return result ? result : decoded;
}

int textfile_read(const char *path, char **ret_text, size_t *ret_length, struct faults *faults)
{
	struct file file = { .path = path, .faults = faults };
	int result = read_file(&file);
	if (!result && file.data)
		result = make_utf8(&file);
	if (result) {
		free(file.data);
		return result;
	}
	*ret_text = file.data;
	if (ret_length)
		*ret_length = file.length;
	return 0;
}
