/* assayctl identity: the station's public key, to be handed to the county once and compared ever after. */
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "program.h"

struct shown {
	const struct ctl *ctl;
	bool any;
};

static int print_identity(void *context, const char *line, size_t length)
{
	struct shown *shown = context;
	shown->any = true;
	if (shown->ctl->json) {
		printf("%.*s\n", (int)length, line);
		return 0;
	}
	struct json *identity = js_parse(line, length, NULL);
	if (!identity)
		return 1;
	ctl_column(_("station"), 10);
	printf("%s\n", js_text_in(identity, "station"));
	ctl_column(_("epoch"), 10);
	printf("%s (%s)\n", js_text_in(identity, "epoch"), js_text_in(identity, "hash"));
	ctl_column(_("signature"), 10);
	printf("%s\n", js_text_in(identity, "alg"));
	ctl_column(_("key"), 10);
	printf("%s\n%s", js_text_in(identity, "key"), js_text_in(identity, "pem"));
	js_free(identity);
	return 0;
}

int ctl_identity(const struct ctl *ctl, int argc, char **argv)
{
	struct ctl given = *ctl;
	struct shown shown = { .ctl = &given };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") != 0)
			return ctl_fail(EXIT_USAGE, _("identity takes no '%s'; --json is known"), argv[i]);
		given.json = true;
	}
	struct json *request = js_new_object();
	js_put_text(request, "command", "identity");
	int code = ctl_ask_or_read(&given, request, print_identity, &shown);
	if (code == EXIT_DONE && !shown.any)
		return ctl_fail(
			EXIT_FAILED, _("the journal knows no signing key yet: start assayd once, which makes one"));
	return code;
}
