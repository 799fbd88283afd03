/*
 * incident.c - mailbrake incident, mailbrake delist
 *
 * The procedure in its order: what is done, what is next, and what only a
 * person can do; and for each list where to ask, with the words to paste.
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/show.h"
#include "ctl/link.h"

#define LINES_SHOWN	12	/* of a time line, without --all */

struct page {
	struct screen	 screen;
	const json_t	*in;
	int64_t		 now_ms;
};

static const char *
step_state(const json_t *in, const char *step)
{
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(in, "steps"), i, s) {
		if (strcmp(show_text(s, "step"), step) == 0)
			return show_text(s, "state");
	}
	return "";
}

static enum paint
step_paint(const char *state)
{
	return strcmp(state, "done") == 0 ? PAINT_GOOD :
	    strcmp(state, "next") == 0 ? PAINT_BAD : PAINT_NONE;
}

/* "[done] 3. Find the cause" */
static void
step_title(const struct page *p, int number, const char *step,
    const char *title)
{
	const char *state = step_state(p->in, step);

	screen_say(&p->screen, 0, 10, step_paint(state), "%-6s %d. %s",
	    strcmp(state, "done") == 0 ? "[done]" :
	    strcmp(state, "next") == 0 ? "[NEXT]" : "[open]", number, title);
}

static void
say(const struct page *p, const char *text)
{
	screen_say(&p->screen, 10, 10, PAINT_NONE, "%s", text);
}

static bool
is_open(const struct page *p, const char *step)
{
	return strcmp(step_state(p->in, step), "done") != 0;
}

static void
say_tick(const struct page *p, const char *key)
{
	const json_t *t = json_object_get(p->in, key);
	char at[SHOW_TIME_MAX];

	if (!json_is_object(t))
		return;
	screen_say(&p->screen, 10, 10, PAINT_NONE, "%s, %s: %s",
	    show_text(t, "by"), show_time(show_ms(t, "at"), p->now_ms, at),
	    *show_text(t, "note") != '\0' ? show_text(t, "note") :
	    "(no word)");
}

static void
say_mail(const struct page *p)
{
	screen_say(&p->screen, 10, 10, PAINT_NONE, "Mail so far: %lld "
	    "refused for now, %lld held, %lld sent by another egress, %lld "
	    "taken into the queue.",
	    (long long)show_int(p->in, "refused"),
	    (long long)show_int(p->in, "held"),
	    (long long)show_int(p->in, "rerouted"),
	    (long long)show_int(p->in, "queued"));
}

static void
say_listing(const struct page *p, const json_t *l)
{
	char since[SHOW_TIME_MAX], gone[SHOW_TIME_MAX];
	int64_t gone_ms = show_ms(l, "gone");

	show_time(gone_ms, p->now_ms, gone);
	screen_say(&p->screen, 10, 12, gone_ms != 0 ? PAINT_DIM : PAINT_NONE,
	    "%s on %s (%s, weight %lld) since %s%s%s", show_text(l,
	    "subject"), show_text(l, "zone"), show_text(l, "name"),
	    (long long)show_int(l, "weight"),
	    show_time(show_ms(l, "since"), p->now_ms, since),
	    gone_ms != 0 ? ", gone " : "", gone_ms != 0 ? gone : "");
	if (*show_text(l, "text") != '\0')
		screen_say(&p->screen, 12, 12, PAINT_NONE, "\"%s\"",
		    show_text(l, "text"));
}

static void
say_asked(const struct page *p, const json_t *l)
{
	const json_t *asked = json_object_get(l, "asked");
	char at[SHOW_TIME_MAX];

	if (json_is_object(asked))
		screen_say(&p->screen, 10, 12, PAINT_NONE, "%s: asked by %s, "
		    "%s", show_text(l, "zone"), show_text(asked, "by"),
		    show_time(show_ms(asked, "at"), p->now_ms, at));
	else if (show_ms(l, "gone") == 0)
		screen_say(&p->screen, 10, 12, PAINT_NONE, "%s: not yet; how: "
		    "mailbrake delist %s", show_text(l, "zone"),
		    show_text(l, "zone"));
}

static void
lists_steps(const struct page *p)
{
	const json_t *l;
	size_t i;

	step_title(p, 2, "lists", "Which lists, and why");
	json_array_foreach(json_object_get(p->in, "listings"), i, l)
		say_listing(p, l);
	step_title(p, 3, "cause", "Find the cause");
	if (is_open(p, "cause")) {
		say(p, "Most often a stolen password, a web form or an "
		    "infected client: mailbrake-incident(7) says where to "
		    "look. Then:");
		say(p, "mailbrake incident --cause \"what it was\"");
	}
	say_tick(p, "cause");
	step_title(p, 4, "removed", "Remove it");
	if (is_open(p, "removed"))
		say(p, "mailbrake incident --removed \"what was done\"");
	say_tick(p, "removed");
	step_title(p, 5, "asked", "Ask for delisting");
	json_array_foreach(json_object_get(p->in, "listings"), i, l)
		say_asked(p, l);
}

static void
print_incident(const struct page *p, bool all)
{
	const json_t *lines = json_object_get(p->in, "lines"), *line;
	int64_t closed_ms = show_ms(p->in, "closed");
	char opened[SHOW_TIME_MAX], at[SHOW_TIME_MAX];
	size_t i, from, count = json_array_size(lines);

	screen_say(&p->screen, 0, 4, PAINT_BOLD, "Incident %lld, %s, since "
	    "%s", (long long)show_int(p->in, "id"), closed_ms != 0 ?
	    "over" : "open", show_time(show_ms(p->in, "opened"), p->now_ms,
	    opened));
	putchar('\n');
	step_title(p, 1, "stopped", "Stop sending");
	if (show_ms(p->in, "stopped") != 0)
		screen_say(&p->screen, 10, 10, PAINT_NONE, "Stopped %s.",
		    show_time(show_ms(p->in, "stopped"), p->now_ms, at));
	else
		say(p, "Nothing is stopped: what is listed does not weigh "
		    "enough.");
	say_mail(p);
	lists_steps(p);
	step_title(p, 6, "resumed", "Watch, and resume");
	if (closed_ms != 0)
		screen_say(&p->screen, 10, 10, PAINT_NONE, "Back to normal "
		    "%s.", show_time(closed_ms, p->now_ms, at));
	else
		say(p, "By itself, as soon as the lists let go: mailbrake "
		    "status");
	from = all || count <= LINES_SHOWN ? 0 : count - LINES_SHOWN;
	putchar('\n');
	screen_say(&p->screen, 0, 2, PAINT_BOLD, "What happened%s",
	    from > 0 ? ", lately (--all: all of it)" : "");
	for (i = from; i < count; i++) {
		line = json_array_get(lines, i);
		screen_say(&p->screen, 2, 4, PAINT_NONE, "%s  %s",
		    show_time(show_ms(line, "at"), p->now_ms, at),
		    show_text(line, "text"));
	}
}

/* The record that was answered, for people or as it is. */
static int
print_answer(const struct args *args, const json_t *data)
{
	struct page p = { .in = json_object_get(data, "incident"),
	    .now_ms = clock_wall_ms() };

	if (args->given & OPT_JSON) {
		print_json(data);
		return CTL_OK;
	}
	screen_open(&p.screen, stdout);
	if (!json_is_object(p.in)) {
		screen_say(&p.screen, 0, 0, PAINT_GOOD, "There is no "
		    "incident, and none is remembered.");
		return CTL_OK;
	}
	print_incident(&p, (args->given & OPT_ALL) != 0);
	return CTL_OK;
}

static json_t *
tick_request(const char *step, const char *zone, const char *note,
    int64_t id)
{
	return json_pack("{s:s, s:s, s:s*, s:s, s:s*, s:I}", "command", "tick",
	    "step", step, "zone", zone, "note", note, "as",
	    ctl_login(), "id", (json_int_t)id);
}

/* "3", for an incident's number; -1 after a complaint. */
static int64_t
read_id(const struct args *args)
{
	char *end;
	long long id;

	if (args->word_count == 0)
		return 0;
	id = strtoll(args->words[0], &end, 10);
	if (id <= 0 || *end != '\0') {
		complain("\"%.64s\" is not the number of an incident",
		    args->words[0]);
		return -1;
	}
	return id;
}

static int
run_incident(const struct args *args)
{
	int64_t id = read_id(args);
	json_t *data, *request;
	int status;

	if (id == -1)
		return CTL_USAGE;
	if ((args->given & OPT_CAUSE) && (args->given & OPT_REMOVED)) {
		complain("--cause and --removed are two steps: one after the "
		    "other");
		return CTL_USAGE;
	}
	if (args->given & OPT_CAUSE)
		request = tick_request("cause", NULL, args->cause, id);
	else if (args->given & OPT_REMOVED)
		request = tick_request("removed", NULL, args->removed, id);
	else
		request = json_pack("{s:s, s:I}", "command", "incident",
		    "id", (json_int_t)id);
	data = link_ask(args, request, &status);
	if (data == NULL)
		return status;
	status = print_answer(args, data);
	json_decref(data);
	return status;
}

const struct command command_incident = {
	"incident", "[ID] [--cause TEXT | --removed TEXT] [--all] [--json]",
	"the procedure for a listing: done, next, open",
	"Shows the incident that is open, or the last one, or that of a "
	"number: the six\nsteps of the procedure, what became of the mail, "
	"and the time line.\n"
	"\n"
	"      --cause TEXT    the cause is found: what it was\n"
	"      --removed TEXT  the cause is removed: what was done\n"
	"  -a, --all           the whole time line\n"
	"  -j, --json          one JSON object; its fields are in "
	"mailbrake(1)\n",
	OPT_CAUSE | OPT_REMOVED | OPT_ALL | OPT_JSON, 0, 1, run_incident
};

/* --- delist --------------------------------------------------------------- */

static void
paste_line(const char *text)
{
	printf("  | %s\n", text);
}

/* The words to paste, with what is known filled in. */
static void
print_request(const struct page *p, const json_t *l)
{
	const json_t *cause = json_object_get(p->in, "cause");
	const json_t *removed = json_object_get(p->in, "removed");
	char line[900], since[CLOCK_TEXT_MAX], stopped[CLOCK_TEXT_MAX];

	snprintf(line, sizeof(line), "Please remove %s from %s.",
	    show_text(l, "subject"), show_text(l, "zone"));
	paste_line(line);
	paste_line("");
	snprintf(line, sizeof(line), "It is listed since %s (%s%s%s).",
	    clock_iso(show_ms(l, "since"), since), show_text(l, "name"),
	    *show_text(l, "text") != '\0' ? ": " : "", show_text(l, "text"));
	paste_line(line);
	if (show_ms(p->in, "stopped") != 0) {
		snprintf(line, sizeof(line), "We have sent no mail from it "
		    "since %s.", clock_iso(show_ms(p->in, "stopped"),
		    stopped));
		paste_line(line);
	}
	snprintf(line, sizeof(line), "The cause: %s.",
	    json_is_object(cause) ? show_text(cause, "note") :
	    "[WHAT IT WAS: mailbrake incident --cause TEXT]");
	paste_line(line);
	snprintf(line, sizeof(line), "It is removed: %s.",
	    json_is_object(removed) ? show_text(removed, "note") :
	    "[WHAT WAS DONE: mailbrake incident --removed TEXT]");
	paste_line(line);
	paste_line("Outgoing mail is watched, and stops by itself should "
	    "this happen again.");
	paste_line("Thank you for your work.");
}

static void
print_delist(const struct page *p, const json_t *l)
{
	const char *delist = show_text(l, "delist");
	const char *lookup = show_text(l, "lookup");
	const json_t *asked = json_object_get(l, "asked");
	char wait[DURATION_TEXT_MAX], at[SHOW_TIME_MAX];

	screen_say(&p->screen, 0, 2, PAINT_BOLD, "%s on %s (%s)",
	    show_text(l, "subject"), show_text(l, "zone"),
	    show_text(l, "name"));
	if (show_ms(l, "gone") != 0)
		screen_say(&p->screen, 2, 9, PAINT_GOOD, "It is gone "
		    "already: there is nothing to ask for.");
	screen_say(&p->screen, 2, 9, PAINT_NONE, "Where: %s", *delist != '\0'
	    ? delist : *lookup != '\0' ? lookup : "this list has no way to "
	    "ask that the catalogue knows");
	if (*lookup != '\0' && *delist != '\0')
		screen_say(&p->screen, 2, 9, PAINT_NONE, "Look:  %s", lookup);
	if (show_int(l, "expires_s") > 0)
		screen_say(&p->screen, 2, 9, PAINT_NONE, "Wait:  an entry "
		    "goes by itself after about %s without new reports.",
		    duration_text(show_int(l, "expires_s") * 1000, wait));
	if (*show_text(l, "note") != '\0')
		screen_say(&p->screen, 2, 9, PAINT_NONE, "Note:  %s",
		    show_text(l, "note"));
	if (!json_is_object(json_object_get(p->in, "removed")))
		screen_say(&p->screen, 2, 9, PAINT_WARN, "First: remove the "
		    "cause. Who asks before gets listed again, for longer.");
	if (json_is_object(asked))
		screen_say(&p->screen, 2, 9, PAINT_NONE, "Asked: by %s, %s",
		    show_text(asked, "by"), show_time(show_ms(asked, "at"),
		    p->now_ms, at));
	putchar('\n');
	print_request(p, l);
	putchar('\n');
	screen_say(&p->screen, 2, 9, PAINT_NONE, "Then:  mailbrake delist %s "
	    "--asked", show_text(l, "zone"));
}

/* The listings that are meant: an array to be given back. */
static json_t *
wanted_listings(const json_t *in, const char *zone)
{
	json_t *wanted = json_array(), *l;
	size_t i;

	json_array_foreach(json_object_get(in, "listings"), i, l) {
		if (zone != NULL ? strcasecmp(zone, show_text(l, "zone")) ==
		    0 : show_ms(l, "gone") == 0)
			json_array_append(wanted, l);
	}
	return wanted;
}

static int
print_delists(const struct args *args, const json_t *in,
    const json_t *wanted)
{
	const char *zone = args->word_count > 0 ? args->words[0] : NULL;
	struct page p = { .in = in, .now_ms = clock_wall_ms() };
	const json_t *l;
	size_t i;

	screen_open(&p.screen, stdout);
	json_array_foreach(wanted, i, l) {
		if (i > 0)
			putchar('\n');
		print_delist(&p, l);
	}
	if (json_array_size(wanted) > 0)
		return CTL_OK;
	if (zone != NULL) {
		if (json_is_object(in))
			complain("the incident has no listing by "
			    "\"%.64s\": \"mailbrake incident\" shows which "
			    "it has", zone);
		else
			complain("nothing that counts was listed by "
			    "\"%.64s\": there is nothing to ask for", zone);
		return CTL_FAILED;
	}
	screen_say(&p.screen, 0, 0, PAINT_GOOD, "Nothing that counts is "
	    "listed: there is nothing to ask for.");
	return CTL_OK;
}

static int
run_delist(const struct args *args)
{
	json_t *data, *request, *in, *wanted;
	int status;

	if (args->given & OPT_ASKED)
		request = tick_request("asked", args->word_count > 0 ?
		    args->words[0] : NULL, "", 0);
	else
		request = json_pack("{s:s}", "command", "incident");
	data = link_ask(args, request, &status);
	if (data == NULL)
		return status;
	in = json_object_get(data, "incident");
	wanted = wanted_listings(in, args->word_count > 0 ? args->words[0] :
	    NULL);
	if (args->given & OPT_JSON) {
		print_json(wanted);
		if (args->word_count > 0 && json_array_size(wanted) == 0)
			status = CTL_FAILED;
	} else if (args->given & OPT_ASKED)
		print_answer(args, data);
	else
		status = print_delists(args, in, wanted);
	json_decref(wanted);
	json_decref(data);
	return status;
}

const struct command command_delist = {
	"delist", "[LIST] [--asked] [--json]",
	"where and how to ask for delisting, with the words to paste",
	"For each listing that counts, or those by one list: where to ask, "
	"when it goes by\nitself, and a text with the evidence filled in.\n"
	"\n"
	"      --asked  note that you have asked, for the incident's record\n"
	"  -j, --json   the listings as a JSON array\n",
	OPT_ASKED | OPT_JSON, 0, 1, run_delist
};
