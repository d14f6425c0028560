/* An analyzer with a result window, on paper: answers requests as its register map says, without any link. */
#ifndef TESTS_MODBUS_FIXTURE_H
#define TESTS_MODBUS_FIXTURE_H

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/profile.h"
#include "../../drivers/checksum.h"
#include "../../drivers/modbus.h"

extern const struct driver modbus_driver;

#define DEVICE_RECORDS 700
#define DEVICE_WINDOW  46

struct device_record {
	uint32_t number;
	uint32_t value;  /* the single's bits */
	uint16_t second; /* of the test's time */
	uint16_t valid, verdict, kind, unit, channel;
	bool dummy; /* all FF */
};

struct device {
	struct device_record records[DEVICE_RECORDS]; /* oldest first */
	size_t count;
	uint32_t newest, selected;
	uint16_t magic, status;
	const char *serial;
	uint16_t window[DEVICE_WINDOW];
	bool low_word_first, shows_zero_when_empty, refuses_holes, keeps_erased;
	bool finds_newest;   /* of two results with the same number */
	unsigned busy;       /* so many latches are answered with exception 06 */
	unsigned torn;       /* so many windows are read with a wrong checksum */
	unsigned elsewhere;  /* so many latches show another result */
	unsigned bad_status; /* so many status reads show a counter caught in the middle */
	unsigned silent;     /* so many requests stay unanswered */
	int exception_read, exception_latch, exception_acknowledge, exception_select; /* 0: none */
	unsigned reads, writes, exchanges, acknowledged, pauses;
	uint32_t acknowledged_number;
	uint16_t new_clock[6], clock[6]; /* what was written, what it was set to; all 0: never */
	unsigned clock_sets;
	int exception_clock;
};

static inline struct device_record *device_add(struct device *device, uint32_t value_bits)
{
	struct device_record *record = &device->records[device->count++];
	*record = (struct device_record){ .number = ++device->newest,
		.value = value_bits,
		.second = 20,
		.valid = 1,
		.verdict = 1,
		.unit = 1,
		.channel = 3 };
	return record;
}

static inline void device_drop(struct device *device, size_t count)
{
	memmove(device->records, device->records + count, (device->count - count) * sizeof(device->records[0]));
	device->count -= count;
}

static inline void device_single(const struct device *device, uint16_t *registers, uint32_t bits)
{
	registers[device->low_word_first] = (uint16_t)(bits >> 16);
	registers[!device->low_word_first] = (uint16_t)bits;
}

static inline void device_show(struct device *device, const struct device_record *record)
{
	static const uint16_t name[] = { 0xB2A4, 0xB2CB }; /* spinach, GB 18030 */
	uint16_t *window = device->window;
	memset(window, record->dummy ? 0xFF : 0, sizeof(device->window));
	if (record->dummy)
		return;
	const uint16_t head[] = { record->valid, (uint16_t)(record->number >> 16), (uint16_t)record->number,
		record->channel, 101, 0, 2026, 3, 5, 9, 41, record->second, 1 };
	memcpy(window, head, sizeof(head));
	device_single(device, window + 0x0D, record->value);
	window[0x0F] = record->unit;
	window[0x10] = record->verdict;
	device_single(device, window + 0x11, 0x3F4D0E56); /* 0.801 */
	device_single(device, window + 0x13, 0x3F69FBE7); /* 0.914 */
	window[0x15] = record->kind;
	window[0x16] = 'S' << 8 | '0';
	window[0x17] = '0' << 8 | '1';
	window[0x18] = '7' << 8;
	memcpy(window + 0x1E, name, sizeof(name));
	uint8_t bytes[2 * (DEVICE_WINDOW - 1)];
	for (size_t i = 0; i < DEVICE_WINDOW - 1; i++) {
		bytes[2 * i] = (uint8_t)(window[i] >> 8);
		bytes[2 * i + 1] = (uint8_t)window[i];
	}
	uint16_t crc = checksum_crc16(bytes, sizeof(bytes));
	window[DEVICE_WINDOW - 1] = (uint16_t)(crc << 8 | crc >> 8);
}

static inline void device_text(uint16_t *registers, const char *text, size_t count)
{
	for (size_t i = 0; i < 2 * count && *text; i++, text++)
		registers[i / 2] = (uint16_t)(registers[i / 2] | (uint8_t)*text << (i % 2 ? 0 : 8));
}

static inline void device_status(struct device *device, uint16_t registers[static 0x20])
{
	uint32_t newest = device->newest, oldest = device->count ? device->records[0].number : newest + 1;
	if (device->count == 0 && device->shows_zero_when_empty)
		newest = oldest = 0;
	if (device->bad_status > 0) {
		device->bad_status--;
		newest += 0x10000;
		oldest += 0x10000;
	}
	registers[0] = device->magic;
	registers[1] = 1;
	device_text(registers + 2, "FSA-12", 8);
	device_text(registers + 0x0A, device->serial, 8);
	const uint16_t status[] = { device->status, 12, 500, (uint16_t)device->count, (uint16_t)(oldest >> 16),
		(uint16_t)oldest, (uint16_t)(newest >> 16), (uint16_t)newest, 2026, 3, 5, 9, 45, 2 };
	memcpy(registers + 0x12, status, sizeof(status));
	if (device->clock[0])
		memcpy(registers + 0x1A, device->clock, sizeof(device->clock));
}

static inline int device_read(struct device *device, const struct request *request, uint16_t *out)
{
	uint16_t registers[0x20] = { 0 };
	device->reads++;
	if (device->exception_read)
		return device->exception_read;
	if (request->table != REGISTERS_HOLDING)
		return 1;
	if (request->address + request->count <= 0x20) {
		if (device->refuses_holes && request->address <= 0x13 && request->address + request->count > 0x13)
			return 2;
		device_status(device, registers);
		memcpy(out, registers + request->address, 2U * request->count);
		return 0;
	}
	if (request->address != 0x100 || request->count != DEVICE_WINDOW)
		return 2;
	memcpy(out, device->window, sizeof(device->window));
	if (device->torn > 0) {
		device->torn--;
		out[0x0E] ^= 0x0100;
	}
	return 0;
}

static inline int device_latch(struct device *device)
{
	if (device->exception_latch)
		return device->exception_latch;
	if (device->busy > 0) {
		device->busy--;
		return 6;
	}
	for (size_t step = 0; step < device->count; step++) {
		size_t i = device->finds_newest ? device->count - 1 - step : step;
		if (device->records[i].number != device->selected)
			continue;
		if (device->elsewhere > 0) {
			device->elsewhere--;
			i = (i + 1) % device->count;
		}
		device_show(device, &device->records[i]);
		return 0;
	}
	return 3;
}

static inline int device_write(struct device *device, const struct request *request)
{
	device->writes++;
	uint16_t value = request->registers[0];
	if (request->address == 0x20 || request->address == 0x21) {
		if (device->exception_select)
			return device->exception_select;
		unsigned shift = request->address == 0x20 ? 0 : 16;
		device->selected = (device->selected & ~(UINT32_C(0xFFFF) << shift)) | (uint32_t)value << shift;
		return 0;
	}
	if (request->address == 0x22 && value == 1)
		return device_latch(device);
	if (request->address >= 0x28 && request->address + request->count <= 0x2E) {
		memcpy(device->new_clock + request->address - 0x28, request->registers, 2U * request->count);
		return 0;
	}
	if (request->address == 0x22 && value == 3) {
		device->clock_sets++;
		if (!device->exception_clock)
			memcpy(device->clock, device->new_clock, sizeof(device->clock));
		return device->exception_clock;
	}
	if (request->address != 0x22 || value != 2)
		return 2;
	if (device->exception_acknowledge)
		return device->exception_acknowledge;
	device->acknowledged++;
	device->acknowledged_number = device->selected;
	for (size_t i = 0; i < device->count && !device->keeps_erased; i++) {
		if (device->records[i].number == device->selected) {
			device_drop(device, i + 1);
			break;
		}
	}
	return 0;
}

#define BENCH_READINGS 800
#define BENCH_NOTICES  64

struct kept { /* what was stored of a reading */
	struct reading reading;
	uint8_t raw[2 * MODBUS_IMAGE_MAX];
};

struct bench {
	struct device device;
	struct instrument instrument;
	struct modbus_options options;
	struct modbus_state state;
	struct reading list[READINGS_AT_ONCE];
	struct kept kept[BENCH_READINGS];
	struct notice notices[BENCH_NOTICES];
	size_t kept_count, notice_count;
	unsigned blanks, rejected, turns;
	char cursor[CURSOR_MAX]; /* durable */
	bool fail_store;         /* the next store fails */
};

static inline void *bench_profile(const char *path)
{
	struct faults faults = { 0 };
	void *profile = NULL;
	if (profile_read(path, &modbus_driver, &profile, &faults) != 0)
		faults_print(&faults, stderr);
	faults_free(&faults);
	assert(profile);
	return profile;
}

static inline void bench_setup(struct bench *bench)
{
	struct fault fault;
	memset(&bench->state, 0xA5, sizeof(bench->state));
	memset(&bench->state, 0, sizeof(bench->state));
	snprintf(bench->instrument.cursor, CURSOR_MAX, "%s", bench->cursor);
	int error = modbus_driver.setup(&bench->instrument, &fault);
	assert(error == 0);
	(void)error;
}

static inline struct bench *bench_new(void *profile)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	assert(bench);
	bench->device.magic = 0xA55D;
	bench->device.serial = "SN42";
	bench->options.acknowledge = true;
	bench->instrument = (struct instrument){
		.driver = &modbus_driver, .options = &bench->options, .profile = profile, .state = &bench->state
	};
	bench_setup(bench);
	return bench;
}

/* False when storing failed: the instrument is set up afresh from the last durable cursor. */
static inline bool bench_store(struct bench *bench, const struct readings *readings)
{
	if (bench->fail_store && readings->count > 0) {
		bench->fail_store = false;
		bench_setup(bench);
		return false;
	}
	for (size_t i = 0; i < readings->count; i++) {
		struct kept *kept = &bench->kept[bench->kept_count++];
		kept->reading = readings->list[i];
		memcpy(kept->raw, readings->list[i].raw, readings->list[i].raw_length);
	}
	for (size_t i = 0; i < readings->notice_count; i++)
		bench->notices[bench->notice_count++] = readings->notices[i];
	bench->blanks += readings->blanks;
	bench->rejected += readings->rejected;
	if (*readings->cursor)
		snprintf(bench->cursor, CURSOR_MAX, "%s", readings->cursor);
	return true;
}

static inline void bench_answer(struct bench *bench, const struct request *request, struct reply *reply,
	uint16_t registers[static REGISTERS_MAX], uint8_t bytes[static 2 * REGISTERS_MAX])
{
	struct device *device = &bench->device;
	*reply = (struct reply){ .kind = REPLY_DONE };
	device->exchanges += request->kind != REQUEST_NONE;
	device->pauses += request->pause_ms > 0;
	if (device->silent > 0) {
		device->silent--;
		reply->kind = REPLY_SILENCE;
		return;
	}
	int exception = 0;
	if (request->kind == REQUEST_READ)
		exception = device_read(device, request, registers);
	else if (request->kind == REQUEST_WRITE)
		exception = device_write(device, request);
	reply->exception = exception;
	if (exception) {
		reply->kind = REPLY_REFUSED;
		return;
	}
	if (request->kind != REQUEST_READ)
		return;
	for (size_t i = 0; i < request->count; i++) {
		bytes[2 * i] = (uint8_t)(registers[i] >> 8);
		bytes[2 * i + 1] = (uint8_t)registers[i];
	}
	*reply = (struct reply){ .kind = REPLY_REGISTERS,
		.registers = registers,
		.count = request->count,
		.bytes = bytes,
		.length = 2U * request->count };
}

/* One ask, one answer, one take, one store. */
static inline enum next bench_turn(struct bench *bench)
{
	struct request request = { 0 };
	struct reply reply;
	uint16_t registers[REGISTERS_MAX];
	uint8_t bytes[2 * REGISTERS_MAX];
	struct readings readings = { .list = bench->list };
	modbus_driver.ask(&bench->instrument, &request);
	bench_answer(bench, &request, &reply, registers, bytes);
	enum next next = modbus_driver.take(&bench->instrument, &reply, &readings);
	bench->turns++;
	return bench_store(bench, &readings) ? next : NEXT_ASK;
}

/* Turns until the poll is done; the number of exchanges it took. */
static inline unsigned bench_poll(struct bench *bench)
{
	unsigned before = bench->device.exchanges, turns = 0;
	while (bench_turn(bench) != NEXT_IDLE && turns++ < 20000)
		;
	return bench->device.exchanges - before;
}

static inline size_t bench_count(const struct bench *bench, enum notice_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < bench->notice_count; i++)
		count += bench->notices[i].kind == kind;
	return count;
}

static inline const struct notice *bench_notice(const struct bench *bench, enum notice_kind kind)
{
	for (size_t i = 0; i < bench->notice_count; i++)
		if (bench->notices[i].kind == kind)
			return &bench->notices[i];
	return NULL;
}

#endif
