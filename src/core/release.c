/*
 * release.c - what to do with the queue of an egress after a change
 */
#include "core/release.h"

#include <stdio.h>
#include <string.h>

#define CANARIES	10

void
release_init(struct release *r, const char *egress, size_t canaries)
{
	*r = (struct release){ .name = egress,
	    .canaries = canaries > 0 ? canaries : CANARIES };
}

static struct release_step
step(const struct release *r, enum release_do what, size_t count)
{
	return (struct release_step){ .what = what, .count = count,
	    .serial = r->serial };
}

/* --- phases ------------------------------------------------------------- */

/* Whatever is under way does not count any more. */
static void
enter(struct release *r, enum release_phase phase, int64_t next_ms)
{
	r->phase = phase;
	r->serial++;
	r->rounds = 0;
	r->next_ms = next_ms;
	r->wait_ms = 0;
}

static enum release_phase
wanted(const struct release_facts *f)
{
	if (!f->gate_known)
		return PHASE_IDLE;
	if (f->state == STATE_STOPPED)
		return f->can_reroute ? PHASE_REROUTE : PHASE_IDLE;
	return PHASE_PORTIONS;
}

static bool
same_plan(const struct release_facts *a, const struct release_facts *b)
{
	return a->state == b->state && a->gate_known == b->gate_known &&
	    (a->can_reroute == b->can_reroute || a->state != STATE_STOPPED);
}

void
release_update(struct release *r, const struct release_facts *f,
    int64_t now_ms)
{
	bool same = r->known && same_plan(&r->facts, f);
	enum state was = r->facts.state;
	bool known = r->known;

	r->facts = *f;
	r->known = true;
	if (same)
		return;
	if (f->state == STATE_STOPPED) {
		r->portion = 0;
		r->released = 0;
		r->resumed = false;
	} else if (known && was == STATE_STOPPED)
		r->resumed = true;
	switch (wanted(f)) {
	case PHASE_REROUTE:
		enter(r, PHASE_REROUTE, now_ms + RELEASE_SETTLE_MS);
		break;
	case PHASE_PORTIONS:
		/* Between two portions there is always a pause. */
		enter(r, PHASE_PORTIONS, r->portion > 0 ?
		    now_ms + RELEASE_SENDING_MS : now_ms);
		break;
	default:
		enter(r, PHASE_IDLE, 0);
		break;
	}
}

int64_t
release_next_ms(const struct release *r)
{
	return r->next_ms;
}

/* --- portions ------------------------------------------------------------ */

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* What the next portion may be at most, however much waits. */
static size_t
portion_limit(const struct release *r)
{
	size_t first = r->facts.state == STATE_PROBATION ? r->canaries :
	    RELEASE_START;

	return r->portion == 0 ? first :
	    least(RELEASE_MAX, 2 * r->portion);
}

static size_t
portion_of(const struct release *r, size_t waiting)
{
	size_t n = portion_limit(r), share;

	if (r->facts.state == STATE_PROBATION) {
		share = (size_t)(r->facts.ramp * (double)waiting);
		n = least(n, share > r->canaries ? share : r->canaries);
	}
	return least(n, waiting);
}

static int64_t
doubled(struct release *r, int64_t first_ms)
{
	r->wait_ms = r->wait_ms == 0 ? first_ms : 2 * r->wait_ms;
	if (r->wait_ms > RELEASE_AGAIN_MAX_MS)
		r->wait_ms = RELEASE_AGAIN_MAX_MS;
	return r->wait_ms;
}

/* At first, and when the caches are empty, without looking; the other rounds
 * look whether there is anything to flush. */
static bool
reroute_flushes(const struct release *r)
{
	return r->rounds == 0 || r->rounds == 2;
}

bool
release_flush_is_due(const struct release *r, int64_t now_ms)
{
	return r->next_ms != 0 && now_ms >= r->next_ms &&
	    (r->phase == PHASE_LAST ||
	    (r->phase == PHASE_REROUTE && reroute_flushes(r)));
}

/* --- steps ---------------------------------------------------------------- */

struct release_step
release_due(struct release *r, int64_t now_ms)
{
	struct release_step s = step(r, RELEASE_NOTHING, 0);

	if (r->next_ms == 0 || now_ms < r->next_ms)
		return s;
	r->next_ms = 0;
	switch (r->phase) {
	case PHASE_REROUTE:
		s.what = reroute_flushes(r) ? RELEASE_FLUSH : RELEASE_LIST;
		if (r->rounds == 0)
			snprintf(s.text, sizeof(s.text), "%s: its gate is "
			    "shut and its mail has another way out: flushing "
			    "the queue", r->name);
		else if (r->rounds == 2)
			snprintf(s.text, sizeof(s.text), "%s: flushing the "
			    "queue again, now that Postfix has forgotten the "
			    "old route", r->name);
		break;
	case PHASE_PORTIONS:
		s.what = RELEASE_LIST;
		s.count = portion_limit(r);
		break;
	case PHASE_LAST:
		s.what = RELEASE_FLUSH;
		snprintf(s.text, sizeof(s.text), "%s: flushing the queue once "
		    "more, now that Postfix has forgotten the old route",
		    r->name);
		break;
	case PHASE_IDLE:
		break;
	}
	return s;
}

/* Another round is over. */
static void
next_round(struct release *r, int64_t now_ms)
{
	switch (r->rounds++) {
	case 0:
		r->flushed_ms = now_ms;
		r->next_ms = now_ms + RELEASE_REST_MS;
		break;
	case 1:
		r->next_ms = r->flushed_ms + RELEASE_CACHE_MS;
		break;
	default:
		r->next_ms = now_ms + doubled(r, RELEASE_AGAIN_MS);
		break;
	}
}

static struct release_step
listed_rerouting(struct release *r, size_t waiting, int64_t now_ms)
{
	struct release_step s = step(r, RELEASE_NOTHING, 0);

	if (waiting > 0) {
		s.what = RELEASE_FLUSH;
		snprintf(s.text, sizeof(s.text), "%s: %zu message%s still "
		    "wait%s for it: flushing the queue again", r->name,
		    waiting, waiting == 1 ? "" : "s", waiting == 1 ? "s" : "");
	} else if (r->rounds == 1) {
		next_round(r, now_ms);
	} else {
		r->phase = PHASE_IDLE;
		snprintf(s.text, sizeof(s.text), "%s: no message waits for it "
		    "any more: what it had goes another way", r->name);
	}
	return s;
}

static struct release_step
listed_probation(struct release *r, size_t waiting, int64_t now_ms)
{
	struct release_step s = step(r, RELEASE_NOTHING, 0);

	if (waiting == 0) {
		r->next_ms = now_ms + RELEASE_QUIET_MS;
		return s;
	}
	s.what = RELEASE_PORTION;
	s.count = portion_of(r, waiting);
	snprintf(s.text, sizeof(s.text), "%s: probation: letting %zu of %zu "
	    "waiting messages go, the oldest first", r->name, s.count,
	    waiting);
	return s;
}

static struct release_step
listed_sending(struct release *r, size_t waiting, int64_t now_ms)
{
	struct release_step s = step(r, RELEASE_NOTHING, 0);

	(void)now_ms;
	/* A start at which nothing is left to do. */
	if (waiting == 0 && !r->resumed && r->released == 0) {
		r->phase = PHASE_IDLE;
		return s;
	}
	s.count = portion_of(r, waiting);
	if (s.count >= waiting) {
		s.what = RELEASE_FLUSH;
		if (waiting == 0)
			snprintf(s.text, sizeof(s.text), "%s: nothing waits "
			    "for it any more: flushing the queue", r->name);
		else
			snprintf(s.text, sizeof(s.text), "%s: the last %zu "
			    "waiting message%s: flushing the queue", r->name,
			    waiting, waiting == 1 ? "" : "s");
		return s;
	}
	s.what = RELEASE_PORTION;
	snprintf(s.text, sizeof(s.text), "%s: letting %zu of %zu waiting "
	    "messages go, the oldest first", r->name, s.count, waiting);
	return s;
}

struct release_step
release_listed(struct release *r, const struct release_step *done,
    size_t waiting, int64_t now_ms)
{
	if (done->serial == r->serial && r->phase == PHASE_REROUTE)
		return listed_rerouting(r, waiting, now_ms);
	if (done->serial != r->serial || r->phase != PHASE_PORTIONS)
		return step(r, RELEASE_NOTHING, 0);
	return r->facts.state == STATE_PROBATION ?
	    listed_probation(r, waiting, now_ms) :
	    listed_sending(r, waiting, now_ms);
}

void
release_done(struct release *r, const struct release_step *done,
    int64_t now_ms)
{
	if (done->serial != r->serial)
		return;
	switch (r->phase) {
	case PHASE_REROUTE:
		next_round(r, now_ms);
		break;
	case PHASE_PORTIONS:
		if (done->what == RELEASE_FLUSH) {
			enter(r, PHASE_LAST, now_ms + RELEASE_CACHE_MS);
			break;
		}
		r->rounds++;
		r->released += done->count;
		r->portion = done->count > r->canaries ? done->count :
		    r->canaries;
		r->wait_ms = 0;
		r->next_ms = now_ms + (r->facts.state == STATE_PROBATION ?
		    RELEASE_PROBATION_MS : RELEASE_SENDING_MS);
		break;
	case PHASE_LAST:
		enter(r, PHASE_IDLE, 0);
		r->resumed = false;
		r->released = 0;
		r->portion = 0;
		break;
	case PHASE_IDLE:
		break;
	}
}

void
release_failed(struct release *r, const struct release_step *done,
    int64_t now_ms)
{
	if (done->serial != r->serial || r->phase == PHASE_IDLE)
		return;
	r->next_ms = now_ms + doubled(r, RELEASE_RETRY_MS);
}
