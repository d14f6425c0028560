/* Texts as each format writes them. */
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "map_parts.h"

/* ---- what cannot be written ---- */

/* XML 1.0 has no place for these, not even escaped: control characters, U+FFFE and U+FFFF. */
static bool xml_forbids(const char *at)
{
	unsigned char first = (unsigned char)*at;
	if (first < ' ')
		return first != '\t' && first != '\n' && first != '\r';
	return strncmp(at, "\xEF\xBF\xBE", 3) == 0 || strncmp(at, "\xEF\xBF\xBF", 3) == 0;
}

int map_text_fits(const struct map *map, const struct map_row *row, const char *text, struct fault *fault)
{
	if (map->settings.format == MAP_XML)
		for (const char *at = text; *at; at++)
			if (xml_forbids(at))
				return fault_set(fault, EINVAL,
					_("%s holds a control character, which XML cannot carry"), row->name);
	if (map->settings.encoding != MAP_GB18030)
		return 0;
	char *converted = map_text_gb18030(text, strlen(text), NULL);
	free(converted);
	return converted ? 0
	                 : fault_set(fault, EINVAL, _("%s holds a character that has no place in GB 18030"), row->name);
}

char *map_text_gb18030(const char *text, size_t length, size_t *ret_length)
{
	iconv_t converter = iconv_open("GB18030", "UTF-8");
	if (converter == (iconv_t)-1)
		return NULL;
	size_t room = 4 * length + 1, left = room - 1; /* no character takes more than four bytes */
	char *out = malloc(room), *to = out, *from = (char *)text;
	if (!out)
		abort();
	size_t bad = iconv(converter, &from, &length, &to, &left);
	iconv_close(converter);
	if (bad) {
		free(out);
		return NULL;
	}
	*to = '\0';
	if (ret_length)
		*ret_length = (size_t)(to - out);
	return out;
}

/* ---- how it is written ---- */

static void put_json(FILE *out, const char *text)
{
	static const char plain[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
	fputc('"', out);
	for (; *text; text++) {
		const char *short_one = strchr(plain, *text);
		if (short_one)
			fprintf(out, "\\%c", letters[short_one - plain]);
		else if ((unsigned char)*text < ' ')
			fprintf(out, "\\u%04x", (unsigned)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

/* A carriage return must be escaped: a reader makes a line feed of a bare one. */
static void put_xml(FILE *out, const char *text)
{
	for (; *text; text++)
		if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else if (*text == '\r')
			fputs("&#13;", out);
		else
			fputc(*text, out);
}

void map_text_put(FILE *out, enum map_format format, const char *text)
{
	if (format == MAP_XML)
		put_xml(out, text);
	else if (format == MAP_CSV)
		csv_put(out, text); /* for a program: nothing is put in front of what a spreadsheet would compute */
	else
		put_json(out, text);
}
