/*
 * listing.c - when an answer becomes a listing, and when it is gone
 */
#include "core/listing.h"

bool
answer_present(enum answer a)
{
	return a >= ANS_LISTED && a <= ANS_UNKNOWN;
}

bool
answer_proves_nothing(enum answer a)
{
	return a >= ANS_REFUSED;
}

static bool
counts(const struct answer_seen *a)
{
	return a->kind == ANS_LISTED || a->weight > 0;
}

/* Seen: towards confirmation, or once more. */
static enum listing_step
seen_again(struct listing *l, const struct answer_seen *a, bool second_look,
    const struct policy *p, int64_t now_ms)
{
	bool other = l->looks > 0 && (counts(a) != counts(&l->seen) ||
	    a->weight > l->seen.weight);

	l->cleans = l->lighter = 0;
	l->seen_ms = now_ms;
	l->seen = *a;
	if (l->confirmed) {
		l->looks = 0;
		return LISTING_SAME;
	}
	if (l->first_ms == 0)
		l->first_ms = now_ms;
	if (other)
		l->looks = 0;		/* not what was seen before */
	if (l->looks > 0 && !second_look)
		return LISTING_AGAIN;	/* in case the asking failed */
	l->looks++;
	if (l->looks >= p->confirm) {
		l->confirmed = true;
		l->disputed = false;
		l->looks = 0;
		l->since_ms = now_ms;
		return LISTING_CONFIRMED;
	}
	/* What was disputed before is not news, but may still come true. */
	return l->looks == 1 && !l->disputed ? LISTING_SUSPECTED :
	    LISTING_AGAIN;
}

int
listing_cleans_needed(const struct listing *l, const struct policy *p)
{
	int factor = 1 + l->returns;

	return p->resume_clean *
	    (factor > FLAP_FACTOR_MAX ? FLAP_FACTOR_MAX : factor);
}

/* Not seen, or seen as something that does not count while what is known
 * does. */
static enum listing_step
not_seen(struct listing *l, const struct answer_seen *a,
    const struct policy *p)
{
	bool news = l->looks > 0 && !l->disputed;

	l->cleans++;
	l->lighter++;
	l->looks = 0;
	if (!l->confirmed) {
		l->disputed = true;
		if (l->cleans >= listing_cleans_needed(l, p))
			return LISTING_DROPPED;
		return news ? LISTING_DISPUTED : LISTING_SAME;
	}
	if (l->cleans < listing_cleans_needed(l, p))
		return LISTING_SAME;
	if (a->kind == ANS_CLEAN)
		return LISTING_GONE;
	l->seen = *a;
	l->cleans = l->lighter = 0;
	return LISTING_FADED;
}

/* A confirmed listing, answered with a code that weighs more. */
static enum listing_step
heavier(struct listing *l, const struct answer_seen *a, bool second_look,
    const struct policy *p, int64_t now_ms)
{
	l->cleans = l->lighter = 0;
	l->seen_ms = now_ms;
	if (l->looks > 0 && a->weight > l->heavier)
		l->looks = 0;		/* not even that was seen before */
	if (l->looks > 0 && !second_look)
		return LISTING_AGAIN;
	l->heavier = a->weight;
	if (++l->looks < p->confirm)
		return LISTING_AGAIN;
	l->looks = 0;
	l->seen = *a;
	return LISTING_CONFIRMED;
}

/* ... or with one that weighs less. */
static enum listing_step
lighter(struct listing *l, const struct answer_seen *a,
    const struct policy *p, int64_t now_ms)
{
	l->looks = l->cleans = 0;
	l->seen_ms = now_ms;
	if (++l->lighter < listing_cleans_needed(l, p))
		return LISTING_SAME;
	l->lighter = 0;
	l->seen = *a;
	return LISTING_LIGHTER;
}

enum listing_step
listing_step(struct listing *l, const struct answer_seen *a, bool second_look,
    const struct policy *p, int64_t now_ms)
{
	if (answer_proves_nothing(a->kind))
		return LISTING_SAME;
	/* A code that nobody knows does not release what is known. */
	if (a->kind == ANS_UNKNOWN && l->confirmed && counts(&l->seen)) {
		l->cleans = l->lighter = l->looks = 0;
		return LISTING_SAME;
	}
	if (a->kind == ANS_CLEAN ||
	    (l->confirmed && counts(&l->seen) && !counts(a)))
		return not_seen(l, a, p);
	/* The same code with another weight: the configuration has changed,
	 * and is not to be doubted. */
	if (l->confirmed && counts(&l->seen) && a->code != l->seen.code) {
		if (a->weight > l->seen.weight)
			return heavier(l, a, second_look, p, now_ms);
		if (a->weight < l->seen.weight)
			return lighter(l, a, p, now_ms);
	}
	/* From something harmless to a listing: confirm that anew. */
	if (l->confirmed && !counts(&l->seen) && counts(a)) {
		l->confirmed = false;
		l->looks = 0;
		l->first_ms = now_ms;
	}
	return seen_again(l, a, second_look, p, now_ms);
}
