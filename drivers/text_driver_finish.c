/* What only a whole text profile can get wrong. Sentences name a [section], whose place is then shown. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text_driver.h"

static int check_lines(const struct text_profile *profile, struct fault *fault)
{
	bool by_columns = profile->last > 0;
	if (by_columns && (profile->columns_least == 0 || profile->columns_least != profile->columns_most))
		return fault_set(fault, EINVAL,
			_("[line] has last, so that a line ends with so many bytes of its last column; columns = 10, one number, "
			  "must say which that is"));
	if (by_columns && profile->end.length > 0)
		return fault_set(fault, EINVAL, _("[frame] has end and [line] has last; one of them would be right"));
	if (!by_columns && profile->end.length == 0 && profile->idle_gap_ms == 0)
		return fault_set(fault, EINVAL,
			_("[frame] does not tell where a line ends; end = \\r\\n, idle-gap = 500ms, or columns and last in [line] "
			  "would be right"));
	return 0;
}

/* Where the bytes tell themselves where a record ends, nothing else may. */
static int check_document(const struct text_profile *profile, struct fault *fault)
{
	if (profile->starts.count > 0 || profile->end.length > 0 || profile->length_most > 0 ||
		profile->checksum.kind != TEXT_CHECKSUM_NONE)
		return fault_set(fault, EINVAL,
			_("[frame] of json or xml needs neither start, end, length nor checksum; brackets tell where a record ends"));
	if (profile->shape == TEXT_SHAPE_XML && (!*profile->records || (*profile->ask && profile->done.length == 0)))
		return fault_set(fault, EINVAL,
			_("[frame] of xml needs records = NAME in [document], the element that is a record; and done in [query], "
			  "where it is asked for"));
	return 0;
}

static int check_shape(const struct text_profile *profile, struct fault *fault)
{
	switch (profile->shape) {
	case TEXT_SHAPE_UNSAID:
		return fault_set(fault, EINVAL,
			_("[frame] lacks kind; kind = lines, blocks, tickets, json or xml would be right"));
	case TEXT_SHAPE_LINES:
		return check_lines(profile, fault);
	case TEXT_SHAPE_BLOCKS:
		if (profile->starts.count == 0 || profile->length_least == 0 ||
			profile->length_least != profile->length_most)
			return fault_set(fault, EINVAL,
				_("[frame] of blocks needs start, the bytes each begins with, and length, one number"));
		break;
	case TEXT_SHAPE_TICKETS:
		if (profile->idle_gap_ms == 0)
			return fault_set(fault, EINVAL,
				_("[frame] of tickets needs idle-gap, for one that is not cut off; idle-gap = 2s would be right"));
		break;
	case TEXT_SHAPE_JSON:
	case TEXT_SHAPE_XML:
		return check_document(profile, fault);
	}
	return 0;
}

/* Bytes of a record: a frame without its end. */
static bool inside(const struct text_profile *profile, long at)
{
	long record = profile->length_least - (long)profile->end.length;
	return at < 0 ? -at <= record : at < record;
}

static int check_field(const struct text_profile *profile, const struct text_field *field, struct fault *fault)
{
	bool tickets = profile->shape == TEXT_SHAPE_TICKETS;
	bool column = field->source == TEXT_FROM_COLUMN,
	     json = profile->shape == TEXT_SHAPE_JSON || profile->shape == TEXT_SHAPE_XML;
	if (field->source == TEXT_FROM_FILE || field->source == TEXT_FROM_PROFILE)
		return 0;
	if (json != (field->source == TEXT_FROM_MEMBER))
		return json ? fault_set(fault, EINVAL,
				      _("[field] %s: json and xml have members; member 检测结果, say, would be right"),
				      field->name)
		            : fault_set(fault, EINVAL,
				      _("[field] %s: only json and xml have members; column 3 or label 检测结果 would be right"),
				      field->name);
	if (tickets && (column || field->source == TEXT_FROM_BYTES))
		return fault_set(fault, EINVAL,
			_("[field] %s: a ticket has labels; label 检测结果, say, would be right"), field->name);
	if (!tickets && field->source == TEXT_FROM_LABEL)
		return fault_set(fault, EINVAL,
			_("[field] %s: only tickets have labels; column 3 or bytes 5..19 would be right"), field->name);
	if (column && !profile->separator_given)
		return fault_set(fault, EINVAL,
			_("[line] lacks separator, yet %s is a column; separator = comma, semicolon, tab, pipe or blanks would be "
			  "right"),
			field->name);
	if (column && *field->text && profile->shape != TEXT_SHAPE_LINES)
		return fault_set(fault, EINVAL,
			_("[field] %s: only lines have a heading that names columns; column 3 would be right"),
			field->name);
	for (size_t i = 0; i < 2; i++)
		if (column && profile->columns_most > 0 && field->columns[i] > profile->columns_most)
			return fault_set(fault, EINVAL,
				_("[field] %s: there is no column %ld; [line] says columns = %ld"), field->name,
				field->columns[i], profile->columns_most);
	if (field->source == TEXT_FROM_BYTES && profile->shape == TEXT_SHAPE_BLOCKS &&
		(!inside(profile, field->first) || !inside(profile, field->last)))
		return fault_set(fault, EINVAL,
			_("[field] %s: bytes %ld..%ld are not inside the %ld bytes of [frame] length without its end"),
			field->name, field->first, field->last, profile->length_least - (long)profile->end.length);
	return 0;
}

static int check_map(const struct text_profile *profile, const struct text_map *map, struct fault *fault)
{
	/* a quantity may bring unit and verdict along */
	if (strcmp(map->field, "unit") == 0 || strcmp(map->field, "verdict") == 0)
		return 0;
	for (size_t i = 0; i < profile->field_count; i++)
		if (strcmp(profile->fields[i].name, map->field) == 0)
			return 0;
	return fault_set(fault, EINVAL,
		_("[map %s] is for a field that is not there; %s = ... in [field] would be right"), map->field,
		map->field);
}

/* A bare code would have to be guessed. */
static int check_retest(const struct text_profile *profile, const struct text_field *field, struct fault *fault)
{
	bool mapped = field->role != TEXT_RETEST;
	for (size_t i = 0; i < profile->map_count; i++)
		mapped = mapped || strcmp(profile->maps[i].field, field->name) == 0;
	return mapped ? 0
	              : fault_set(fault, EINVAL,
				_("[field] %s needs [map %s], which says what each of its codes means"), field->name,
				field->name);
}

static int check_query(struct text_profile *profile, struct fault *fault)
{
	bool dated = strchr(profile->ask, '{') != NULL;
	if (!*profile->ask && (profile->done.length > 0 || profile->repeatable))
		return fault_set(fault, EINVAL, _("[query] lacks ask, what is sent to the instrument"));
	if (dated && profile->done.length == 0 && profile->shape != TEXT_SHAPE_JSON)
		return fault_set(fault, EINVAL,
			_("[query] asks by date but lacks done, the word that ends the answer; done = FINISH, say, would be right"));
	if (!profile->repeatable_given)
		profile->repeatable = dated;
	return 0;
}

int text_profile_finish(void *data, struct fault *fault)
{
	struct text_profile *profile = data;
	int error = check_shape(profile, fault);
	bool result = false;
	for (size_t i = 0; i < profile->field_count && error == 0; i++) {
		enum text_role role = profile->fields[i].role;
		result = result || role == TEXT_VALUE || role == TEXT_VERDICT;
		bool named = profile->fields[i].source == TEXT_FROM_COLUMN && *profile->fields[i].text;
		profile->named = profile->named || named;
		profile->header = profile->header || named;
		error = check_field(profile, &profile->fields[i], fault);
		if (error == 0)
			error = check_retest(profile, &profile->fields[i], fault);
	}
	for (size_t i = 0; i < profile->map_count && error == 0; i++)
		error = check_map(profile, &profile->maps[i], fault);
	if (error == 0 && *profile->records && profile->shape != TEXT_SHAPE_JSON && profile->shape != TEXT_SHAPE_XML)
		error = fault_set(fault, EINVAL, _("[document] is for kind = json or xml; without it would be right"));
	if (error == 0)
		error = check_query(profile, fault);
	if (error == 0 && !result)
		error = fault_set(fault, EINVAL,
			_("[field] has neither value nor verdict; value = column 6, say, would be right"));
	return error;
}
