#include "truth.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "label.h"

static const char *const archetype_names[] = { "a2", "a2b", "a6b", "a1", "a5", "a3", "a4", "a6a", "a8", "a9", "a10",
	"json", "folder", "hl7", "a7", "scanner" };
static const char *const kind_names[] = { "sample", "blank", "control", "control", "calibration" };
static const char *const verdict_names[] = { "none", "negative", "positive", "suspect", "invalid" };
static const char *const unit_names[] = { "", "%", "mg/kg", "ug/kg", "{RLU}", "mg/L" };

int truth_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s: the truth cannot be written", path);
	return fd;
}

char *truth_number(char out[static 24], int32_t value, unsigned decimals, bool shortest)
{
	long scale = 1;

	for (unsigned i = 0; i < decimals; i++)
		scale *= 10;
	long magnitude = value < 0 ? -(long)value : value;
	int length = snprintf(out, 24, "%s%ld", value < 0 ? "-" : "", magnitude / scale);
	if (decimals > 0)
		length += snprintf(out + length, 24 - (size_t)length, ".%0*ld", (int)decimals, magnitude % scale);
	while (shortest && decimals > 0 && (out[length - 1] == '0' || out[length - 1] == '.')) {
		bool point = out[length - 1] == '.';
		out[--length] = '\0';
		if (point)
			break;
	}
	return out;
}

static void zone_text(char out[static 8], time_t when)
{
	struct tm local;
	localtime_r(&when, &local);
	long minutes = local.tm_gmtoff / 60;
	long magnitude = minutes < 0 ? -minutes : minutes;

	snprintf(out, 8, "%c%02d:%02d", minutes < 0 ? '-' : '+', (int)(magnitude / 60 % 24), (int)(magnitude % 60));
}

/* As it is written: with zeros before it on a ticket, and not at all where the instrument has none. */
static void number_text(const struct truth_place *place, const struct result *result, char out[static 16])
{
	*out = '\0';
	if (place->archetype == ARCHETYPE_A8)
		snprintf(out, 16, "%05u", result->number);
	else if (place->archetype == ARCHETYPE_A10)
		snprintf(out, 16, "%u", result->number % 10000);
	else if (place->archetype != ARCHETYPE_A9 && place->archetype != ARCHETYPE_JSON)
		snprintf(out, 16, "%u", result->number);
}

static void tested_text(const struct truth_place *place, const struct result *result, char out[static 48])
{
	const struct moment *tested = &result->tested;
	char zone[8];

	*out = '\0';
	if (place->archetype == ARCHETYPE_A10)
		return; /* a push says no time */
	zone_text(zone, time(NULL));
	snprintf(out, 48, "%04u-%02u-%02uT%02u:%02u:%02u%s", tested->year, tested->month, tested->day, tested->hour,
		tested->minute, tested->second, zone);
}

static bool says_channel(enum archetype archetype)
{
	return archetype == ARCHETYPE_A2B || archetype == ARCHETYPE_A6B || archetype == ARCHETYPE_A1 ||
	       archetype == ARCHETYPE_A3 || archetype == ARCHETYPE_A8;
}

/* What the county may learn of the sample's name: the part that fits the instrument's field. */
static void name_text(const struct truth_place *place, const struct result *result, char *out, size_t size)
{
	uint8_t field[20];

	*out = '\0';
	bool wide = place->archetype == ARCHETYPE_A6B || place->archetype >= ARCHETYPE_A4;
	if (result->name)
		label_field(result->name, field, wide ? sizeof field : 6, out, size);
}

static void now_text(char out[static 48], int64_t *ret_monotonic_ns)
{
	struct timespec wall, monotonic;
	struct tm local;
	char zone[8];

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	localtime_r(&wall.tv_sec, &local);
	zone_text(zone, wall.tv_sec);
	size_t length = strftime(out, 48, "%FT%T", &local);
	snprintf(out + length, 48 - length, ".%03d%s", (int)(wall.tv_nsec / 1000000), zone);
	*ret_monotonic_ns = monotonic.tv_sec * INT64_C(1000000000) + monotonic.tv_nsec;
}

/* HL7 and ASTM have one word for all controls. */
static const char *kind_of(const struct truth_place *place, const struct result *result)
{
	bool one_word = place->archetype == ARCHETYPE_HL7 || place->archetype == ARCHETYPE_A7;
	return one_word && result->kind != RESULT_SAMPLE ? "qc" : kind_names[result->kind];
}

size_t truth_line(char out[static TRUTH_MAX], const struct truth_place *place, const struct result *result)
{
	char at[48], tested[48], number[16], name[64], value[24] = "", channel[8] = "null", item[8] = "", port[24] = "";
	char more[64] = "", digits[24];
	int64_t at_ns;

	now_text(at, &at_ns);
	tested_text(place, result, tested);
	name_text(place, result, name, sizeof name);
	if (result->sentinel == SENTINEL_NONE)
		truth_number(value, result->value, result->decimals,
			place->archetype == ARCHETYPE_A6B || place->archetype == ARCHETYPE_A1);
	if (says_channel(place->archetype) && result->channel != CHANNEL_NONE)
		snprintf(channel, sizeof channel, "%u", result->channel);
	number_text(place, result, number);
	if (result->item > 0)
		snprintf(item, sizeof item, "%u", result->item);
	if (place->archetype == ARCHETYPE_A6A)
		snprintf(more, sizeof more, ",\"temperature\":\"%s\"", truth_number(digits, result->signal, 1, false));
	else if (result->app_offset != 0)
		snprintf(more, sizeof more, ",\"app_offset\":\"%s\"",
			truth_number(digits, result->app_offset, result->decimals, false));
	else if (result->retest)
		snprintf(more, sizeof more, ",\"retest\":true");
	if (place->port > 0)
		snprintf(port, sizeof port, ",\"port\":%d", place->port);
	int length = snprintf(out, TRUTH_MAX,
		"{\"at\":\"%s\",\"at_ns\":%lld,\"archetype\":\"%s\",\"unit\":%u%s,\"serial\":\"%s\","
		"\"instrument_seq\":\"%s\",\"channel\":%s,\"sample_no\":\"%s\",\"sample_name\":\"%s\",\"item\":\"%s\","
		"\"value\":\"%s\",\"unit_text\":\"%s\",\"verdict\":\"%s\",\"tested_at\":\"%s\","
		"\"kind\":\"%s\",\"operator\":\"%s\"%s}\n",
		at, (long long)at_ns, archetype_names[place->archetype], place->unit, port, place->serial, number,
		channel, place->archetype == ARCHETYPE_A2 ? number : result->sample_no, name, item, value,
		unit_names[result->unit], verdict_names[result->verdict], tested, kind_of(place, result),
		result->operator_name ? result->operator_name : "", more);
	return (size_t)length;
}

void truth_write(int fd, const struct truth_place *place, const struct result *result)
{
	char line[TRUTH_MAX];

	if (fd < 0)
		return;
	size_t length = truth_line(line, place, result);
	ssize_t written;
	while ((written = write(fd, line, length)) < 0 && errno == EINTR)
		;
	if (written != (ssize_t)length)
		err(1, "the truth cannot be written");
}
