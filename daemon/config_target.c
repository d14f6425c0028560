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

static bool is_tls(const struct target_config *target)
{
	return !strncmp(target->broker, TLS, strlen(TLS));
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
static void read_broker(const struct config_place *place, struct target_config *target)
{
	if (!scheme_is_right(place, target->broker))
		return;
	const char *scheme = is_tls(target) ? TLS : PLAIN, *host = target->broker + strlen(scheme);
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
		: is_tls(target)    ? ":8883"
				    : ":1883");
	struct port port = { 0 };
	struct fault fault;
	if (port_parse(address, &port, &fault) != 0) {
		/* What stands before the first colon names a port; in Chinese the colon is full-width. */
		const char *colon = strstr(fault.text, ": "), *wide = strstr(fault.text, "\uFF1A");
		const char *reason = colon ? colon + strlen(": ") : wide ? wide + strlen("\uFF1A") : fault.text;
		config_fault(
			place, FAULTS_ERROR, "broker", _("broker %s is not understood: %s"), target->broker, reason);
		return;
	}
	snprintf(address, sizeof(address), "%s%.240s", scheme, port.text + strlen("tcp:"));
	strcpy(target->broker, address);
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
	if (*target->password_file && !*target->username)
		config_fault(place, FAULTS_ERROR, "password-file",
			_("a password without a user name; add a line username = ..."));
	if (!is_tls(target) && (*target->client_cert || *target->ca_file))
		config_fault(place, FAULTS_ERROR, *target->client_cert ? "client-cert" : "ca-file",
			_("certificates need TLS, and broker begins with mqtt://; write mqtts://"));
	else if (!is_tls(target) && *target->password_file)
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

size_t config_read_target(const struct config_place *place, struct target_config *target)
{
	size_t before = place->faults->errors;
	struct settings_table table = { config_section_find("target")->rows, target };
	snprintf(target->name, sizeof(target->name), "%s", place->section->name);
	settings_read(place->ini, place->section, &table, 1, false, place->faults);
	if (*target->broker)
		read_broker(place, target);
	if (place->faults->errors == before)
		check_together(place, target);
	find_credential(place, "password-file", target->password_file, true);
	find_credential(place, "client-key", target->client_key, true);
	find_credential(place, "client-cert", target->client_cert, false);
	find_credential(place, "ca-file", target->ca_file, false);
	if (place->faults->errors > before)
		return place->faults->errors - before;
	const char *const paths[] = { target->password_file, target->client_key, target->client_cert, target->ca_file };
	char digests[4][65];
	const char *contents[4];
	for (size_t i = 0; i < 4; i++)
		contents[i] = config_file_digest(paths[i], digests[i]);
	config_definition(place->section, contents, 4, target->definition);
	return 0;
}
