/*
 * override.c - mailbrake stop, send, auto: an operator's word
 *
 * The answer says what the word came to, which is not always what was
 * asked for: a stop of all comes before a send for one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/show.h"
#include "ctl/ctl.h"
#include "ctl/link.h"

static json_t *
new_request(const struct args *args, const char *word)
{
	const char *as = ctl_login();
	json_t *o = json_object();

	json_object_set_new(o, "command", json_string("override"));
	json_object_set_new(o, "word", json_string(word));
	/* NULL, if it is no UTF-8, which leaves the target out and has the
	 * daemon refuse it. */
	json_object_set_new(o, "target", json_string(args->words[0]));
	if (args->given & OPT_FOR)
		json_object_set_new(o, "for_ms", json_integer(args->for_ms));
	if (args->given & OPT_REASON)
		json_object_set_new(o, "reason", json_string(args->reason));
	if (as != NULL)
		json_object_set_new(o, "as", json_string(as));
	return o;
}

/* What an egress does now, and whose word says so if it is another's. */
static void
say_egress(const struct screen *s, const json_t *egress, const char *word,
    const char *target)
{
	const json_t *o = json_object_get(egress, "override");
	const char *state = show_text(egress, "state");
	const char *by = show_text(o, "target");
	enum paint paint = strcmp(state, "stopped") == 0 ? PAINT_BAD :
	    strcmp(state, "sending") == 0 ? PAINT_GOOD : PAINT_WARN;

	if (json_is_object(o) && (strcasecmp(by, target) != 0 ||
	    strcmp(show_text(o, "word"), word) != 0))
		screen_say(s, 2, 4, paint, "%s is %s all the same: the word "
		    "\"%s\" for %s comes first (mailbrake auto %s)",
		    show_text(egress, "name"), state, show_text(o, "word"),
		    by, by);
	else
		screen_say(s, 2, 4, paint, "%s is %s",
		    show_text(egress, "name"), state);
}

static void
print_answer(const struct screen *s, const json_t *data, const char *word)
{
	const char *target = show_text(data, "target");
	const json_t *egress = json_object_get(data, "egress"), *e;
	int64_t until_ms = show_ms(data, "until");
	const char *instead = show_bool(data, "replaced") ?
	    ", in place of the word before" : "";
	char until[SHOW_TIME_MAX];
	size_t i;

	if (strcmp(word, "auto") == 0)
		screen_say(s, 0, 2, PAINT_NONE, show_bool(data, "replaced") ?
		    "%s: the word is removed, evidence decides again." :
		    "%s: there was no word to remove, evidence decides.",
		    target);
	else if (until_ms != 0)
		screen_say(s, 0, 2, PAINT_NONE, "%s: \"%s\" until %s%s; to "
		    "end it before: mailbrake auto %s", target, word,
		    show_time(until_ms, clock_wall_ms(), until), instead,
		    target);
	else
		screen_say(s, 0, 2, PAINT_NONE, "%s: \"%s\" until it is "
		    "removed%s: mailbrake auto %s", target, word, instead,
		    target);
	json_array_foreach(egress, i, e)
		say_egress(s, e, word, target);
}

static int
run_word(const struct args *args, const char *word)
{
	struct screen screen;
	json_t *data;
	int status;

	data = link_ask(args, new_request(args, word), &status);
	if (data == NULL)
		return status;
	screen_open(&screen, stdout);
	if (args->given & OPT_JSON)
		print_json(data);
	else
		print_answer(&screen, data, word);
	json_decref(data);
	return CTL_OK;
}

static int
run_stop(const struct args *args)
{
	return run_word(args, "stop");
}

static int
run_send(const struct args *args)
{
	return run_word(args, "send");
}

static int
run_auto(const struct args *args)
{
	return run_word(args, "auto");
}

#define TARGETS								\
	"TARGET is the name of an egress, one of its addresses, "	\
	"account:NAME,\ndomain:NAME (of the sender), provider:NAME (of the "	\
	"receiver) or all.\n"

#define WORD_OPTIONS							\
	"\n"								\
	"      --for TIME     until then, like 90m or 1h30m; else "	\
	"until it is removed\n"						\
	"  -r, --reason TEXT  for status and events; of a stop, the "	\
	"sender sees it too\n"						\
	"  -j, --json         what came of it as a JSON object\n"

const struct command command_stop = {
	"stop", "TARGET [--for TIME] [--reason TEXT] [--json]",
	"stop mail, whatever the lists say",
	"Stops mail, whatever the lists say. A stop comes before every "
	"send.\n" TARGETS WORD_OPTIONS
	"\n"
	"  mailbrake stop mx1 --for 2h --reason \"looking for the cause\"\n"
	"  mailbrake stop account:bob\n",
	OPT_FOR | OPT_REASON | OPT_JSON, 1, 1, run_stop
};

const struct command command_send = {
	"send", "TARGET [--for TIME] [--reason TEXT] [--json]",
	"let mail go, whatever the lists say",
	"Lets mail go, whatever the lists say: each message may make the "
	"listing worse.\n" TARGETS WORD_OPTIONS
	"\n"
	"  mailbrake send domain:hospital.example --for 1h\n",
	OPT_FOR | OPT_REASON | OPT_JSON, 1, 1, run_send
};

const struct command command_auto = {
	"auto", "TARGET [--json]",
	"remove such a word: evidence decides again",
	"Removes the word \"stop\" or \"send\" for TARGET, so that the "
	"evidence decides again.\n" TARGETS
	"\n"
	"  -j, --json  what came of it as a JSON object\n",
	OPT_JSON, 1, 1, run_auto
};
