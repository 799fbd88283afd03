/*
 * pool.c - which way out, and who stands in for whom
 */
#include "core/pool.h"

#include <ctype.h>
#include <math.h>

#include "core/words.h"

enum state
pool_egress_state(const struct view *v, size_t egress, int64_t now_ms,
    const struct override **by)
{
	const struct egress *e = &v->policy->egress[egress];
	const struct override *o;

	o = words_for_egress(v->overrides, v->override_count, e, now_ms);
	if (by != NULL)
		*by = o;
	if (o != NULL)
		return o->word == WORD_STOP ? STATE_STOPPED : STATE_SENDING;
	if (v->egress[egress].state == STATE_SENDING &&
	    v->pools[e->pool].guarded)
		return STATE_STOPPED;
	return v->egress[egress].state;
}

/* FNV-1a over both, then murmur3's last mix, so that names which differ in
 * their last letter alone fall far apart. */
static double
draw(const char *name, const char *domain)
{
	uint64_t h = 14695981039346656037ull;

	for (; *name != '\0'; name++)
		h = (h ^ (uint64_t)tolower((unsigned char)*name)) *
		    1099511628211ull;
	h = (h ^ '|') * 1099511628211ull;
	for (; domain != NULL && *domain != '\0'; domain++)
		h = (h ^ (uint64_t)tolower((unsigned char)*domain)) *
		    1099511628211ull;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ull;
	h ^= h >> 33;
	/* Never 0 or 1, for its logarithm is divided by: 52 bits and the half
	 * are what a double can tell apart. */
	return ((double)(h >> 12) + 0.5) / 4503599627370496.0;
}

/* How much egress wants mail of this domain: the highest takes it. */
static double
bid(const struct policy *p, const struct pool *pool, size_t place,
    const char *domain)
{
	const struct egress *e = &p->egress[pool->egress[place]];

	if (pool->choose == CHOOSE_FAILOVER)
		return -(double)place;
	return -(double)e->weight / log(draw(e->name, domain));
}

static int
best_of(const struct view *v, size_t pool, const char *domain, int but,
    int64_t now_ms)
{
	const struct pool *p = &v->policy->pools[pool];
	double high = 0, mine;
	int best = -1;
	size_t i;

	for (i = 0; i < p->egress_count; i++) {
		int e = (int)p->egress[i];

		if (but != -1 && (e == but ||
		    pool_refusal(v, (size_t)e, now_ms) != NULL))
			continue;
		mine = bid(v->policy, p, i, domain);
		if (best == -1 || mine > high) {
			best = e;
			high = mine;
		}
	}
	return best;
}

int
pool_home(const struct view *v, size_t pool, const char *domain)
{
	return pool < v->policy->pool_count ?
	    best_of(v, pool, domain, -1, 0) : -1;
}

int
pool_stand_in(const struct view *v, size_t egress, const char *domain,
    int64_t now_ms)
{
	return best_of(v, v->policy->egress[egress].pool, domain, (int)egress,
	    now_ms);
}

const char *
pool_refusal(const struct view *v, size_t egress, int64_t now_ms)
{
	const struct egress *e = &v->policy->egress[egress];
	const struct party_view *f = &v->egress[egress];
	const struct override *by;

	if (pool_egress_state(v, egress, now_ms, &by) == STATE_STOPPED)
		return by == NULL && f->state == STATE_SENDING ?
		    "is kept from being the next" : "is stopped";
	/* An operator's "send" lets its own mail out, not that of others;
	 * only what was guarded and nothing else goes on as before. */
	if (f->state == STATE_STOPPED)
		return "is listed";
	if (f->state == STATE_PROBATION)
		return "is in probation";
	if (f->fresh && !e->warm)
		return "was never used before";
	if (f->full)
		return "has taken as much as it should in this hour";
	return NULL;
}
