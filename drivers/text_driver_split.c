/* A delimited frame becomes columns. */
#include <string.h>

#include "text_driver.h"

bool text_stands(const struct text_literal *literal, const uint8_t *at, size_t left)
{
	return literal->length > 0 && left >= literal->length && memcmp(at, literal->bytes, literal->length) == 0;
}

size_t text_separation(const struct text_profile *profile, const uint8_t *at, size_t left)
{
	size_t blanks = 0;
	if (!profile->blanks)
		return text_stands(&profile->separator, at, left) ? profile->separator.length : 0;
	while (blanks < left && (at[blanks] == ' ' || at[blanks] == '\t'))
		blanks++;
	return blanks;
}

static void end_column(struct text_record *record, const uint8_t *from, const uint8_t *to, bool quoted)
{
	struct text_piece piece = { from, (size_t)(to - from) };
	if (quoted && piece.length >= 2 && piece.at[0] == '"' && piece.at[piece.length - 1] == '"')
		piece = (struct text_piece){ piece.at + 1, piece.length - 2 };
	if (record->column_count < TEXT_COLUMNS_MAX)
		record->columns[record->column_count] = piece;
	record->column_count++;
}

enum text_encoding text_encoding_of(const struct text_profile *profile, const struct text_record *record)
{
	return record->heading ? record->heading->encoding : profile->encoding;
}

void text_split(const struct text_profile *profile, struct text_record *record)
{
	const uint8_t *at = record->all.at, *end = at + record->all.length;
	bool inside = false;
	record->column_count = 0;
	for (size_t i = 0; i < profile->starts.count && profile->start_apart; i++) {
		if (!text_stands(&profile->starts.list[i], at, record->all.length))
			continue;
		at += profile->starts.list[i].length;
		break;
	}
	if (profile->blanks)
		at += text_separation(profile, at, (size_t)(end - at));
	for (const uint8_t *from = at;; from = at) {
		size_t apart = 0;
		while (at < end) {
			if (profile->quotes && *at == '"')
				inside = !inside;
			if (!inside && (apart = text_separation(profile, at, (size_t)(end - at))) > 0)
				break;
			size_t step = text_step(text_encoding_of(profile, record), at, (size_t)(end - at));
			at += step ? step : (size_t)(end - at);
		}
		end_column(record, from, at, profile->quotes);
		if (at >= end)
			return;
		at += apart;
	}
}
