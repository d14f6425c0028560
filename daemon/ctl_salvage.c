/* assayctl salvage: what can still be read of a damaged journal, as a journal again. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "program.h"
#include "salvage.h"

static void print_ranges(const char *title, const struct salvage_ranges *ranges)
{
	if (ranges->total == 0)
		return;
	printf("%s: %llu", title, (unsigned long long)ranges->total);
	for (size_t i = ranges->count; i > 0; i--)
		printf("%s%llu-%llu", i == ranges->count ? " (" : ", ", (unsigned long long)ranges->list[i - 1].first,
			(unsigned long long)ranges->list[i - 1].last);
	printf("%s)\n", ranges->count == SALVAGE_RANGES ? ", ..." : "");
}

static void print_found(const struct ctl *ctl, const struct salvage *found, const char *out)
{
	if (ctl->json) {
		struct json *answer = js_new_object();
		js_put_integer(answer, "salvaged", (int64_t)found->count);
		js_put_text_if(answer, "epoch", found->epoch);
		js_put_integer(answer, "first", (int64_t)found->first);
		js_put_integer(answer, "last", (int64_t)found->last);
		if (found->end_known)
			js_put_integer(answer, "lost", (int64_t)found->lost.total);
		js_put_integer(answer, "unverified", (int64_t)found->unverified.total);
		js_put_integer(answer, "seals", (int64_t)found->seals);
		js_put_integer(answer, "manifests", (int64_t)found->manifests);
		js_put_integer(answer, "unsealed", (int64_t)found->unsealed);
		js_put_integer(answer, "refused", (int64_t)found->refused);
		js_put_text_if(answer, "file", found->count ? out : "");
		char *text = js_dump(answer);
		puts(text);
		free(text);
		js_free(answer);
		return;
	}
	if (found->count == 0) {
		puts(_("nothing could be salvaged: no entry is whole, or nothing tells the journal's epoch"));
		return;
	}
	printf(_("%llu entries, %llu to %llu, of journal %s\n"), (unsigned long long)found->count,
		(unsigned long long)found->first, (unsigned long long)found->last, found->epoch);
	print_ranges(_("lost"), &found->lost);
	if (!found->end_known) {
		printf(_("nothing tells how many entries came after %llu"), (unsigned long long)found->last);
		puts("");
	}
	print_ranges(_("not to be verified"), &found->unverified);
	printf(_("kept with them: %llu seals, %llu manifests; %llu entries are covered by no seal that is left\n"),
		(unsigned long long)found->seals, (unsigned long long)found->manifests,
		(unsigned long long)found->unsealed);
	if (found->refused)
		printf(_("refused by targets, and not sent unless asked for: %llu\n"),
			(unsigned long long)found->refused);
	printf(_("written to %s; named salvaged-%s.db and put beside the journal, assayd sends it when it starts\n"),
		out, found->epoch);
}

int ctl_salvage(const struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "station", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct ctl given = *ctl;
	const char *out = NULL, *station = NULL;
	char made[512];
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
		if (option == 'o')
			out = optarg;
		else if (option == 's')
			station = optarg;
		else if (option == 'j')
			given.json = true;
		else
			return EXIT_USAGE;
	}
	if (optind + 1 != argc)
		return ctl_fail(EXIT_USAGE, _("salvage needs one damaged journal, such as journal.db.corrupt-..."));
	if (!out) {
		snprintf(made, sizeof(made), "%s.salvaged.db", argv[optind]);
		out = made;
	}
	struct salvage found;
	struct salvage_hints hints = { .station = station };
	struct fault fault;
	if (salvage_journal(argv[optind], &hints, out, &found, &fault) != 0)
		return ctl_fail(EXIT_FAILED, "%s", fault.text);
	print_found(&given, &found, out);
	return found.count ? EXIT_DONE : EXIT_FAILED;
}
