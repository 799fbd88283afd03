/*
 * alert.c - mailbrake test-alert
 */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/show.h"
#include "ctl/ctl.h"
#include "ctl/link.h"

static void
print_greeting(const struct screen *s, const json_t *data)
{
	const json_t *hooks = json_object_get(data, "hooks"), *line;
	size_t i, count = json_array_size(hooks);
	char limit[DURATION_TEXT_MAX];

	screen_say(s, 0, 0, PAINT_DIM, "%zu hook%s run, for at most %s.",
	    count, count == 1 ? " is" : "s are",
	    duration_text(show_int(data, "limit_ms"), limit));
	json_array_foreach(json_object_get(data, "complaints"), i, line)
		screen_say(s, 0, 2, PAINT_BAD, "%s", json_string_value(line));
}

static void
print_result(const struct screen *s, const json_t *data)
{
	bool worked = show_bool(data, "worked");
	const json_t *line;
	size_t i;

	screen_say(s, 0, 2, worked ? PAINT_GOOD : PAINT_BAD,
	    "%s: %s: %s, after %.1f s", show_text(data, "hook"),
	    worked ? "worked" : "FAILED", show_text(data, "end"),
	    (double)show_int(data, "took_ms") / 1000);
	json_array_foreach(json_object_get(data, "output"), i, line)
		screen_say(s, 4, 4, PAINT_NONE, "%s",
		    json_string_value(line));
	if (show_bool(data, "cut"))
		screen_say(s, 4, 4, PAINT_DIM, "(and more)");
}

static int
run_test_alert(const struct args *args)
{
	const char *hook = args->word_count > 0 ? args->words[0] : NULL;
	json_t *data, *results = json_array(), *greeting = NULL;
	bool more = true, good = true, json = args->given & OPT_JSON;
	struct screen screen;
	struct link *link;
	int status;

	if ((link = link_open(args, &status)) == NULL) {
		json_decref(results);
		return status;
	}
	screen_open(&screen, stdout);
	if (!link_send(link, json_pack("{s:s, s:s*}", "command",
	    "test-alert", "hook", hook)))
		good = false;
	while (good && more && (data = link_next(link, &more)) != NULL) {
		if (greeting == NULL) {
			/* The daemon ends those that take longer. */
			link_patient(link);
			greeting = data;
			if (!json)
				print_greeting(&screen, data);
		} else if (!json_is_null(data)) {
			json_array_append_new(results, data);
			if (!json)
				print_result(&screen, data);
		}
		fflush(stdout);
	}
	link_close(link);
	/* Ended by the answer's last line, not by a complaint. */
	status = good && !more && greeting != NULL ? CTL_OK : CTL_FAILED;
	if (json_array_size(json_object_get(greeting, "complaints")) > 0)
		status = CTL_FAILED;
	for (size_t i = 0; i < json_array_size(results); i++) {
		if (!show_bool(json_array_get(results, i), "worked"))
			status = CTL_FAILED;
	}
	if (greeting != NULL && json) {
		json_object_set(greeting, "hooks", results);
		print_json(greeting);
	}
	json_decref(results);
	json_decref(greeting);
	return status;
}

const struct command command_test_alert = {
	"test-alert", "[HOOK] [--json]",
	"run the hooks with a test, and see whether they work",
	"Has the daemon run the hook, or all of them, with an event that says "
	"that it is a\ntest, and shows how each ended and what it said. The "
	"exit status is 0 only if\nall worked.\n"
	"\n"
	"  -j, --json  one object: hooks, and complaints about those that "
	"are not run\n",
	OPT_JSON, 0, 1, run_test_alert
};
