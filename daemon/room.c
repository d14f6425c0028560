#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "key.h"
#include "log.h"
#include "port.h"
#include "progress.h"
#include "room_parts.h"

static void watched_add(struct room *room, struct watched_list *to, void *thread)
{
	pthread_mutex_lock(&room->lock);
	struct watched *grown = realloc(to->list, (to->count + 1) * sizeof(*grown));
	if (!grown)
		abort(); /* a few hundred bytes: nothing works without them */
	to->list = grown;
	to->list[to->count++] = (struct watched){ .thread = thread, .beat = (unsigned long)-1 };
	pthread_mutex_unlock(&room->lock);
}

/* Two instruments share a physical line when they are behind the same port. */
static bool same_port(const struct port *a, const struct port *b)
{
	return a->kind == b->kind && a->number == b->number && strcmp(a->path, b->path) == 0 &&
	       strcmp(a->usb, b->usb) == 0 && strcmp(a->host, b->host) == 0;
}

/* The instruments on one physical line, in the order of the configuration. */
struct shared_line {
	struct instrument_config **instruments;
	size_t count;
};

/* Collects the instruments that share the port of instrument `first`; none when an earlier one is their first. */
static void gather(struct config *config, size_t first, struct shared_line *out)
{
	out->count = 0;
	for (size_t i = 0; i < config->instrument_count; i++) {
		if (!same_port(&config->instruments[first].port, &config->instruments[i].port))
			continue;
		if (i < first)
			return;
		out->instruments[out->count++] = &config->instruments[i];
	}
}

static bool line_is(const struct line *line, const struct shared_line *shared)
{
	if (shared->count == 0 || line_count(line) != shared->count)
		return false;
	for (size_t i = 0; i < shared->count; i++) {
		const struct instrument_config *old = line_instrument(line, i);
		const struct instrument_config *new = shared->instruments[i];
		if (strcmp(old->id, new->id) != 0 || strcmp(old->definition, new->definition) != 0)
			return false;
	}
	return true;
}

static bool line_wanted(const struct line *line, struct config *config, struct shared_line *scratch)
{
	for (size_t i = 0; i < config->instrument_count; i++) {
		gather(config, i, scratch);
		if (line_is(line, scratch))
			return true;
	}
	return false;
}

static bool publisher_is(const struct publisher *publisher, const struct target_config *target)
{
	const struct target_config *old = publisher_target(publisher);
	return strcmp(old->name, target->name) == 0 && strcmp(old->definition, target->definition) == 0;
}

static bool publisher_wanted(const struct publisher *publisher, const struct config *config)
{
	for (size_t i = 0; i < config->target_count; i++)
		if (publisher_is(publisher, &config->targets[i]))
			return true;
	return false;
}

static char *status_text(void *context)
{
	struct json *status = room_status(context);
	char *text = js_dump(status);
	js_free(status);
	return text;
}

/* Starts the lines of `config` that do not run yet. One that cannot start is logged; the others go on. */
static void start_lines(struct room *room, struct config *config)
{
	struct shared_line shared = { calloc(config->instrument_count + 1, sizeof(struct instrument_config *)), 0 };
	if (!shared.instruments)
		abort();
	for (size_t i = 0; i < config->instrument_count; i++) {
		gather(config, i, &shared);
		bool running = shared.count == 0;
		for (size_t k = 0; k < room->lines.count && !running; k++)
			running = line_is(room->lines.list[k].thread, &shared);
		struct line *line;
		struct fault fault;
		if (running)
			continue;
		if (line_start(config, shared.instruments, shared.count, room->intake, room->journal, &line, &fault) ==
			0)
			watched_add(room, &room->lines, line);
		else
			log_error(_("instrument %s: its line cannot start: %s"), shared.instruments[0]->id, fault.text);
	}
	free(shared.instruments);
}

/* Starts the publishers of `config` that do not run yet; the journal keeps everything for one that cannot start. */
static void start_publishers(struct room *room, struct config *config)
{
	for (size_t i = 0; i < config->target_count; i++) {
		const struct target_config *target = &config->targets[i];
		bool running = false;
		for (size_t k = 0; k < room->publishers.count && !running; k++)
			running = publisher_is(room->publishers.list[k].thread, target);
		struct publisher *publisher;
		struct fault fault;
		if (running)
			continue;
		if (publisher_start(config, target, room->journal, status_text, room, &publisher, &fault) == 0)
			watched_add(room, &room->publishers, publisher);
		else
			log_error(_("target %s: it cannot start: %s"), target->name, fault.text);
	}
}

/* Moves what `config` (NULL: nothing) no longer wants out of the list, then stops it without the lock. */
static void stop_unwanted(struct room *room, struct watched_list *from, bool lines, struct config *config)
{
	struct watched_list gone = { calloc(from->count + 1, sizeof(*gone.list)), 0 };
	size_t instruments = config ? config->instrument_count : 0;
	struct shared_line scratch = { calloc(instruments + 1, sizeof(struct instrument_config *)), 0 };
	if (!gone.list || !scratch.instruments)
		abort();
	pthread_mutex_lock(&room->lock);
	size_t kept = 0;
	for (size_t i = 0; i < from->count; i++) {
		void *thread = from->list[i].thread;
		bool wanted =
			config && (lines ? line_wanted(thread, config, &scratch) : publisher_wanted(thread, config));
		if (wanted)
			from->list[kept++] = from->list[i];
		else
			gone.list[gone.count++] = from->list[i];
	}
	from->count = kept;
	pthread_mutex_unlock(&room->lock);
	for (size_t i = 0; i < gone.count; i++) {
		if (lines)
			line_stop(gone.list[i].thread);
		else
			publisher_stop(gone.list[i].thread);
	}
	free(gone.list);
	free(scratch.instruments);
}

/* Only the key that is there may be used: the daemon does not start beside one it cannot trust. */
static int open_key(struct room *room, const struct config *config, struct signature_key **ret, struct fault *fault)
{
	const struct evidence_config *evidence = &config->evidence;
	struct signature_key *key;
	bool changed;
	int error = key_open(
		config->journal.directory, evidence->key, (enum signature_kind)evidence->signature, &key, fault);
	if (error)
		return error;
	error = journal_key(room->journal, key, &changed, fault);
	if (error) {
		signature_key_free(key);
		return error;
	}
	if (changed)
		log_warning(
			_("the station's signing key is another one than before: %s; hand the new public key to the "
			  "county (assayctl identity)"),
			signature_key_id(key));
	if (journal_digest(room->journal) != (enum digest_kind)evidence->hash)
		log_notice(
			_("the journal's records are chained with %s, as they began; hash = %s counts for a new journal"),
			journal_digest(room->journal) == DIGEST_SM3 ? "sm3" : "sha256",
			evidence->hash == DIGEST_SM3 ? "sm3" : "sha256");
	*ret = key;
	return 0;
}

static int announce_start(struct room *room, const char *setaside, const struct signature_key *key, struct fault *fault)
{
	struct json *details = js_new_object();
	js_put_text(details, "version", ASSAYD_VERSION);
	js_put_text(details, "key", signature_key_id(key));
	if (setaside)
		js_put_text(details, "journal_set_aside", setaside);
	int error = intake_alarm(room->intake, "gateway_started", details, fault);
	if (error != -ENOSPC)
		return error;
	/* the caretaker says more of it, and the room goes on when there is space */
	log_error(_("the event %s cannot be stored: %s"), "gateway_started", fault->text);
	return 0;
}

int room_start(struct config *config, struct room **ret, struct fault *fault)
{
	struct room *room = calloc(1, sizeof(*room));
	if (!room)
		return fault_set(fault, ENOMEM, _("out of memory"));
	pthread_mutex_init(&room->lock, NULL);
	room->config = config_hold(config);
	room->started_ms = clock_ms();

	char *setaside = NULL;
	struct journal_options options = {
		.directory = config->journal.directory,
		.station = config->station.code,
		.reserve_bytes = (uint64_t)config->journal.reserve_mib << 20,
		.digest = (enum digest_kind)config->evidence.hash,
	};
	struct signature_key *key = NULL;
	progress_to(room_goes_on);
	int error = journal_open(&options, &room->journal, &setaside, fault);
	if (error == 0)
		error = journal_reader_open(journal_path(room->journal), &room->reader, fault);
	if (error == 0)
		error = open_key(room, config, &key, fault);
	if (error == 0)
		error = samples_open(room->journal, config->journal.retention_ms, &room->samples, fault);
	if (error == 0)
		error = retests_open(room->journal, &room->retests, fault);
	if (error == 0)
		error = quality_open(room->journal, &room->quality, fault);
	if (error == 0) {
		room->intake = intake_new(room->journal, config);
		intake_use_samples(room->intake, room->samples);
		intake_use_retests(room->intake, room->retests);
		intake_use_quality(room->intake, room->quality);
		error = announce_start(room, setaside, key, fault);
	}
	if (error == 0)
		room_salvage(room, key);
	progress_to(NULL);
	if (error == 0)
		error = caretaker_start(config, room->journal, room->intake, &room->caretaker, fault);
	free(setaside);
	if (error)
		signature_key_free(key);
	else
		error = sealer_start(room->journal, key, &room->sealer, fault);
	if (error == -EUCLEAN && room->journal)
		journal_condemn(room->journal); /* damage beside the entries: what opened the journal did not meet it */
	if (error) {
		room_stop(room);
		return error;
	}
	start_publishers(room, config);
	start_lines(room, config);
	*ret = room;
	return 0;
}

void room_stop(struct room *room)
{
	if (!room)
		return;
	stop_unwanted(room, &room->lines, true, NULL);
	sealer_stop(room->sealer); /* behind the lines, before the publishers: the last seal goes with the goodbye */
	stop_unwanted(room, &room->publishers, false, NULL);
	free(room->lines.list);
	free(room->publishers.list);
	caretaker_stop(room->caretaker);
	if (room->intake)
		intake_free(room->intake);
	samples_close(room->samples);
	retests_close(room->retests);
	quality_close(room->quality);
	journal_reader_close(room->reader);
	journal_close(room->journal);
	config_release(room->config);
	pthread_mutex_destroy(&room->lock);
	free(room);
}

static int refuse_unchangeable(const struct config *old, const struct config *new, struct fault *fault)
{
	const char *what = NULL;
	if (strcmp(old->station.code, new->station.code) != 0 || strcmp(old->station.county, new->station.county) != 0)
		what = _("the station's code or county");
	else if (strcmp(old->station.timezone, new->station.timezone) != 0)
		what = _("the time zone");
	else if (strcmp(old->journal.directory, new->journal.directory) != 0)
		what = _("the journal's directory");
	else if (old->journal.reserve_mib != new->journal.reserve_mib)
		what = _("the journal's reserve");
	else if (strcmp(old->evidence.key, new->evidence.key) != 0 ||
		 old->evidence.signature != new->evidence.signature || old->evidence.hash != new->evidence.hash)
		what = _("how records are chained and sealed");
	else if (strcmp(old->control_socket, new->control_socket) != 0)
		what = _("the control socket");
	if (!what)
		return 0;
	return fault_set(
		fault, EBUSY, _("%s cannot change while assayd runs; restart it: systemctl restart assayd"), what);
}

int room_reload(struct room *room, struct config *config, struct fault *fault)
{
	int error = refuse_unchangeable(room->config, config, fault);
	if (error)
		return error;
	stop_unwanted(room, &room->lines, true, config);
	stop_unwanted(room, &room->publishers, false, config);
	intake_reconfigure(room->intake, config);
	caretaker_reconfigure(room->caretaker, config);
	pthread_mutex_lock(&room->lock);
	struct config *old = room->config;
	room->config = config_hold(config);
	pthread_mutex_unlock(&room->lock);
	config_release(old);
	start_publishers(room, config);
	start_lines(room, config);
	struct json *details = js_new_object();
	js_put_integer(details, "instruments", (int64_t)config->instrument_count);
	js_put_integer(details, "targets", (int64_t)config->target_count);
	/* the new configuration runs, whether or not that could be written down */
	if (intake_event(room->intake, "config_changed", NULL, details, fault) != 0)
		log_warning(_("the change of configuration could not be stored as an event: %s"), fault->text);
	return 0;
}

bool room_alive(struct room *room, char *name, size_t size)
{
	unsigned long caretaker = caretaker_beat(room->caretaker);
	bool alive = caretaker != room->caretaker_beat;
	room->caretaker_beat = caretaker;
	if (!alive)
		snprintf(name, size, "%s", _("caretaker"));
	unsigned long sealer = sealer_beat(room->sealer);
	if (sealer == room->sealer_beat)
		snprintf(name, size, "%s", _("the sealer"));
	alive = alive && sealer != room->sealer_beat;
	room->sealer_beat = sealer;
	pthread_mutex_lock(&room->lock);
	for (size_t i = 0; i < room->lines.count; i++) {
		struct watched *it = &room->lines.list[i];
		unsigned long beat = line_beat(it->thread);
		if (beat == it->beat) {
			alive = false;
			snprintf(name, size, "%s", line_instrument(it->thread, 0)->id);
		}
		it->beat = beat;
	}
	for (size_t i = 0; i < room->publishers.count; i++) {
		struct watched *it = &room->publishers.list[i];
		unsigned long beat = publisher_beat(it->thread);
		if (beat == it->beat) {
			alive = false;
			snprintf(name, size, "%s", publisher_target(it->thread)->name);
		}
		it->beat = beat;
	}
	pthread_mutex_unlock(&room->lock);
	return alive;
}

static void put_head(const struct instrument_config *config, struct capture_head *head)
{
	const struct port *port = &config->port;
	*head = (struct capture_head){ .wire = port->kind == PORT_MODBUS_TCP   ? CAPTURE_TCP
		                               : port->kind == PORT_MODBUS_RTU ? CAPTURE_RTU
		                                                               : CAPTURE_BYTES };
	snprintf(head->instrument, sizeof(head->instrument), "%s", config->id);
	snprintf(head->driver, sizeof(head->driver), "%s", config->driver->name);
	snprintf(head->profile, sizeof(head->profile), "%s", config->profile_name);
	if (port_is_serial(port))
		snprintf(head->line, sizeof(head->line), "%ld/%d%c%d", port->baud, port->data_bits, "neo"[port->parity],
			port -> stop_bits);
	if (port_is_modbus(port))
		head->unit = (int)config->unit;
}

static struct line *find_line(struct room *room, const char *instrument, const struct instrument_config **ret)
{
	for (size_t i = 0; i < room->lines.count; i++)
		for (size_t k = 0; k < line_count(room->lines.list[i].thread); k++) {
			*ret = line_instrument(room->lines.list[i].thread, k);
			if (strcmp((*ret)->id, instrument) == 0)
				return room->lines.list[i].thread;
		}
	return NULL;
}

/* Under the lock: the line cannot be stopped meanwhile. */
static int tap_line(
	struct room *room, const char *instrument, struct tap **ret, struct capture_head *head, struct fault *fault)
{
	const struct instrument_config *config;
	struct line *line = find_line(room, instrument, &config);
	if (!line)
		return fault_set(
			fault, ENOENT, _("there is no instrument '%s'; assayctl status lists them"), instrument);
	if (config->port.kind == PORT_REPLAY)
		return fault_set(fault, ENOTSUP, _("%s is itself a recording: %s"), instrument, config->port.text);
	put_head(config, head);
	struct tap *tap = tap_new(head->unit);
	if (!tap)
		return fault_set(fault, ENOMEM, _("out of memory"));
	int error = line_tap(line, tap, fault);
	if (error < 0)
		tap_release(tap);
	else
		*ret = tap;
	return error;
}

int room_tap(
	struct room *room, const char *instrument, struct tap **ret, struct capture_head *head, struct fault *fault)
{
	pthread_mutex_lock(&room->lock);
	int error = tap_line(room, instrument, ret, head, fault);
	pthread_mutex_unlock(&room->lock);
	return error;
}

struct intake *room_intake(struct room *room)
{
	return room->intake;
}

/* The next publisher of `target`, or of any (NULL), from `*at` on; NULL when there is none. The caller holds the lock.
 */
static struct publisher *next_of_target(struct room *room, const char *target, size_t *at)
{
	while (*at < room->publishers.count) {
		struct publisher *publisher = room->publishers.list[(*at)++].thread;
		if (!target || strcmp(publisher_target(publisher)->name, target) == 0)
			return publisher;
	}
	return NULL;
}

static int no_target(const char *target, struct fault *fault)
{
	return target ? fault_set(fault, ENOENT, _("there is no target '%s' in the configuration"), target)
	              : fault_set(fault, ENOENT, _("there is no target in the configuration"));
}

int room_retry(struct room *room, const char *target, uint64_t first, uint64_t last, struct fault *fault)
{
	size_t at = 0, asked = 0;
	int error = 0;
	char name[JOURNAL_PLACE_MAX] = "";
	if (target)
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(target, "/"), target);
	pthread_mutex_lock(&room->lock);
	for (struct publisher *publisher; (publisher = next_of_target(room, target ? name : NULL, &at)); asked++)
		if (!publisher_retry(publisher, target, first, last))
			error = fault_set(fault, EBUSY,
				_("target %s: entries are being sent again; ask again when they are"),
				publisher_target(publisher)->name);
	pthread_mutex_unlock(&room->lock);
	return error || asked ? error : no_target(target, fault);
}

int room_resend(struct room *room, const char *target, uint64_t first, uint64_t last, struct fault *fault)
{
	struct publisher *publisher;
	size_t at = 0, asked = 0;
	int error = 0;
	pthread_mutex_lock(&room->lock);
	while (!error && (publisher = next_of_target(room, target, &at)))
		if (publisher_resends(publisher))
			error = fault_set(fault, EBUSY,
				_("target %s: entries are being sent again; ask again when they are"),
				publisher_target(publisher)->name);
	for (at = 0; !error && (publisher = next_of_target(room, target, &at)); asked++)
		publisher_resend(publisher, first, last);
	pthread_mutex_unlock(&room->lock);
	return error || asked ? error : no_target(target, fault);
}

uint64_t room_seal(struct room *room)
{
	struct fault fault;
	sealer_seal(room->sealer);
	/* a seal rides along with the next commit: this is one */
	if (journal_append(room->journal, NULL, 0, NULL, NULL, &fault) != 0)
		log_warning(_("the seal is not in the journal's file yet: %s"), fault.text);
	return journal_sealed(room->journal);
}

struct journal *room_journal(struct room *room)
{
	return room->journal;
}

struct config *room_config(struct room *room)
{
	pthread_mutex_lock(&room->lock);
	struct config *config = config_hold(room->config);
	pthread_mutex_unlock(&room->lock);
	return config;
}
