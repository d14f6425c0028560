#include "decode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cutter.h"
#include "facts.h"
#include "json.h"

#define NOISE_SHOWN 16 /* bytes of a run of noise that are printed */

struct decoder {
	struct instrument instrument;
	struct readings readings;
	struct cutter cutter;
	FILE *out, *err;

	uint64_t noise_offset, noise_length; /* the run of bytes that are no frame, not yet told */
	uint8_t noise[NOISE_SHOWN];
};

static void put_named(struct json *line, const char *key, const struct named *list, size_t count)
{
	if (count == 0)
		return;
	struct json *object = js_new_object();
	for (size_t i = 0; i < count; i++)
		js_put_text_too(object, list[i].name, list[i].value);
	js_put(line, key, object);
}

static void put_limit(struct json *line, const struct reading *reading)
{
	if (!*reading->limit_op && !*reading->limit_value && !*reading->limit_unit && !*reading->limit_source)
		return;
	struct json *limit = js_new_object();
	js_put_text_if(limit, "op", reading->limit_op);
	js_put_text_if(limit, "value", reading->limit_value);
	js_put_text_if(limit, "unit", reading->limit_unit);
	js_put_text_if(limit, "source", reading->limit_source);
	js_put(line, "limit", limit);
}

static void put_operator(struct json *line, const struct reading *reading)
{
	if (!*reading->operator_id && !*reading->operator_name)
		return;
	struct json *person = js_new_object();
	js_put_text_if(person, "id", reading->operator_id);
	js_put_text_if(person, "name", reading->operator_name);
	js_put(line, "operator", person);
}

static void put_marks(struct json *line, unsigned marks)
{
	if (marks == 0)
		return;
	struct json *names = js_new_array();
	for (unsigned bit = 1; bit != 0 && bit <= marks; bit <<= 1)
		if (marks & bit)
			js_append(names, js_new_text(reading_mark_name((enum reading_mark)bit)));
	js_put(line, "marks", names);
}

static char *put_hex(char *text, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < length; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 0x0F];
	}
	return text;
}

static void put_raw(struct json *line, const struct reading *reading)
{
	if (!reading->raw)
		return;
	char *text = malloc(2 * (reading->raw_head_length + reading->raw_length) + 1);
	if (!text)
		abort(); /* a line without it would not say that it lacks it */
	char *end = put_hex(text, reading->raw_head, reading->raw_head_length);
	*put_hex(end, reading->raw, reading->raw_length) = '\0';
	js_put_text(line, "raw", text);
	free(text);
}

struct json *decode_line(const struct reading *reading)
{
	struct json *line = js_new_object();
	js_put_text(line, "sample_no", reading->sample_no);
	js_put_text(line, "item", reading->item);
	js_put_text(line, "value", reading->value);
	js_put_text(line, "qualifier", reading->qualifier);
	js_put_text(line, "unit", reading->unit);
	js_put_text(line, "verdict", verdict_name(reading->verdict));
	js_put_text(line, "tested_at", reading->tested_at);
	js_put_text_if(line, "tested_zone", reading->tested_zone);
	js_put_text(line, "kind", kind_name(reading->kind));
	js_put_text(line, "instrument_seq", reading->instrument_seq);
	if (reading->channel >= 0)
		js_put_integer(line, "channel", reading->channel);
	js_put_text_if(line, "sample_name", reading->sample_name);
	js_put_text_if(line, "sample_category", reading->sample_category);
	js_put_text_if(line, "party", reading->party);
	js_put_text_if(line, "origin", reading->origin);
	js_put_text_if(line, "method", reading->method);
	js_put_text_if(line, "basis", reading->basis);
	js_put_text_if(line, "verdict_as_sent", reading->verdict_as_sent);
	js_put_text_if(line, "value_as_sent", reading->value_as_sent);
	put_limit(line, reading);
	put_named(line, "signals", reading->signals, reading->signal_count);
	put_operator(line, reading);
	put_named(line, "said", reading->said, reading->said_count);
	put_marks(line, reading->marks);
	put_raw(line, reading);
	return line;
}

static void tell_noise(struct decoder *decoder)
{
	if (decoder->noise_length == 0)
		return;
	fprintf(decoder->err, _("offset %" PRIu64 ": %" PRIu64 " bytes are no frame of this instrument:"),
		decoder->noise_offset, decoder->noise_length);
	for (uint64_t i = 0; i < decoder->noise_length && i < NOISE_SHOWN; i++)
		fprintf(decoder->err, " %02x", decoder->noise[i]);
	fputs(decoder->noise_length > NOISE_SHOWN ? " ...\n" : "\n", decoder->err);
	decoder->noise_length = 0;
}

/* Noise that arrives in several cuts is one run, so that the messages do not depend on how the stream was read. */
static void note_noise(struct decoder *decoder, const struct cut *cut)
{
	if (decoder->noise_length == 0)
		decoder->noise_offset = cut->offset;
	for (size_t i = 0; i < cut->length && decoder->noise_length + i < NOISE_SHOWN; i++)
		decoder->noise[decoder->noise_length + i] = cut->bytes[i];
	decoder->noise_length += cut->length;
}

static struct json *line_of_scan(const struct scan *scan)
{
	struct json *line = js_new_object();
	js_put_text(line, "scan", scan_kind_name(scan->kind));
	facts_put(line, &scan->facts);
	js_put_text(line, "text", scan->text);
	return line;
}

static void print(struct decoder *decoder, struct json *line)
{
	char *text = js_dump(line);
	fprintf(decoder->out, "%s\n", text);
	free(text);
	js_free(line);
}

static enum next take_once(struct decoder *decoder, const struct reply *reply)
{
	struct readings *readings = &decoder->readings;
	struct reading *list = readings->list;
	*readings = (struct readings){ .list = list };
	enum next next = decoder->instrument.driver->take(&decoder->instrument, reply, readings);
	for (size_t i = 0; i < readings->count; i++)
		print(decoder, decode_line(&list[i]));
	for (size_t i = 0; i < readings->scan_count; i++)
		print(decoder, line_of_scan(&readings->scans[i]));
	for (size_t i = 0; i < readings->notice_count; i++)
		fprintf(decoder->err, "offset %" PRIu64 ": %s: %s\n", reply->offset,
			notice_name(readings->notices[i].kind), readings->notices[i].reason);
	if (readings->rejected > 0 && reply->kind == REPLY_FRAME)
		fprintf(decoder->err, _("offset %" PRIu64 ": the driver rejects this frame of %zu bytes\n"),
			reply->offset, reply->length);
	return next;
}

static void take(struct decoder *decoder, const struct cut *cut)
{
	struct reply reply = {
		.kind = REPLY_FRAME, .bytes = cut->bytes, .length = cut->length, .offset = cut->offset, .offline = true
	};
	while (take_once(decoder, &reply) == NEXT_MORE)
		;
}

/* Nothing more comes: what did not become whole is told, by the drivers that ask to hear it. */
static void take_end(struct decoder *decoder)
{
	struct reply reply = { .kind = REPLY_SILENCE, .offset = decoder->cutter.offset, .offline = true };
	if (decoder->instrument.driver->hears_end)
		take_once(decoder, &reply);
}

static void drain(struct decoder *decoder, bool final)
{
	struct cut cut;
	enum cut_kind kind;
	while ((kind = cutter_next(&decoder->cutter, &decoder->instrument, final, &cut)) != CUT_MORE) {
		if (kind == CUT_NOISE) {
			note_noise(decoder, &cut);
			continue;
		}
		tell_noise(decoder);
		take(decoder, &cut);
	}
	if (final)
		tell_noise(decoder);
}

static int run(struct decoder *decoder, int in, struct fault *fault)
{
	uint8_t data[4096];
	for (;;) {
		ssize_t length = read(in, data, sizeof(data));
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return fault_set(fault, errno, _("cannot read the bytes to decode: %s"), strerror(errno));
		if (length == 0)
			break;
		if (cutter_feed(&decoder->cutter, data, (size_t)length) < 0)
			return fault_set(fault, ENOMEM, _("not enough memory to decode"));
		drain(decoder, false);
		fflush(decoder->out); /* a pipe from a live port shows each result at once */
	}
	drain(decoder, true);
	take_end(decoder);
	if (fflush(decoder->out) != 0 || ferror(decoder->out))
		return fault_set(fault, EIO, _("cannot write the decoded lines: %s"), strerror(errno));
	return 0;
}

int decode_stream(const struct driver *driver, const void *options, const void *profile, int in, FILE *out, FILE *err,
	struct fault *fault)
{
	if (!driver->frame)
		return fault_set(fault, ENOTSUP,
			_("driver %s exchanges registers, not a byte stream; decode works with the other drivers"),
			driver->name);
	struct decoder decoder = {
		.instrument = { .driver = driver, .options = options, .profile = profile },
		.out = out,
		.err = err,
	};
	decoder.instrument.state = calloc(1, driver_state_size(driver, profile));
	decoder.readings.list = calloc(READINGS_AT_ONCE, sizeof(struct reading));
	int error = -ENOMEM;
	if (!decoder.instrument.state || !decoder.readings.list)
		fault_set(fault, ENOMEM, _("not enough memory to decode"));
	else if ((error = driver->setup(&decoder.instrument, fault)) == 0)
		error = run(&decoder, in, fault);
	cutter_reset(&decoder.cutter);
	free(decoder.readings.list);
	free(decoder.instrument.state);
	return error;
}
