/*
 * events.c - mailbrake events, mailbrake reload
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/show.h"
#include "ctl/ctl.h"
#include "ctl/link.h"

#define LAST_DEFAULT	50

static enum paint
event_paint(const json_t *event)
{
	const char *to = show_text(event, "to");

	if (strcmp(to, "stopped") == 0 || strcmp(to, "stop") == 0)
		return PAINT_BAD;
	if (strcmp(to, "sending") == 0 || strcmp(to, "usable") == 0)
		return PAINT_GOOD;
	return *to != '\0' ? PAINT_WARN : PAINT_NONE;
}

/* With the date, for a time line may be days long. */
static void
print_event(const struct screen *s, const json_t *event)
{
	char at[CLOCK_TEXT_MAX];

	clock_text(show_ms(event, "at"), at);
	fprintf(s->out, "%s%s%s  ", screen_paint(s, PAINT_DIM), at,
	    screen_plain(s, PAINT_DIM));
	screen_rest(s, (int)strlen(at) + 2, event_paint(event), "%s",
	    show_text(event, "text"));
}

static int
run_events(const struct args *args)
{
	bool follow = (args->given & OPT_FOLLOW) != 0, more = true;
	struct screen screen;
	struct link *link;
	json_t *event;
	int status;

	if ((link = link_open(args, &status)) == NULL)
		return status;
	screen_open(&screen, stdout);
	if (!link_send(link, json_pack("{s:s, s:I, s:b}", "command", "events",
	    "last", (json_int_t)(args->given & OPT_LAST ? args->last :
	    LAST_DEFAULT), "follow", (int)follow)))
		more = false;
	while (more && (event = link_next(link, &more)) != NULL) {
		if (json_is_null(event)) {
			link_patient(link);	/* new ones may be rare */
		} else if (args->given & OPT_JSON) {
			json_dumpf(event, stdout, JSON_COMPACT |
			    JSON_ENSURE_ASCII);
			putchar('\n');
		} else {
			print_event(&screen, event);
		}
		json_decref(event);
		/* Whoever reads a pipe wants it now; and a reader that has
		 * gone must end this. */
		if (fflush(stdout) == EOF)
			break;
	}
	link_close(link);
	return more ? CTL_FAILED : CTL_OK;
}

const struct command command_events = {
	"events", "[--last COUNT] [--follow] [--json]",
	"what happened, and what happens now",
	"Shows what happened since the daemon was started, of the last 1000 "
	"events.\n"
	"\n"
	"  -n, --last COUNT  only so many of them (50)\n"
	"  -f, --follow      go on showing what happens, until interrupted\n"
	"  -j, --json        one JSON object a line\n",
	OPT_LAST | OPT_FOLLOW | OPT_JSON, 0, 0, run_events
};

static int
run_reload(const struct args *args)
{
	const json_t *line;
	bool reloaded;
	json_t *data;
	int status;
	size_t i;

	data = link_ask(args, json_pack("{s:s}", "command", "reload"),
	    &status);
	if (data == NULL)
		return status;
	reloaded = show_bool(data, "reloaded");
	if (args->given & OPT_JSON) {
		print_json(data);
	} else if (reloaded) {
		puts("The new configuration is in effect.");
	} else {
		complain("the old configuration goes on; the new one has "
		    "mistakes:");
		json_array_foreach(json_object_get(data, "errors"), i, line)
			fprintf(stderr, "  %s\n", json_string_value(line));
	}
	json_decref(data);
	return reloaded ? CTL_OK : CTL_FAILED;
}

const struct command command_reload = {
	"reload", "[--json]",
	"read the configuration again",
	"Has the daemon read its configuration again. If that has mistakes, "
	"they are\nshown and the old one stays in effect.\n"
	"\n"
	"  -j, --json  whether it was reloaded, and the mistakes\n",
	OPT_JSON, 0, 0, run_reload
};
