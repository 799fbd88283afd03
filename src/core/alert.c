/*
 * alert.c - what a person or a program has to be told, and when
 */
#include "core/alert.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/domain.h"
#include "base/duration.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/incident.h"
#include "core/pool.h"
#include "core/words.h"

#define CAUSES_MAX	64	/* of one moment, that are looked at */

static const char *const kind_names[] = {
	"listing", "list", "incident", "lists", "state", "override", "guard",
	"test",
};

static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == ALERT_KINDS,
    "a name for every kind");

/* An event that may explain why a state is another now. */
struct cause {
	struct board_event e;
	size_t		 changed;	/* parties */
	enum state	 from, to;	/* of the first of them */
	char		 name[BOARD_NAME_MAX];
};

/* How long a list has been of no use. */
struct trouble {
	int64_t		 since_ms;	/* 0: it is not */
	enum health	 health;
	bool		 told;
};

struct alerts {
	struct alert	 ring[ALERTS_KEPT];
	uint64_t	 end;
	struct cause	 causes[CAUSES_MAX];
	size_t		 cause_count;
	struct policy	*policy;	/* what the following belongs to */
	enum state	*states;	/* egresses, then domains */
	struct trouble	*lists;
	struct trouble	 all;
	int64_t		 incident;	/* open; 0 none */
};

const char *
alert_kind_name(enum alert_kind kind)
{
	return kind_names[kind];
}

bool
alert_stops(const struct alert *a)
{
	return (a->kind == ALERT_GUARD && strcmp(a->to, "guarded") == 0) ||
	    ((a->kind == ALERT_STATE || a->kind == ALERT_OVERRIDE) &&
	    strcmp(a->to, "stopped") == 0);
}

bool
alert_resumes(const struct alert *a)
{
	return (a->kind == ALERT_GUARD && strcmp(a->from, "guarded") == 0) ||
	    ((a->kind == ALERT_STATE || a->kind == ALERT_OVERRIDE) &&
	    strcmp(a->from, "stopped") == 0);
}

struct alerts *
alerts_new(void)
{
	return xcalloc(1, sizeof(struct alerts));
}

void
alerts_free(struct alerts *a)
{
	if (a == NULL)
		return;
	if (a->policy != NULL)
		policy_unref(a->policy);
	free(a->states);
	free(a->lists);
	free(a);
}

uint64_t
alerts_first(const struct alerts *a)
{
	return a->end > ALERTS_KEPT ? a->end - ALERTS_KEPT : 0;
}

uint64_t
alerts_end(const struct alerts *a)
{
	return a->end;
}

const struct alert *
alerts_get(const struct alerts *a, uint64_t number)
{
	return &a->ring[number % ALERTS_KEPT];
}

/* What stops goes before what lets go on, both before all else. */
static int
rank(const struct alert *a)
{
	return alert_stops(a) ? ALERT_KINDS + 1 :
	    alert_resumes(a) ? ALERT_KINDS : (int)a->kind;
}

/* Was this stop over within [number, end)? */
static bool
is_over(const struct alerts *a, uint64_t number, uint64_t end)
{
	const struct alert *stop = alerts_get(a, number), *one;

	while (++number < end) {
		one = alerts_get(a, number);
		if (alert_resumes(one) &&
		    strcmp(one->egress, stop->egress) == 0)
			return true;
	}
	return false;
}

const struct alert *
alerts_lead(const struct alerts *a, uint64_t from, uint64_t end)
{
	const struct alert *best = NULL, *one;
	int weight, heaviest = -1;

	if (from < alerts_first(a))
		from = alerts_first(a);
	for (; from < end; from++) {
		one = alerts_get(a, from);
		weight = rank(one);
		if (weight < heaviest)
			continue;
		if (alert_stops(one) && is_over(a, from, end))
			weight = ALERT_LISTING;
		if (weight < heaviest)
			continue;
		best = one;
		heaviest = weight;
	}
	return best;
}

static struct alert *
add(struct alerts *a, enum alert_kind kind, int64_t now_ms)
{
	struct alert *new = &a->ring[a->end++ % ALERTS_KEPT];

	*new = (struct alert){ .kind = kind, .at_ms = now_ms };
	return new;
}

static struct alert *
add_change(struct alerts *a, enum alert_kind kind, const char *from,
    const char *to, int64_t now_ms)
{
	struct alert *new = add(a, kind, now_ms);

	text_copy(new->from, sizeof(new->from), from);
	text_copy(new->to, sizeof(new->to), to);
	return new;
}

static struct alert *
add_event(struct alerts *a, enum alert_kind kind,
    const struct board_event *e)
{
	struct alert *new = add(a, kind, e->at_ms);

	text_copy(new->egress, sizeof(new->egress), e->egress);
	text_copy(new->from, sizeof(new->from), e->from);
	text_copy(new->to, sizeof(new->to), e->to);
	text_copy(new->subject, sizeof(new->subject), e->subject);
	text_copy(new->zone, sizeof(new->zone), e->zone);
	text_copy(new->text, sizeof(new->text), e->text);
	return new;
}

/* --- events --------------------------------------------------------------- */

void
alerts_event(struct alerts *a, const struct board_event *e)
{
	switch (e->kind) {
	case EVENT_STATE:
	case EVENT_OVERRIDE:
	case EVENT_GUARD:
	case EVENT_LISTED:
	case EVENT_DELISTED:
		break;
	default:
		return;
	}
	/* What does not fit is told by what it changed. */
	if (a->cause_count == CAUSES_MAX)
		return;
	a->causes[a->cause_count++] = (struct cause){ .e = *e };
}

/* Is this a word about that egress or domain? */
static bool
word_covers(const char *target, const struct policy *p, size_t party)
{
	const struct egress *e;
	struct addr addr;
	size_t i;

	if (party >= p->egress_count)
		return strncmp(target, "domain:", 7) == 0 &&
		    domain_within(p->domains[party - p->egress_count].name,
		    target + 7);
	e = &p->egress[party];
	if (text_same(target, "all") || text_same(target, e->name))
		return true;
	if (!addr_parse(target, &addr))
		return false;
	for (i = 0; i < e->addr_count; i++) {
		if (addr_cmp(&e->addrs[i], &addr) == 0)
			return true;
	}
	return false;
}

/* "mx1", "domain:example.org": as in an event. */
static const char *
party_name(const struct policy *p, size_t party, char buf[BOARD_NAME_MAX])
{
	if (party < p->egress_count)
		text_copy(buf, BOARD_NAME_MAX, p->egress[party].name);
	else
		snprintf(buf, BOARD_NAME_MAX, "domain:%s",
		    p->domains[party - p->egress_count].name);
	return buf;
}

static bool
explains(const struct board_event *e, const struct policy *p, size_t party)
{
	char name[BOARD_NAME_MAX];

	switch (e->kind) {
	case EVENT_STATE:
		return strcmp(e->egress, party_name(p, party, name)) == 0;
	case EVENT_OVERRIDE:
		return word_covers(e->egress, p, party);
	case EVENT_GUARD:
		return party < p->egress_count && strncmp(e->egress, "pool:",
		    5) == 0 && strcmp(e->egress + 5,
		    p->pools[p->egress[party].pool].name) == 0;
	default:
		return false;
	}
}

/* --- states --------------------------------------------------------------- */

enum state
alert_domain_state(const struct view *view, size_t domain, int64_t now_ms)
{
	const char *name = view->policy->domains[domain].name;
	const struct override *o, *best = NULL;
	size_t i;

	for (i = 0; i < view->override_count; i++) {
		o = &view->overrides[i];
		if (strncmp(o->target, "domain:", 7) == 0 &&
		    domain_within(name, o->target + 7) &&
		    (o->until_ms == 0 || o->until_ms > now_ms))
			words_weigh(&best, o);
	}
	if (best != NULL)
		return best->word == WORD_STOP ? STATE_STOPPED :
		    STATE_SENDING;
	return view->domains[domain].state;
}

static enum state
party_state(const struct view *view, size_t party, int64_t now_ms)
{
	size_t egresses = view->policy->egress_count;

	return party < egresses ?
	    pool_egress_state(view, party, now_ms, NULL) :
	    alert_domain_state(view, party - egresses, now_ms);
}

/* Its state counted before; false if it is new. */
static bool
state_before(const struct alerts *a, const struct policy *p, size_t party,
    enum state *out)
{
	size_t i, old = party;

	if (a->states == NULL)
		return false;
	if (a->policy != p && party < p->egress_count) {
		int found = policy_find_egress(a->policy,
		    p->egress[party].name);

		if (found == -1)
			return false;
		old = (size_t)found;
	} else if (a->policy != p) {
		const char *name = p->domains[party - p->egress_count].name;

		for (i = 0; i < a->policy->domain_count; i++) {
			if (strcmp(a->policy->domains[i].name, name) == 0)
				break;
		}
		if (i == a->policy->domain_count)
			return false;
		old = a->policy->egress_count + i;
	}
	*out = a->states[old];
	return true;
}

/* The cause of this moment that made it so. */
static void
blame(struct alerts *a, const struct policy *p, size_t party,
    enum state from, enum state to, int64_t now_ms)
{
	struct cause *c;
	struct alert *new;
	char name[BOARD_NAME_MAX];

	/* The last one that could: it went over what was before. */
	for (c = a->causes + a->cause_count; c-- > a->causes;) {
		if (!explains(&c->e, p, party))
			continue;
		if (c->changed++ == 0) {
			c->from = from;
			c->to = to;
			party_name(p, party, c->name);
		}
		return;
	}
	new = add_change(a, ALERT_STATE, state_name(from), state_name(to),
	    now_ms);
	party_name(p, party, name);
	text_copy(new->egress, sizeof(new->egress), name);
	snprintf(new->text, sizeof(new->text), "%s: %s -> %s", name,
	    state_name(from), state_name(to));
}

/* What the causes have become: a state or a guard is told in any case, a
 * word only if it changed what counts. */
static void
add_causes(struct alerts *a)
{
	struct alert *new;
	struct cause *c;

	for (c = a->causes; c < a->causes + a->cause_count; c++) {
		switch (c->e.kind) {
		case EVENT_STATE:
			add_event(a, ALERT_STATE, &c->e);
			break;
		case EVENT_GUARD:
			add_event(a, ALERT_GUARD, &c->e);
			break;
		case EVENT_OVERRIDE:
			if (c->changed == 0)
				break;
			new = add_event(a, ALERT_OVERRIDE, &c->e);
			text_copy(new->from, sizeof(new->from),
			    state_name(c->from));
			text_copy(new->to, sizeof(new->to),
			    state_name(c->to));
			if (c->changed == 1)
				text_copy(new->egress, sizeof(new->egress),
				    c->name);
			break;
		default:
			break;
		}
	}
}

static void
add_listings(struct alerts *a)
{
	struct cause *c;

	for (c = a->causes; c < a->causes + a->cause_count; c++) {
		if (c->e.kind == EVENT_LISTED || c->e.kind == EVENT_DELISTED)
			add_event(a, ALERT_LISTING, &c->e);
	}
}

static void
look_at_states(struct alerts *a, const struct view *view, int64_t now_ms)
{
	struct policy *p = (struct policy *)view->policy;
	size_t i, count = p->egress_count + p->domain_count;
	enum state *states = xcalloc(count, sizeof(*states)), before;

	for (i = 0; i < count; i++) {
		states[i] = party_state(view, i, now_ms);
		if (state_before(a, p, i, &before) && before != states[i])
			blame(a, p, i, before, states[i], now_ms);
	}
	free(a->states);
	a->states = states;
}

/* --- lists ---------------------------------------------------------------- */

static void
watch(struct trouble *t, enum health health, int64_t now_ms)
{
	if (health < HEALTH_BLIND)
		t->since_ms = 0;
	else if (t->since_ms == 0)
		t->since_ms = now_ms;
	if (health >= HEALTH_BLIND)
		t->health = health;
}

static bool
is_long(const struct trouble *t, int64_t long_ms, int64_t now_ms)
{
	return t->since_ms != 0 && now_ms - t->since_ms >= long_ms;
}

static void
tell_list(struct alerts *a, const struct policy *p, size_t i,
    const char *reason, int64_t now_ms)
{
	struct trouble *t = &a->lists[i];
	char span[DURATION_TEXT_MAX];
	struct alert *new;

	if (t->told && t->since_ms == 0) {
		new = add_change(a, ALERT_LIST, health_name(t->health),
		    "usable", now_ms);
		snprintf(new->text, sizeof(new->text), "list %s: usable "
		    "again, was %s", p->lists[i].zone,
		    health_name(t->health));
		t->told = false;
	} else if (!t->told && !a->all.told &&
	    is_long(t, LIST_LONG_MS, now_ms)) {
		new = add_change(a, ALERT_LIST, "usable",
		    health_name(t->health), now_ms);
		snprintf(new->text, sizeof(new->text), "list %s: %s for %s: "
		    "%s", p->lists[i].zone, health_name(t->health),
		    duration_text(LIST_LONG_MS, span), reason);
		t->told = true;
	} else {
		return;
	}
	text_copy(new->zone, sizeof(new->zone), p->lists[i].zone);
}

static void
tell_all(struct alerts *a, const char *reason, int64_t now_ms)
{
	char span[DURATION_TEXT_MAX];
	struct alert *new;

	if (a->all.told && a->all.since_ms == 0) {
		new = add_change(a, ALERT_LISTS, "blind", "usable", now_ms);
		snprintf(new->text, sizeof(new->text), "lists can be seen "
		    "again");
		a->all.told = false;
	} else if (!a->all.told && is_long(&a->all, ALL_LONG_MS, now_ms)) {
		new = add_change(a, ALERT_LISTS, "usable", "blind", now_ms);
		snprintf(new->text, sizeof(new->text), "no list can be seen "
		    "for %s: nothing is stopped or released: %s",
		    duration_text(ALL_LONG_MS, span), reason);
		a->all.told = true;
	}
}

static void
look_at_lists(struct alerts *a, const struct board *board,
    const struct policy *p, int64_t now_ms)
{
	struct trouble *lists = xcalloc(p->list_count, sizeof(*lists));
	const char *reason, *one = "";
	size_t i, weighty = 0, useless = 0;
	enum health health;
	int old;

	for (i = 0; i < p->list_count && a->policy != NULL; i++) {
		old = a->policy == p ? (int)i :
		    policy_find_list(a->policy, p->lists[i].zone);
		if (old != -1)
			lists[i] = a->lists[old];
	}
	free(a->lists);
	a->lists = lists;
	for (i = 0; i < p->list_count; i++) {
		if (p->lists[i].weight <= 0)
			continue;
		weighty++;
		health = board_list_health(board, i, &reason, NULL);
		watch(&lists[i], health, now_ms);
		if (health < HEALTH_BLIND)
			continue;
		useless++;
		one = reason;
	}
	watch(&a->all, weighty > 0 && useless == weighty ? HEALTH_BLIND :
	    HEALTH_USABLE, now_ms);
	tell_all(a, one, now_ms);
	for (i = 0; i < p->list_count; i++) {
		board_list_health(board, i, &reason, NULL);
		tell_list(a, p, i, reason, now_ms);
	}
}

/* --- incidents ------------------------------------------------------------ */

static void
look_at_incident(struct alerts *a, const struct incident *in, int64_t now_ms)
{
	int64_t id = in != NULL ? in->id : 0;
	struct alert *new;

	if (a->incident != 0 && a->incident != id) {
		new = add_change(a, ALERT_INCIDENT, "open", "closed", now_ms);
		snprintf(new->text, sizeof(new->text), "incident %lld is "
		    "closed: everybody sends by evidence, and no listing is "
		    "left", (long long)a->incident);
	}
	if (id != 0 && a->incident != id) {
		new = add_change(a, ALERT_INCIDENT, "closed", "open", now_ms);
		snprintf(new->text, sizeof(new->text), "incident %lld is "
		    "open: \"mailbrake incident\" shows what is to be done",
		    (long long)id);
	}
	a->incident = id;
}

bool
alerts_update(struct alerts *a, const struct board *board,
    const struct view *view, const struct incident *current, int64_t now_ms)
{
	bool first = a->policy == NULL;
	uint64_t before = a->end;

	if (first)
		a->incident = current != NULL ? current->id : 0;
	look_at_states(a, view, now_ms);
	add_causes(a);
	look_at_lists(a, board, view->policy, now_ms);
	look_at_incident(a, current, now_ms);
	if (a->end != before)
		add_listings(a);
	a->cause_count = 0;
	if (a->policy != view->policy) {
		if (a->policy != NULL)
			policy_unref(a->policy);
		a->policy = policy_ref((struct policy *)view->policy);
	}
	if (first)
		a->end = before;
	return a->end != before;
}
