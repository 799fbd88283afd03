/*
 * traffic.c - how much mail takes a way out
 */
#include "core/traffic.h"

/* Every counter but the last is the front ends', who see new mail; the gate
 * sees each delivery.  Where both are connected the same mail is seen twice,
 * so the greater number counts. */
static uint64_t
read_counters(struct volume *v, const struct traffic *t, uint64_t *rerouted)
{
	uint64_t passed = atomic_load_explicit(&t->passed,
	    memory_order_relaxed);
	uint64_t moved = atomic_load_explicit(&t->rerouted,
	    memory_order_relaxed);
	uint64_t delivered = atomic_load_explicit(&t->delivered,
	    memory_order_relaxed);
	uint64_t seen = passed - v->passed + moved - v->rerouted;
	uint64_t gone = delivered - v->delivered;

	*rerouted = moved - v->rerouted;
	v->passed = passed;
	v->rerouted = moved;
	v->delivered = delivered;
	if (gone > seen)
		seen = gone;
	v->used = v->used || seen > 0;
	return seen;
}

void
volume_begin(struct volume *v, const struct traffic *t, int64_t now_ms)
{
	uint64_t rerouted;

	*v = (struct volume){ .hour_ms = now_ms };
	read_counters(v, t, &rerouted);
	v->used = false;
	v->delivered_before = v->delivered;
}

void
volume_restart(struct volume *v, const struct traffic *t)
{
	uint64_t rerouted;

	/* What was counted since the last look belongs to the hour, and to
	 * the standing before. */
	v->hour += read_counters(v, t, &rerouted);
	v->hour_rerouted += rerouted;
	v->accepted = 0;
	v->delivered_before = v->delivered;
}

/* The mean of the first day, then one that forgets within days. */
static void
learn(struct usual *u, uint64_t messages)
{
	int weight = u->hours < TRAFFIC_KNOWN_HOURS ? u->hours + 1 :
	    3 * TRAFFIC_KNOWN_HOURS;

	u->per_hour += ((double)messages - u->per_hour) / weight;
	if (u->hours < TRAFFIC_KNOWN_HOURS)
		u->hours++;
}

bool
volume_read(struct volume *v, const struct traffic *t, struct usual *u,
    bool usual_times, int64_t now_ms)
{
	uint64_t rerouted, more = read_counters(v, t, &rerouted);
	bool learned = false;

	v->hour += more;
	v->hour_rerouted += rerouted;
	v->accepted += more;
	if (!usual_times)
		v->tainted = true;
	/* A clock that was set, or a host that slept: the hour is void. */
	if (now_ms < v->hour_ms ||
	    now_ms >= v->hour_ms + 2 * TRAFFIC_HOUR_MS)
		v->tainted = true;
	if (now_ms >= v->hour_ms && now_ms < v->hour_ms + TRAFFIC_HOUR_MS)
		return false;
	if (!v->tainted) {
		learn(u, v->hour);
		learned = true;
	}
	v->hour_ms = now_ms;
	v->hour = v->hour_rerouted = 0;
	v->tainted = !usual_times;
	return learned;
}

double
usual_limit(const struct usual *u, int factor)
{
	double limit = u->per_hour * factor;

	if (factor <= 0 || u->hours < TRAFFIC_KNOWN_HOURS)
		return 0;
	return limit < TRAFFIC_FLOOR ? TRAFFIC_FLOOR : limit;
}
