#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config_parts.h"
#include "config_sections.h"
#include "port.h"
#include "settings.h"
#include "settings_words.h"

#define PLAIN "mqtt://"
#define TLS   "mqtts://"

static bool is_tls(const char *broker)
{
	return !strncmp(broker, TLS, strlen(TLS));
}

bool target_broker(const struct target_config *target, size_t index, char out[static BROKER_MAX])
{
	const char *at = target->broker + strspn(target->broker, " ");
	for (; index > 0 && *at; index--) {
		at += strcspn(at, " ");
		at += strspn(at, " ");
	}
	snprintf(out, BROKER_MAX, "%.*s", (int)strcspn(at, " "), at);
	return *out != '\0';
}

/* A broker written some other way: what was probably meant. False after the fault. */
static bool scheme_is_right(const struct config_place *place, const char *broker)
{
	static const struct {
		const char *wrong, *right;
	} meant[] = { { "tcp://", PLAIN }, { "mqtt:", PLAIN }, { "ssl://", TLS }, { "tls://", TLS }, { "mqtts:", TLS },
		{ "http://", PLAIN }, { "https://", TLS }, { "ws://", PLAIN }, { "wss://", TLS } };
	char nearest[16] = "";
	if (!strncmp(broker, PLAIN, strlen(PLAIN)) || !strncmp(broker, TLS, strlen(TLS)))
		return true;
	for (size_t i = 0; i < sizeof(meant) / sizeof(*meant); i++)
		if (!strncasecmp(broker, meant[i].wrong, strlen(meant[i].wrong))) {
			const char *host = broker + strlen(meant[i].wrong);
			config_fault(place, FAULTS_ERROR, "broker", _("broker %s has an unknown beginning; write %s%s"),
				broker, meant[i].right, host + strspn(host, "/"));
			return false;
		}
	const char *end = strstr(broker, "://");
	char scheme[32];
	snprintf(scheme, sizeof(scheme), "%.*s", end ? (int)(end - broker) : 0, broker);
	if (end && words_nearest(scheme, "mqtt|mqtts", nearest, sizeof(nearest)))
		config_fault(place, FAULTS_ERROR, "broker", _("broker %s has an unknown beginning; did you mean %s%s?"),
			broker, nearest, end);
	else
		config_fault(place, FAULTS_ERROR, "broker",
			_("broker %s does not begin with mqtts:// (with TLS) or mqtt:// (without); write mqtts://HOST:8883"),
			broker);
	return false;
}

/* Checks host and port as a TCP port would, and writes the broker with its port number. */
static void read_broker(const struct config_place *place, char broker[static BROKER_MAX])
{
	if (!scheme_is_right(place, broker))
		return;
	const char *scheme = is_tls(broker) ? TLS : PLAIN, *host = broker + strlen(scheme);
	if (strchr(host, '@')) { /* told without the line: a password belongs in no log */
		const struct ini_entry *entry = ini_find(place->section, "broker");
		faults_add(place->faults, FAULTS_ERROR, place->ini->path, entry->line, entry->value_column, NULL,
			_("broker holds a user name or password; write them as username = ... and password-file = ..."));
		return;
	}
	const char *slash = strchr(host, '/');
	if (slash) {
		config_fault(place, FAULTS_ERROR, "broker",
			_("broker ends in '%s'; nothing follows the port number: delete it"), slash);
		return;
	}
	const char *inside = *host == '[' && strchr(host, ']') ? strchr(host, ']') : host;
	char address[300];
	snprintf(address, sizeof(address), "tcp:%s%s", host,
		strchr(inside, ':') ? ""
		: is_tls(broker)    ? ":8883"
				    : ":1883");
	struct port port = { 0 };
	struct fault fault;
	if (port_parse(address, &port, &fault) != 0) {
		/* What stands before the first colon names a port; in Chinese the colon is full-width. */
		const char *colon = strstr(fault.text, ": "), *wide = strstr(fault.text, "\uFF1A");
		const char *reason = colon ? colon + strlen(": ") : wide ? wide + strlen("\uFF1A") : fault.text;
		config_fault(place, FAULTS_ERROR, "broker", _("broker %s is not understood: %s"), broker, reason);
		return;
	}
	snprintf(broker, BROKER_MAX, "%s%.240s", scheme, port.text + strlen("tcp:"));
}

/* Each broker of the list, which is written anew. All of one platform: with TLS or without. */
static void read_brokers(const struct config_place *place, struct target_config *target)
{
	char list[sizeof(target->broker)] = "", one[BROKER_MAX];
	size_t count = 0, tls = 0, used = 0;
	for (; count < BROKERS_MAX && target_broker(target, count, one); count++) {
		tls += is_tls(one);
		read_broker(place, one);
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", count ? " " : "", one);
	}
	if (target_broker(target, BROKERS_MAX, one))
		config_fault(place, FAULTS_ERROR, "broker",
			_("broker names more than %d; leave out '%s' and those behind it"), BROKERS_MAX, one);
	else if (tls && tls < count)
		config_fault(place, FAULTS_ERROR, "broker",
			_("broker mixes mqtts:// and mqtt://; a platform is reached with TLS everywhere or nowhere"));
	strcpy(target->broker, list);
}

/* Credentials become paths where they can be; secrets everybody can read get a warning. */
static void find_credential(const struct config_place *place, const char *key, char *path, bool secret)
{
	char where[4096];
	if (!*path)
		return;
	if (*path != '/' && !getenv("CREDENTIALS_DIRECTORY")) {
		config_fault(place, FAULTS_WARNING, key,
			_("%s '%s' names a systemd credential, which cannot be looked up here; `systemctl start assayd` can"),
			key, path);
		return;
	}
	words_credential(path, where, sizeof(where));
	if (strlen(where) > CONFIG_PATH_MAX) {
		config_fault(place, FAULTS_ERROR, key, _("%s lies at a path over %d bytes; use a shorter one"), key,
			CONFIG_PATH_MAX);
		return;
	}
	struct stat about;
	if (secret && stat(where, &about) == 0 && (about.st_mode & (S_IROTH | S_IWOTH)))
		config_fault(place, FAULTS_WARNING, key,
			_("%s %s can be read by everybody on this machine; chmod 0640 it"), key, where);
	strcpy(path, where);
}

static void check_together(const struct config_place *place, const struct target_config *target)
{
	if (!!*target->client_cert != !!*target->client_key)
		config_fault(place, FAULTS_ERROR, *target->client_cert ? "client-cert" : "client-key",
			_("client-cert and client-key belong together; add a line %s = ..."),
			*target->client_cert ? "client-key" : "client-cert");
	if (*target->username && *target->username_file)
		config_fault(place, FAULTS_ERROR, "username-file",
			_("%s and %s both say it; delete one of the two lines"), "username", "username-file");
	if (*target->client_id && *target->client_id_file)
		config_fault(place, FAULTS_ERROR, "client-id-file",
			_("%s and %s both say it; delete one of the two lines"), "client-id", "client-id-file");
	if (*target->password_file && !*target->username && !*target->username_file)
		config_fault(place, FAULTS_ERROR, "password-file",
			_("a password without a user name; add a line username = ..."));
	bool tls = is_tls(target->broker);
	if (!tls && (*target->client_cert || *target->ca_file || *target->crl_file))
		config_fault(place, FAULTS_ERROR,
			*target->client_cert ? "client-cert"
			: *target->ca_file   ? "ca-file"
					     : "crl-file",
			_("certificates need TLS, and broker begins with mqtt://; write mqtts://"));
	else if (!tls && *target->password_file)
		config_fault(place, FAULTS_WARNING, "broker",
			_("the password travels unencrypted over mqtt://; mqtts:// protects it"));
	if (target->reconnect_max_ms < target->reconnect_min_ms)
		config_fault(place, FAULTS_ERROR,
			ini_find(place->section, "reconnect-max") ? "reconnect-max" : "reconnect-min",
			_("reconnect-max is below reconnect-min; raise the one or lower the other"));
	if (target->protocol == TARGET_MQTT311 && target->receipts == TARGET_RECEIPTS_NONE)
		config_fault(place, FAULTS_WARNING, "protocol",
			_("an MQTT 3.1.1 broker may drop a record and acknowledge it all the same; receipts = required would notice"));
}

/* Each word of a list is one of `known`. */
static void check_words(const struct config_place *place, const char *key, const char *list, const char *known)
{
	char word[80], nearest[32], all[160];
	for (const char *at = list + strspn(list, " "); *at; at += strspn(at, " ")) {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, " "), at);
		at += strcspn(at, " ");
		if (words_index(known, word) >= 0)
			continue;
		if (words_nearest(word, known, nearest, sizeof(nearest)))
			config_fault(place, FAULTS_ERROR, key, _("%s: '%s' is unknown; did you mean %s?"), key, word,
				nearest);
		else
			config_fault(place, FAULTS_ERROR, key, _("%s: '%s' is unknown; known are %s"), key, word,
				words_listed(known, all, sizeof(all)));
	}
}

size_t config_read_target(const struct config_place *place, struct target_config *target)
{
	size_t before = place->faults->errors;
	struct settings_table table = { config_section_find("target")->rows, target };
	snprintf(target->name, sizeof(target->name), "%s", place->section->name);
	settings_read(place->ini, place->section, &table, 1, false, place->faults);
	if (*target->broker)
		read_brokers(place, target);
	check_words(place, "only-kinds", target->filter.kinds, "sample|blank|control|qc|calibration|event");
	check_words(place, "only-verdicts", target->filter.verdicts, "negative|positive|suspect|invalid|none");
	if (place->faults->errors == before)
		check_together(place, target);
	find_credential(place, "client-id-file", target->client_id_file, false);
	find_credential(place, "username-file", target->username_file, false);
	find_credential(place, "password-file", target->password_file, true);
	find_credential(place, "client-key", target->client_key, true);
	find_credential(place, "client-cert", target->client_cert, false);
	find_credential(place, "ca-file", target->ca_file, false);
	find_credential(place, "crl-file", target->crl_file, false);
	if (place->faults->errors > before)
		return place->faults->errors - before;
	const char *const paths[] = { target->password_file, target->client_key, target->client_cert, target->ca_file,
		target->crl_file, target->client_id_file, target->username_file };
	enum { PATHS = sizeof(paths) / sizeof(paths[0]) };
	char digests[PATHS][65];
	const char *contents[PATHS];
	for (size_t i = 0; i < PATHS; i++)
		contents[i] = config_file_digest(paths[i], digests[i]);
	config_definition(place->section, contents, PATHS, target->definition);
	return 0;
}
