/*
 * page.c - the status page
 */
#include "front/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/show.h"
#include "front/html.h"

#define SENTENCES	3	/* of parties in the first section */
#define EVENTS_SHOWN	40
#define RECENT_MS	(3 * 86400000LL)	/* a closed incident */
#define QUIET_MS	86400000LL		/* a front end that nobody asks */

struct page {
	struct evbuffer	*out;
	const struct page_facts *facts;
	const json_t	*status;
	const json_t	*open;		/* the open incident, or NULL */
	int64_t		 now_ms;
	bool		 observe;
};

/* Who can be stopped. */
struct party {
	const char	*key, *title, *target, *noun, *nouns;
};

static const struct party egresses = { "egress", "", "", "egress",
	"egresses" };
static const struct party domains = { "domains", "mail from ", "domain:",
	"sender domain", "sender domains" };

/* --- looking at JSON --------------------------------------------------- */

static bool
is(const json_t *o, const char *key, const char *value)
{
	return strcmp(show_text(o, key), value) == 0;
}

static bool
is_filled(const json_t *o, const char *key)
{
	return *show_text(o, key) != '\0';
}

static const json_t *
part(const struct page *p, const char *key)
{
	return json_object_get(p->status, key);
}

static const json_t *
override_of(const json_t *e)
{
	const json_t *o = json_object_get(e, "override");

	return json_is_object(o) ? o : NULL;
}

static bool
is_stopped(const json_t *e)
{
	return is(e, "state", "stopped");
}

static bool
is_probation(const json_t *e)
{
	return is(e, "state", "probation");
}

static bool
is_defied(const json_t *e)
{
	return is(e, "state", "sending") && !is(e, "evidence_state",
	    "sending");
}

/* Nothing to tell but that it sends. */
static bool
is_plain(const json_t *e)
{
	return is(e, "state", "sending") && override_of(e) == NULL &&
	    json_array_size(json_object_get(e, "listings")) == 0;
}

static size_t
count_of(const struct page *p, const char *key, bool (*want)(const json_t *))
{
	size_t i, count = 0;
	const json_t *e;

	json_array_foreach(part(p, key), i, e)
		count += want(e);
	return count;
}

static size_t
count_is(const json_t *array, const char *key, const char *value)
{
	size_t i, count = 0;
	const json_t *o;

	json_array_foreach(array, i, o)
		count += is(o, key, value);
	return count;
}

static bool
counts(const json_t *listing)
{
	return show_bool(listing, "confirmed") &&
	    show_int(listing, "weight") > 0;
}

/* The listing that weighs most and counts, or NULL. */
static const json_t *
heaviest(const json_t *e)
{
	const json_t *best = NULL, *l;
	size_t i;

	json_array_foreach(json_object_get(e, "listings"), i, l) {
		if (counts(l) && (best == NULL || show_int(l, "weight") >
		    show_int(best, "weight")))
			best = l;
	}
	return best;
}

static const char *
subject_of(const json_t *listing)
{
	return is_filled(listing, "address") ? show_text(listing, "address") :
	    show_text(listing, "domain");
}

static const char *
name_of(const json_t *listing)
{
	return is_filled(listing, "name") ? show_text(listing, "name") :
	    show_text(listing, "code");
}

/* --- the first sentence ------------------------------------------------ */

static void
say_since(struct page *p, const json_t *e)
{
	char when[SHOW_TIME_MAX];
	int64_t ms = show_ms(e, "since");

	if (ms != 0)
		html_text(p->out, " since %s", show_time(ms, p->now_ms,
		    when));
}

static void
say_why(struct page *p, const json_t *e)
{
	const json_t *o = override_of(e), *l = heaviest(e);

	if (o != NULL)
		html_text(p->out, "an operator said \"%s\" (%s)%s%s",
		    show_text(o, "word"), show_text(o, "source"),
		    is_filled(o, "reason") ? ": " : "",
		    show_text(o, "reason"));
	if (l != NULL)
		html_text(p->out, "%s%s is listed by %s (%s)", o != NULL ?
		    ", and " : "", subject_of(l), show_text(l, "zone"),
		    name_of(l));
	else if (o == NULL && is_stopped(e) && !is(e, "evidence_state",
	    "stopped"))
		html_text(p->out, "too many egresses of its pool were "
		    "stopped lately, and it would be the next");
	else if (o == NULL)
		html_text(p->out, "it was listed; no list that counts has it "
		    "any more");
}

/* What happens if nobody does anything. */
static void
say_next(struct page *p, const json_t *e)
{
	const json_t *o = override_of(e);
	int64_t until_ms = show_ms(o != NULL ? o : e, "until");
	char until[SHOW_TIME_MAX];

	show_time(until_ms, p->now_ms, until);
	if (o != NULL && until_ms != 0)
		html_text(p->out, "the operator's word ends at %s, and the "
		    "evidence decides again, which says \"%s\" now", until,
		    show_text(e, "evidence_state"));
	else if (o != NULL)
		html_text(p->out, "nothing, until somebody removes the "
		    "operator's word");
	else if (is_probation(e))
		html_text(p->out, "the share of the mail that goes grows, "
		    "until all of it goes%s%s", until_ms != 0 ? " at " : "",
		    until_ms != 0 ? until : "");
	else if (!is(e, "evidence_state", "stopped"))
		html_text(p->out, "it goes on when the others of its pool "
		    "do, or when time has passed");
	else if (show_ms(e, "clean_since") != 0)
		html_text(p->out, "if it stays clean, a first share of the "
		    "mail goes%s%s", until_ms != 0 ? " at " : " soon",
		    until_ms != 0 ? until : "");
	else
		html_text(p->out, "it stays stopped until the lists let go "
		    "of it; then the mail comes back by itself, a small "
		    "share first");
}

static const char *
next_step(const json_t *incident)
{
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(incident, "steps"), i, s) {
		if (is(s, "state", "next"))
			return show_text(s, "step");
	}
	return "";
}

static void	 command(struct page *, const char *, ...)
		    __attribute__((__format__(__printf__, 2, 3)));

static void
command(struct page *p, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	html_raw(p->out, "<code>");
	html_text(p->out, "%s", text);
	html_raw(p->out, "</code>");
}

/* The first list that has not been asked, or "". */
static const char *
unasked(const json_t *incident)
{
	const json_t *l;
	size_t i;

	json_array_foreach(json_object_get(incident, "listings"), i, l) {
		if (!json_is_object(json_object_get(l, "asked")) &&
		    show_ms(l, "gone") == 0)
			return show_text(l, "zone");
	}
	return "";
}

static void
say_now(struct page *p, const struct party *party, const json_t *e)
{
	const char *step = next_step(p->open);
	const json_t *o = override_of(e);

	if (o != NULL && (heaviest(e) == NULL || strcmp(step, "resumed") ==
	    0)) {
		html_text(p->out, "when the reason is gone, let the evidence "
		    "decide: ");
		command(p, "mailbrake auto %s", show_text(o, "target"));
	} else if (strcmp(step, "resumed") == 0) {
		html_text(p->out, "nothing; to send in spite of it: ");
		command(p, "mailbrake send %s%s --for 1h", party->target,
		    show_text(e, "name"));
	} else if (strcmp(step, "removed") == 0) {
		html_text(p->out, "remove the cause, then tell: ");
		command(p, "mailbrake incident --removed \"what was done\"");
	} else if (strcmp(step, "asked") == 0) {
		html_text(p->out, "ask to be delisted; where, and with which "
		    "words: ");
		command(p, "mailbrake delist %s", unasked(p->open));
	} else {
		html_text(p->out, "find what sends the spam (a stolen "
		    "password, a web form, an infected client), then tell: ");
		command(p, "mailbrake incident --cause \"what it was\"");
	}
}

static void
say_party(struct page *p, const struct party *party, const json_t *e)
{
	const char *state = is_defied(e) ? "sends in spite of the evidence" :
	    is_probation(e) ? "is coming back" : p->observe ?
	    "would be stopped" : "is stopped";

	html_raw(p->out, "<p><b>");
	html_text(p->out, "%s%s %s", party->title, show_text(e, "name"),
	    state);
	html_raw(p->out, "</b>");
	say_since(p, e);
	html_raw(p->out, " because ");
	say_why(p, e);
	html_raw(p->out, ". <b>Next:</b> ");
	say_next(p, e);
	html_raw(p->out, ". <b>Do now:</b> ");
	say_now(p, party, e);
	html_raw(p->out, ".</p>");
}

/* Those of a kind in one box; how many there are. */
static size_t
box(struct page *p, const char *css, const char *word,
    const struct party *party, bool (*want)(const json_t *))
{
	size_t total = json_array_size(part(p, party->key)), i, shown = 0;
	size_t count = count_of(p, party->key, want);
	const json_t *e;

	if (count == 0)
		return 0;
	html_raw(p->out, "<section class=\"top ");
	html_raw(p->out, css);
	html_raw(p->out, "\"><p class=\"big\">");
	html_text(p->out, "%s", word);
	if (total > 1)
		html_text(p->out, ": %zu of %zu %s", count, total,
		    party->nouns);
	html_raw(p->out, "</p>");
	json_array_foreach(part(p, party->key), i, e) {
		if (want(e) && shown++ < SENTENCES)
			say_party(p, party, e);
	}
	if (count > SENTENCES) {
		html_raw(p->out, "<p>");
		html_text(p->out, "And %zu more, see below.", count -
		    SENTENCES);
		html_raw(p->out, "</p>");
	}
	html_raw(p->out, "</section>");
	return count;
}

static void
calm(struct page *p, const char *css, const char *big, const char *say)
{
	html_raw(p->out, "<section class=\"top ");
	html_raw(p->out, css);
	html_raw(p->out, "\"><p class=\"big\">");
	html_text(p->out, "%s", big);
	html_raw(p->out, "</p><p>");
	html_text(p->out, "%s", say);
	html_raw(p->out, "</p></section>");
}

static bool
is_checked(const json_t *e)
{
	return show_ms(e, "checked") != 0;
}

static bool
is_listed(const json_t *e)
{
	return heaviest(e) != NULL;
}

static void
headline(struct page *p)
{
	static const struct party *const parties[] = { &egresses, &domains };
	const char *stopped = p->observe ? "WOULD BE STOPPED" : "STOPPED";
	size_t i, said = 0;

	for (i = 0; i < 2; i++)
		said += box(p, "bad", stopped, parties[i], is_stopped);
	for (i = 0; i < 2; i++)
		said += box(p, "bad", "SENDING IN SPITE OF THE EVIDENCE",
		    parties[i], is_defied);
	for (i = 0; i < 2; i++)
		said += box(p, "warn", "COMING BACK", parties[i],
		    is_probation);
	if (said > 0)
		return;
	if (json_array_size(part(p, "egress")) == 0)
		calm(p, "bad", "NO EGRESS", "There is nothing to watch. Name "
		    "an egress in the configuration.");
	else if (count_of(p, "egress", is_checked) == 0)
		calm(p, "warn", "NOT CHECKED YET", "No list has answered for "
		    "any egress so far; mail passes.");
	else if (count_of(p, "egress", is_listed) > 0)
		calm(p, "ok", "SENDING", "Nothing is stopped: what is listed "
		    "weighs too little. See below.");
	else
		calm(p, "ok", "SENDING", "Nothing is stopped, and no listing "
		    "counts. There is nothing to do.");
}

/* --- what else needs a hand -------------------------------------------- */

static void	 warn(struct page *, size_t *, const char *, ...)
		    __attribute__((__format__(__printf__, 3, 4)));

static void
warn(struct page *p, size_t *count, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	if ((*count)++ == 0)
		html_raw(p->out, "<section class=\"top warn\"><h2>Needs a "
		    "hand</h2><ul>");
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	html_raw(p->out, "<li>");
	html_text(p->out, "%s", text);
	html_raw(p->out, "</li>");
}

static void
warn_fronts(struct page *p, size_t *n)
{
	bool offered = false, asked = false;
	const json_t *f;
	size_t i;

	json_array_foreach(part(p, "fronts"), i, f) {
		offered = offered || is_filled(f, "where");
		asked = asked || show_int(f, "requests") > 0;
	}
	if (!offered)
		warn(p, n, "NO MAIL SERVER CAN ASK: no front end is "
		    "offered; see \"listen\" in mailbrake.conf(5).");
	else if (!asked)
		warn(p, n, "NO MAIL SERVER HAS ASKED YET, so no mail is "
		    "braked: see POSTFIX and SENDMAIL in mailbraked(8).");
}

static void
warn_lists(struct page *p, size_t *n)
{
	const json_t *lists = part(p, "lists");
	size_t count = json_array_size(lists);

	if (count == 0)
		warn(p, n, "NO LIST IS ENABLED: nothing can be found out.");
	else if (count_is(lists, "health", "usable") == 0 &&
	    count_is(lists, "health", "unknown") < count)
		warn(p, n, "BLIND: no list can be used, see below. What was "
		    "stopped stays stopped, and nothing new is noticed.");
	if (is_filled(p->status, "resolver_fault"))
		warn(p, n, "%s", show_text(p->status, "resolver_fault"));
}

static void
warn_ways(struct page *p, size_t *n)
{
	const json_t *gate = part(p, "gate"), *postfix = part(p, "postfix");
	const json_t *o;
	size_t i, bad = 0;

	if (is_filled(gate, "error"))
		warn(p, n, "THE GATE FILE IS NOT UP TO DATE: %s",
		    show_text(gate, "error"));
	if (is_filled(gate, "queue_error"))
		warn(p, n, "The queue cannot be flushed: %s",
		    show_text(gate, "queue_error"));
	if (is_filled(postfix, "error"))
		warn(p, n, "Postfix's configuration cannot be read: %s",
		    show_text(postfix, "error"));
	json_array_foreach(json_object_get(postfix, "findings"), i, o)
		bad += is(o, "state", "missing") || is(o, "state", "wrong");
	if (bad > 0)
		warn(p, n, "Postfix is not connected as it should be (%zu "
		    "point%s), so mail may leave while an egress is stopped. "
		    "What to do: mailbrake setup postfix --verify", bad,
		    bad == 1 ? "" : "s");
	json_array_foreach(part(p, "maps"), i, o) {
		if (is(o, "name", "unknown") && show_int(o, "requests") > 0)
			warn(p, n, "A mail server asks for a map, or for the "
			    "gate of an egress, that there is none of, and "
			    "puts that mail off.");
	}
	json_array_foreach(part(p, "pools"), i, o) {
		if (show_bool(o, "guarded"))
			warn(p, n, "POOL %s IS GUARDED: %s. Find the cause; "
			    "then \"mailbrake send NAME\" lets one go on.",
			    show_text(o, "name"), show_text(o, "text"));
	}
}

static void
warn_egresses(struct page *p, size_t *n)
{
	size_t i, k, unwatched = 0, names = 0;
	const json_t *e, *id;

	json_array_foreach(part(p, "egress"), i, e) {
		if (json_is_false(json_object_get(e, "watched")) &&
		    unwatched++ < SENTENCES)
			warn(p, n, "%s IS NOT WATCHED: it has no public "
			    "address. Name the address that the world sees "
			    "in %s.", show_text(e, "name"),
			    show_text(p->status, "config_file"));
		json_array_foreach(json_object_get(e, "identity"), k, id) {
			if (is(id, "state", "bad") && names++ < SENTENCES)
				warn(p, n, "Name of %s (%s): %s",
				    show_text(e, "name"),
				    show_text(id, "address"),
				    show_text(id, "text"));
		}
	}
	if (unwatched > SENTENCES)
		warn(p, n, "%zu more egresses are not watched.", unwatched -
		    SENTENCES);
	if (names > SENTENCES)
		warn(p, n, "%zu more addresses do not have the name that "
		    "they greet with.", names - SENTENCES);
}

static void
warnings(struct page *p)
{
	const json_t *store = part(p, "store"), *misread;
	size_t n = 0, i;

	json_array_foreach(part(p, "not_understood"), i, misread)
		warn(p, &n, "%s.", show_text(misread, "text"));
	warn_fronts(p, &n);
	warn_ways(p, &n);
	warn_lists(p, &n);
	warn_egresses(p, &n);
	if (is_filled(store, "state_file_error"))
		warn(p, &n, "The state is not saved, so a restart would "
		    "forget it: %s: %s", show_text(store, "state_file"),
		    show_text(store, "state_file_error"));
	if (is(store, "redis", "down"))
		warn(p, &n, "Redis is down: overrides set there are not "
		    "seen.");
	if (n > 0)
		html_raw(p->out, "</ul></section>");
}

/* --- tables ------------------------------------------------------------ */

/* Labels go with every cell: a narrow screen shows rows as cards. */
static void
table_open(struct page *p, const char *const *labels)
{
	html_raw(p->out, "<table><thead><tr>");
	for (; *labels != NULL; labels++) {
		html_raw(p->out, "<th scope=\"col\">");
		html_raw(p->out, *labels);
		html_raw(p->out, "</th>");
	}
	html_raw(p->out, "</tr></thead><tbody>");
}

static void
table_close(struct page *p)
{
	html_raw(p->out, "</tbody></table>");
}

static void
cell_open(struct page *p, const char *label, const char *css)
{
	html_raw(p->out, "<td data-l=\"");
	html_raw(p->out, label);
	html_raw(p->out, "\" class=\"");
	html_raw(p->out, css);
	html_raw(p->out, "\">");
}

static void	 cell(struct page *, const char *, const char *, const char *,
		    ...) __attribute__((__format__(__printf__, 4, 5)));

static void
cell(struct page *p, const char *label, const char *css, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cell_open(p, label, css);
	html_text(p->out, "%s", text);
	html_raw(p->out, "</td>");
}

static void
more(struct page *p, size_t count, const char *what)
{
	if (count == 0)
		return;
	html_raw(p->out, "<p>");
	html_text(p->out, "And %zu more%s.", count, what);
	html_raw(p->out, "</p>");
}

static const char *
age_of(const struct page *p, const json_t *o, const char *key,
    char buf[SHOW_TIME_MAX])
{
	return show_age(show_ms(o, key), p->now_ms, buf);
}

/* --- evidence ---------------------------------------------------------- */

static void
evidence_row(struct page *p, const json_t *l)
{
	bool confirmed = show_bool(l, "confirmed");
	const char *link = is_filled(l, "lookup") ? show_text(l, "lookup") :
	    show_text(l, "delist");
	char since[SHOW_TIME_MAX];

	html_raw(p->out, "<tr>");
	cell(p, "Listed", "", "%s", subject_of(l));
	cell(p, "By", "", "%s", show_text(l, "zone"));
	cell(p, "As", "", "%s%s%s%s", name_of(l), is(l, "kind", "listed") ?
	    "" : ", ", is(l, "kind", "listed") ? "" : show_text(l, "kind"),
	    confirmed ? "" : ", not confirmed");
	if (confirmed)
		cell(p, "Weight", "n", "%lld", (long long)show_int(l,
		    "weight"));
	else
		cell(p, "Weight", "n", "-");
	cell(p, "Since", "", "%s", show_time(show_ms(l, "since"), p->now_ms,
	    since));
	cell_open(p, "It says", "");
	if (is_filled(l, "text")) {
		html_raw(p->out, "<q>");
		html_text(p->out, "%s", show_text(l, "text"));
		html_raw(p->out, "</q> ");
	}
	html_link(p->out, link);
	html_raw(p->out, "</td></tr>");
}

static void
evidence(struct page *p)
{
	static const char *const labels[] = { "Listed", "By", "As", "Weight",
	    "Since", "It says", NULL };
	static const struct party *const parties[] = { &egresses, &domains };
	size_t i, k, m, shown = 0, left = 0;
	const json_t *e, *l;

	for (m = 0; m < 2; m++) {
		json_array_foreach(part(p, parties[m]->key), i, e) {
			json_array_foreach(json_object_get(e, "listings"), k,
			    l) {
				if (shown == PAGE_ROWS) {
					left++;
					continue;
				}
				if (shown++ == 0) {
					html_raw(p->out, "<section><h2>"
					    "Evidence</h2>");
					table_open(p, labels);
				}
				evidence_row(p, l);
			}
		}
	}
	if (shown == 0)
		return;
	table_close(p);
	more(p, left, "");
	html_raw(p->out, "</section>");
}

/* --- incident ---------------------------------------------------------- */

static void
say_tick(struct page *p, const json_t *t)
{
	char at[SHOW_TIME_MAX];

	if (json_is_object(t))
		html_text(p->out, " %s, %s: %s", show_text(t, "by"),
		    show_time(show_ms(t, "at"), p->now_ms, at),
		    is_filled(t, "note") ? show_text(t, "note") :
		    "(no word)");
}

static void
say_step(struct page *p, const json_t *in, const char *step)
{
	char at[SHOW_TIME_MAX];
	size_t i, asked = 0, there = 0;
	const json_t *l;

	json_array_foreach(json_object_get(in, "listings"), i, l) {
		there += show_ms(l, "gone") == 0;
		asked += json_is_object(json_object_get(l, "asked"));
	}
	i = json_array_size(json_object_get(in, "listings"));
	if (strcmp(step, "stopped") == 0 && show_ms(in, "stopped") != 0)
		html_text(p->out, " %s. Mail so far: %lld refused for now, "
		    "%lld held, %lld sent by another egress, %lld taken into "
		    "the queue.", show_time(show_ms(in, "stopped"),
		    p->now_ms, at), (long long)show_int(in, "refused"),
		    (long long)show_int(in, "held"),
		    (long long)show_int(in, "rerouted"),
		    (long long)show_int(in, "queued"));
	else if (strcmp(step, "stopped") == 0)
		html_text(p->out, " Nothing is stopped: what is listed does "
		    "not weigh enough.");
	else if (strcmp(step, "lists") == 0)
		html_text(p->out, " %zu listing%s, %zu still there.", i,
		    i == 1 ? "" : "s", there);
	else if (strcmp(step, "cause") == 0 || strcmp(step, "removed") == 0)
		say_tick(p, json_object_get(in, step));
	else if (strcmp(step, "asked") == 0)
		html_text(p->out, " Asked for %zu of %zu listing%s.", asked,
		    i, i == 1 ? "" : "s");
	else if (show_ms(in, "closed") != 0)
		html_text(p->out, " Back to normal %s.", show_time(show_ms(in,
		    "closed"), p->now_ms, at));
}

static void
incident(struct page *p)
{
	static const struct {
		const char	*step, *title;
	} steps[] = {
		{ "stopped", "Stop sending." },
		{ "lists", "Which lists, and why." },
		{ "cause", "Find the cause." },
		{ "removed", "Remove it." },
		{ "asked", "Ask for delisting." },
		{ "resumed", "Watch, and resume." },
	};
	const json_t *in = p->facts->incident, *s;
	int64_t closed_ms = show_ms(in, "closed");
	char at[SHOW_TIME_MAX];
	size_t i, k;

	if (in == NULL || (closed_ms != 0 && p->now_ms - closed_ms >
	    RECENT_MS))
		return;
	html_raw(p->out, "<section><h2>");
	html_text(p->out, "Incident %lld, %s", (long long)show_int(in, "id"),
	    closed_ms != 0 ? "over" : "open");
	html_raw(p->out, "</h2><p>");
	html_text(p->out, "Since %s. All of it: ", show_time(show_ms(in,
	    "opened"), p->now_ms, at));
	command(p, "mailbrake incident");
	html_raw(p->out, "</p><ol class=\"steps\">");
	json_array_foreach(json_object_get(in, "steps"), i, s) {
		for (k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			if (!is(s, "step", steps[k].step))
				continue;
			html_raw(p->out, is(s, "state", "done") ?
			    "<li class=\"done\"><b>[done]</b> " :
			    is(s, "state", "next") ?
			    "<li class=\"next\"><b>[NEXT]</b> " :
			    "<li class=\"open\"><b>[open]</b> ");
			html_text(p->out, "%s", steps[k].title);
			say_step(p, in, steps[k].step);
			html_raw(p->out, "</li>");
		}
	}
	html_raw(p->out, "</ol></section>");
}

/* --- egresses, domains, pools ------------------------------------------ */

static const char *
state_css(const json_t *e)
{
	return is_stopped(e) || is_defied(e) ? "bad" : is_probation(e) ?
	    "warn" : "ok";
}

static void
addresses_cell(struct page *p, const json_t *e)
{
	const json_t *a;
	size_t i;

	cell_open(p, "Addresses", "");
	json_array_foreach(json_object_get(e, "addresses"), i, a) {
		if (i < PAGE_ROWS)
			html_text(p->out, "%s%s", i > 0 ? ", " : "",
			    json_string_value(a));
	}
	if (i > PAGE_ROWS)
		html_text(p->out, " and %zu more", i - PAGE_ROWS);
	html_raw(p->out, "</td>");
}

static void
egress_row(struct page *p, const json_t *e, bool is_egress)
{
	const json_t *o = override_of(e);
	char since[SHOW_TIME_MAX], age[SHOW_TIME_MAX];

	html_raw(p->out, "<tr>");
	cell(p, is_egress ? "Egress" : "Domain", "", "%s", show_text(e,
	    "name"));
	cell(p, "State", state_css(e), "%s%s", show_text(e, "state"), o !=
	    NULL ? " (operator)" : "");
	cell(p, "Since", "", "%s", show_time(show_ms(e, "since"), p->now_ms,
	    since));
	cell(p, "Score", "n", "%lld of %lld", (long long)show_int(e,
	    "score"), (long long)show_int(p->status, "stop_score"));
	if (!is_egress) {
		html_raw(p->out, "</tr>");
		return;
	}
	cell(p, "Checked", show_bool(e, "blind") ? "warn" : "", "%s%s",
	    age_of(p, e, "checked", age), show_bool(e, "blind") ?
	    ", but not by all lists" : "");
	if (json_is_integer(json_object_get(e, "waiting")))
		cell(p, "Waiting", "n", "%lld", (long long)show_int(e,
		    "waiting"));
	else
		cell(p, "Waiting", "n", "-");
	addresses_cell(p, e);
	html_raw(p->out, "</tr>");
}

static void
party_table(struct page *p, const struct party *party)
{
	static const char *const egress_labels[] = { "Egress", "State",
	    "Since", "Score", "Checked", "Waiting", "Addresses", NULL };
	static const char *const domain_labels[] = { "Domain", "State",
	    "Since", "Score", NULL };
	const json_t *array = part(p, party->key), *e;
	size_t total = json_array_size(array), i, shown = 0, plain = 0;
	bool is_egress = party == &egresses;

	if (total == 0)
		return;
	html_raw(p->out, is_egress ? "<section><h2>Egresses</h2>" :
	    "<section><h2>Sender domains</h2>");
	table_open(p, is_egress ? egress_labels : domain_labels);
	json_array_foreach(array, i, e) {
		if (total > PAGE_ROWS && is_plain(e))
			plain++;
		else if (shown++ < PAGE_ROWS)
			egress_row(p, e, is_egress);
	}
	table_close(p);
	more(p, plain, " that send, and nothing is known against them");
	if (shown > PAGE_ROWS)
		more(p, shown - PAGE_ROWS, "; all of them: mailbrake status "
		    "--all");
	html_raw(p->out, "</section>");
}

static void
pool_table(struct page *p)
{
	static const char *const labels[] = { "Pool", "Egress",
	    "Stands in for others", NULL };
	size_t i, k, shown = 0, left = 0;
	const json_t *pool, *m;

	json_array_foreach(part(p, "pools"), i, pool) {
		const json_t *members = json_object_get(pool, "egress");

		if (json_array_size(members) < 2)
			continue;
		json_array_foreach(members, k, m) {
			bool can = show_bool(m, "stands_in");

			if (shown == PAGE_ROWS) {
				left++;
				continue;
			}
			if (shown++ == 0) {
				html_raw(p->out,
				    "<section><h2>Pools</h2>");
				table_open(p, labels);
			}
			html_raw(p->out, "<tr>");
			cell(p, "Pool", "", "%s (%s)", show_text(pool,
			    "name"), show_text(pool, "choose"));
			cell(p, "Egress", "", "%s", show_text(m, "name"));
			cell(p, "Stands in for others", can ? "ok" : "warn",
			    "%s%s", can ? "yes" : "no: it ", can ? "" :
			    show_text(m, "why_not"));
			html_raw(p->out, "</tr>");
		}
	}
	if (shown == 0)
		return;
	table_close(p);
	more(p, left, "");
	html_raw(p->out, "</section>");
}

static void
override_table(struct page *p)
{
	static const char *const labels[] = { "For", "Word", "Ends", "By",
	    "Reason", NULL };
	const json_t *array = part(p, "overrides"), *o;
	char until[SHOW_TIME_MAX];
	size_t i;

	if (json_array_size(array) == 0)
		return;
	html_raw(p->out, "<section><h2>Operators' words</h2>");
	table_open(p, labels);
	json_array_foreach(array, i, o) {
		if (i >= PAGE_ROWS)
			continue;
		html_raw(p->out, "<tr>");
		cell(p, "For", "", "%s", show_text(o, "target"));
		cell(p, "Word", is(o, "word", "stop") ? "bad" : "warn", "%s",
		    show_text(o, "word"));
		cell(p, "Ends", "", "%s", show_ms(o, "until") == 0 ?
		    "when removed" : age_of(p, o, "until", until));
		cell(p, "By", "", "%s", show_text(o, "source"));
		cell(p, "Reason", "", "%s", show_text(o, "reason"));
		html_raw(p->out, "</tr>");
	}
	table_close(p);
	if (i > PAGE_ROWS)
		more(p, i - PAGE_ROWS, "");
	html_raw(p->out, "</section>");
}

/* --- lists ------------------------------------------------------------- */

static void
list_table(struct page *p)
{
	static const char *const labels[] = { "List", "Health", "Reason",
	    NULL };
	const json_t *lists = part(p, "lists"), *l;
	size_t usable = count_is(lists, "health", "usable");
	size_t unknown = count_is(lists, "health", "unknown");
	size_t bad = json_array_size(lists) - usable - unknown, i, shown = 0;

	html_raw(p->out, "<section><h2>Lists</h2><p>");
	html_text(p->out, "%zu usable, %zu not, %zu not asked yet.", usable,
	    bad, unknown);
	html_raw(p->out, "</p>");
	if (bad > 0) {
		table_open(p, labels);
		json_array_foreach(lists, i, l) {
			if (is(l, "health", "usable") || is(l, "health",
			    "unknown") || shown++ >= PAGE_ROWS)
				continue;
			html_raw(p->out, "<tr>");
			cell(p, "List", "", "%s", show_text(l, "zone"));
			cell(p, "Health", "warn", "%s", show_text(l,
			    "health"));
			cell(p, "Reason", "", "%s", show_text(l, "reason"));
			html_raw(p->out, "</tr>");
		}
		table_close(p);
		more(p, shown > PAGE_ROWS ? shown - PAGE_ROWS : 0, "");
	}
	html_raw(p->out, "</section>");
}

/* --- who asks ---------------------------------------------------------- */

static void
front_table(struct page *p)
{
	static const char *const labels[] = { "Front end", "Asked last",
	    "Asked", "Passed", "Refused", "Held", "Rerouted", "Queued",
	    "Where", NULL };
	const json_t *f, *m;
	int64_t last_ms;
	char age[SHOW_TIME_MAX];
	size_t i;

	html_raw(p->out, "<section><h2>Mail servers asking</h2>");
	if (p->observe)
		html_raw(p->out, "<p>Refused to queued: what enforce mode "
		    "would have done.</p>");
	table_open(p, labels);
	json_array_foreach(part(p, "fronts"), i, f) {
		last_ms = show_ms(f, "last");
		if (!is_filled(f, "where"))
			continue;
		html_raw(p->out, "<tr>");
		cell(p, "Front end", "", "%s", show_text(f, "name"));
		cell(p, "Asked last", last_ms == 0 || p->now_ms - last_ms >
		    QUIET_MS ? "warn" : "", "%s", last_ms == 0 ? "never" :
		    show_age(last_ms, p->now_ms, age));
		cell(p, "Asked", "n", "%lld", (long long)show_int(f,
		    "requests"));
		cell(p, "Passed", "n", "%lld", (long long)show_int(f,
		    "passed"));
		cell(p, "Refused", "n", "%lld", (long long)show_int(f,
		    p->observe ? "would_tempfail" : "tempfailed"));
		cell(p, "Held", "n", "%lld", (long long)show_int(f,
		    p->observe ? "would_hold" : "held"));
		cell(p, "Rerouted", "n", "%lld", (long long)show_int(f,
		    p->observe ? "would_reroute" : "rerouted"));
		cell(p, "Queued", "n", "%lld", (long long)show_int(f,
		    p->observe ? "would_queue" : "queued"));
		cell(p, "Where", "", "%s", show_text(f, "where"));
		html_raw(p->out, "</tr>");
	}
	json_array_foreach(part(p, "maps"), i, m) {
		if (show_int(m, "requests") == 0)
			continue;
		html_raw(p->out, "<tr>");
		cell(p, "Front end", "", "map %s", show_text(m, "name"));
		cell(p, "Asked last", is(m, "name", "unknown") ? "bad" : "",
		    "%s", age_of(p, m, "last", age));
		cell(p, "Asked", "n", "%lld", (long long)show_int(m,
		    "requests"));
		html_raw(p->out, "</tr>");
	}
	table_close(p);
}

static void
ways(struct page *p)
{
	const json_t *gate = part(p, "gate"), *store = part(p, "store"), *s;
	const json_t *shut = json_object_get(gate, "shut");
	const char *redis = show_text(store, "redis");
	size_t i;

	front_table(p);
	html_raw(p->out, "<p>");
	if (is_filled(gate, "file")) {
		html_text(p->out, "Gate: %s, %s", show_text(gate, "file"),
		    json_array_size(shut) > 0 ? "shut for " : "open");
		json_array_foreach(shut, i, s) {
			if (i < PAGE_ROWS)
				html_text(p->out, "%s%s", i > 0 ? ", " : "",
				    json_string_value(s));
		}
		if (json_array_size(shut) > PAGE_ROWS)
			html_text(p->out, " and %zu more",
			    json_array_size(shut) - PAGE_ROWS);
		html_text(p->out, "%s. ", show_bool(gate, "settled") ? "" :
		    "; a change is not in force yet");
	}
	/* What connects says so itself, and by which way words come. */
	if (is_filled(store, "why") && strncmp(show_text(store, "why"), redis,
	    strlen(redis)) == 0)
		html_text(p->out, "Redis: %s. ", show_text(store, "why"));
	else
		html_text(p->out, "Redis: %s%s%s%s%s. ", strcmp(redis,
		    "off") == 0 ? "not used" : redis, is_filled(store,
		    "why") ? ", " : "", show_text(store, "why"),
		    is_filled(store, "way") ? ", " : "", show_text(store,
		    "way"));
	html_text(p->out, "State: %s.", is_filled(store, "state_file") ?
	    show_text(store, "state_file") : "in memory only");
	html_raw(p->out, "</p></section>");
}

/* --- events ------------------------------------------------------------ */

static void
events(struct page *p)
{
	size_t count = json_array_size(p->facts->events), i;
	const json_t *e;
	char when[CLOCK_TEXT_MAX];

	html_raw(p->out, "<section><h2>What happened</h2>");
	if (count == 0) {
		html_raw(p->out, "<p>Nothing since the start.</p></section>");
		return;
	}
	html_raw(p->out, "<ul class=\"events\">");
	for (i = count; i > 0 && count - i < EVENTS_SHOWN; i--) {
		e = json_array_get(p->facts->events, i - 1);
		html_raw(p->out, "<li><time>");
		html_text(p->out, "%s", clock_text(show_ms(e, "at"), when));
		html_raw(p->out, "</time> ");
		html_text(p->out, "%s", show_text(e, "text"));
		html_raw(p->out, "</li>");
	}
	html_raw(p->out, "</ul></section>");
}

/* --- the whole --------------------------------------------------------- */

static const char *
word_of(struct page *p)
{
	if (count_of(p, "egress", is_stopped) + count_of(p, "domains",
	    is_stopped) > 0)
		return p->observe ? "(stopped)" : "STOPPED";
	if (count_of(p, "egress", is_defied) > 0)
		return "IN SPITE";
	return count_of(p, "egress", is_probation) > 0 ? "coming back" :
	    "sending";
}

static void
head(struct page *p)
{
	char when[CLOCK_TEXT_MAX];

	html_raw(p->out, "<!DOCTYPE html>\n<html lang=\"en\"><head>"
	    "<meta charset=\"utf-8\">"
	    "<meta name=\"viewport\" content=\"width=device-width, "
	    "initial-scale=1\"><meta name=\"robots\" content=\"noindex\">"
	    "<meta name=\"color-scheme\" content=\"light dark\">");
	evbuffer_add_printf(p->out, "<meta http-equiv=\"refresh\" "
	    "content=\"%d\"><title>", PAGE_REFRESH_S);
	html_text(p->out, "%s - %s - mailbrake", word_of(p),
	    show_text(p->status, "host"));
	html_raw(p->out, "</title><style>");
	html_raw(p->out, page_style);
	html_raw(p->out, "</style></head><body><header><h1>mailbrake on ");
	html_text(p->out, "%s", show_text(p->status, "host"));
	html_raw(p->out, "</h1><p class=\"note\">");
	html_text(p->out, "As of %s, this host's time",
	    clock_text(p->now_ms, when));
	html_raw(p->out, "</p></header><main>");
	if (p->observe)
		html_raw(p->out, "<p class=\"observe\">OBSERVE MODE: all mail "
		    "passes, nothing is stopped</p>");
}

static void
foot(struct page *p)
{
	char up[DURATION_TEXT_MAX], next[SHOW_TIME_MAX];

	html_raw(p->out, "</main><footer><p>");
	html_text(p->out, "mailbraked %s, up %s, next check %s. %s. ",
	    show_text(p->status, "version"), duration_text(p->now_ms -
	    show_ms(p->status, "started"), up), age_of(p, p->status,
	    "next_check", next), show_text(p->status, "config_file"));
	html_raw(p->out, "<a href=\"status.json\">status.json</a> "
	    "<a href=\"metrics\">metrics</a></p></footer></body></html>\n");
}

char *
page_render(const struct page_facts *facts, size_t *len)
{
	struct page p = { .out = evbuffer_new(), .facts = facts,
	    .status = facts->status };

	p.now_ms = show_ms(facts->status, "now");
	p.observe = is(facts->status, "mode", "observe");
	p.open = facts->incident != NULL &&
	    show_ms(facts->incident, "closed") == 0 ? facts->incident : NULL;
	head(&p);
	headline(&p);
	warnings(&p);
	evidence(&p);
	incident(&p);
	page_time(p.out, facts);
	party_table(&p, &egresses);
	party_table(&p, &domains);
	pool_table(&p);
	override_table(&p);
	list_table(&p);
	ways(&p);
	events(&p);
	foot(&p);
	return html_take(p.out, len);
}
