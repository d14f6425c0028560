/* A profile's sections and keys. config/profiles/README.md is their reference; this is their check. */
#include "modbus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile_words.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static int no_number(const char *value, long min, long max, struct fault *fault)
{
	return fault_set(fault, EINVAL, _("'%s' is not a number from %ld to %ld"), value, min, max);
}

static int set_title(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return profile_text(profile->title, sizeof(profile->title), value, fault);
}

static int set_maker(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return profile_text(profile->maker, sizeof(profile->maker), value, fault);
}

static int set_model(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return profile_text(profile->model, sizeof(profile->model), value, fault);
}

static int set_source(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return profile_text(profile->source, sizeof(profile->source), value, fault);
}

static int set_long(long *ret, const char *value, long min, long max, struct fault *fault)
{
	return modbus_parse_long(value, strlen(value), min, max, ret) ? 0 : no_number(value, min, max, fault);
}

static int set_stars(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return set_long(&profile->stars, value, 1, 5, fault);
}

static int set_table(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	if (strcmp(value, "holding") != 0 && strcmp(value, "input") != 0)
		return fault_set(fault, EINVAL,
			_("'%s' is no table of registers; holding (function 03) or input (function 04) would be"),
			value);
	profile->table = *value == 'h' ? REGISTERS_HOLDING : REGISTERS_INPUT;
	return 0;
}

static int set_first(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return set_long(&profile->first, value, 0, 400001, fault);
}

static int set_default_order(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return modbus_order_parse(value, strlen(value), &profile->order, fault);
}

static int set_max_read(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return set_long(&profile->max_read, value, 1, REGISTERS_MAX, fault);
}

static int set_max_gap(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	if (!modbus_parse_long(value, strlen(value), 0, REGISTERS_MAX, &profile->max_gap))
		return no_number(value, 0, REGISTERS_MAX, fault);
	profile->max_gap += 1; /* 0 stands for "not said" until the profile is finished */
	return 0;
}

static int set_wrap(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	long first, last;
	if (!modbus_parse_range(value, 0, UINT32_MAX, &first, &last) || last - first < 15)
		return fault_set(fault, EINVAL,
			_("'%s' is no range of running numbers; first..last such as 1..9999 would be"), value);
	profile->wrap_first = (uint32_t)first;
	profile->wrap_last = (uint32_t)last;
	profile->wrap_given = true;
	return 0;
}

static int parse_command(struct modbus_command *command, const char *value, struct fault *fault)
{
	size_t length = strcspn(value, " \t");
	const char *rest = value + length + strspn(value + length, " \t");
	long code;
	if (!modbus_parse_long(value, length, 0, 999999, &command->documented) ||
		!modbus_parse_long(rest, strlen(rest), 0, UINT16_MAX, &code))
		return fault_set(fault, EINVAL,
			_("'%s' is no command; the register's address and the value to write, as 0x22 1, would be"),
			value);
	command->value = (uint16_t)code;
	command->given = true;
	return 0;
}

static int set_latch(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return parse_command(&profile->latch, value, fault);
}

static int set_acknowledge(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return parse_command(&profile->acknowledge, value, fault);
}

static int set_set_clock(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	return parse_command(&profile->set_clock, value, fault);
}

static int set_write(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	profile->write_multiple = strcmp(value, "multiple") == 0;
	if (!profile->write_multiple && strcmp(value, "single") != 0)
		return fault_set(fault, EINVAL,
			_("'%s' is no way to write; single (function 06) or multiple (function 16) would be"), value);
	return 0;
}

static int set_window_at(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	profile->window.given = true;
	return set_long(&profile->window.documented, value, 0, 999999, fault);
}

static int set_window_length(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	long length = 0;
	int error = set_long(&length, value, 1, MODBUS_IMAGE_MAX, fault);
	profile->window.length = (uint16_t)length;
	return error;
}

static int set_window_crc(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	profile->window.crc_given = true;
	return set_long(&profile->window.documented_crc, value, 0, 999999, fault);
}

static int set_window_identity(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	profile->window.identity_given = true;
	if (!modbus_parse_range(value, 0, 999999, &profile->window.identity_first, &profile->window.identity_last))
		return fault_set(fault, EINVAL,
			_("'%s' is no range of registers; first..last such as 0x100..0x12B would be"), value);
	return 0;
}

static int set_window_guard(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	static const char *const guards[] = {
		[MODBUS_GUARD_CRC] = "crc", [MODBUS_GUARD_REREAD] = "reread", [MODBUS_GUARD_SEQUENCE] = "sequence"
	};
	for (size_t i = MODBUS_GUARD_CRC; i < COUNT(guards); i++) {
		if (strcmp(value, guards[i]) == 0) {
			profile->window.guard = (enum modbus_guard)i;
			return 0;
		}
	}
	return fault_set(fault, EINVAL,
		_("'%s' is no guard against torn reads; crc (the window carries a checksum), reread (read twice and equal) or "
		  "sequence (the running number before and after) would be"),
		value);
}

static int set_every(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	static const struct {
		const char *name;
		long seconds;
	} units[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 } };
	size_t digits = strspn(value, "0123456789");
	for (size_t i = 0; i < COUNT(units); i++) {
		if (strcmp(value + digits, units[i].name) == 0 &&
			modbus_parse_long(value, digits, 1, 86400 / units[i].seconds, &profile->every_s)) {
			profile->every_s *= units[i].seconds;
			return 0;
		}
	}
	return fault_set(fault, EINVAL, _("'%s' is no period; 1s to 24h, such as 60s, 10min or 1h, would be"), value);
}

static int set_function(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	profile->pages.given = true;
	if (!modbus_parse_long(value, strlen(value), 1, 127, &profile->pages.function) || profile->pages.function < 17)
		return fault_set(fault, EINVAL,
			_("'%s' is no function of a maker's own; 17 to 127 (0x11 to 0x7F) would be, such as 0x65"),
			value);
	return 0;
}

static bool is_hex_pair(const char *word, size_t length)
{
	return length == 2 && strspn(word, "0123456789abcdefABCDEF") >= 2;
}

/* The bytes behind the function code: "page 00 01". */
static int set_request(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	bool has_page = false, right = true;
	size_t *length = &profile->pages.request_length;
	profile->pages.given = true;
	for (const char *at = value + strspn(value, " "); *at && right;) {
		size_t word = strcspn(at, " ");
		bool page = word == 4 && strncmp(at, "page", word) == 0;
		right = *length + 2 <= MODBUS_REQUEST_MAX && (page ? !has_page : is_hex_pair(at, word));
		if (page) {
			has_page = true;
			profile->pages.page_at = *length;
			*length += 2;
		} else if (right) {
			profile->pages.request[(*length)++] = (uint8_t)strtoul(at, NULL, 16);
		}
		at += word + strspn(at + word, " ");
	}
	if (!right || !has_page)
		return fault_set(fault, EINVAL,
			_("'%s' is no request for a page; hexadecimal bytes, and once the word page for its number in 16 bits, "
			  "as page 00 01, would be"),
			value);
	return 0;
}

static int set_page_record(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	profile->pages.given = true;
	return set_long(&profile->pages.record, value, 1, 64, fault);
}

static int set_page_end(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	profile->pages.given = profile->pages.end_given = true;
	return set_long(&profile->pages.end, value, 0, 250, fault);
}

static int set_page_order(struct modbus_profile *profile, const char *value, struct fault *fault)
{
	profile->pages.given = true;
	profile->pages.oldest_first = strcmp(value, "oldest-first") == 0;
	if (!profile->pages.oldest_first && strcmp(value, "newest-first") != 0)
		return fault_set(fault, EINVAL,
			_("'%s' is no order of pages; newest-first (page 0 is the newest result) or oldest-first would be"),
			value);
	return 0;
}

static const struct {
	const char *section, *key;
	int (*set)(struct modbus_profile *profile, const char *value, struct fault *fault);
} keys[] = {
	{ "profile", "title", set_title },
	{ "profile", "maker", set_maker },
	{ "profile", "model", set_model },
	{ "profile", "source", set_source },
	{ "profile", "stars", set_stars },
	{ "registers", "table", set_table },
	{ "registers", "first", set_first },
	{ "registers", "order", set_default_order },
	{ "registers", "max-read", set_max_read },
	{ "registers", "max-gap", set_max_gap },
	{ "status", "wrap", set_wrap },
	{ "trigger", "every", set_every },
	{ "control", "latch", set_latch },
	{ "control", "acknowledge", set_acknowledge },
	{ "control", "set-clock", set_set_clock },
	{ "control", "write", set_write },
	{ "window", "at", set_window_at },
	{ "window", "length", set_window_length },
	{ "window", "crc", set_window_crc },
	{ "window", "identity", set_window_identity },
	{ "window", "guard", set_window_guard },
	{ "pages", "function", set_function },
	{ "pages", "request", set_request },
	{ "pages", "record", set_page_record },
	{ "pages", "end", set_page_end },
	{ "pages", "order", set_page_order },
};

#define WORD(member)    MODBUS_WORD, MODBUS_RECORD, offsetof(struct reading, member), sizeof(((struct reading *)0)->member)
#define DECIMAL(member) MODBUS_DECIMAL, MODBUS_RECORD, offsetof(struct reading, member), DECIMAL_MAX

static const struct {
	const char *section, *key; /* key NULL: any name */
	enum modbus_role role;
	enum modbus_group group;
	size_t offset, size;
} roles[] = {
	{ "identity", "magic", MODBUS_MAGIC, MODBUS_IDENTITY, 0, 0 },
	{ "identity", "maker", MODBUS_MAKER, MODBUS_IDENTITY, 0, 0 },
	{ "identity", "model", MODBUS_MODEL, MODBUS_IDENTITY, 0, 0 },
	{ "identity", "serial", MODBUS_SERIAL, MODBUS_IDENTITY, 0, 0 },
	{ "identity", "firmware", MODBUS_FIRMWARE, MODBUS_IDENTITY, 0, 0 },
	{ "status", "newest", MODBUS_NEWEST, MODBUS_STATUS, 0, 0 },
	{ "status", "oldest", MODBUS_OLDEST, MODBUS_STATUS, 0, 0 },
	{ "status", "count", MODBUS_COUNT, MODBUS_STATUS, 0, 0 },
	{ "status", "overrun", MODBUS_OVERRUN, MODBUS_STATUS, 0, 0 },
	{ "status", "fault", MODBUS_FAULT, MODBUS_STATUS, 0, 0 },
	{ "status", "calibration-due", MODBUS_CALIBRATION_DUE, MODBUS_STATUS, 0, 0 },
	{ "status", "clock", MODBUS_CLOCK, MODBUS_STATUS, 0, 0 },
	{ "trigger", "ready", MODBUS_READY, MODBUS_STATUS, 0, 0 },
	{ "control", "select", MODBUS_SELECT, MODBUS_WRITTEN, 0, 0 },
	{ "control", "clock", MODBUS_NEW_CLOCK, MODBUS_WRITTEN, 0, 0 },
	{ "field", "valid", MODBUS_VALID, MODBUS_RECORD, 0, 0 },
	{ "field", "sequence", MODBUS_SEQUENCE, MODBUS_RECORD, 0, 0 },
	{ "field", "channel", MODBUS_CHANNEL, MODBUS_RECORD, 0, 0 },
	{ "field", "kind", MODBUS_KIND, MODBUS_RECORD, 0, 0 },
	{ "field", "retest", MODBUS_RETEST, MODBUS_RECORD, 0, 0 },
	{ "field", "verdict", MODBUS_VERDICT, MODBUS_RECORD, 0, 0 },
	{ "field", "time", MODBUS_TIME, MODBUS_RECORD, 0, 0 },
	{ "field", "value", MODBUS_VALUE, MODBUS_RECORD, 0, 0 },
	{ "field", "qualifier", WORD(qualifier) },
	{ "field", "unit", WORD(unit) },
	{ "field", "item", WORD(item) },
	{ "field", "method", WORD(method) },
	{ "field", "basis", WORD(basis) },
	{ "field", "sample-no", WORD(sample_no) },
	{ "field", "sample-name", WORD(sample_name) },
	{ "field", "sample-category", WORD(sample_category) },
	{ "field", "party", WORD(party) },
	{ "field", "origin", WORD(origin) },
	{ "field", "operator", WORD(operator_name) },
	{ "field", "operator-id", WORD(operator_id) },
	{ "field", "limit-op", WORD(limit_op) },
	{ "field", "limit-value", DECIMAL(limit_value) },
	{ "field", "limit-unit", WORD(limit_unit) },
	{ "field", "limit-source", WORD(limit_source) },
	{ "signals", NULL, MODBUS_SIGNAL, MODBUS_RECORD, 0, 0 },
	{ "said", NULL, MODBUS_SAID, MODBUS_RECORD, 0, 0 },
};

static int add_field(
	struct modbus_profile *profile, size_t role, const char *key, const char *value, struct fault *fault)
{
	struct modbus_field field = {
		.role = roles[role].role,
		.group = roles[role].group,
		.offset = roles[role].offset,
		.size = roles[role].size,
	};
	const char *name = roles[role].key ? roles[role].key : key;
	if (strlen(name) == 0 || strlen(name) >= sizeof(field.name))
		return fault_set(
			fault, EINVAL, _("the name '%s' is too long; at most %zu bytes"), name, sizeof(field.name) - 1);
	memcpy(field.name, name, strlen(name) + 1);
	for (size_t i = 0; i < profile->field_count; i++)
		if (profile->fields[i].role == field.role && strcmp(profile->fields[i].name, name) == 0)
			return fault_set(fault, EEXIST, _("'%s' is given twice; once would be right"), key);
	if (profile->field_count == MODBUS_FIELDS_MAX)
		return fault_set(fault, E2BIG, _("more than %d fields; fewer would be right"), MODBUS_FIELDS_MAX);
	int error = modbus_field_parse(&field, value, fault);
	if (error == 0)
		profile->fields[profile->field_count++] = field;
	return error;
}

static int add_map(
	struct modbus_profile *profile, const char *field, const char *code, const char *word, struct fault *fault)
{
	struct modbus_map map = { 0 };
	enum kind kind;
	enum verdict verdict;
	const char *more;
	bool retest;
	if (profile->map_count == MODBUS_MAPS_MAX)
		return fault_set(fault, E2BIG, _("more than %d lines in [map ...] sections; fewer would be right"),
			MODBUS_MAPS_MAX);
	if (profile_same_key("kind", field) && !profile_kind_word(word, &kind, &more))
		return fault_set(fault, EINVAL,
			_("'%s' is no kind of test; sample, blank, control, qc or calibration would be, with a word of your own "
			  "after it: control negative"),
			word);
	if (profile_same_key("retest", field) && !profile_retest_word(word, &retest))
		return fault_set(
			fault, EINVAL, _("'%s' does not tell a retest from a first test; retest or first would"), word);
	if (profile_same_key("verdict", field) && !profile_verdict_word(word, &verdict))
		return fault_set(fault, EINVAL,
			_("'%s' is no verdict; negative, positive, suspect, invalid or none would be"), word);
	if (strlen(field) >= sizeof(map.field) || strlen(code) >= sizeof(map.code) || strlen(word) >= sizeof(map.word))
		return fault_set(fault, EINVAL, _("'%s = %s' is too long; a code has at most %zu bytes and a word %zu"),
			code, word, sizeof(map.code) - 1, sizeof(map.word) - 1);
	memcpy(map.field, field, strlen(field) + 1);
	for (char *at = map.field; (at = strchr(at, '_')) != NULL;)
		*at = '-';
	memcpy(map.code, code, strlen(code) + 1);
	memcpy(map.word, word, strlen(word) + 1);
	for (size_t i = 0; i < profile->map_count; i++)
		if (strcmp(profile->maps[i].field, map.field) == 0 && strcmp(profile->maps[i].code, code) == 0)
			return fault_set(fault, EEXIST, _("'%s' is given twice; once would be right"), code);
	profile->maps[profile->map_count++] = map;
	return 0;
}

const char *modbus_map_word(const struct modbus_profile *profile, const char *field, const struct modbus_value *value)
{
	for (size_t i = 0; i < profile->map_count; i++) {
		const struct modbus_map *map = &profile->maps[i];
		uint64_t code;
		if (strcmp(map->field, field) != 0)
			continue;
		if (strcmp(map->code, value->as_sent) == 0)
			return map->word;
		if (strncmp(map->code, "0x", 2) == 0 && modbus_parse_bits(map->code, strlen(map->code), &code) &&
			code == value->bits)
			return map->word;
	}
	return NULL;
}

/* The sentence for a key nobody knows lists those the section does know. */
static int unknown_key(const char *section, const char *key, struct fault *fault)
{
	char known[320] = "";
	size_t used = 0;
	for (size_t i = 0; i < COUNT(keys) + COUNT(roles); i++) {
		const char *of = i < COUNT(keys) ? keys[i].section : roles[i - COUNT(keys)].section;
		const char *name = i < COUNT(keys) ? keys[i].key : roles[i - COUNT(keys)].key;
		if (strcmp(of, section) == 0 && name && used + strlen(name) + 2 < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", used ? " " : "", name);
	}
	if (used == 0)
		return fault_set(fault, EINVAL,
			_("there is no section [%s]; a modbus profile has [profile] [registers] [identity] [status] [trigger] "
			  "[control] [window] [pages] [field] [signals] [said] and [map FIELD]"),
			section);
	return fault_set(fault, EINVAL, _("[%s] knows no '%s'; it knows %s"), section, key, known);
}

static int profile_entry(void *data, const char *section, const char *key, const char *value, struct fault *fault)
{
	struct modbus_profile *profile = data;
	if (strncmp(section, "map ", 4) == 0)
		return add_map(profile, section + 4 + strspn(section + 4, " "), key, value, fault);
	for (size_t i = 0; i < COUNT(keys); i++) {
		if (strcmp(keys[i].section, section) != 0 || !profile_same_key(keys[i].key, key))
			continue;
		if (profile->given & UINT64_C(1) << i)
			return fault_set(fault, EEXIST, _("'%s' is given twice; once would be right"), key);
		profile->given |= UINT64_C(1) << i;
		return keys[i].set(profile, value, fault);
	}
	for (size_t i = 0; i < COUNT(roles); i++)
		if (strcmp(roles[i].section, section) == 0 && (!roles[i].key || profile_same_key(roles[i].key, key)))
			return add_field(profile, i, key, value, fault);
	return unknown_key(section, key, fault);
}

static size_t more_state(const void *profile)
{
	bool paged = ((const struct modbus_profile *)profile)->pages.given;
	return paged ? sizeof(struct modbus_paged_state) - sizeof(struct modbus_state) : 0;
}

const struct profile_reader modbus_profiles = {
	.size = sizeof(struct modbus_profile),
	.entry = profile_entry,
	.finish = modbus_profile_finish,
	.more_state = more_state,
};
