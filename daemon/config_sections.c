#include "config_sections.h"

#include <stddef.h>
#include <string.h>

#include "../drivers/fault.h"

#define SECONDS 1000LL
#define HOURS   (3600 * SECONDS)
#define DAYS    (24 * HOURS)

/* Types, members and string literals stand in these without parentheses.
 * NOLINTBEGIN(bugprone-macro-parentheses) */
#define ROW(owner, key, kind, member, least, most, words, default_value, sample, sentence)                             \
	{                                                                                                              \
		.name = key, .type = kind, .offset = offsetof(owner, member), .min = least, .max = most,               \
		.choices = words, .standard = default_value, .example = sample, .help = sentence                       \
	}
#define TEXT(owner, key, member, least, default_value, sample, sentence)                                               \
	ROW(owner, key, SETTING_TEXT, member, least, (int64_t)sizeof(((owner *)0)->member) - 1, NULL, default_value,   \
		sample, sentence)
#define DIRECTORY(owner, key, member, default_value, sample, sentence)                                                 \
	ROW(owner, key, SETTING_DIRECTORY, member, 1, (int64_t)sizeof(((owner *)0)->member) - 1, NULL, default_value,  \
		sample, sentence)
#define CREDENTIAL(owner, key, member, sample, sentence)                                                               \
	ROW(owner, key, SETTING_CREDENTIAL, member, 1, (int64_t)sizeof(((owner *)0)->member) - 1, NULL, "", sample,    \
		sentence)
#define DURATION(owner, key, member, least, most, default_value, sentence)                                             \
	ROW(owner, key, SETTING_DURATION, member, least, most, NULL, default_value, NULL, sentence)
#define BOOLEAN(owner, key, member, default_value, sentence)                                                           \
	ROW(owner, key, SETTING_BOOLEAN, member, 0, 0, NULL, default_value, NULL, sentence)
#define INTEGER(owner, key, member, least, most, default_value, sample, sentence)                                      \
	ROW(owner, key, SETTING_INTEGER, member, least, most, NULL, default_value, sample, sentence)
#define DAY(owner, key, member, sample, sentence) ROW(owner, key, SETTING_DAY, member, 0, 0, NULL, "", sample, sentence)
#define CHOICE(owner, key, member, words, default_value, sentence)                                                     \
	ROW(owner, key, SETTING_CHOICE, member, 0, 0, words, default_value, NULL, sentence)
#define END                                                                                                            \
	{                                                                                                              \
		.name = NULL                                                                                           \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct setting station[] = {
	TEXT(struct station, "code", code, 1, NULL, "330421103-01",
		N_("The station's code as the county registered it: the township's nine digits and a running number; it goes into "
		   "every record and topic.")),
	TEXT(struct station, "name", name, 0, "", "魏塘农产品快检室", N_("The station's name, for people.")),
	TEXT(struct station, "county", county, 1, NULL, "330421",
		N_("The county's six digits by GB/T 2260; part of every topic.")),
	TEXT(struct station, "timezone", timezone, 1, "Asia/Shanghai", NULL,
		N_("The time zone of the instruments' clocks, by its name in /usr/share/zoneinfo.")),
	DURATION(struct station, "retest-window", retest_window_ms, 60 * SECONDS, 30 * DAYS, "12h",
		N_("How long after a positive result tests of the same sample number and item count as its retests; shorter than "
		   "the time after which instruments use their numbers again.")),
	END,
};

static const struct setting journal[] = {
	DIRECTORY(struct journal_rows, "directory", directory, "", "/var/lib/assayd",
		N_("Where the journal of all records lies; systemd's state directory, /var/lib/assayd, unless given.")),
	DURATION(struct journal_rows, "retention", retention_ms, 1 * DAYS, 36500 * DAYS, "400d",
		N_("How long a record is kept after every target has it; what is not delivered is kept whatever its age.")),
	INTEGER(struct journal_rows, "reserve-mib", reserve_mib, 4, 4096, "16", NULL,
		N_("MiB laid down beside the journal and given back when the disk is full, so that alarms, acknowledgements and the "
		   "removal of old records can still be written.")),
	END,
};

static const struct setting evidence[] = {
	CREDENTIAL(struct evidence_config, "key", key, "seal.key",
		N_("The station's signing key (PEM), or the name of a systemd credential; unless given, one is made in the journal's "
		   "directory at the first start.")),
	CHOICE(struct evidence_config, "signature", signature, "ed25519|sm2", "ed25519",
		N_("What a key made by this station signs with: Ed25519, or SM2 with SM3 where the county asks for commercial "
		   "cryptography.")),
	CHOICE(struct evidence_config, "hash", hash, "sha256|sm3", "sha256",
		N_("What chains the records: SHA-256 or SM3; a journal that has records keeps what it began with.")),
	END,
};

static const struct setting samples[] = {
	CHOICE(struct samples_config, "identity-numbers", identity, "mask|refuse|keep", "mask",
		N_("What becomes of the number of a person's identity card in what people register of a sample, by scanner, "
		   "assayctl register or CSV file: mask keeps its first six digits, refuse does not take the registration, keep "
		   "stores it as it is.")),
	DURATION(struct samples_config, "number-holds", number_holds_ms, 1 * HOURS, 36500 * DAYS, "30d",
		N_("How far apart a test and the registration of its sample's number may be, either way: beyond it the number is taken "
		   "for another sample's, and the result keeps the bare number as if nobody had registered it. Results and their "
		   "retests come within days; a room whose numbers restart each day sets 12h, so that a number of today nobody "
		   "registered is not taken for yesterday's. Not shorter than retest-window.")),
	END,
};

static const struct setting control[] = {
	DIRECTORY(struct control_rows, "socket", socket, "", "/run/assayd/control",
		N_("The socket assayctl talks to; systemd's runtime directory, /run/assayd/control, unless given.")),
	END,
};

static const struct setting logging[] = {
	CHOICE(struct log_rows, "level", level, "error|warning|notice|info|debug", "info",
		N_("The least urgent messages that are still logged.")),
	END,
};

static const struct setting target[] = {
	TEXT(struct target_config, "broker", broker, 1, NULL, "mqtts://mqtt.example.gov.cn:8883",
		N_("The county's broker: mqtts://HOST[:8883] with TLS, or mqtt://HOST[:1883] without; up to four of one platform, "
		   "with a blank between, are tried in this order.")),
	CHOICE(struct target_config, "protocol", protocol, "5|3.1.1", "5",
		N_("The MQTT version; 3.1.1 brokers may drop a record and acknowledge it all the same.")),
	CHOICE(struct target_config, "receipts", receipts, "none|required", "none",
		N_("Whether a record counts as delivered only when the platform's receipt covers it; the platform must send them.")),
	TEXT(struct target_config, "client-id", client_id, 0, "", "330421103-01",
		N_("The MQTT client identifier; made of the station's code unless given.")),
	CREDENTIAL(struct target_config, "client-id-file", client_id_file, "assayd.mqtt-client-id",
		N_("A file whose first line is the client identifier, or the name of a systemd credential; instead of client-id.")),
	TEXT(struct target_config, "username", username, 0, "", "330421103-01",
		N_("The user name the broker asks for.")),
	CREDENTIAL(struct target_config, "username-file", username_file, "assayd.mqtt-username",
		N_("A file whose first line is the user name, or the name of a systemd credential; instead of username.")),
	CREDENTIAL(struct target_config, "password-file", password_file, "mqtt-password",
		N_("A file whose first line is the password, or the name of a systemd credential.")),
	CREDENTIAL(struct target_config, "ca-file", ca_file, "/etc/assayd/county-ca.crt",
		N_("The certificate authority that signed the broker's certificate (PEM); the system's authorities unless given.")),
	CREDENTIAL(struct target_config, "crl-file", crl_file, "/etc/assayd/county-ca.crl",
		N_("The authority's list of revoked certificates (PEM), where it keeps one; a broker named in it is not trusted. Only "
		   "the broker's own certificate is looked up, not those of authorities between. Read at every connection.")),
	CREDENTIAL(struct target_config, "client-cert", client_cert, "/etc/assayd/station.crt",
		N_("The station's own certificate (PEM), where the broker asks for one.")),
	CREDENTIAL(struct target_config, "client-key", client_key, "/etc/assayd/station.key",
		N_("The key of client-cert (PEM), or the name of a systemd credential.")),
	TEXT(struct target_config, "only-kinds", filter.kinds, 0, "", "sample event",
		N_("What this target gets: any of sample, blank, control, qc, calibration and event, with blanks between; everything "
		   "unless given.")),
	TEXT(struct target_config, "only-items", filter.items, 0, "", "PR-OPCB VD-*",
		N_("Item codes this target gets; VD-* is every code that begins so; all items unless given.")),
	TEXT(struct target_config, "only-verdicts", filter.verdicts, 0, "", "positive suspect",
		N_("Verdicts this target gets: any of negative, positive, suspect, invalid and none; all unless given.")),
	TEXT(struct target_config, "only-origins", filter.origins, 0, "", "浙江省 上海市",
		N_("How the origin of a sample begins that this target gets; all unless given.")),
	TEXT(struct target_config, "only-tags", filter.tags, 0, "", "summit-depot",
		N_("The event tags of registered samples that this target gets; all samples unless given.")),
	DURATION(struct target_config, "keepalive", keepalive_ms, 5 * SECONDS, 18 * HOURS, "30s",
		N_("After this long without a message the link is checked.")),
	DURATION(struct target_config, "ack-timeout", ack_timeout_ms, 1 * SECONDS, 600 * SECONDS, "15s",
		N_("When the broker has not acknowledged a record after this long, the link is opened anew.")),
	DURATION(struct target_config, "reconnect-min", reconnect_min_ms, 100, 1 * HOURS, "1s",
		N_("The first pause before connecting again; it doubles with every failure, at random below the limit.")),
	DURATION(struct target_config, "reconnect-max", reconnect_max_ms, 100, 24 * HOURS, "60s",
		N_("The longest pause before connecting again.")),
	INTEGER(struct target_config, "window", window, 1, 1000, "20", NULL,
		N_("How many records may be on their way unacknowledged; the broker's Receive Maximum may lower it.")),
	INTEGER(struct target_config, "backlog-rate", backlog_rate, 0, 100000, "0", NULL,
		N_("Records a second while catching up after a long outage; 0 is as fast as the broker acknowledges.")),
	END,
};

static const struct setting instrument[] = {
	TEXT(struct instrument_rows, "driver", driver, 1, NULL, "seven-e-aa",
		N_("How the instrument talks: the name of a driver.")),
	TEXT(struct instrument_rows, "profile", profile, 0, "", "analyzer-a6b",
		N_("The model within the driver's family: the name of a file in profiles/, without .conf.")),
	TEXT(struct instrument_rows, "port", port, 1, NULL, "usb:1a86:7523",
		N_("Where it is plugged in: usb:VENDOR:PRODUCT[:SERIAL], /dev/..., tcp:HOST:PORT, tcp-listen:[HOST:]PORT (on all "
		   "addresses of this machine unless HOST is given), modbus-tcp:HOST[:502], modbus-rtu:/dev/..., modbus-rtu:usb:..., "
		   "replay:FILE[?timed][?any] or folder:DIRECTORY[?files=*.csv,settle=5s,done].")),
	TEXT(struct instrument_rows, "line", line, 0, "", "9600/8n1",
		N_("Serial settings: rate/data bits, parity (n, e, o), stop bits; the driver's usual ones, 9600/8n1 for Modbus RTU, "
		   "unless given.")),
	INTEGER(struct instrument_rows, "unit", unit, 1, 247, "1", "3", N_("Modbus only: the unit address.")),
	DURATION(struct instrument_rows, "poll", poll_ms, 10, 1 * HOURS, "1s",
		N_("The time between two questions to an instrument that must be asked.")),
	DURATION(struct instrument_rows, "timeout", timeout_ms, 10, 60 * SECONDS, "1s",
		N_("How long an answer may take.")),
	DURATION(struct instrument_rows, "lateness", lateness_ms, 0, 60 * SECONDS, "3s",
		N_("Modbus only: the longest an answer may come late; after any fault the line rests this long, so that no late "
		   "answer is taken for the next.")),
	TEXT(struct instrument_rows, "maker", maker.maker, 0, "", "某仪器公司",
		N_("The instrument's maker, where it does not say so itself.")),
	TEXT(struct instrument_rows, "model", maker.model, 0, "", "PR-24",
		N_("Its model, where it does not say so itself.")),
	TEXT(struct instrument_rows, "serial", maker.serial, 0, "", "20230417",
		N_("Its serial number, where it does not say so itself.")),
	TEXT(struct instrument_rows, "item", item, 0, "", "PR-OPCB",
		N_("What it measures, by a code or name of items.csv, where it does not say so itself.")),
	TEXT(struct instrument_rows, "basis", basis, 0, "", "GB/T 5009.199-2003",
		N_("The test standard, where it does not say so itself.")),
	TEXT(struct instrument_rows, "calibration-certificate", calibration.certificate, 0, "", "JZ2026-0117",
		N_("The number of its calibration certificate; it goes into the records.")),
	DAY(struct instrument_rows, "calibration-until", calibration.until, "2027-03-01",
		N_("The last day of that certificate: status and doctor remind of it for 30 days, later tests are flagged "
		   "calibration_expired.")),
	CHOICE(struct instrument_rows, "control", control.demand, "none|daily|series", "none",
		N_("Whether samples need a valid control before them: one of the same day, or one of their series; without it they "
		   "are flagged no_valid_control. Controls are named in the records of their samples all the same.")),
	DURATION(struct instrument_rows, "control-window", control.window_ms, 60 * SECONDS, 7 * DAYS, "2h",
		N_("With control = series: how long a control counts for the samples behind it.")),
	BOOLEAN(struct instrument_rows, "set-clock", set_clock, "no",
		N_("Set the instrument's clock when it is half a minute or more off, at most every six hours and only while a time "
		   "service has set ours; where the instrument can be told to.")),
	DURATION(struct instrument_rows, "clock-skew-alarm", skew_alarm_ms, 0, 24 * HOURS, "5min",
		N_("How wrong the instrument's clock may be before that is announced as event clock_skew; 0s never announces it, "
		   "for an instrument that stamps the beginning of long tests.")),
	TEXT(struct instrument_rows, "names", naming.names, 0, "", "pr-1,an-1",
		N_("Scanner only: the instruments whose samples it names, set apart by commas; each takes what is scanned for its "
		   "next results.")),
	INTEGER(struct instrument_rows, "results", naming.results, 0, 1000, "1", NULL,
		N_("Scanner only: how many results of each instrument a scan names; 0 names all until the next scan.")),
	DURATION(struct instrument_rows, "lifetime", naming.lifetime_ms, 1 * SECONDS, 7 * DAYS, "30min",
		N_("Scanner only: how long a scan waits for its results; one that no result used by then is announced as event "
		   "scan_unused.")),
	CHOICE(struct instrument_rows, "next-scan", naming.order, "replaces|queues", "replaces",
		N_("Scanner only: whether the next scan takes the place of one that still waits, or waits behind it, for readers "
		   "whose wells are scanned first and measured later.")),
	END,
};

const struct config_section config_sections[] = {
	{ "station", NULL, N_("The rapid-test room itself."), station },
	{ "journal", NULL, N_("Where and how long records are kept."), journal },
	{ "evidence", NULL, N_("How records are chained and sealed, so that they prove themselves."), evidence },
	{ "samples", NULL, N_("What is kept of samples that people register."), samples },
	{ "control", NULL, N_("How assayctl reaches the daemon."), control },
	{ "log", NULL, N_("What the daemon says."), logging },
	{ "target", "county", N_("A platform that receives every record; one section each."), target },
	{ "instrument", "pr-1", N_("An instrument; one section each, here or in a file of instruments.d/."),
		instrument },
	{ .word = NULL },
};

const struct config_section *config_section_find(const char *word)
{
	for (const struct config_section *section = config_sections; section->word; section++)
		if (!strcmp(section->word, word))
			return section;
	return NULL;
}
