/*
 * incident.c - one record from the first listing to the return to normal
 */
#include "core/incident.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static const char *const step_names[] = {
	"stopped", "lists", "cause", "removed", "asked", "resumed",
};
static const char *const state_names[] = { "open", "next", "done" };

static_assert(sizeof(step_names) / sizeof(step_names[0]) == STEP_KINDS,
    "a name for every step");

struct incidents {
	struct incident	*v;		/* the current one is the last */
	size_t		 count;
	int64_t		 last_id;
	struct incident_counts before;	/* counted so far */
	bool		 counted;
	bool		 mail_new;	/* counted, and not said yet */
	int64_t		 mail_said_ms;
	/* What came just before the listing that opens an incident belongs to
	 * it: it was seen, a second look was wanted. */
	struct board_event *early;
	size_t		 early_count;
	bool		 changed;
	/* The listings of the current one by list and subject. */
	struct incident_listing **order;
	size_t		 order_count;
	uint64_t	 generation;	/* of the board, when looked at */
};

/* What mail does is different all the time, and is kept now and then. */
#define MAIL_SAID_MS	60000LL

#define EARLY_MAX	20
#define EARLY_MS	600000LL

const char *
incident_step_name(enum incident_step s)
{
	return step_names[s];
}

bool
incident_step_parse(const char *name, enum incident_step *out)
{
	int i;

	for (i = 0; i < STEP_KINDS; i++) {
		if (strcmp(name, step_names[i]) == 0) {
			*out = (enum incident_step)i;
			return true;
		}
	}
	return false;
}

const char *
step_state_name(enum step_state s)
{
	return state_names[s];
}

struct incidents *
incidents_new(void)
{
	return xcalloc(1, sizeof(struct incidents));
}

static void
clear_tick(struct incident_tick *t)
{
	free(t->by);
	free(t->note);
	*t = (struct incident_tick){ 0 };
}

static void
clear(struct incident *in)
{
	size_t i;

	for (i = 0; i < in->listing_count; i++) {
		struct incident_listing *l = &in->listings[i];

		free(l->subject);
		free(l->zone);
		free(l->name);
		free(l->text);
		clear_tick(&l->asked);
	}
	clear_tick(&in->cause);
	clear_tick(&in->removed);
	for (i = 0; i < in->line_count; i++)
		free(in->lines[i].text);
	free(in->lines);
	free(in->listings);
}

void
incidents_free(struct incidents *b)
{
	size_t i;

	if (b == NULL)
		return;
	for (i = 0; i < b->count; i++)
		clear(&b->v[i]);
	free(b->v);
	free(b->early);
	free(b->order);
	free(b);
}

static struct incident *
current(const struct incidents *b)
{
	return b->count > 0 && b->v[b->count - 1].closed_ms == 0 ?
	    &b->v[b->count - 1] : NULL;
}

const struct incident *
incidents_current(const struct incidents *b)
{
	return current(b);
}

size_t
incidents_count(const struct incidents *b)
{
	return b->count;
}

const struct incident *
incidents_get(const struct incidents *b, size_t i)
{
	return &b->v[i];
}

static struct incident *
find(const struct incidents *b, int64_t id)
{
	size_t i;

	if (b->count == 0)
		return NULL;
	if (id == 0)
		return &b->v[b->count - 1];
	for (i = 0; i < b->count; i++) {
		if (b->v[i].id == id)
			return &b->v[i];
	}
	return NULL;
}

const struct incident *
incidents_find(const struct incidents *b, int64_t id)
{
	return find(b, id);
}

/* --- the time line ----------------------------------------------------- */

/* How it began and how it stands is what people ask for; in between the
 * oldest lines go. */
static void
add_line(struct incidents *b, struct incident *in, int64_t at_ms,
    const char *text)
{
	if (in->line_count == INCIDENT_LINES_MAX) {
		size_t gap = INCIDENT_LINES_MAX / 4;

		free(in->lines[gap].text);
		memmove(in->lines + gap, in->lines + gap + 1,
		    (in->line_count - gap - 1) * sizeof(*in->lines));
		in->line_count--;
		in->left_out++;
	}
	in->lines = xreallocarray(in->lines, in->line_count + 1,
	    sizeof(*in->lines));
	in->lines[in->line_count].at_ms = at_ms;
	in->lines[in->line_count++].text = xstrdup(text);
	b->changed = true;
}

/* A list's health is no news of the incident: it fills time lines. */
static bool
belongs(const struct board_event *e)
{
	return e->kind != EVENT_HEALTH && e->text[0] != '\0';
}

static void
keep_early(struct incidents *b, const struct board_event *e)
{
	if (b->early == NULL)
		b->early = xcalloc(EARLY_MAX, sizeof(*b->early));
	if (b->early_count == EARLY_MAX) {
		memmove(b->early, b->early + 1,
		    (EARLY_MAX - 1) * sizeof(*b->early));
		b->early_count--;
	}
	b->early[b->early_count++] = *e;
}

void
incidents_event(struct incidents *b, const struct board_event *e)
{
	struct incident *in = current(b);

	if (!belongs(e))
		return;
	if (in == NULL)
		keep_early(b, e);
	else
		add_line(b, in, e->at_ms, e->text);
}

/* --- the board ---------------------------------------------------------- */

static bool
is_trouble(const struct standing *s)
{
	return s->state != STATE_SENDING;
}

static bool
any_trouble(const struct board *board, int64_t *stopped_ms)
{
	const struct policy *p = board_policy(board);
	const struct standing *s;
	bool trouble = false;
	size_t i;

	for (i = 0; i < p->egress_count + p->domain_count; i++) {
		s = i < p->egress_count ? board_standing(board, i) :
		    board_domain_standing(board, i - p->egress_count);
		if (!is_trouble(s))
			continue;
		trouble = true;
		if (s->state == STATE_STOPPED && (*stopped_ms == 0 ||
		    s->since_ms < *stopped_ms))
			*stopped_ms = s->since_ms;
	}
	return trouble;
}

static struct incident *
open_one(struct incidents *b, int64_t now_ms)
{
	struct incident *in;
	size_t i;

	if (b->count > INCIDENT_KEPT) {
		clear(&b->v[0]);
		memmove(b->v, b->v + 1, (b->count - 1) * sizeof(*b->v));
		b->count--;
	}
	b->v = xreallocarray(b->v, b->count + 1, sizeof(*b->v));
	in = &b->v[b->count++];
	*in = (struct incident){ .id = ++b->last_id, .opened_ms = now_ms };
	b->order_count = 0;
	b->changed = true;
	for (i = 0; i < b->early_count; i++) {
		if (now_ms - b->early[i].at_ms <= EARLY_MS)
			add_line(b, in, b->early[i].at_ms, b->early[i].text);
	}
	b->early_count = 0;
	return in;
}

/* --- its listings -------------------------------------------------------- */

/* Zones are few and mostly differ, but the same ones are long: subjects
 * tell sooner. */
static int
compare_listings(const struct incident_listing *a,
    const struct incident_listing *b)
{
	int c = strcmp(a->subject, b->subject);

	return c != 0 ? c : strcmp(a->zone, b->zone);
}

static int
compare_order(const void *a, const void *b)
{
	return compare_listings(*(struct incident_listing *const *)a,
	    *(struct incident_listing *const *)b);
}

static void
sort_listings(struct incidents *b, struct incident *in)
{
	size_t i;

	b->order = xreallocarray(b->order, in->listing_count + 1,
	    sizeof(*b->order));
	for (i = 0; i < in->listing_count; i++)
		b->order[i] = &in->listings[i];
	b->order_count = in->listing_count;
	qsort(b->order, b->order_count, sizeof(*b->order), compare_order);
}

static bool
counts(const struct listing *l)
{
	return l->confirmed && l->seen.weight > 0;
}

static const char *
zone_of(const struct board *board, const struct listing *l)
{
	return board_policy(board)->lists[l->list].zone;
}

static struct incident_listing *
find_listing(const struct incidents *b, const struct board *board,
    const struct listing *l)
{
	char buf[ADDR_TEXT_MAX];
	struct incident_listing key = {
	    .subject = (char *)(uintptr_t)subject_text(board_subject(board,
	    l->subject), buf),
	    .zone = (char *)(uintptr_t)zone_of(board, l) }, *keyp = &key;
	struct incident_listing **found;

	found = b->order_count == 0 ? NULL : bsearch(&keyp, b->order,
	    b->order_count, sizeof(*b->order), compare_order);
	return found != NULL ? *found : NULL;
}

static void
set_text(char **to, const char *text)
{
	if (*to != NULL && strcmp(*to, text) == 0)
		return;
	free(*to);
	*to = xstrdup(text);
}

/* How the board has it now. */
static void
take_listing(struct incidents *b, struct incident_listing *o,
    const struct listing *l)
{
	struct addr code = addr_from_ipv4(l->seen.code);
	char buf[ADDR_TEXT_MAX];

	if (o->text != NULL && o->gone_ms == 0 && o->code == l->seen.code &&
	    o->weight == l->seen.weight && strcmp(o->text, l->text) == 0)
		return;
	/* Back again: it has to be asked for once more. */
	if (o->gone_ms != 0)
		clear_tick(&o->asked);
	o->gone_ms = 0;
	o->code = l->seen.code;
	o->weight = l->seen.weight;
	set_text(&o->name, l->seen.name[0] != '\0' ? l->seen.name :
	    addr_text(&code, buf));
	set_text(&o->text, l->text);
	b->changed = true;
}

static void
add_listing(struct incidents *b, struct incident *in,
    const struct board *board, const struct listing *l)
{
	struct incident_listing *o = &in->listings[in->listing_count++];
	char buf[ADDR_TEXT_MAX];

	*o = (struct incident_listing){ .since_ms = l->since_ms };
	o->subject = xstrdup(subject_text(board_subject(board, l->subject),
	    buf));
	o->zone = xstrdup(zone_of(board, l));
	take_listing(b, o, l);
}

/* All that the board has, and what it has no more.  There may be thousands
 * of both. */
static void
take_listings(struct incidents *b, struct incident *in,
    const struct board *board, int64_t now_ms)
{
	size_t i, count = board_listing_count(board), new_count = 0;
	const struct listing **new = xcalloc(count + 1, sizeof(*new));
	bool *seen;

	if (b->order_count != in->listing_count)
		sort_listings(b, in);
	seen = xcalloc(in->listing_count + 1, sizeof(*seen));
	for (i = 0; i < count; i++) {
		const struct listing *l = board_listing(board, i);
		struct incident_listing *o;

		if (!counts(l))
			continue;
		if ((o = find_listing(b, board, l)) == NULL) {
			new[new_count++] = l;
			continue;
		}
		seen[o - in->listings] = true;
		take_listing(b, o, l);
	}
	for (i = 0; i < in->listing_count; i++) {
		if (!seen[i] && in->listings[i].gone_ms == 0) {
			in->listings[i].gone_ms = now_ms;
			b->changed = true;
		}
	}
	if (new_count > 0) {
		in->listings = xreallocarray(in->listings,
		    in->listing_count + new_count, sizeof(*in->listings));
		for (i = 0; i < new_count; i++)
			add_listing(b, in, board, new[i]);
		sort_listings(b, in);
	}
	free(seen);
	free(new);
}

/* --- mail ---------------------------------------------------------------- */

/* Counters begin anew with the daemon. */
static uint64_t
more(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static void
take_counts(struct incidents *b, struct incident *in,
    const struct incident_counts *now)
{
	struct incident_counts *was = &b->before;

	if (in != NULL && b->counted) {
		b->mail_new = b->mail_new || memcmp(now, was,
		    sizeof(*now)) != 0;
		in->mail.refused += more(now->refused, was->refused);
		in->mail.held += more(now->held, was->held);
		in->mail.rerouted += more(now->rerouted, was->rerouted);
		in->mail.queued += more(now->queued, was->queued);
	}
	b->before = *now;
	b->counted = true;
}

/* Opens, fills in, closes. */
static void
look(struct incidents *b, const struct board *board,
    const struct incident_counts *mail, int64_t now_ms)
{
	struct incident *in = current(b);
	int64_t stopped_ms = 0;
	bool trouble = any_trouble(board, &stopped_ms);
	size_t i, left = 0;

	for (i = 0; i < board_listing_count(board); i++)
		left += counts(board_listing(board, i));
	if (in == NULL && (trouble || left > 0))
		in = open_one(b, now_ms);
	take_counts(b, in, mail);
	if (in == NULL)
		return;
	take_listings(b, in, board, now_ms);
	if (in->stopped_ms == 0 && stopped_ms != 0) {
		in->stopped_ms = stopped_ms;
		b->changed = true;
	}
	if (!trouble && left == 0) {
		in->closed_ms = now_ms;
		b->changed = true;
	}
}

bool
incidents_update(struct incidents *b, const struct board *board,
    const struct incident_counts *mail, int64_t now_ms)
{
	bool changed;

	/* Many answers change nothing. */
	if (b->generation == board_generation(board))
		take_counts(b, current(b), mail);
	else
		look(b, board, mail, now_ms);
	b->generation = board_generation(board);
	changed = b->changed || (b->mail_new &&
	    now_ms - b->mail_said_ms >= MAIL_SAID_MS);
	if (changed) {
		b->mail_new = false;
		b->mail_said_ms = now_ms;
	}
	b->changed = false;
	return changed;
}

/* --- the steps ----------------------------------------------------------- */

/* All that are still there have been asked for, or it is over. */
static bool
all_asked(const struct incident *in)
{
	size_t i;

	if (in->closed_ms != 0)
		return true;
	for (i = 0; i < in->listing_count; i++) {
		if (in->listings[i].gone_ms == 0 &&
		    in->listings[i].asked.at_ms == 0)
			return false;
	}
	return in->listing_count > 0;
}

static bool
step_done(const struct incident *in, enum incident_step step)
{
	switch (step) {
	case STEP_STOPPED:
		return in->stopped_ms != 0;
	case STEP_LISTS:
		return in->listing_count > 0;
	case STEP_CAUSE:
		return in->cause.at_ms != 0;
	case STEP_REMOVED:
		return in->removed.at_ms != 0;
	case STEP_ASKED:
		return all_asked(in);
	case STEP_RESUMED:
		return in->closed_ms != 0;
	case STEP_KINDS:
		break;
	}
	return false;
}

enum step_state
incident_step_state(const struct incident *in, enum incident_step step)
{
	int i;

	if (step_done(in, step))
		return STEP_DONE;
	for (i = 0; i < (int)step; i++) {
		if (!step_done(in, (enum incident_step)i))
			return STEP_OPEN;
	}
	return STEP_NEXT;
}

static void
tick(struct incident_tick *t, const char *by, const char *note,
    int64_t now_ms)
{
	char text[INCIDENT_NOTE_MAX > INCIDENT_BY_MAX ? INCIDENT_NOTE_MAX :
	    INCIDENT_BY_MAX];

	t->at_ms = now_ms;
	set_text(&t->by, text_clean(text, INCIDENT_BY_MAX, by, strlen(by)));
	set_text(&t->note, text_clean(text, INCIDENT_NOTE_MAX, note,
	    strlen(note)));
}

static const char *
tick_asked(struct incident *in, const char *zone, const char *by,
    const char *note, int64_t now_ms)
{
	bool found = false;
	size_t i;

	for (i = 0; i < in->listing_count; i++) {
		if (zone != NULL ? !text_same(in->listings[i].zone, zone) :
		    in->listings[i].gone_ms != 0)
			continue;
		tick(&in->listings[i].asked, by, note, now_ms);
		found = true;
	}
	return found ? NULL : zone != NULL ? "the incident has no listing by "
	    "that list" : "no listing is left to ask for";
}

const char *
incidents_tick(struct incidents *b, int64_t id, enum incident_step step,
    const char *zone, const char *by, const char *note, int64_t now_ms)
{
	struct incident *in = find(b, id);
	char line[INCIDENT_NOTE_MAX + 200];
	const char *wrong = NULL;

	if (in == NULL)
		return id == 0 ? "there is no incident" :
		    "there is no incident of that number";
	if (step == STEP_CAUSE)
		tick(&in->cause, by, note, now_ms);
	else if (step == STEP_REMOVED)
		tick(&in->removed, by, note, now_ms);
	else if (step == STEP_ASKED)
		wrong = tick_asked(in, zone, by, note, now_ms);
	else
		wrong = "mailbrake sees to that step itself";
	if (wrong != NULL)
		return wrong;
	if (step == STEP_ASKED && zone != NULL)
		snprintf(line, sizeof(line), "%s says: %.255s was asked for "
		    "delisting%s%s", by, zone, note[0] != '\0' ? ": " : "",
		    note);
	else
		snprintf(line, sizeof(line), "%s says: %s%s%s", by,
		    step == STEP_CAUSE ? "the cause is found" :
		    step == STEP_REMOVED ? "the cause is removed" :
		    "delisting was asked for", note[0] != '\0' ? ": " : "",
		    note);
	add_line(b, in, now_ms, line);
	return NULL;
}

void
incidents_restore(struct incidents *b, struct incident *in)
{
	b->v = xreallocarray(b->v, b->count + 1, sizeof(*b->v));
	b->v[b->count++] = *in;
	b->generation = b->order_count = 0;
	if (in->id > b->last_id)
		b->last_id = in->id;
	*in = (struct incident){ 0 };
}
