/*
 * board_health.c - which lists can be believed, and what they have seen
 */
#include <stdio.h>

#include "base/text.h"
#include "core/board_parts.h"

enum health
board_list_health(const struct board *b, size_t list, const char **reason,
    int64_t *checked_ms)
{
	const struct kind_health *worst = &b->lists[list].kinds[0], *h;
	int k;

	for (k = 1; k < SUBJECT_KINDS; k++) {
		h = &b->lists[list].kinds[k];
		if (h->health > worst->health)
			worst = h;
	}
	if (reason != NULL)
		*reason = worst->reason;
	if (checked_ms != NULL)
		*checked_ms = worst->checked_ms;
	return worst->health;
}

enum health
board_health_silent(struct board *b, size_t list, enum subject_kind kind,
    enum health health, const char *reason, int64_t now_ms)
{
	struct kind_health *h = &b->lists[list].kinds[kind];
	enum health before = h->health;

	h->health = health;
	h->checked_ms = now_ms;
	text_copy(h->reason, sizeof(h->reason), reason);
	if (before != health)
		b->dirty = true;
	return before;
}

void
board_health(struct board *b, size_t list, enum subject_kind kind,
    enum health health, const char *reason, int64_t now_ms)
{
	enum health before = board_health_silent(b, list, kind, health,
	    reason, now_ms);
	struct board_event *e;

	if (before == health)
		return;
	/* The first good look at a list is no news. */
	if (before == HEALTH_UNKNOWN && health == HEALTH_USABLE)
		return;
	e = board_add_event(b, EVENT_HEALTH, now_ms);
	text_copy(e->zone, sizeof(e->zone), b->policy->lists[list].zone);
	text_copy(e->from, sizeof(e->from), health_name(before));
	text_copy(e->to, sizeof(e->to), health_name(health));
	if (health == HEALTH_USABLE)
		snprintf(e->text, sizeof(e->text), "%s (%s): usable again, "
		    "was %s", e->zone, subject_kind_name(kind), e->from);
	else
		snprintf(e->text, sizeof(e->text), "%s (%s): %s: %s; it "
		    "neither stops nor releases anything", e->zone,
		    subject_kind_name(kind), e->to, reason);
}

bool
board_blind(const struct board *b, size_t egress)
{
	const struct policy *p = b->policy;
	const struct party *e = &b->egress[egress];
	bool wanted[SUBJECT_KINDS] = { false };
	size_t i;
	int k;

	for (i = 0; i < e->subject_count; i++)
		wanted[b->subjects[e->subjects[i]].subject.kind] = true;
	for (i = 0; i < p->list_count; i++) {
		for (k = 0; k < SUBJECT_KINDS; k++) {
			if (wanted[k] && p->lists[i].kinds[k] &&
			    p->lists[i].weight > 0 &&
			    b->lists[i].kinds[k].health >= HEALTH_BLIND)
				return true;
		}
	}
	return false;
}

static bool
any_list_of(const struct board *b, enum subject_kind kind)
{
	size_t i;

	for (i = 0; i < b->policy->list_count; i++) {
		if (b->policy->lists[i].kinds[kind])
			return true;
	}
	return false;
}

/* What no list is asked about is never checked: the name in the greeting,
 * where there is no list of domains. */
int64_t
board_checked_ms(const struct board *b, size_t egress)
{
	const struct party *e = &b->egress[egress];
	int64_t oldest = INT64_MAX;
	size_t i;

	for (i = 0; i < e->subject_count; i++) {
		const struct subject_facts *s = &b->subjects[e->subjects[i]];

		if (any_list_of(b, s->subject.kind) &&
		    s->checked_ms < oldest)
			oldest = s->checked_ms;
	}
	return oldest == INT64_MAX ? 0 : oldest;
}
