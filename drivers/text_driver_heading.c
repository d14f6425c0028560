/* The first line of a file names the columns: which they are, whatever their order, in GB 18030 or UTF-8. */
#include <stdio.h>
#include <string.h>

#include "text_driver.h"

/* As it is compared: without quotes and the blanks around it. */
static void name_of_column(
	enum text_encoding encoding, const struct text_piece *piece, char *name, size_t size, unsigned *marks)
{
	*marks |= text_decode(encoding, piece->at, piece->length, name, size);
	size_t from = strspn(name, " \t"), length = strlen(name + from);
	memmove(name, name + from, length + 1);
	while (length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t'))
		name[--length] = '\0';
}

/* How many columns have one of these names; the first of them. */
static size_t find(const struct text_record *heading, enum text_encoding encoding, const char *names, size_t length,
	long *ret_column)
{
	size_t found = 0;
	for (size_t i = 0; i < heading->column_count && i < TEXT_COLUMNS_MAX; i++) {
		char name[96];
		unsigned marks = 0;
		name_of_column(encoding, &heading->columns[i], name, sizeof(name), &marks);
		if (!*name || !text_is_one_of(names, length, name))
			continue;
		if (found++ == 0)
			*ret_column = (long)i + 1;
	}
	return found;
}

/* One name of a field, or both where two columns are joined. False with a reason. */
static bool find_field(const struct text_field *field, const struct text_record *heading, enum text_encoding encoding,
	long columns[2], char *reason, size_t size)
{
	const char *at = field->text;
	for (size_t i = 0; i < 2 && *at; i++) {
		size_t length = strcspn(at, ",");
		size_t found = find(heading, encoding, at, length, &columns[i]);
		if (found != 1) {
			snprintf(reason, size,
				found == 0 ? _("no column is called %.*s, for %s")
					   : _("more than one column is called %.*s, for %s"),
				(int)length, at, field->name);
			return false;
		}
		at += length + (at[length] == ',');
	}
	return true;
}

static bool find_all(const struct text_profile *profile, const struct text_record *record, struct text_heading *heading)
{
	for (size_t i = 0; i < profile->field_count; i++) {
		const struct text_field *field = &profile->fields[i];
		heading->columns[i][0] = field->columns[0];
		heading->columns[i][1] = field->columns[1];
		if (field->source == TEXT_FROM_COLUMN && *field->text &&
			!find_field(field, record, heading->encoding, heading->columns[i], heading->reason,
				sizeof(heading->reason)))
			return false;
	}
	return true;
}

/* What it has instead, as far as there is room. */
static void tell_names(const struct text_record *record, struct text_heading *heading)
{
	size_t used = strlen(heading->reason);
	used += (size_t)snprintf(heading->reason + used, sizeof(heading->reason) - used, "%s", _("; there are"));
	for (size_t i = 0; i < record->column_count && i < TEXT_COLUMNS_MAX; i++) {
		char name[96];
		unsigned marks = 0;
		name_of_column(heading->encoding, &record->columns[i], name, sizeof(name), &marks);
		if (used + strlen(name) + 2 > sizeof(heading->reason) - 1)
			return;
		used += (size_t)snprintf(
			heading->reason + used, sizeof(heading->reason) - used, "%s %s", i ? "," : "", name);
	}
}

bool text_heading_read(
	const struct text_profile *profile, const uint8_t *data, size_t length, struct text_heading *heading)
{
	const enum text_encoding other = profile->encoding == TEXT_UTF8 ? TEXT_GB18030 : TEXT_UTF8;
	struct text_record record = { .heading = heading };
	heading->read = false;
	heading->length = length <= sizeof(heading->bytes) ? length : 0;
	memcpy(heading->bytes, data, heading->length);
	while (length > 0 && (data[length - 1] == '\n' || data[length - 1] == '\r'))
		length--;
	record.all = (struct text_piece){ data, length };
	/* a program may write the other one, whatever it wrote when the profile was made; the reason is told as it
	 * can be read */
	const enum text_encoding told = text_is_utf8((const char *)data, length) ? TEXT_UTF8 : profile->encoding;
	const enum text_encoding turns[] = { profile->encoding, other, told };
	for (size_t i = 0; i < (profile->named ? 3 : 1) && !heading->read; i++) {
		heading->encoding = turns[i];
		text_split(profile, &record);
		heading->read = find_all(profile, &record, heading);
	}
	if (!heading->read)
		tell_names(&record, heading);
	return heading->read;
}
