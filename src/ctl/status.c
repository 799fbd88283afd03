/*
 * status.c - mailbrake status
 *
 * Written for somebody who was woken by it: the first line says what is
 * wrong, the next ones what else needs a hand, and only then come tables.
 * Whatever is as it should be is said in few words.
 */
#include "ctl/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/show.h"
#include "ctl/ctl.h"
#include "ctl/link.h"
#include "ctl/watch.h"
#include "ctl/ways.h"

#define EGRESS_SHOWN	30	/* more: only those that are not sending */
#define NAMES_SHOWN	3
#define QUIET_MS	(24 * 3600000LL)

/* Who can be stopped: egresses, or sender domains. */
struct party {
	const char	*key;		/* of the array in the status */
	const char	*title;		/* before a name in a sentence */
	const char	*target;	/* before a name in a command */
	const char	*noun;		/* of many */
};

static const struct party egresses = { "egress", "", "", "egresses" };
static const struct party domains = { "domains", "mail from ", "domain:",
	"sender domains" };

struct tally {
	size_t	 total, stopped, probation;
	size_t	 defied;		/* send, in spite of evidence */
	size_t	 listed;		/* has confirmed weight */
	size_t	 checked;
};

/* One status, and what is asked of it again and again. */
struct page {
	const struct screen	*screen;
	const json_t		*status;
	int64_t			 now_ms;
	bool			 observe;
	struct tally		 egress, domains;
};

static const json_t *
part(const struct page *p, const char *key)
{
	return json_object_get(p->status, key);
}

static bool
is_stopped(const json_t *egress)
{
	return strcmp(show_text(egress, "state"), "stopped") == 0;
}

static bool
is_probation(const json_t *egress)
{
	return strcmp(show_text(egress, "state"), "probation") == 0;
}

/* Sends because an operator said so, and would not otherwise. */
static bool
is_defied(const json_t *egress)
{
	return strcmp(show_text(egress, "state"), "sending") == 0 &&
	    strcmp(show_text(egress, "evidence_state"), "sending") != 0;
}

static bool
is_overridden(const json_t *egress)
{
	return json_is_object(json_object_get(egress, "override"));
}

/* Nothing to tell but that it sends. */
static bool
is_plain(const json_t *egress)
{
	return strcmp(show_text(egress, "state"), "sending") == 0 &&
	    !is_overridden(egress) &&
	    json_array_size(json_object_get(egress, "listings")) == 0;
}

/* The confirmed listing that weighs most, or NULL. */
static const json_t *
heaviest(const json_t *egress)
{
	const json_t *best = NULL;
	const json_t *l;
	size_t i;

	json_array_foreach(json_object_get(egress, "listings"), i, l) {
		if (show_bool(l, "confirmed") && show_int(l, "weight") > 0 &&
		    (best == NULL || show_int(l, "weight") >
		    show_int(best, "weight")))
			best = l;
	}
	return best;
}

static void
count(const json_t *parties, struct tally *t)
{
	const json_t *e;
	size_t i;

	json_array_foreach(parties, i, e) {
		t->total++;
		t->stopped += is_stopped(e);
		t->probation += is_probation(e);
		t->defied += is_defied(e);
		t->listed += heaviest(e) != NULL;
		t->checked += show_ms(e, "checked") != 0;
	}
}

/* "mx1 (1 of 2)", "mx1, mx2, mx3 and 3 more of 12 egresses". */
static const char *
names_of(const struct page *p, const struct party *party,
    bool (*want)(const json_t *), size_t wanted, char buf[LISTS_ALIKE_MAX])
{
	size_t shown = wanted <= NAMES_SHOWN + 1 ? wanted : NAMES_SHOWN;
	size_t total = json_array_size(part(p, party->key));
	size_t i, done = 0, len = 0;
	const json_t *e;

	buf[0] = '\0';
	json_array_foreach(part(p, party->key), i, e) {
		if (!want(e) || done == shown)
			continue;
		len += (size_t)snprintf(buf + len, LISTS_ALIKE_MAX - len,
		    "%s%.254s", done++ > 0 ? ", " : party->title,
		    show_text(e, "name"));
	}
	if (wanted > shown)
		snprintf(buf + len, LISTS_ALIKE_MAX - len, " and %zu more of %zu "
		    "%s", wanted - shown, total, party->noun);
	else if (total > 1)
		snprintf(buf + len, LISTS_ALIKE_MAX - len, " (%zu of %zu)", wanted,
		    total);
	return buf;
}

static const json_t *
first(const struct page *p, const struct party *party,
    bool (*want)(const json_t *))
{
	const json_t *e;
	size_t i;

	json_array_foreach(part(p, party->key), i, e) {
		if (want(e))
			return e;
	}
	return NULL;
}

static size_t
lists_in(const struct page *p, const char *health)
{
	const json_t *l;
	size_t i, count = 0;

	json_array_foreach(part(p, "lists"), i, l)
		count += strcmp(show_text(l, "health"), health) == 0;
	return count;
}

/* --- the first lines --------------------------------------------------- */

/* "since 03:02:11 (2h 5m ago)", or "" if nobody knows. */
static const char *
since_of(const struct page *p, const json_t *egress,
    char buf[SHOW_TIME_MAX + 8])
{
	char when[SHOW_TIME_MAX];
	int64_t ms = show_ms(egress, "since");

	snprintf(buf, SHOW_TIME_MAX + 8, "%s%s", ms != 0 ? " since " : "",
	    ms != 0 ? show_time(ms, p->now_ms, when) : "");
	return buf;
}

/* Whose word it is, and the listing that counts most. */
static void
say_why(const struct page *p, const json_t *e)
{
	const json_t *l = heaviest(e), *o = json_object_get(e, "override");
	const char *name = show_text(e, "name"), *reason, *as;

	if (is_overridden(e)) {
		reason = show_text(o, "reason");
		screen_say(p->screen, 2, 4, PAINT_NONE, "%s: \"%s\" by an "
		    "operator (%s)%s%s", name, show_text(o, "word"),
		    show_text(o, "source"), *reason != '\0' ? ": " : "",
		    reason);
	}
	if (l != NULL) {
		as = *show_text(l, "name") != '\0' ? show_text(l, "name") :
		    show_text(l, "code");
		screen_say(p->screen, 2, 4, PAINT_NONE, "%s: %s%s is listed "
		    "by %s (%s)", name, show_text(l, "address"),
		    show_text(l, "domain"), show_text(l, "zone"), as);
	} else if (!is_overridden(e)) {
		screen_say(p->screen, 2, 4, PAINT_NONE, "%s: no list that "
		    "counts has it any more; it must stay clean for a while",
		    name);
	}
}

/* Nothing if there is no such party. */
static bool
headline_bad(const struct page *p, const char *what,
    const struct party *party, bool (*want)(const json_t *), size_t wanted)
{
	char names[LISTS_ALIKE_MAX], since[SHOW_TIME_MAX + 8];
	size_t i, shown = 0;
	const json_t *e;

	if (wanted == 0)
		return false;
	screen_say(p->screen, 0, 4, PAINT_BAD, "%s: %s%s", what,
	    names_of(p, party, want, wanted, names), wanted > 1 ? "" :
	    since_of(p, first(p, party, want), since));
	json_array_foreach(part(p, party->key), i, e) {
		if (want(e) && shown++ < NAMES_SHOWN)
			say_why(p, e);
	}
	return true;
}

static void
headline_good(const struct page *p)
{
	const json_t *only = json_array_get(part(p, "egress"), 0);
	bool listed = p->egress.listed + p->domains.listed > 0;

	screen_say(p->screen, 0, 4, PAINT_GOOD, "SENDING: %s; %s",
	    p->egress.total == 1 ? show_text(only, "name") : "all egresses",
	    listed ? "what is listed weighs too little to stop" :
	    "no listing counts");
}

static void
headline(const struct page *p)
{
	static const char spite[] = "SENDING IN SPITE OF THE EVIDENCE";
	const char *stopped = p->observe ? "WOULD BE STOPPED" : "STOPPED";
	const struct party *back = p->egress.probation > 0 ? &egresses :
	    &domains;
	char names[LISTS_ALIKE_MAX];
	bool bad;

	bad = headline_bad(p, stopped, &egresses, is_stopped,
	    p->egress.stopped);
	bad = headline_bad(p, stopped, &domains, is_stopped,
	    p->domains.stopped) || bad;
	bad = headline_bad(p, spite, &egresses, is_defied,
	    p->egress.defied) || bad;
	bad = headline_bad(p, spite, &domains, is_defied,
	    p->domains.defied) || bad;
	if (bad)
		return;
	if (p->egress.total == 0)
		screen_say(p->screen, 0, 4, PAINT_BAD, "NO EGRESS: there is "
		    "nothing to watch. Name one in %s.",
		    show_text(p->status, "config_file"));
	else if (p->egress.probation + p->domains.probation > 0)
		screen_say(p->screen, 0, 4, PAINT_WARN, "COMING BACK: %s; a "
		    "growing share of the mail goes", names_of(p, back,
		    is_probation, back == &egresses ? p->egress.probation :
		    p->domains.probation, names));
	else if (p->egress.checked == 0)
		screen_say(p->screen, 0, 4, PAINT_WARN, "NOT CHECKED YET: no "
		    "list has answered for any egress so far; mail passes");
	else
		headline_good(p);
}

/* Where a mail server would ask: by the first front end that is offered. */
/* Whether Postfix, if it is here, has the milter or the policy service. */
static bool
door_is_set_up(const struct page *p, bool *known)
{
	const json_t *findings = json_object_get(part(p, "postfix"),
	    "findings"), *f;
	size_t i;

	*known = json_array_size(findings) > 0;
	json_array_foreach(findings, i, f) {
		if ((strcmp(show_text(f, "point"), "milter") == 0 ||
		    strcmp(show_text(f, "point"), "policy") == 0) &&
		    strcmp(show_text(f, "state"), "ok") == 0)
			return true;
	}
	return false;
}

static void
warn_fronts(const struct page *p)
{
	static const struct {
		const char	*name, *before, *after;
	} ways[] = {
		{ "milter", "smtpd_milters = ", "" },
		{ "policy", "smtpd_recipient_restrictions = "
		    "check_policy_service ", "" },
		{ "socketmap", "sender_dependent_default_transport_maps = "
		    "socketmap:", ":route" },
	};
	const char *where = "";
	const json_t *f;
	bool asked = false, known;
	size_t i, way = sizeof(ways) / sizeof(ways[0]), k;

	json_array_foreach(part(p, "fronts"), i, f) {
		if (show_int(f, "requests") > 0)
			asked = true;
		if (*show_text(f, "where") == '\0')
			continue;
		for (k = 0; k < way; k++) {
			if (strcmp(show_text(f, "name"), ways[k].name) == 0) {
				way = k;
				where = show_text(f, "where");
			}
		}
	}
	if (*where == '\0')
		screen_say(p->screen, 0, 2, PAINT_BAD, "! NO MAIL SERVER CAN "
		    "ASK: no front end is offered; see \"listen\" in "
		    "mailbrake.conf(5).");
	if (asked || *where == '\0')
		return;
	if (door_is_set_up(p, &known)) {
		screen_say(p->screen, 0, 2, PAINT_WARN, "! NO MAIL SERVER HAS "
		    "ASKED since the start. Postfix is set up to ask; "
		    "whether it does: mailbrake setup postfix --verify");
		return;
	}
	screen_say(p->screen, 0, 2, PAINT_BAD, "! NO MAIL SERVER HAS ASKED "
	    "YET, so no mail is braked. %s", known ? "What to do here: "
	    "mailbrake setup postfix" : "Postfix asks if its main.cf has");
	if (known)
		return;
	screen_say(p->screen, 4, 4, PAINT_NONE, "%s%s%s", ways[way].before,
	    where, ways[way].after);
	screen_say(p->screen, 2, 2, PAINT_NONE, "and Sendmail as mailbraked(8) "
	    "says.");
}

static void
warn_lists(const struct page *p)
{
	size_t count = json_array_size(part(p, "lists"));
	size_t unknown = lists_in(p, "unknown");

	if (count == 0)
		screen_say(p->screen, 0, 2, PAINT_BAD, "! NO LIST IS ENABLED: "
		    "nothing can be found out.");
	else if (lists_in(p, "usable") == 0 && unknown < count)
		screen_say(p->screen, 0, 2, PAINT_BAD, "! BLIND: no list can "
		    "be used, see below. What was stopped stays stopped, "
		    "and nothing new is noticed.");
}

/* A greeting that does not fit the address is a cause of listings that
 * nobody looks for; it stops nothing. */
static void
warn_names(const struct page *p)
{
	const json_t *e, *id;
	size_t i, j;

	json_array_foreach(part(p, "egress"), i, e) {
		json_array_foreach(json_object_get(e, "identity"), j, id) {
			if (strcmp(show_text(id, "state"), "bad") == 0)
				screen_say(p->screen, 0, 2, PAINT_WARN,
				    "! Name of %s: %s", show_text(e, "name"),
				    show_text(id, "text"));
		}
	}
}

static void
warnings(const struct page *p)
{
	const json_t *store = part(p, "store"), *e;
	const char *redis = show_text(store, "redis");
	const char *file_error = show_text(store, "state_file_error");
	const json_t *misread;
	size_t i;

	if (p->observe)
		screen_say(p->screen, 0, 2, PAINT_WARN, "! OBSERVE MODE: all "
		    "mail passes. To brake for real set mode = \"enforce\" in "
		    "%s.", show_text(p->status, "config_file"));
	json_array_foreach(part(p, "not_understood"), i, misread)
		screen_say(p->screen, 0, 2, PAINT_WARN, "! %s.",
		    show_text(misread, "text"));
	warn_fronts(p);
	ways_warn(p->screen, p->status);
	warn_lists(p);
	if (*show_text(p->status, "resolver_fault") != '\0')
		screen_say(p->screen, 0, 2, PAINT_BAD, "! %s",
		    show_text(p->status, "resolver_fault"));
	json_array_foreach(part(p, "egress"), i, e) {
		if (json_is_false(json_object_get(e, "watched")))
			screen_say(p->screen, 0, 2, PAINT_BAD, "! %s IS NOT "
			    "WATCHED: it has no public address. Name the "
			    "address that the world sees in %s.",
			    show_text(e, "name"),
			    show_text(p->status, "config_file"));
	}
	warn_names(p);
	if (*file_error != '\0')
		screen_say(p->screen, 0, 2, PAINT_BAD, "! The state is not "
		    "saved, so a restart would forget it: %s: %s.",
		    show_text(store, "state_file"), file_error);
	if (strcmp(redis, "down") == 0)
		screen_say(p->screen, 0, 2, PAINT_BAD, "! Redis is down: "
		    "overrides set there are not seen.");
}

static void
about(const struct page *p)
{
	char up[DURATION_TEXT_MAX], age[SHOW_TIME_MAX], next[SHOW_TIME_MAX];
	int64_t next_ms = show_ms(p->status, "next_check"), last_ms = 0, ms;
	const json_t *e;
	size_t i;

	json_array_foreach(part(p, "egress"), i, e) {
		ms = show_ms(e, "checked");
		if (ms > last_ms)
			last_ms = ms;
	}
	snprintf(next, sizeof(next), "%s", next_ms == 0 ? "" :
	    show_age(next_ms, p->now_ms, age));
	screen_say(p->screen, 0, 0, PAINT_DIM, "%s, mailbraked %s, up %s; "
	    "checked %s%s%s",
	    show_text(p->status, "host"), show_text(p->status, "version"),
	    duration_text(p->now_ms - show_ms(p->status, "started"), up),
	    last_ms == 0 ? "not yet" : show_age(last_ms, p->now_ms, age),
	    *next != '\0' ? ", next " : "", next);
}

/* --- egresses ---------------------------------------------------------- */

static void
heading(const struct page *p, const char *text)
{
	fputc('\n', p->screen->out);
	screen_say(p->screen, 0, 2, PAINT_BOLD, "%s", text);
}

static enum paint
state_paint(const json_t *egress)
{
	return is_stopped(egress) || is_defied(egress) ? PAINT_BAD :
	    is_probation(egress) ? PAINT_WARN : PAINT_GOOD;
}

static void
egress_row(const struct page *p, struct grid *t, const json_t *e)
{
	char since[DURATION_TEXT_MAX], checked[SHOW_TIME_MAX];
	int64_t since_ms = show_ms(e, "since");
	char addresses[1024];
	const json_t *a;
	size_t i, len = 0;

	addresses[0] = '\0';
	json_array_foreach(json_object_get(e, "addresses"), i, a) {
		if (len < sizeof(addresses) - 64)
			len += (size_t)snprintf(addresses + len,
			    sizeof(addresses) - len, "%s%.46s",
			    i > 0 ? ", " : "", json_string_value(a));
	}
	grid_cell(t, PAINT_NONE, "%s", show_text(e, "name"));
	grid_cell(t, state_paint(e), "%s%s", show_text(e, "state"),
	    is_overridden(e) ? " (override)" : "");
	grid_cell(t, PAINT_NONE, "%s", since_ms == 0 ? "-" :
	    duration_text(p->now_ms - since_ms, since));
	grid_cell(t, PAINT_NONE, "%lld", (long long)show_int(e, "score"));
	grid_cell(t, PAINT_NONE, "%s", show_age(show_ms(e, "checked"),
	    p->now_ms, checked));
	grid_cell(t, PAINT_NONE, "%s", addresses);
}

static void
egress_table(const struct page *p, bool all)
{
	static const struct column columns[] = {
		{ "EGRESS", COLUMN_WRAP },
		{ "STATE", 0 },
		{ "FOR", 0 },
		{ "SCORE", COLUMN_RIGHT },
		{ "CHECKED", 0 },
		{ "ADDRESSES", COLUMN_WRAP },
	};
	struct grid *t = grid_new(columns, 6);
	size_t i, hidden = 0;
	const json_t *e;

	json_array_foreach(part(p, "egress"), i, e) {
		if (!all && p->egress.total > EGRESS_SHOWN && is_plain(e))
			hidden++;
		else
			egress_row(p, t, e);
	}
	if (grid_rows(t) > 0)
		fputc('\n', p->screen->out);
	grid_print(t, p->screen, 0);
	grid_free(t);
	if (hidden > 0)
		screen_say(p->screen, 0, 0, PAINT_DIM, "%zu %segresses are "
		    "sending, and nothing is known against them (--all "
		    "shows them).", hidden,
		    hidden < p->egress.total ? "more " : "");
}

static void
listing_row(const struct page *p, struct grid *t, const json_t *l)
{
	const char *kind = show_text(l, "kind"), *name = show_text(l, "name");
	bool confirmed = show_bool(l, "confirmed");
	bool counts = confirmed && show_int(l, "weight") > 0;
	char since[DURATION_TEXT_MAX];

	grid_cell(t, PAINT_NONE, "%s%s", show_text(l, "address"),
	    show_text(l, "domain"));
	grid_cell(t, counts ? PAINT_BAD : PAINT_NONE, "%s",
	    show_text(l, "zone"));
	grid_cell(t, PAINT_NONE, "%s%s%s%s%s%s", name,
	    *name != '\0' ? " " : "", show_text(l, "code"),
	    strcmp(kind, "listed") != 0 ? ", " : "",
	    strcmp(kind, "listed") != 0 ? kind : "",
	    confirmed ? "" : ", not confirmed");
	grid_cell(t, PAINT_NONE, confirmed ? "%lld" : "-",
	    (long long)show_int(l, "weight"));
	grid_cell(t, PAINT_NONE, "%s", duration_text(p->now_ms -
	    show_ms(l, "since"), since));
}

static void
listing_table(const struct page *p, const json_t *listings)
{
	static const struct column columns[] = {
		{ "LISTED", COLUMN_WRAP },
		{ "BY", COLUMN_WRAP },
		{ "AS", COLUMN_WRAP },
		{ "WEIGHT", COLUMN_RIGHT },
		{ "FOR", 0 },
	};
	struct grid *t = grid_new(columns, 5);
	const json_t *l;
	size_t i;

	json_array_foreach(listings, i, l)
		listing_row(p, t, l);
	grid_print(t, p->screen, 2);
	grid_free(t);
	json_array_foreach(listings, i, l) {
		if (*show_text(l, "text") != '\0')
			screen_say(p->screen, 2, 4, PAINT_NONE,
			    "%s says: \"%s\"", show_text(l, "zone"),
			    show_text(l, "text"));
	}
}

/* What happens if nobody does anything. */
static void
say_next(const struct page *p, const json_t *e)
{
	const json_t *o = json_object_get(e, "override");
	int64_t until_ms = show_ms(is_overridden(e) ? o : e, "until");
	char until[SHOW_TIME_MAX], clean[SHOW_TIME_MAX];

	show_time(until_ms, p->now_ms, until);
	if (is_overridden(e) && until_ms != 0)
		screen_say(p->screen, 2, 9, PAINT_NONE, "Next:  the word for "
		    "%s ends at %s; then evidence decides again, which says "
		    "\"%s\" now.", show_text(o, "target"), until,
		    show_text(e, "evidence_state"));
	else if (is_overridden(e))
		screen_say(p->screen, 2, 9, PAINT_NONE, "Next:  nothing, "
		    "until somebody removes the word for %s.",
		    show_text(o, "target"));
	else if (is_stopped(e) && show_ms(e, "clean_since") != 0)
		screen_say(p->screen, 2, 9, PAINT_NONE, "Next:  clean since "
		    "%s. If it stays so, a first share of the mail goes%s%s.",
		    show_time(show_ms(e, "clean_since"), p->now_ms, clean),
		    until_ms != 0 ? " at " : " soon",
		    until_ms != 0 ? until : "");
	else if (is_stopped(e))
		screen_say(p->screen, 2, 9, PAINT_NONE, "Next:  it stays "
		    "stopped until the lists let go of it; then mail comes "
		    "back by itself, as resume says.");
	else if (is_probation(e))
		screen_say(p->screen, 2, 9, PAINT_NONE, "Next:  the share "
		    "of mail that goes grows; all of it goes%s%s.",
		    until_ms != 0 ? " at " : " in the end",
		    until_ms != 0 ? until : "");
	if (show_bool(e, "blind") && strcmp(show_text(e, "evidence_state"),
	    "sending") != 0)
		screen_say(p->screen, 9, 9, PAINT_WARN, "A list that should "
		    "see it cannot be used, see below.");
}

/* What somebody should do about the listings that count. */
static void
say_steps(const struct page *p, const json_t *e)
{
	const char *where;
	const json_t *l;
	int step = 0;
	size_t i;

	screen_say(p->screen, 2, 12, PAINT_NONE, "Do:    %d. find what sends "
	    "the spam (stolen account, broken form, infected client) and "
	    "end it;", ++step);
	json_array_foreach(json_object_get(e, "listings"), i, l) {
		where = *show_text(l, "delist") != '\0' ?
		    show_text(l, "delist") : show_text(l, "lookup");
		if (!show_bool(l, "confirmed") || show_int(l, "weight") <= 0)
			continue;
		screen_say(p->screen, 9, 12, PAINT_NONE, "%d. ask %s to "
		    "delist %s%s%s%s", ++step, show_text(l, "zone"),
		    show_text(l, "address"), show_text(l, "domain"),
		    *where != '\0' ? ": " : "", where);
	}
}

static void
say_now(const struct page *p, const struct party *party, const json_t *e)
{
	const char *evidence = show_text(e, "evidence_state");
	bool steps = heaviest(e) != NULL && strcmp(evidence, "stopped") == 0;

	if (steps)
		say_steps(p, e);
	if (is_overridden(e))
		screen_say(p->screen, steps ? 9 : 2, 9, PAINT_NONE, "%sTo "
		    "let the evidence decide: mailbrake auto %s",
		    steps ? "" : "Do:    ",
		    show_text(json_object_get(e, "override"), "target"));
	else if (steps)
		screen_say(p->screen, 9, 12, PAINT_NONE, "To send in spite "
		    "of it: mailbrake send %s%s --for 1h", party->target,
		    show_text(e, "name"));
}

static void
party_details(const struct page *p, const struct party *party,
    const json_t *e)
{
	const json_t *o = json_object_get(e, "override");
	char since[SHOW_TIME_MAX + 8], title[512];

	snprintf(title, sizeof(title), "%s%.254s is %s%s%s, score %lld (%lld "
	    "stops)", party->title, show_text(e, "name"),
	    show_text(e, "state"),
	    is_overridden(e) ? " by an operator's word" : "",
	    since_of(p, e, since), (long long)show_int(e, "score"),
	    (long long)show_int(p->status, "stop_score"));
	heading(p, title);
	if (is_overridden(e) && *show_text(o, "reason") != '\0')
		screen_say(p->screen, 2, 9, PAINT_NONE, "Why:   %s",
		    show_text(o, "reason"));
	listing_table(p, json_object_get(e, "listings"));
	say_next(p, e);
	say_now(p, party, e);
}

/* All of which there is anything to tell. */
static void
details(const struct page *p, const struct party *party)
{
	const json_t *e;
	size_t i;

	json_array_foreach(part(p, party->key), i, e) {
		if (!is_plain(e))
			party_details(p, party, e);
	}
}

/* --- the rest ---------------------------------------------------------- */

static void
override_table(const struct page *p)
{
	static const struct column columns[] = {
		{ "TARGET", COLUMN_WRAP },
		{ "WORD", 0 },
		{ "ENDS", 0 },
		{ "BY", 0 },
		{ "REASON", COLUMN_WRAP },
	};
	struct grid *t = grid_new(columns, 5);
	char until[SHOW_TIME_MAX];
	const json_t *o;
	size_t i;

	json_array_foreach(part(p, "overrides"), i, o) {
		grid_cell(t, PAINT_NONE, "%s", show_text(o, "target"));
		grid_cell(t, strcmp(show_text(o, "word"), "stop") == 0 ?
		    PAINT_BAD : PAINT_WARN, "%s", show_text(o, "word"));
		grid_cell(t, PAINT_NONE, "%s", show_ms(o, "until") == 0 ?
		    "when removed" : show_age(show_ms(o, "until"),
		    p->now_ms, until));
		grid_cell(t, PAINT_NONE, "%s", show_text(o, "source"));
		grid_cell(t, PAINT_NONE, "%s", show_text(o, "reason"));
	}
	if (grid_rows(t) > 0)
		heading(p, "Operators' words");
	grid_print(t, p->screen, 2);
	grid_free(t);
}

static void
list_group(const struct page *p, struct grid *t, size_t from)
{
	const json_t *head = json_array_get(part(p, "lists"), from);
	char zones[LISTS_ALIKE_MAX];

	if (!lists_alike(part(p, "lists"), from, zones, sizeof(zones)))
		return;
	grid_cell(t, PAINT_NONE, "%s", zones);
	grid_cell(t, PAINT_WARN, "%s", show_text(head, "health"));
	grid_cell(t, PAINT_NONE, "%s", show_text(head, "reason"));
}

static void
list_table(const struct page *p)
{
	static const struct column columns[] = {
		{ "LIST", COLUMN_WRAP },
		{ "HEALTH", 0 },
		{ "REASON", COLUMN_WRAP },
	};
	size_t usable = lists_in(p, "usable"), unknown = lists_in(p,
	    "unknown");
	size_t bad = json_array_size(part(p, "lists")) - usable - unknown;
	struct grid *t = grid_new(columns, 3);
	const char *health;
	char title[128];
	const json_t *l;
	size_t i;

	snprintf(title, sizeof(title), "Lists: %zu usable", usable);
	if (unknown > 0)
		snprintf(title + strlen(title), sizeof(title) -
		    strlen(title), ", %zu not asked yet", unknown);
	if (bad > 0)
		snprintf(title + strlen(title), sizeof(title) -
		    strlen(title), ", %zu not", bad);
	heading(p, title);
	json_array_foreach(part(p, "lists"), i, l) {
		health = show_text(l, "health");
		if (strcmp(health, "usable") != 0 &&
		    strcmp(health, "unknown") != 0)
			list_group(p, t, i);
	}
	grid_print(t, p->screen, 2);
	grid_free(t);
}

/* What became of what was asked: the first always has a column, the others
 * where there is any. */
static const struct {
	const char	*title, *would;		/* in observe mode */
	const char	*key, *would_key;
} outcomes[] = {
	{ "REFUSED", "(REFUSED)", "tempfailed", "would_tempfail" },
	{ "HELD", "(HELD)", "held", "would_hold" },
	{ "REROUTED", "(REROUTED)", "rerouted", "would_reroute" },
	{ "QUEUED", "(QUEUED)", "queued", "would_queue" },
};

#define OUTCOMES	(sizeof(outcomes) / sizeof(outcomes[0]))

static long long
outcome(const struct page *p, const json_t *f, size_t which)
{
	return (long long)show_int(f, p->observe ?
	    outcomes[which].would_key : outcomes[which].key);
}

static void
front_row(const struct page *p, struct grid *t, const json_t *f,
    const bool any[OUTCOMES])
{
	const char *where = show_text(f, "where");
	int64_t last_ms = show_ms(f, "last");
	char age[SHOW_TIME_MAX];
	size_t i;

	grid_cell(t, PAINT_NONE, "%s", show_text(f, "name"));
	grid_cell(t, last_ms == 0 || p->now_ms - last_ms > QUIET_MS ?
	    PAINT_WARN : PAINT_NONE, "%s", last_ms == 0 ? "never" :
	    show_age(last_ms, p->now_ms, age));
	grid_cell(t, PAINT_NONE, "%lld", (long long)show_int(f, "requests"));
	grid_cell(t, PAINT_NONE, "%lld", (long long)show_int(f, "passed"));
	for (i = 0; i < OUTCOMES; i++) {
		if (any[i])
			grid_cell(t, PAINT_NONE, "%lld", outcome(p, f, i));
	}
	grid_cell(t, PAINT_NONE, "%s", *where != '\0' ? where :
	    "not offered");
}

static void
front_table(const struct page *p)
{
	struct column columns[5 + OUTCOMES] = {
		{ "FRONT", 0 },
		{ "LAST", 0 },
		{ "ASKED", COLUMN_RIGHT },
		{ "PASSED", COLUMN_RIGHT },
	};
	bool any[OUTCOMES] = { true };
	struct grid *t;
	const json_t *f;
	size_t i, k, count = 4;

	for (k = 0; k < OUTCOMES; k++) {
		json_array_foreach(part(p, "fronts"), i, f)
			any[k] = any[k] || outcome(p, f, k) > 0;
		if (any[k])
			columns[count++] = (struct column){ p->observe ?
			    outcomes[k].would : outcomes[k].title,
			    COLUMN_RIGHT };
	}
	columns[count++] = (struct column){ "WHERE", COLUMN_WRAP };
	t = grid_new(columns, count);
	json_array_foreach(part(p, "fronts"), i, f)
		front_row(p, t, f, any);
	heading(p, p->observe ? "Mail servers asking "
	    "(what enforce mode would have done)" :
	    "Mail servers asking");
	grid_print(t, p->screen, 2);
	grid_free(t);
}

static void
store_lines(const struct page *p)
{
	const json_t *store = part(p, "store");
	const char *redis = show_text(store, "redis");
	const char *why = show_text(store, "why");
	const char *way = show_text(store, "way");
	const char *file = show_text(store, "state_file");
	bool off = strcmp(redis, "off") == 0;
	bool connected = strcmp(redis, "connected") == 0;

	/* What connects says so itself, and by which way words come. */
	if (strncmp(why, redis, strlen(redis)) == 0 && !off)
		redis = way = "";
	fputc('\n', p->screen->out);
	screen_say(p->screen, 0, 7, connected || off ? PAINT_NONE :
	    PAINT_WARN, "Redis: %s%s%s%s%s%s.", off ? "not used" : redis,
	    *redis != '\0' && *why != '\0' ? ", " : "", why,
	    *way != '\0' ? " (" : "", way, *way != '\0' ? ")" : "");
	if (show_int(store, "left_to_others") > 0)
		screen_say(p->screen, 7, 7, PAINT_NONE, "Another host asks "
		    "the lists about %lld of the addresses and domains.",
		    (long long)show_int(store, "left_to_others"));
	if (*show_text(store, "no_leases") != '\0')
		screen_say(p->screen, 7, 7, PAINT_WARN, "No leases (%s): "
		    "this host asks the lists itself.",
		    show_text(store, "no_leases"));
	screen_say(p->screen, 0, 7, PAINT_NONE, "State: %s.",
	    *file != '\0' ? file : "in memory only (no state_file)");
}

void
status_print(const struct screen *screen, const json_t *status, bool all)
{
	struct page p = { .screen = screen, .status = status };

	p.now_ms = show_ms(status, "now");
	p.observe = strcmp(show_text(status, "mode"), "observe") == 0;
	count(part(&p, "egress"), &p.egress);
	count(part(&p, "domains"), &p.domains);
	headline(&p);
	warnings(&p);
	about(&p);
	egress_table(&p, all);
	details(&p, &egresses);
	details(&p, &domains);
	override_table(&p);
	list_table(&p);
	front_table(&p);
	ways_print(screen, status, p.now_ms);
	store_lines(&p);
}

static int
run_status(const struct args *args)
{
	struct screen screen;
	json_t *data;
	int status;

	if (args->given & OPT_FLEET)
		return fleet_run(args);
	if (args->given & OPT_WATCH)
		return watch_status(args);
	data = link_ask(args, json_pack("{s:s}", "command", "status"),
	    &status);
	if (data == NULL)
		return status;
	screen_open(&screen, stdout);
	if (args->given & OPT_JSON)
		print_json(data);
	else
		status_print(&screen, data, (args->given & OPT_ALL) != 0);
	json_decref(data);
	return CTL_OK;
}

const struct command command_status = {
	"status", "[--all | --fleet] [--watch SECONDS] [--json]",
	"what is stopped, since when, why, and what to do",
	"Shows what is stopped, since when, why, what happens next and what "
	"to do;\noverrides, lists that cannot be used, which mail servers "
	"ask, and the store.\n"
	"\n"
	"  -a, --all   every egress of a large fleet, also those that send\n"
	"      --fleet all hosts with this Redis, and which of them have seen\n"
	"              each override\n"
	"  -w, --watch SECONDS  again every so many seconds (2), until "
	"interrupted\n"
	"  -j, --json  one JSON object; its fields are in mailbrake(1)\n",
	OPT_ALL | OPT_FLEET | OPT_WATCH | OPT_JSON, 0, 0, run_status
};
