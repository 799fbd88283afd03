/*
 * board_pools.c - guards of pools, and how much mail goes which way
 */
#include "core/board_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"

const struct pool_view *
board_pool(const struct board *b, size_t pool)
{
	return &b->pools[pool];
}

const struct volume *
board_volume(const struct board *b, size_t egress)
{
	return &b->egress[egress].volume;
}

void
board_set_gated(struct board *b, size_t egress, bool gated)
{
	if (b->egress[egress].gated != gated)
		b->dirty = true;
	b->egress[egress].gated = gated;
}

void
board_set_fresh(struct board *b, size_t egress)
{
	b->egress[egress].standing.fresh = true;
	b->dirty = true;
}

static void
guard_event(struct board *b, size_t pool, size_t left, int64_t now_ms)
{
	const struct pool *p = &b->policy->pools[pool];
	const struct pool_view *g = &b->pools[pool];
	struct board_event *e = board_add_event(b, EVENT_GUARD, now_ms);
	char window[DURATION_TEXT_MAX];

	snprintf(e->egress, sizeof(e->egress), "pool:%s", p->name);
	text_copy(e->from, sizeof(e->from), g->guarded ? "open" : "guarded");
	text_copy(e->to, sizeof(e->to), g->guarded ? "guarded" : "open");
	if (g->guarded)
		snprintf(e->text, sizeof(e->text), "pool %s: %zu of its "
		    "egresses were stopped within %s, more than burn_limit = "
		    "%d: the cause is still at work, so the others stop too "
		    "rather than be the next; find the cause, then "
		    "\"mailbrake send NAME\" lets one go on", p->name,
		    g->stopped, duration_text(p->burn_window_ms, window),
		    p->burn_limit);
	else if (left == 0)
		snprintf(e->text, sizeof(e->text), "pool %s: none of its "
		    "egresses is left to be kept from being the next",
		    p->name);
	else
		snprintf(e->text, sizeof(e->text), "pool %s: no longer more "
		    "than %d egresses stopped within %s: the others go on",
		    p->name, p->burn_limit,
		    duration_text(p->burn_window_ms, window));
}

/* How many egresses of a pool are not back from a stop after since_ms. */
static size_t
stopped_since(const struct board *b, const struct pool *p, int64_t since_ms)
{
	size_t i, n = 0;

	for (i = 0; i < p->egress_count; i++) {
		const struct standing *s = &b->egress[p->egress[i]].standing;

		n += s->state != STATE_SENDING && s->stopped_ms > since_ms;
	}
	return n;
}

/* How many were stopped lately and are not back; the pool is guarded while
 * that is too many and somebody is left to be saved.  One that was stopped
 * and sends again proves that the cause is gone. */
void
board_tick_pool(struct board *b, size_t pool, int64_t now_ms, int64_t *next)
{
	const struct pool *p = &b->policy->pools[pool];
	struct pool_view *g = &b->pools[pool], before = *g;
	int64_t lately = now_ms - p->burn_window_ms;
	size_t i, left = 0;
	bool back = false;

	for (i = 0; i < p->egress_count; i++) {
		const struct standing *s = &b->egress[p->egress[i]].standing;

		if (s->state != STATE_SENDING)
			continue;
		left++;
		if (s->stopped_ms > lately)
			back = true;
	}
	g->stopped = stopped_since(b, p, lately);
	g->guarded = p->burn_limit > 0 && !back &&
	    g->stopped > (size_t)p->burn_limit && left > 0;
	g->until_ms = 0;
	/* It ends with the first stop after which there were few enough. */
	for (i = 0; i < p->egress_count && g->guarded; i++) {
		int64_t t = b->egress[p->egress[i]].standing.stopped_ms;

		if (t > lately && stopped_since(b, p, t) <=
		    (size_t)p->burn_limit)
			board_sooner(&g->until_ms, t + p->burn_window_ms);
	}
	if (g->guarded != before.guarded)
		guard_event(b, pool, left, now_ms);
	if (memcmp(&before, g, sizeof(before)) != 0)
		b->dirty = true;
	board_sooner(next, g->until_ms);
}

/* Does everybody in this pool send, so that mail takes its usual ways? */
static bool
pool_as_usual(const struct board *b, size_t pool, int64_t now_ms)
{
	const struct pool *p = &b->policy->pools[pool];
	size_t i;

	for (i = 0; i < p->egress_count; i++) {
		if (board_effective(b, p->egress[i], now_ms, NULL) !=
		    STATE_SENDING)
			return false;
	}
	return true;
}

static void
tick_volume(struct board *b, size_t egress, bool as_usual, int64_t now_ms)
{
	const struct egress *e = &b->policy->egress[egress];
	struct party *party = &b->egress[egress];
	struct standing *s = &party->standing;
	struct volume *v = &party->volume;
	bool full;
	uint64_t accepted = v->accepted;
	double limit;

	if (volume_read(v, e->traffic, &s->usual, as_usual, now_ms))
		b->dirty = true;
	if (s->state == STATE_PROBATION && v->accepted != accepted)
		b->dirty = true;
	/* Nobody moves mail here as long as it is fresh: what was counted is
	 * its own. */
	if (s->fresh && v->used) {
		s->fresh = false;
		b->dirty = true;
	}
	/* Who vouches for a standby knows what it can take. */
	limit = e->warm ? 0 : usual_limit(&s->usual,
	    b->policy->pools[e->pool].reroute_limit);
	full = limit > 0 && !as_usual && v->hour_rerouted > 0 &&
	    (double)v->hour >= limit;
	if (full && !party->full)
		board_note(b, EVENT_NOTE, now_ms, "egress %s: %llu messages "
		    "in this hour, its usual number is %.0f: it takes no "
		    "more rerouted mail until the next", e->name,
		    (unsigned long long)v->hour, s->usual.per_hour);
	if (full != party->full)
		b->dirty = true;
	party->full = full;
}

/* What is asked of the whole pool is asked once: it may have thousands. */
void
board_tick_volumes(struct board *b, size_t pool, int64_t now_ms)
{
	const struct pool *p = &b->policy->pools[pool];
	bool as_usual = pool_as_usual(b, pool, now_ms);
	size_t i;

	for (i = 0; i < p->egress_count; i++)
		tick_volume(b, p->egress[i], as_usual, now_ms);
}
