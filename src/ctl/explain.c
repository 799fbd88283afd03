/*
 * explain.c - mailbrake explain
 *
 * The daemon decides as for a real message and says why; nothing is counted
 * and nothing is sent.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/show.h"
#include "ctl/ctl.h"
#include "ctl/link.h"

static json_t *
new_request(const struct args *args)
{
	json_t *o = json_object();

	json_object_set_new(o, "command", json_string("explain"));
	json_object_set_new(o, "sender", json_string(args->words[0]));
	if (args->word_count > 1)
		json_object_set_new(o, "recipient",
		    json_string(args->words[1]));
	if (args->given & OPT_ACCOUNT)
		json_object_set_new(o, "account", json_string(args->account));
	if (args->given & OPT_TRANSPORT)
		json_object_set_new(o, "transport",
		    json_string(args->transport));
	if (args->given & OPT_SENDMAIL)
		json_object_set_new(o, "must_take", json_true());
	return o;
}

static const char *
verdict_words(const char *verdict)
{
	static const struct {
		const char *verdict, *words;
	} rows[] = {
		{ "pass",	"The mail passes" },
		{ "tempfail",	"The mail is refused for now" },
		{ "hold",	"The mail is taken and held in the queue" },
		{ "queue",	"The mail is taken and waits in the queue" },
		{ "reroute",	"The mail goes another way" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].verdict, verdict) == 0)
			return rows[i].words;
	}
	return verdict;
}

static void
print_answer(const struct screen *s, const json_t *data)
{
	const char *verdict = show_text(data, "verdict");
	const char *would = show_text(data, "would");
	const char *egress = show_text(data, "egress");
	const char *reply = show_text(data, "reply"), *reason;
	char until[SHOW_TIME_MAX];
	const json_t *r;
	size_t i;

	screen_say(s, 0, 2, strcmp(verdict, "pass") == 0 ? PAINT_GOOD :
	    PAINT_BAD, "%s%s%s (%s).", verdict_words(verdict),
	    *egress != '\0' ? "; egress " : "", egress,
	    show_text(data, "why"));
	if (*reply != '\0') {
		screen_say(s, 0, 0, PAINT_NONE, strcmp(would, "hold") == 0 ?
		    "The log%s says:" : "The sender%s sees:",
		    strcmp(verdict, would) != 0 ? ", in enforce mode," : "");
		screen_say(s, 2, 4, PAINT_BOLD, "%s", reply);
	}
	screen_say(s, 0, 0, PAINT_NONE, "Because:");
	json_array_foreach(json_object_get(data, "reasons"), i, r) {
		reason = json_string_value(r);
		screen_say(s, 2, 4, PAINT_NONE, "- %s",
		    reason != NULL ? reason : "");
	}
	if (show_ms(data, "until") != 0)
		screen_say(s, 0, 2, PAINT_NONE, "The next change is due at "
		    "%s.", show_time(show_ms(data, "until"), clock_wall_ms(),
		    until));
}

static int
run_explain(const struct args *args)
{
	struct screen screen;
	json_t *data;
	int status;

	data = link_ask(args, new_request(args), &status);
	if (data == NULL)
		return status;
	screen_open(&screen, stdout);
	if (args->given & OPT_JSON)
		print_json(data);
	else
		print_answer(&screen, data);
	json_decref(data);
	return CTL_OK;
}

const struct command command_explain = {
	"explain", "SENDER [RECIPIENT] [--account NAME] [--transport NAME] "
	"[--sendmail] [--json]",
	"what would happen to such a message, and why",
	"Says what would happen to a message from SENDER (\"\" for a bounce) "
	"to RECIPIENT\nnow, what the sender would see, and each reason.\n"
	"\n"
	"      --account NAME    as if submitted by this login\n"
	"      --transport NAME  as if the mail server had chosen this "
	"transport\n"
	"      --sendmail        as if it came from sendmail(1) on this "
	"host\n"
	"  -j, --json            one JSON object\n"
	"\n"
	"  mailbrake explain ann@example.org bob@example.net\n",
	OPT_ACCOUNT | OPT_TRANSPORT | OPT_SENDMAIL | OPT_JSON, 1, 2,
	run_explain
};
