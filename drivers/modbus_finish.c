/* A profile as a whole: what must be there, what must fit together, and the requests that follow from it. */
#include "modbus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_GAP_USUAL 8

const struct modbus_field *modbus_field_of(const struct modbus_profile *profile, enum modbus_role role)
{
	for (size_t i = 0; i < profile->field_count; i++)
		if (profile->fields[i].role == role)
			return &profile->fields[i];
	return NULL;
}

static bool is_counter(const struct modbus_field *field)
{
	return (field->form == MODBUS_UNSIGNED || field->form == MODBUS_BCD) && field->bits <= 32 && !*field->scale;
}

/* The address on the wire: the maker's number less the number of the maker's first register. */
static int resolve(const struct modbus_profile *profile, const char *what, long documented, long count, uint16_t *ret,
	struct fault *fault)
{
	long address = documented - profile->first;
	if (address < 0 || address + count > 65536)
		return fault_set(fault, ERANGE,
			_("%s: register %ld is none when the first is %ld (first = in [registers]); %ld to %ld would be"),
			what, documented, profile->first, profile->first, profile->first + 65536 - count);
	*ret = (uint16_t)address;
	return 0;
}

static int resolve_fields(struct modbus_profile *profile, struct fault *fault)
{
	for (size_t i = 0; i < profile->field_count; i++) {
		struct modbus_field *field = &profile->fields[i];
		if (field->form == MODBUS_CONSTANT)
			continue;
		if (field->bytes != MODBUS_BYTES(field->count))
			return fault_set(fault, EINVAL,
				_("%s: u8, s8, ymdhm8 and ymdhms8 are of bytes, in the records of [pages]; a register has u8h, "
				  "u8l, s8h, s8l, ymdhms or bcd-time"),
				field->name);
		int error = resolve(profile, field->name, field->documented, field->count, &field->address, fault);
		if (error < 0)
			return error;
		if (field->count > profile->max_read)
			return fault_set(fault, EINVAL,
				_("%s: %u registers cannot be read in one request of at most %ld (max-read in [registers])"),
				field->name, field->count, profile->max_read);
	}
	static const char *const names[] = { "latch", "acknowledge", "set-clock" };
	struct modbus_command *commands[] = { &profile->latch, &profile->acknowledge, &profile->set_clock };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int error = commands[i]->given ? resolve(profile, names[i], commands[i]->documented, 1,
							 &commands[i]->address, fault)
		                               : 0;
		if (error < 0)
			return error;
	}
	return 0;
}

/* The registers that identify a result: as given, else the whole window without its checksum. */
static int resolve_identity(struct modbus_profile *profile, struct fault *fault)
{
	long first = profile->window.identity_first - profile->first;
	long last = profile->window.identity_last - profile->first;
	long start = profile->window.address, end = start + profile->window.length - 1;
	if (!profile->window.identity_given) {
		first = start;
		last = profile->window.crc_given && profile->window.crc == end && end > start ? end - 1 : end;
	}
	if (first < start || last > end)
		return fault_set(fault, EINVAL,
			_("identity in [window] lies outside the window; registers of it would be right"));
	profile->window.identity_at = (uint16_t)(first - start);
	profile->window.identity_count = (uint16_t)(last - first + 1);
	return 0;
}

/* A field that the window's end cuts is a slip in its address or length, or in the window's. */
static int check_window_end(const struct modbus_profile *profile, struct fault *fault)
{
	long start = profile->window.address, end = start + profile->window.length;
	for (size_t i = 0; i < profile->field_count; i++) {
		const struct modbus_field *field = &profile->fields[i];
		long last = field->address + field->count - 1;
		bool begins = field->address >= start && field->address < end, ends = last >= start && last < end;
		if (field->group == MODBUS_RECORD && field->form != MODBUS_CONSTANT && begins != ends)
			return fault_set(fault, EINVAL,
				_("%s: its registers %ld to %ld lie half outside the [window], which has %ld to %ld; check its "
				  "address and type, and the window's at and length"),
				field->name, field->documented, field->documented + field->count - 1,
				profile->window.documented, profile->window.documented + profile->window.length - 1);
	}
	return 0;
}

static int resolve_window(struct modbus_profile *profile, struct fault *fault)
{
	if (!profile->window.given)
		return profile->window.length || profile->window.crc_given || profile->window.identity_given
		               ? fault_set(fault, EINVAL,
					 _("[window] lacks at = ADDRESS, the first register of the window"))
		               : 0;
	if (profile->window.length == 0)
		return fault_set(
			fault, EINVAL, _("[window] lacks length = REGISTERS, how many registers the window has"));
	int error = resolve(
		profile, "window", profile->window.documented, profile->window.length, &profile->window.address, fault);
	if (error == 0 && profile->window.crc_given) {
		error = resolve(profile, "crc", profile->window.documented_crc, 1, &profile->window.crc, fault);
		if (error == 0 && (profile->window.crc <= profile->window.address ||
					  profile->window.crc >= profile->window.address + profile->window.length))
			error = fault_set(fault, EINVAL,
				_("crc in [window] is not a register of the window behind the first; the one that holds the "
				  "checksum of those before it would be right"));
	}
	error = error < 0 ? error : resolve_identity(profile, fault);
	return error < 0 ? error : check_window_end(profile, fault);
}

static int check_guard(struct modbus_profile *profile, struct fault *fault)
{
	/* A reading taken by time is of values that move: what one answer holds belongs together. */
	if (profile->window.guard == MODBUS_GUARD_NONE && (profile->every_s == 0 || profile->window.crc_given))
		profile->window.guard = profile->window.crc_given ? MODBUS_GUARD_CRC : MODBUS_GUARD_REREAD;
	if (profile->window.guard == MODBUS_GUARD_CRC && !profile->window.crc_given)
		return fault_set(
			fault, EINVAL, _("guard = crc needs crc = ADDRESS in [window], the checksum's register"));
	if (profile->window.guard == MODBUS_GUARD_SEQUENCE && !modbus_field_of(profile, MODBUS_SEQUENCE))
		return fault_set(fault, EINVAL,
			_("guard = sequence needs sequence = ADDRESS TYPE in [field], the result's running number"));
	return 0;
}

static int check_counters(struct modbus_profile *profile, struct fault *fault)
{
	static const enum modbus_role counters[] = { MODBUS_NEWEST, MODBUS_OLDEST, MODBUS_COUNT, MODBUS_SEQUENCE,
		MODBUS_SELECT };
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		const struct modbus_field *field = modbus_field_of(profile, counters[i]);
		if (field && !is_counter(field))
			return fault_set(fault, EINVAL,
				_("%s is no counter; a plain u16, u32, bcd16 or bcd32 would be right"), field->name);
	}
	const struct modbus_field *newest = modbus_field_of(profile, MODBUS_NEWEST);
	if (!newest && (profile->pages.given || modbus_is_triggered(profile)))
		return 0;
	if (!newest)
		return fault_set(fault, EINVAL,
			_("[status] lacks newest = ADDRESS TYPE, the running number of the newest result; an instrument that "
			  "does not number them has [trigger] or [pages]; without any a new result cannot be told from an old "
			  "one"));
	uint32_t most = newest->form == MODBUS_BCD ? (newest->bits == 16 ? 9999 : 99999999)
	                : newest->bits == 32       ? UINT32_MAX
	                                           : (UINT32_C(1) << newest->bits) - 1;
	if (!profile->wrap_given)
		profile->wrap_last = most;
	if (profile->wrap_last > most)
		return fault_set(fault, EINVAL,
			_("wrap: the type of newest holds no number over %" PRIu32
			  "; that or less would be right behind the dots"),
			most);
	return 0;
}

static bool has_map(const struct modbus_profile *profile, const char *field)
{
	for (size_t i = 0; i < profile->map_count; i++)
		if (strcmp(profile->maps[i].field, field) == 0)
			return true;
	return false;
}

static bool has_field(const struct modbus_profile *profile, const char *name)
{
	for (size_t i = 0; i < profile->field_count; i++)
		if (profile->fields[i].group == MODBUS_RECORD && strcmp(profile->fields[i].name, name) == 0)
			return true;
	return false;
}

static int check_maps(const struct modbus_profile *profile, struct fault *fault)
{
	static const char *const needed[] = { "kind", "verdict", "qualifier", "retest" };
	for (size_t i = 0; i < profile->map_count; i++)
		if (!has_field(profile, profile->maps[i].field))
			return fault_set(fault, EINVAL,
				_("[map %s] maps nothing: there is no such field in [field], [signals] or [said]"),
				profile->maps[i].field);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (has_field(profile, needed[i]) && !has_map(profile, needed[i]))
			return fault_set(fault, EINVAL,
				_("[field] %s needs [map %s], which says what each of its codes means"), needed[i],
				needed[i]);
	return 0;
}

static int check_control(const struct modbus_profile *profile, struct fault *fault)
{
	const struct modbus_field *select = modbus_field_of(profile, MODBUS_SELECT);
	if (select && !modbus_field_of(profile, MODBUS_OLDEST))
		return fault_set(fault, EINVAL,
			_("[control] select needs oldest = ADDRESS TYPE in [status]: which results can still be selected"));
	if (!select && profile->acknowledge.given)
		return fault_set(fault, EINVAL,
			_("[control] acknowledge needs select = ADDRESS TYPE: it erases results up to the selected one"));
	return modbus_clock_check(profile, fault);
}

static int check_fields(const struct modbus_profile *profile, struct fault *fault)
{
	for (size_t i = 0; i < profile->field_count; i++) {
		const struct modbus_field *field = &profile->fields[i];
		bool is_time =
			field->role == MODBUS_TIME || field->role == MODBUS_CLOCK || field->role == MODBUS_NEW_CLOCK;
		if (is_time != modbus_form_is_time(field->form) && field->role != MODBUS_SAID)
			return fault_set(fault, EINVAL,
				is_time ? _("%s is no time; ymdhms, bcd-time, dos-time or seconds would be right")
					: _("%s cannot be a time; a number or a text would be right"),
				field->name);
		bool has_good = field->sentinel_count > 0,
		     marks = field->role == MODBUS_VALID || field->role == MODBUS_READY;
		if (marks && (!has_good || field->form == MODBUS_TEXT))
			return fault_set(fault, EINVAL, _("%s does not say which code is good; u16 good=1 for one"),
				field->name);
		for (size_t k = 0; k < field->sentinel_count; k++)
			if (!marks && field->sentinels[k].meaning == MODBUS_MEANS_GOOD)
				return fault_set(fault, EINVAL,
					_("%s: good= is for valid only, which marks a whole result, and for ready of [trigger]; "
					  "invalid= or absent= would be right here"),
					field->name);
		if (field->role == MODBUS_MAGIC && field->expected == 0)
			return fault_set(fault, EINVAL,
				_("magic does not say which number is right; u16 equals=0xA55D for one"));
	}
	if (!modbus_field_of(profile, MODBUS_VALUE) && !modbus_field_of(profile, MODBUS_VERDICT))
		return fault_set(
			fault, EINVAL, _("[field] has neither value nor verdict; a result has at least one of them"));
	return 0;
}

/* One way to know of a new result, and no half of another. */
static int check_trigger(const struct modbus_profile *profile, struct fault *fault)
{
	bool ready = modbus_field_of(profile, MODBUS_READY), newest = modbus_field_of(profile, MODBUS_NEWEST);
	if (ready + newest + (profile->every_s > 0) > 1)
		return fault_set(fault, EINVAL,
			_("there is more than one sign of a new result; one of newest in [status], ready or every in [trigger] "
			  "would be right"));
	if ((ready || profile->every_s > 0) && modbus_field_of(profile, MODBUS_SELECT))
		return fault_set(fault, EINVAL,
			_("[control] select needs newest = ADDRESS TYPE in [status]: what is there to select?"));
	return 0;
}

/* The fields of a record lie in its bytes. */
static int place_in_page(struct modbus_profile *profile, struct modbus_field *field, struct fault *fault)
{
	if (field->form == MODBUS_CONSTANT)
		return 0;
	if (field->group != MODBUS_RECORD)
		return fault_set(fault, EINVAL,
			_("%s: an instrument with [pages] is read by its own function only, without [identity], [status], "
			  "[trigger] and [control]"),
			field->name);
	if (field->form == MODBUS_TEXT)
		field->bytes = (uint16_t)field->text_length;
	if (field->documented + field->bytes > profile->pages.record)
		return fault_set(fault, EINVAL,
			_("%s: its bytes %ld to %ld lie outside the record, which has 0 to %ld; check its place and type, and "
			  "record in [pages]"),
			field->name, field->documented, field->documented + field->bytes - 1,
			profile->pages.record - 1);
	field->address = (uint16_t)field->documented;
	return 0;
}

static int finish_pages(struct modbus_profile *profile, struct fault *fault)
{
	if (profile->pages.function == 0 || profile->pages.request_length == 0 || profile->pages.record == 0 ||
		!profile->pages.end_given)
		return fault_set(fault, EINVAL,
			_("[pages] lacks one of function = CODE, request = BYTES, record = BYTES of one result and end = BYTES "
			  "of the answer behind the last"));
	if (profile->pages.end == profile->pages.record)
		return fault_set(fault, EINVAL,
			_("end in [pages] is as long as a record; then the end could not be told from a result"));
	if (profile->window.given || profile->every_s > 0 || profile->latch.given || profile->acknowledge.given ||
		profile->set_clock.given)
		return fault_set(fault, EINVAL,
			_("an instrument with [pages] has neither [window] nor [trigger] nor [control]"));
	for (size_t i = 0; i < profile->field_count; i++) {
		int error = place_in_page(profile, &profile->fields[i], fault);
		if (error < 0)
			return error;
	}
	int error = check_fields(profile, fault);
	return error < 0 ? error : check_maps(profile, fault);
}

int modbus_profile_finish(void *data, struct fault *fault)
{
	struct modbus_profile *profile = data;
	if (profile->max_read == 0)
		profile->max_read = REGISTERS_MAX;
	profile->max_gap = profile->max_gap > 0 ? profile->max_gap - 1 : MAX_GAP_USUAL;
	if (profile->pages.given)
		return finish_pages(profile, fault);
	int error = resolve_fields(profile, fault);
	error = error < 0 ? error : resolve_window(profile, fault);
	error = error < 0 ? error : check_fields(profile, fault);
	error = error < 0 ? error : check_counters(profile, fault);
	error = error < 0 ? error : check_guard(profile, fault);
	error = error < 0 ? error : check_maps(profile, fault);
	error = error < 0 ? error : check_control(profile, fault);
	error = error < 0 ? error : check_trigger(profile, fault);
	for (enum modbus_group group = MODBUS_IDENTITY; error == 0 && group < MODBUS_GROUPS; group++)
		if (modbus_plan_make(profile, group, &profile->plans[group]) < 0)
			error = fault_set(fault, E2BIG,
				_("the fields lie too far apart: at most %d requests and %d registers for one result"),
				MODBUS_BLOCKS_MAX, MODBUS_IMAGE_MAX);
	return error;
}
