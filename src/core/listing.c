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
	l->cleans = 0;
	l->seen_ms = now_ms;
	l->seen = *a;
	if (l->confirmed)
		return LISTING_SAME;
	if (l->first_ms == 0)
		l->first_ms = now_ms;
	if (l->looks > 0 && !second_look)
		return LISTING_AGAIN;	/* in case the asking failed */
	l->looks++;
	if (l->looks >= p->confirm) {
		l->confirmed = true;
		l->disputed = false;
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
	if (!l->confirmed) {
		l->looks = 0;
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
	l->cleans = 0;
	return LISTING_FADED;
}

enum listing_step
listing_step(struct listing *l, const struct answer_seen *a, bool second_look,
    const struct policy *p, int64_t now_ms)
{
	if (answer_proves_nothing(a->kind))
		return LISTING_SAME;
	if (a->kind == ANS_CLEAN ||
	    (l->confirmed && counts(&l->seen) && !counts(a)))
		return not_seen(l, a, p);
	/* From something harmless to a listing: confirm that anew. */
	if (l->confirmed && !counts(&l->seen) && counts(a)) {
		l->confirmed = false;
		l->looks = 0;
		l->first_ms = now_ms;
	}
	return seen_again(l, a, second_look, p, now_ms);
}
