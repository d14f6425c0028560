/* Whose it is, where more than one station is named.
 *
 * A station that is given another code goes on with its key, and in its epoch:
 * what was made before and after is its own under either code. So ours is the
 * station that is judged, each epoch in which a seal names it, each key that
 * sealed in that epoch and each code sealed there, and so on. A key that was not
 * given seals nothing: what another station made is tied to nothing of ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify_parts.h"

uint32_t verify_station_of(struct verify *verify, const char *code, size_t length)
{
	for (size_t i = verify->station_count; i-- > 0;)
		if (strncmp(verify->stations[i].code, code, length) == 0 && !verify->stations[i].code[length])
			return (uint32_t)i;
	verify->stations = reallocarray(verify->stations, verify->station_count + 1, sizeof(*verify->stations));
	if (!verify->stations)
		abort();
	struct verify_station *station = &verify->stations[verify->station_count];
	*station = (struct verify_station){ .ours = false };
	snprintf(station->code, sizeof(station->code), "%.*s", (int)length, code);
	return (uint32_t)verify->station_count++;
}

void verify_other_head(struct verify *verify)
{
	verify->others = reallocarray(verify->others, verify->other_count + 1, sizeof(*verify->others));
	if (!verify->others)
		abort();
	struct verify_head *head = &verify->others[verify->other_count++];
	*head = (struct verify_head){ .file = (uint32_t)(verify->file_count - 1) };
	memcpy(head->station, verify->export.station, sizeof(head->station));
	memcpy(head->epoch, verify->export.epoch, sizeof(head->epoch));
}

static bool is_tied(const struct verify *verify, const struct verify_group *group)
{
	for (size_t i = 0; i < group->seal_count; i++)
		if (verify->keys[group->seals[i].key].ours || verify->stations[group->seals[i].station].ours)
			return true;
	return false;
}

/* Whether there is another epoch of ours. */
static bool find_ours(struct verify *verify)
{
	for (size_t i = 0; i < verify->group_count; i++) {
		struct verify_group *group = &verify->groups[i];
		if (group->ours || !is_tied(verify, group))
			continue;
		group->ours = true;
		for (size_t at = 0; at < group->seal_count; at++) {
			verify->keys[group->seals[at].key].ours = true;
			verify->stations[group->seals[at].station].ours = true;
		}
		return true;
	}
	return false;
}

static bool is_ours(const struct verify *verify, const char *epoch)
{
	for (size_t i = 0; i < verify->group_count; i++)
		if (verify->groups[i].ours && strcmp(verify->groups[i].epoch, epoch) == 0)
			return true;
	return false;
}

void verify_judge_stations(struct verify *verify)
{
	uint32_t judged = verify_station_of(verify, verify->station, strlen(verify->station));
	verify->stations[judged].ours = true;
	while (find_ours(verify))
		continue;
	for (size_t i = 0; i < verify->other_count; i++) {
		const struct verify_head *head = &verify->others[i];
		const struct verify_place place = { head->file, 1 };
		if (!is_ours(verify, head->epoch))
			verify_tell(verify, VERIFY_FOREIGN, &place, 0, _("the export is of station %s, not of %s"),
				head->station, verify->station);
	}
}
