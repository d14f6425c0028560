#include "label.h"

#include <err.h>
#include <iconv.h>
#include <string.h>

static size_t character_length(const char *utf8)
{
	unsigned char lead = (unsigned char)*utf8;

	return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

static size_t encode(const char *utf8, size_t length, uint8_t out[4])
{
	static iconv_t converter = (iconv_t)-1;
	char *from = (char *)(uintptr_t)utf8;
	char *to = (char *)out;
	size_t room = 4;

	if (converter == (iconv_t)-1 && (converter = iconv_open("GB18030", "UTF-8")) == (iconv_t)-1)
		err(1, "iconv cannot write GB18030");
	if (iconv(converter, &from, &length, &to, &room) == (size_t)-1)
		err(1, "a sample name is not UTF-8");
	return 4 - room;
}

static void append(char *seen, size_t seen_size, const char *text, size_t length)
{
	size_t used = seen ? strlen(seen) : 0;

	if (seen && used + length < seen_size) {
		memcpy(seen + used, text, length);
		seen[used + length] = '\0';
	}
}

void label_field(const char *utf8, uint8_t *field, size_t size, char *seen, size_t seen_size)
{
	size_t used = 0;

	memset(field, 0, size);
	if (seen)
		*seen = '\0';
	while (utf8 && *utf8 && used < size) {
		uint8_t code[4];
		size_t length = character_length(utf8);
		size_t encoded = encode(utf8, length, code);
		size_t fits = encoded <= size - used ? encoded : size - used;
		memcpy(field + used, code, fits);
		if (fits == encoded)
			append(seen, seen_size, utf8, length);
		else
			append(seen, seen_size, "\xEF\xBF\xBD", 3);
		used += fits;
		utf8 += length;
	}
}
