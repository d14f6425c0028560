/* What a driver declares of who begins, its ask() keeps: at first, after silence, and with every shipped profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/profile.h"
#include "../../daemon/settings.h"

static struct reading list[READINGS_AT_ONCE];

static void expect(const struct driver *driver, enum manner manner, const struct request *request, const char *when)
{
	bool asks = request->kind != REQUEST_NONE;
	bool rests = !asks && driver->links == LINK_MODBUS;
	if (!rests && asks != (manner == MANNER_ASKS))
		fail_msg("%s: %s %s, which is not its manner", driver->name, when, asks ? "asks" : "asks nothing");
	if (request->unanswered && manner != MANNER_ANSWERS)
		fail_msg("%s: what it sends need not be answered, which is for MANNER_ANSWERS", driver->name);
	if (request->may_rest && manner != MANNER_ASKS)
		fail_msg("%s: who is asked may rest, which is for MANNER_ASKS", driver->name);
}

/* Nobody ever answers. */
static void keeps_to_it(const struct driver *driver, const void *profile)
{
	static char options[8192];
	struct fault fault = { "" };
	struct instrument instrument = {
		.driver = driver, .options = options, .profile = profile, .now = { 2026, 3, 5, 9, 50, 0 }
	};
	enum manner manner = driver_manner(driver, profile);
	memset(options, 0, sizeof(options));
	settings_defaults(&(struct settings_table){ driver->options, options });
	instrument.state = calloc(1, driver_state_size(driver, profile));
	if (driver->setup(&instrument, &fault) != 0)
		fail_msg("%s: %s", driver->name, fault.text);
	for (int turn = 0; turn < 12; turn++) {
		struct readings readings = { .list = list };
		struct request request = { .kind = REQUEST_NONE };
		driver->ask(&instrument, &request);
		expect(driver, manner, &request, turn == 0 ? "at first it" : "after silence it");
		driver->take(&instrument, &(struct reply){ .kind = REPLY_SILENCE }, &readings);
	}
	free(instrument.state);
}

static void every_driver_asks_listens_or_answers_as_it_declares(void **state)
{
	glob_t paths;
	unsigned profiles = 0;
	(void)state;
	assert_int_equal(glob("config/profiles/*.conf", 0, NULL, &paths), 0);
	for (size_t i = 0; drivers[i]; i++) {
		if (!drivers[i]->profiles)
			keeps_to_it(drivers[i], NULL);
		for (size_t k = 0; drivers[i]->profiles && k < paths.gl_pathc; k++) {
			struct faults faults = { 0 };
			void *profile = NULL;
			if (profile_read(paths.gl_pathv[k], drivers[i], &profile, &faults) == 0) {
				keeps_to_it(drivers[i], profile);
				profiles++;
			}
			free(profile);
			faults_free(&faults);
		}
	}
	assert_int_equal(profiles, paths.gl_pathc);
	globfree(&paths);
}

/* Nobody who scans may answer an instrument: that would acknowledge. */
static void only_drivers_that_ask_are_scanned_for(void **state)
{
	(void)state;
	for (size_t i = 0; drivers[i]; i++)
		if (drivers[i]->scan_lines)
			assert_int_equal(driver_manner(drivers[i], NULL), MANNER_ASKS);
	assert_int_equal(driver_manner(driver_by_name("hl7"), NULL), MANNER_ANSWERS);
	assert_int_equal(driver_manner(driver_by_name("scanner"), NULL), MANNER_LISTENS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_driver_asks_listens_or_answers_as_it_declares),
		cmocka_unit_test(only_drivers_that_ask_are_scanned_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
