/*
 * board.c - what we believe right now, and what follows from it
 */
#include "core/board_parts.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/domain.h"
#include "base/duration.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/listing.h"
#include "core/standing.h"
#include "core/words.h"

#define EVENTS_MAX	100000	/* nobody drains them: a bug, not a flood */
#define USUAL_MAX	1e9	/* messages an hour: more than there are */
#define COUNT_MAX	1000000000000ULL	/* in one probation: the same */

static const char *const state_names[] = {
	"sending", "stopped", "probation",
};
static const char *const health_names[] = {
	"unknown", "usable", "blind", "broken",
};
static const char *const event_names[] = {
	"state", "listed", "delisted", "suspected", "unconfirmed", "health",
	"override", "guard", "queue", "note",
};
static const char *const word_names[] = { "auto", "stop", "send" };

static_assert(sizeof(state_names) / sizeof(state_names[0]) == STATE_KINDS,
    "a name for every state");
static_assert(sizeof(health_names) / sizeof(health_names[0]) ==
    HEALTH_KINDS, "a name for every health");
static_assert(sizeof(event_names) / sizeof(event_names[0]) == EVENT_KINDS,
    "a name for every event");

const char *
state_name(enum state s)
{
	return state_names[s];
}

bool
state_parse(const char *name, enum state *out)
{
	int i;

	for (i = 0; i < STATE_KINDS; i++) {
		if (strcmp(name, state_names[i]) == 0) {
			*out = (enum state)i;
			return true;
		}
	}
	return false;
}

const char *
health_name(enum health h)
{
	return health_names[h];
}

const char *
event_kind_name(enum event_kind k)
{
	return event_names[k];
}

const char *
word_name(enum word w)
{
	return word_names[w];
}

const char *
subject_text(const struct subject *s, char *buf)
{
	return s->kind == SUBJECT_DOMAIN ? s->domain :
	    addr_text(&s->addr, buf);
}

/* --- events ------------------------------------------------------------ */

struct board_event *
board_add_event(struct board *b, enum event_kind kind, int64_t now_ms)
{
	struct board_event *e;

	if (b->event_first > 0 && b->event_count == b->event_room) {
		memmove(b->events, b->events + b->event_first,
		    (b->event_count - b->event_first) * sizeof(*b->events));
		b->event_count -= b->event_first;
		b->event_first = 0;
	}
	if (b->event_count == b->event_room) {
		if (b->event_room >= EVENTS_MAX)
			b->event_count--;	/* the newest gives way */
		else
			b->event_room = b->event_room * 2 + 16;
		b->events = xreallocarray(b->events, b->event_room,
		    sizeof(*b->events));
	}
	e = &b->events[b->event_count++];
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->at_ms = now_ms;
	return e;
}

bool
board_next_event(struct board *b, struct board_event *out)
{
	if (b->event_first == b->event_count) {
		b->event_first = b->event_count = 0;
		return false;
	}
	*out = b->events[b->event_first++];
	return true;
}

void
board_note(struct board *b, enum event_kind kind, int64_t now_ms,
    const char *fmt, ...)
{
	struct board_event *e = board_add_event(b, kind, now_ms);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
}

/* --- subjects and policy ----------------------------------------------- */

static int
compare_subject(const void *va, const void *vb)
{
	const struct subject *a = &((const struct subject_facts *)va)->subject;
	const struct subject *b = &((const struct subject_facts *)vb)->subject;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == SUBJECT_DOMAIN)
		return strcmp(a->domain, b->domain);
	return addr_cmp(&a->addr, &b->addr);
}

static enum subject_kind
addr_kind(const struct addr *a)
{
	return a->family == ADDR_IPV6 ? SUBJECT_IPV6 : SUBJECT_IPV4;
}

int
board_find_addr(const struct board *b, const struct addr *a)
{
	struct subject_facts key = { .subject.kind = addr_kind(a),
	    .subject.addr = *a }, *found;

	found = bsearch(&key, b->subjects, b->subject_count,
	    sizeof(*b->subjects), compare_subject);
	return found == NULL ? -1 : (int)(found - b->subjects);
}

static int
find_domain(const struct board *b, const char *domain)
{
	struct subject_facts key = { .subject.kind = SUBJECT_DOMAIN,
	    .subject.domain = (char *)(uintptr_t)domain }, *found;

	found = bsearch(&key, b->subjects, b->subject_count,
	    sizeof(*b->subjects), compare_subject);
	return found == NULL ? -1 : (int)(found - b->subjects);
}

static void
add_domain_subject(struct board *b, const char *domain)
{
	struct subject *s = &b->subjects[b->subject_count++].subject;

	s->kind = SUBJECT_DOMAIN;
	s->domain = xstrdup(domain);
}

/* Several parties may share a domain; the lists are asked once. */
static void
sort_subjects(struct board *b)
{
	size_t i, kept = 0;

	qsort(b->subjects, b->subject_count, sizeof(*b->subjects),
	    compare_subject);
	for (i = 0; i < b->subject_count; i++) {
		if (kept > 0 && compare_subject(&b->subjects[kept - 1],
		    &b->subjects[i]) == 0)
			free(b->subjects[i].subject.domain);
		else
			b->subjects[kept++] = b->subjects[i];
	}
	b->subject_count = kept;
}

/* Every address of every egress, its greeting's domain, and the sender
 * domains, each once and sorted. */
static void
collect_subjects(struct board *b)
{
	const struct policy *p = b->policy;
	size_t i, j, most = p->domain_count;

	for (i = 0; i < p->egress_count; i++)
		most += p->egress[i].addr_count + 1;
	b->subjects = xcalloc(most, sizeof(*b->subjects));
	for (i = 0; i < p->egress_count; i++) {
		for (j = 0; j < p->egress[i].addr_count; j++) {
			struct subject *s =
			    &b->subjects[b->subject_count++].subject;

			s->addr = p->egress[i].addrs[j];
			s->kind = addr_kind(&s->addr);
		}
		if (p->egress[i].helo_domain != NULL)
			add_domain_subject(b, p->egress[i].helo_domain);
	}
	for (i = 0; i < p->domain_count; i++)
		add_domain_subject(b, p->domains[i].asked);
	sort_subjects(b);
}

static void
collect_parties(struct board *b)
{
	const struct policy *p = b->policy;
	size_t i, j;

	b->egress = xcalloc(p->egress_count, sizeof(*b->egress));
	for (i = 0; i < p->egress_count; i++) {
		struct party *e = &b->egress[i];

		e->subjects = xcalloc(p->egress[i].addr_count + 1,
		    sizeof(*e->subjects));
		for (j = 0; j < p->egress[i].addr_count; j++)
			e->subjects[e->subject_count++] =
			    (size_t)board_find_addr(b, &p->egress[i].addrs[j]);
		if (p->egress[i].helo_domain != NULL)
			e->subjects[e->subject_count++] = (size_t)
			    find_domain(b, p->egress[i].helo_domain);
	}
	b->domains = xcalloc(p->domain_count, sizeof(*b->domains));
	for (i = 0; i < p->domain_count; i++) {
		struct party *d = &b->domains[i];

		d->subjects = xcalloc(1, sizeof(*d->subjects));
		d->subjects[d->subject_count++] =
		    (size_t)find_domain(b, p->domains[i].asked);
	}
	b->lists = xcalloc(p->list_count, sizeof(*b->lists));
	b->pools = xcalloc(p->pool_count, sizeof(*b->pools));
}

static void
free_facts(struct board *b)
{
	size_t i;

	for (i = 0; i < b->policy->egress_count; i++)
		free(b->egress[i].subjects);
	for (i = 0; i < b->policy->domain_count; i++)
		free(b->domains[i].subjects);
	for (i = 0; i < b->listing_count; i++)
		free(b->listings[i]);
	for (i = 0; i < b->subject_count; i++) {
		struct gone *g = b->subjects[i].gone, *next;

		for (; g != NULL; g = next) {
			next = g->next;
			free(g);
		}
		free(b->subjects[i].subject.domain);
	}
	free(b->egress);
	free(b->domains);
	free(b->pools);
	free(b->listings);
	free(b->subjects);
	free(b->lists);
}

struct board *
board_new(struct policy *p, int64_t now_ms)
{
	struct board *b = xcalloc(1, sizeof(*b));
	size_t i;

	b->policy = policy_ref(p);
	if (pthread_mutex_init(&b->lock, NULL) != 0)
		abort();	/* cannot fail for a plain mutex */
	collect_subjects(b);
	collect_parties(b);
	for (i = 0; i < p->egress_count; i++) {
		b->egress[i].standing.since_ms = now_ms;
		volume_begin(&b->egress[i].volume, p->egress[i].traffic,
		    now_ms);
	}
	for (i = 0; i < p->domain_count; i++)
		b->domains[i].standing.since_ms = now_ms;
	b->dirty = true;
	board_publish(b);
	return b;
}

void
board_free(struct board *b)
{
	if (b == NULL)
		return;
	free_facts(b);
	view_put(&b->current->view);
	pthread_mutex_destroy(&b->lock);
	policy_unref(b->policy);
	free(b->overrides);
	free(b->events);
	free(b);
}

struct policy *
board_policy(const struct board *b)
{
	return b->policy;
}

size_t
board_subject_count(const struct board *b)
{
	return b->subject_count;
}

const struct subject *
board_subject(const struct board *b, size_t i)
{
	return &b->subjects[i].subject;
}

int
board_find_subject(const struct board *b, const char *text)
{
	struct addr a;

	return addr_parse(text, &a) ? board_find_addr(b, &a) :
	    find_domain(b, text);
}

/* --- listings ---------------------------------------------------------- */

static struct entry *
find_entry(const struct board *b, size_t subject, size_t list)
{
	struct entry *e;

	for (e = b->subjects[subject].listings; e != NULL; e = e->next) {
		if (e->l.list == list)
			return e;
	}
	return NULL;
}

static struct entry *
add_entry(struct board *b, size_t subject, size_t list)
{
	struct entry *e = xcalloc(1, sizeof(*e));

	e->l.subject = subject;
	e->l.list = list;
	e->next = b->subjects[subject].listings;
	b->subjects[subject].listings = e;
	b->listings = xreallocarray(b->listings, b->listing_count + 1,
	    sizeof(*b->listings));
	e->place = b->listing_count;
	b->listings[b->listing_count++] = e;
	return e;
}

static void
drop_entry(struct board *b, struct entry *e)
{
	struct entry **p = &b->subjects[e->l.subject].listings;

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	b->listings[e->place] = b->listings[--b->listing_count];
	b->listings[e->place]->place = e->place;
	free(e);
}

size_t
board_listing_count(const struct board *b)
{
	return b->listing_count;
}

const struct listing *
board_listing(const struct board *b, size_t i)
{
	return &b->listings[i]->l;
}

/* How often this listing was gone within the window; tidies up as well. */
static int
times_gone(struct board *b, size_t subject, size_t list, int64_t now_ms)
{
	struct gone **p = &b->subjects[subject].gone, *g;
	int times = 0;

	while ((g = *p) != NULL) {
		if (now_ms - g->at_ms > b->policy->flap_window_ms) {
			*p = g->next;
			free(g);
			continue;
		}
		if (g->list == list)
			times = g->times;
		p = &g->next;
	}
	return times;
}

static void
note_gone(struct board *b, size_t subject, size_t list, int64_t now_ms)
{
	int times = times_gone(b, subject, list, now_ms);
	struct gone *g;

	for (g = b->subjects[subject].gone; g != NULL; g = g->next) {
		if (g->list == list)
			break;
	}
	if (g == NULL) {
		g = xcalloc(1, sizeof(*g));
		g->list = list;
		g->next = b->subjects[subject].gone;
		b->subjects[subject].gone = g;
	}
	g->times = times + 1;
	g->at_ms = now_ms;
}

/* "SBL", or "127.0.0.4" where the table has no name. */
const char *
board_listing_label(const struct answer_seen *a, char buf[48])
{
	struct addr addr = addr_from_ipv4(a->code);
	char text[ADDR_TEXT_MAX];

	text_copy(buf, 48, a->name[0] != '\0' ? a->name :
	    addr_text(&addr, text));
	return buf;
}

static void
listing_event(struct board *b, enum event_kind kind, const struct listing *l,
    int64_t now_ms, const char *what)
{
	struct board_event *e = board_add_event(b, kind, now_ms);
	const struct list *list = &b->policy->lists[l->list];
	char buf[ADDR_TEXT_MAX], label[48], again[120] = "";

	text_copy(e->subject, sizeof(e->subject),
	    subject_text(&b->subjects[l->subject].subject, buf));
	text_copy(e->zone, sizeof(e->zone), list->zone);
	if (l->returns > 0)
		snprintf(again, sizeof(again), "; it comes and goes, %d "
		    "time%s lately, so %d clean answers are wanted",
		    l->returns, l->returns == 1 ? "" : "s",
		    listing_cleans_needed(l, b->policy));
	snprintf(e->text, sizeof(e->text), "%s: %s by %s (%s: %s, weight "
	    "%d)%s", e->subject, what, e->zone,
	    board_listing_label(&l->seen, label), answer_name(l->seen.kind),
	    l->seen.weight, again);
}

enum board_wish
board_answer(struct board *b, size_t subject, size_t list,
    const struct answer_seen *a, bool second_look, int64_t now_ms)
{
	struct entry *e = find_entry(b, subject, list);
	struct answer_seen before;
	enum listing_step step;

	if (answer_proves_nothing(a->kind))
		return BOARD_NOTHING;
	b->subjects[subject].checked_ms = now_ms;
	if (e == NULL && !answer_present(a->kind))
		return BOARD_NOTHING;
	if (e == NULL) {
		e = add_entry(b, subject, list);
		e->l.returns = times_gone(b, subject, list, now_ms);
	}
	before = e->l.seen;
	step = listing_step(&e->l, a, second_look, b->policy, now_ms);
	if (memcmp(&before, &e->l.seen, sizeof(before)) != 0)
		b->dirty = true;
	switch (step) {
	case LISTING_SAME:
		break;
	case LISTING_SUSPECTED:
		listing_event(b, EVENT_SUSPECTED, &e->l, now_ms,
		    "seen, not confirmed yet,");
		return BOARD_LOOK_AGAIN;
	case LISTING_AGAIN:
		return BOARD_LOOK_AGAIN;
	case LISTING_CONFIRMED:
		b->dirty = true;
		listing_event(b, EVENT_LISTED, &e->l, now_ms, "listed");
		return BOARD_ASK_TEXT;
	case LISTING_DISPUTED:
		listing_event(b, EVENT_UNCONFIRMED, &e->l, now_ms,
		    "a second look did not confirm the listing");
		break;
	case LISTING_FADED:
		b->dirty = true;
		listing_event(b, EVENT_DELISTED, &e->l, now_ms,
		    "listed no longer, but noted");
		break;
	case LISTING_LIGHTER:
		b->dirty = true;
		listing_event(b, EVENT_LISTED, &e->l, now_ms,
		    "still listed, but for less,");
		break;
	case LISTING_GONE:
		b->dirty = true;
		listing_event(b, EVENT_DELISTED, &e->l, now_ms,
		    "listed no longer");
		note_gone(b, subject, list, now_ms);
		drop_entry(b, e);
		break;
	case LISTING_DROPPED:
		drop_entry(b, e);
		break;
	}
	return BOARD_NOTHING;
}

bool
board_has_listing(const struct board *b, size_t list, enum subject_kind kind)
{
	size_t i;

	for (i = 0; i < b->listing_count; i++) {
		const struct listing *l = &b->listings[i]->l;

		if (l->list == list &&
		    b->subjects[l->subject].subject.kind == kind)
			return true;
	}
	return false;
}

const struct listing *
board_known(const struct board *b, size_t subject, size_t list)
{
	const struct entry *e = find_entry(b, subject, list);

	return e != NULL ? &e->l : NULL;
}

void
board_text(struct board *b, size_t subject, size_t list, const char *text)
{
	struct entry *e = find_entry(b, subject, list);

	if (e == NULL)
		return;
	text_clean(e->l.text, sizeof(e->l.text), text, strlen(text));
	list_hide_key(&b->policy->lists[list], e->l.text);
	b->dirty = true;
}

void
board_restore_listing(struct board *b, const struct listing *l)
{
	struct entry *e = find_entry(b, l->subject, l->list);
	struct listing copy = *l;

	/* What is not asked any more would never be seen gone. */
	if (!b->policy->lists[l->list].kinds[
	    b->subjects[l->subject].subject.kind])
		return;
	if (e == NULL)
		e = add_entry(b, l->subject, l->list);
	e->l = copy;
	b->dirty = true;
}

/* --- states ------------------------------------------------------------ */

const struct standing *
board_standing(const struct board *b, size_t egress)
{
	return &b->egress[egress].standing;
}

void
board_restore_standing(struct board *b, size_t egress,
    const struct standing *s)
{
	struct usual *u = &b->egress[egress].standing.usual;

	b->egress[egress].standing = *s;
	/* It comes from a file: what nobody can have counted is not known. */
	if (!(u->per_hour >= 0 && u->per_hour <= USUAL_MAX) ||
	    u->hours < 0 || u->hours > TRAFFIC_KNOWN_HOURS)
		*u = (struct usual){ 0 };
	b->dirty = true;
}

void
board_restore_probation(struct board *b, size_t egress, uint64_t accepted,
    uint64_t let_out)
{
	struct volume *v = &b->egress[egress].volume;

	if (b->egress[egress].standing.state != STATE_PROBATION ||
	    accepted > COUNT_MAX || let_out > COUNT_MAX)
		return;
	v->accepted = accepted;
	/* Below nothing is fine, as in keep_egress(). */
	v->delivered_before -= let_out;
	b->dirty = true;
}

const struct standing *
board_domain_standing(const struct board *b, size_t domain)
{
	return &b->domains[domain].standing;
}

void
board_restore_domain(struct board *b, size_t domain,
    const struct standing *s)
{
	b->domains[domain].standing = *s;
	b->dirty = true;
}

void
board_move_ms(int64_t *t, int64_t step_ms)
{
	if (*t != 0)
		*t = *t + step_ms > 0 ? *t + step_ms : 1;
}

void
board_move_override(struct override *o, int64_t step_ms)
{
	/* A host that starts with a wrong clock and sets it then must not
	 * move the end that it had read. */
	if (!o->restored)
		board_move_ms(&o->until_ms, step_ms);
	board_move_ms(&o->since_ms, step_ms);
}

static void
move_standing(struct standing *s, int64_t step_ms)
{
	board_move_ms(&s->since_ms, step_ms);
	board_move_ms(&s->until_ms, step_ms);
	board_move_ms(&s->clean_since_ms, step_ms);
	board_move_ms(&s->resumed_ms, step_ms);
	board_move_ms(&s->stopped_ms, step_ms);
	board_move_ms(&s->unseen_ms, step_ms);
}

void
board_clock_set(struct board *b, int64_t step_ms)
{
	struct listing *l;
	struct gone *g;
	size_t i, j;

	for (i = 0; i < b->policy->egress_count; i++)
		move_standing(&b->egress[i].standing, step_ms);
	for (i = 0; i < b->policy->domain_count; i++)
		move_standing(&b->domains[i].standing, step_ms);
	for (i = 0; i < b->override_count; i++)
		board_move_override(&b->overrides[i], step_ms);
	for (i = 0; i < b->listing_count; i++) {
		l = &b->listings[i]->l;
		board_move_ms(&l->first_ms, step_ms);
		board_move_ms(&l->since_ms, step_ms);
		board_move_ms(&l->seen_ms, step_ms);
	}
	for (i = 0; i < b->subject_count; i++) {
		board_move_ms(&b->subjects[i].checked_ms, step_ms);
		for (g = b->subjects[i].gone; g != NULL; g = g->next)
			board_move_ms(&g->at_ms, step_ms);
	}
	for (i = 0; i < b->policy->list_count; i++) {
		for (j = 0; j < SUBJECT_KINDS; j++)
			board_move_ms(&b->lists[i].kinds[j].checked_ms,
			    step_ms);
	}
	b->clock_ms += step_ms;
	b->dirty = true;
}

/*
 * The weights of the confirmed listings of all subjects, at most the
 * heaviest of each operator.  *worst is the heaviest listing, or NULL.
 */
int
board_score(const struct board *b, const struct party *f,
    const struct listing **worst)
{
	const struct entry *e, *o;
	size_t i, j;
	int sum = 0;
	bool counted;

	*worst = NULL;
	for (i = 0; i < f->subject_count; i++) {
		for (e = b->subjects[f->subjects[i]].listings; e != NULL;
		    e = e->next) {
			const char *operator =
			    b->policy->lists[e->l.list].operator;

			if (!e->l.confirmed || e->l.seen.weight == 0)
				continue;
			if (*worst == NULL ||
			    e->l.seen.weight > (*worst)->seen.weight)
				*worst = &e->l;
			/* Does a heavier one, or an equal one seen before,
			 * of the same operator count already? */
			counted = false;
			for (j = 0; j < f->subject_count && !counted; j++) {
				for (o = b->subjects[f->subjects[j]].listings;
				    o != NULL; o = o->next) {
					if (o == e || !o->l.confirmed ||
					    strcmp(b->policy->lists[
					    o->l.list].operator, operator)
					    != 0)
						continue;
					if (o->l.seen.weight >
					    e->l.seen.weight ||
					    (o->l.seen.weight ==
					    e->l.seen.weight && o < e))
						counted = true;
				}
			}
			if (!counted)
				sum += e->l.seen.weight;
		}
	}
	return sum;
}

static void
state_event(struct board *b, const struct standing *s, const char *what,
    const char *name, enum state from, const struct listing *worst,
    int64_t now_ms)
{
	struct board_event *e = board_add_event(b, EVENT_STATE, now_ms);
	char buf[ADDR_TEXT_MAX], label[48], wait[DURATION_TEXT_MAX];
	const struct policy *p = b->policy;

	/* A domain is called as in an override's target. */
	snprintf(e->egress, sizeof(e->egress), "%s%s",
	    strcmp(what, "domain") == 0 ? "domain:" : "", name);
	text_copy(e->from, sizeof(e->from), state_names[from]);
	text_copy(e->to, sizeof(e->to), state_names[s->state]);
	if (s->state == STATE_STOPPED && worst != NULL) {
		text_copy(e->subject, sizeof(e->subject),
		    subject_text(&b->subjects[worst->subject].subject, buf));
		text_copy(e->zone, sizeof(e->zone),
		    p->lists[worst->list].zone);
		snprintf(e->text, sizeof(e->text), "%s %s: %s -> stopped: "
		    "%s is listed by %s (%s), score %d of %d%s; resumes %s "
		    "after it is clean", what, name, e->from, e->subject,
		    e->zone, board_listing_label(&worst->seen, label), s->score,
		    p->stop_score, p->mode == MODE_OBSERVE ?
		    " (observe mode: mail passes all the same)" : "",
		    duration_text(standing_wait_ms(p, s->relapses), wait));
	} else if (s->state == STATE_PROBATION) {
		snprintf(e->text, sizeof(e->text), "%s %s: %s -> "
		    "probation: clean for %s; a growing share of the mail "
		    "goes, all of it in %s", what, name, e->from,
		    duration_text(standing_wait_ms(p, s->relapses), buf),
		    duration_text(p->resume_ramp_ms, wait));
	} else {
		snprintf(e->text, sizeof(e->text), "%s %s: %s -> %s: "
		    "score %d of %d", what, name, e->from, e->to, s->score,
		    p->stop_score);
	}
}

void
board_sooner(int64_t *next, int64_t t)
{
	if (t != 0 && (*next == 0 || t < *next))
		*next = t;
}

/* Is somebody asked about this subject, and have all been who count? */
static bool
all_asked(const struct board *b, enum subject_kind kind, bool *anybody)
{
	const struct policy *p = b->policy;
	size_t i;

	*anybody = false;
	for (i = 0; i < p->list_count; i++) {
		if (!p->lists[i].kinds[kind])
			continue;
		*anybody = true;
		if (p->lists[i].weight > 0 &&
		    b->lists[i].kinds[kind].health == HEALTH_UNKNOWN)
			return false;
	}
	return true;
}

static bool
any_usable(const struct board *b, enum subject_kind kind)
{
	size_t i;

	for (i = 0; i < b->policy->list_count; i++) {
		if (b->policy->lists[i].kinds[kind] &&
		    b->lists[i].kinds[kind].health == HEALTH_USABLE)
			return true;
	}
	return false;
}

/* A list that cannot be seen any more cannot confirm anything either. */
static bool
is_suspected(const struct board *b, const struct subject_facts *s)
{
	const struct entry *e;

	for (e = s->listings; e != NULL; e = e->next) {
		if (!e->l.confirmed && e->l.looks > 0 &&
		    e->l.seen.weight > 0 && b->lists[e->l.list].kinds[
		    s->subject.kind].health == HEALTH_USABLE)
			return true;
	}
	return false;
}

/*
 * When the subject that was answered for least lately was; 0 as long as a
 * list has not been asked since the start, or a second look is to come.
 * Subjects that no list is asked about would be waited for in vain.
 */
static int64_t
answered_ms(const struct board *b, const struct party *party)
{
	int64_t oldest = INT64_MAX;
	bool anybody, asked = party->subject_count == 0;
	size_t i;

	for (i = 0; i < party->subject_count; i++) {
		const struct subject_facts *s =
		    &b->subjects[party->subjects[i]];

		if (!all_asked(b, s->subject.kind, &anybody) ||
		    is_suspected(b, s))
			return 0;
		asked = asked || anybody;
		/* Lists of another kind that cannot be seen, as those of IPv6
		 * when it was IPv4 that was listed, are no reason to wait;
		 * that none at all can be seen is one. */
		if (anybody && any_usable(b, s->subject.kind) &&
		    s->checked_ms < oldest)
			oldest = s->checked_ms;
	}
	return oldest == INT64_MAX && asked ? 0 : oldest;
}

/* A probation ends by time, unless where much mail is usual hardly any went
 * to prove that it is good. */
static bool
proven(const struct board *b, const struct party *party, int64_t now_ms)
{
	const struct standing *s = &party->standing;
	const struct policy *p = b->policy;
	double hours = (double)(now_ms - s->since_ms) / TRAFFIC_HOUR_MS;

	return s->usual.hours < TRAFFIC_KNOWN_HOURS ||
	    now_ms - s->since_ms >= 4 * p->resume_ramp_ms ||
	    party->volume.accepted >= (uint64_t)p->resume_canaries ||
	    hours * s->usual.per_hour < p->resume_canaries;
}

/* Nobody is let out unseen: the share of a probation does not grow while no
 * list can be believed. */
static void
look_at_probation(struct standing *s, bool seen, int64_t now_ms)
{
	if (seen)
		s->unseen_ms = 0;
	else if (s->unseen_ms == 0)
		s->unseen_ms = now_ms;
}

static void
tick_party(struct board *b, struct party *party,
    const struct traffic *traffic, const char *what, const char *name,
    int64_t now_ms, int64_t *next)
{
	struct standing *s = &party->standing, before = *s;
	const struct listing *worst;
	enum state from;
	int sum = board_score(b, party, &worst);

	if (standing_step(s, b->policy, sum, s->state == STATE_SENDING ||
	    (s->state == STATE_PROBATION && !proven(b, party, now_ms)) ? 0 :
	    answered_ms(b, party), now_ms, &from)) {
		state_event(b, s, what, name, from, worst, now_ms);
		if (traffic != NULL)
			volume_restart(&party->volume, traffic);
	}
	if (s->state == STATE_PROBATION)
		look_at_probation(s, answered_ms(b, party) != 0, now_ms);
	if (memcmp(&before, s, sizeof(before)) != 0)
		b->dirty = true;
	/* What waits for an answer is looked at when there is one. */
	if (s->until_ms > now_ms)
		board_sooner(next, s->until_ms);
}

int64_t
board_tick(struct board *b, int64_t now_ms)
{
	int64_t next = 0;
	size_t i;

	for (i = 0; i < b->override_count;) {
		int64_t until = b->overrides[i].until_ms;

		if (until != 0 && until <= now_ms) {
			board_remove_override(b, i, now_ms, "ended");
			continue;
		}
		board_sooner(&next, until);
		i++;
	}
	for (i = 0; i < b->policy->egress_count; i++)
		tick_party(b, &b->egress[i],
		    b->policy->egress[i].traffic, "egress",
		    b->policy->egress[i].name, now_ms, &next);
	for (i = 0; i < b->policy->domain_count; i++)
		tick_party(b, &b->domains[i], NULL, "domain",
		    b->policy->domains[i].name, now_ms, &next);
	for (i = 0; i < b->policy->pool_count; i++)
		board_tick_pool(b, i, now_ms, &next);
	for (i = 0; i < b->policy->pool_count; i++)
		board_tick_volumes(b, i, now_ms);
	return next;
}

/* --- a new policy ------------------------------------------------------ */

static int
find_old_domain(const struct policy *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->domain_count; i++) {
		if (strcmp(p->domains[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* What came and went is minded over a reload. */
static void
keep_gone(struct subject_facts *now, const struct subject_facts *was,
    const struct policy *old, const struct policy *new)
{
	const struct gone *g;
	struct gone *copy;
	int list;

	for (g = was->gone; g != NULL; g = g->next) {
		list = policy_find_list(new, old->lists[g->list].zone);
		if (list == -1)
			continue;
		copy = xcalloc(1, sizeof(*copy));
		*copy = *g;
		copy->list = (size_t)list;
		copy->next = now->gone;
		now->gone = copy;
	}
}

/* The new policy counts anew. */
static void
keep_egress(struct party *now, const struct traffic *traffic,
    const struct party *was, int64_t now_ms)
{
	now->standing = was->standing;
	now->full = was->full;
	now->gated = was->gated;
	volume_begin(&now->volume, traffic, now_ms);
	now->volume.hour_ms = was->volume.hour_ms;
	now->volume.hour = was->volume.hour;
	now->volume.hour_rerouted = was->volume.hour_rerouted;
	now->volume.tainted = was->volume.tainted;
	now->volume.accepted = was->volume.accepted;
	/* Where the new counter would have stood: below nothing is fine, for
	 * only differences are asked for. */
	now->volume.delivered_before -= was->volume.delivered -
	    was->volume.delivered_before;
}

static void
new_egress(struct party *now, const struct traffic *traffic, int64_t now_ms)
{
	now->standing.since_ms = now_ms;
	now->standing.fresh = true;
	volume_begin(&now->volume, traffic, now_ms);
}

void
board_set_policy(struct board *b, struct policy *p, int64_t now_ms)
{
	struct board old;
	size_t i;

	/* What was counted until now, for the counters are new ones. */
	for (i = 0; i < b->policy->pool_count; i++)
		board_tick_volumes(b, i, now_ms);
	old = *b;
	b->policy = policy_ref(p);
	b->listings = NULL;
	b->listing_count = 0;
	b->subject_count = 0;
	collect_subjects(b);
	collect_parties(b);
	for (i = 0; i < p->domain_count; i++) {
		int was = find_old_domain(old.policy, p->domains[i].name);

		if (was != -1)
			b->domains[i].standing = old.domains[was].standing;
		else
			b->domains[i].standing.since_ms = now_ms;
	}
	for (i = 0; i < p->egress_count; i++) {
		int was = policy_find_egress(old.policy, p->egress[i].name);

		if (was != -1)
			keep_egress(&b->egress[i], p->egress[i].traffic,
			    &old.egress[was], now_ms);
		else
			new_egress(&b->egress[i], p->egress[i].traffic,
			    now_ms);
	}
	for (i = 0; i < p->pool_count; i++) {
		size_t was;

		for (was = 0; was < old.policy->pool_count; was++) {
			if (strcmp(old.policy->pools[was].name,
			    p->pools[i].name) == 0)
				b->pools[i] = old.pools[was];
		}
	}
	for (i = 0; i < p->list_count; i++) {
		int was = policy_find_list(old.policy, p->lists[i].zone);

		if (was != -1)
			b->lists[i] = old.lists[was];
	}
	for (i = 0; i < old.subject_count; i++) {
		struct subject_facts *was = &old.subjects[i], *now;

		now = bsearch(was, b->subjects, b->subject_count,
		    sizeof(*b->subjects), compare_subject);
		if (now == NULL)
			continue;
		now->checked_ms = was->checked_ms;
		keep_gone(now, was, old.policy, p);
	}
	for (i = 0; i < old.listing_count; i++) {
		struct listing l = old.listings[i]->l;
		struct subject_facts *now;
		int list;

		now = bsearch(&old.subjects[l.subject], b->subjects,
		    b->subject_count, sizeof(*b->subjects), compare_subject);
		list = policy_find_list(p,
		    old.policy->lists[l.list].zone);
		if (now == NULL || list == -1)
			continue;
		l.subject = (size_t)(now - b->subjects);
		l.list = (size_t)list;
		board_restore_listing(b, &l);
	}
	free_facts(&old);
	policy_unref(old.policy);
	b->dirty = true;
}
