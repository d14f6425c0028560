/* Profiles: every entry reaches the driver that owns its meaning, and its faults get their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/profile.h"

struct sheet {
	int entries;
	char last[64];
};

static int take_entry(void *profile, const char *section, const char *key, const char *value, struct fault *fault)
{
	struct sheet *sheet = profile;
	if (!strcmp(section, "misspelt"))
		return fault_set(fault, EINVAL, "there is no section [%s]; [read] is", section);
	if (!strcmp(value, "wrong"))
		return fault_set(fault, EINVAL, "%s is wrong; another value is right", key);
	sheet->entries++;
	snprintf(sheet->last, sizeof(sheet->last), "[%s] %s=%s", section, key, value);
	return 0;
}

static int finish(void *profile, struct fault *fault)
{
	const struct sheet *sheet = profile;
	if (strstr(sheet->last, "half"))
		return fault_set(fault, EINVAL, "item: half of it lies outside [read]; move it");
	return sheet->entries ? 0 : fault_set(fault, EINVAL, "[nothing] and [read] are empty; add a field");
}

static const struct profile_reader reader = { .size = sizeof(struct sheet), .entry = take_entry, .finish = finish };
static const struct driver with_profiles = { .name = "with", .profiles = &reader };
static const struct driver without_profiles = { .name = "without" };

static char directory[] = "/tmp/assay-profile-XXXXXX";
static char shipped[64], own[64], path[128];

static void write_file(const char *folder, const char *name, const char *text)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int make_directories(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	setenv("ASSAYD_DATADIR", directory, 1);
	snprintf(shipped, sizeof(shipped), "%s/profiles", directory);
	snprintf(own, sizeof(own), "%s/etc", directory);
	return mkdir(shipped, 0700) || mkdir(own, 0700) || mkdir(strcat(own, "/profiles"), 0700);
}

static int remove_directories(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static void entries_reach_the_driver(void **state)
{
	(void)state;
	write_file(shipped, "a.conf", "[read]\naddress = 40\n[map  verdict]\n1 = negative ; c\n");
	struct faults faults = { 0 };
	void *profile;
	assert_int_equal(profile_read(path, &with_profiles, &profile, &faults), 0);
	assert_int_equal(((struct sheet *)profile)->entries, 2);
	assert_string_equal(((struct sheet *)profile)->last, "[map verdict] 1=negative");
	free(profile);
}

static void every_fault_has_its_place(void **state)
{
	(void)state;
	write_file(shipped, "a.conf", "[read]\naddress = wrong\nx\n[b]\nk =   wrong\n");
	struct faults faults = { 0 };
	void *profile;
	assert_int_equal(profile_read(path, &with_profiles, &profile, &faults), -EINVAL);
	assert_null(profile);
	assert_int_equal(faults.errors, 3);
	int places[6][2] = { 0 };
	for (size_t i = 0; i < 3; i++)
		places[faults.list[i].line][0] = faults.list[i].column;
	assert_int_equal(places[2][0], 11);
	assert_int_equal(places[3][0], 1);
	assert_int_equal(places[5][0], 7);
	faults_free(&faults);
	write_file(shipped, "a.conf", "[read]\n");
	assert_int_equal(profile_read(path, &with_profiles, &profile, &faults), -EINVAL);
	assert_string_equal(faults.list[0].text, "[nothing] and [read] are empty; add a field");
	assert_int_equal(faults.list[0].line, 1); /* the first section named that there is */
	faults_free(&faults);
	assert_int_equal(profile_read(path, &without_profiles, &profile, &faults), -EINVAL);
	assert_int_equal(profile_read("/nonexistent.conf", &with_profiles, &profile, &faults), -ENOENT);
	faults_free(&faults);
}

static void a_misspelt_section_is_one_fault(void **state)
{
	(void)state;
	write_file(shipped, "a.conf", "[misspelt]\na = 1\nb = 2\n[misspelt x]\nc = wrong\nd = wrong\n");
	struct faults faults = { 0 };
	void *profile;
	assert_int_equal(profile_read(path, &with_profiles, &profile, &faults), -EINVAL);
	assert_int_equal(faults.errors, 3);
	faults_free(&faults);
}

static void a_fault_of_the_whole_stands_at_the_entry_it_names(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	void *profile;
	write_file(shipped, "a.conf", "[read]\nitem = 1\nb = half\n");
	assert_int_equal(profile_read(path, &with_profiles, &profile, &faults), -EINVAL);
	assert_int_equal(faults.list[0].line, 2);
	faults_free(&faults);
	write_file(shipped, "a.conf", "[read]\nitem = 1\n[b]\nitem = half\n"); /* which of the two? */
	assert_int_equal(profile_read(path, &with_profiles, &profile, &faults), -EINVAL);
	assert_int_equal(faults.list[0].line, 1);
	faults_free(&faults);
}

static void a_station_s_own_profile_goes_first(void **state)
{
	(void)state;
	char etc[128], found[256];
	snprintf(etc, sizeof(etc), "%s/etc", directory);
	write_file(shipped, "both.conf", "");
	write_file(own, "both.conf", "");
	write_file(shipped, "shipped.conf", "");
	struct fault fault = { "" };
	assert_int_equal(profile_find(etc, "both", found, sizeof(found), &fault), 0);
	assert_string_equal(found, strcat(strcpy(path, own), "/both.conf"));
	assert_int_equal(profile_find(NULL, "both", found, sizeof(found), &fault), 0);
	assert_string_equal(found, strcat(strcpy(path, shipped), "/both.conf"));
	assert_int_equal(profile_find(etc, "shipped", found, sizeof(found), &fault), 0);
	assert_int_equal(profile_find(etc, "neither", found, sizeof(found), &fault), -ENOENT);
	assert_non_null(strstr(fault.text, "there is no profile 'neither'; known are: both"));
	assert_non_null(strstr(fault.text, "shipped"));
	assert_int_equal(profile_find(etc, "../both", found, sizeof(found), &fault), -EINVAL);
	assert_int_equal(profile_find(etc, "", found, sizeof(found), &fault), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_reach_the_driver),
		cmocka_unit_test(every_fault_has_its_place),
		cmocka_unit_test(a_misspelt_section_is_one_fault),
		cmocka_unit_test(a_fault_of_the_whole_stands_at_the_entry_it_names),
		cmocka_unit_test(a_station_s_own_profile_goes_first),
	};
	return cmocka_run_group_tests(tests, make_directories, remove_directories);
}
