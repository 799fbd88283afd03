/*
 * listing.h - when an answer becomes a listing, and when it is gone
 *
 * One step per answer of a healthy list, pure.  A listing counts after
 * `confirm` looks that agree; it is gone after `clean` consecutive answers
 * without it.  A look that does not agree starts the counting anew.  After
 * the first look only second looks count: those that were asked for, after
 * the delay and of another resolver where there is one.  The same goes for
 * its weight when the list answers with another code: more must be seen as
 * often as a new listing, less as often as none.
 */
#ifndef MAILBRAKE_CORE_LISTING_H
#define MAILBRAKE_CORE_LISTING_H

#include "core/board.h"

/* Clean answers in a row before this listing is gone: one that came and
 * went before is asked for more, up to FLAP_FACTOR_MAX times as many. */
#define FLAP_FACTOR_MAX	4
int	listing_cleans_needed(const struct listing *, const struct policy *);

enum listing_step {
	LISTING_SAME,		/* nothing worth telling */
	LISTING_SUSPECTED,	/* first look: another one is wanted */
	LISTING_AGAIN,		/* one more look is wanted */
	LISTING_CONFIRMED,
	LISTING_DISPUTED,	/* the second look did not agree */
	LISTING_DROPPED,	/* never confirmed, and no longer seen */
	LISTING_GONE,		/* was confirmed, and no longer seen */
	LISTING_FADED,		/* still there, but counts no longer */
	LISTING_LIGHTER,	/* still there, but counts less */
};

/* True for answers that say that something is there. */
bool	answer_present(enum answer);

/* True for answers that prove nothing: not there, not away. */
bool	answer_proves_nothing(enum answer);

/* listing->looks is 0 for one that is new.  After LISTING_DROPPED and
 * LISTING_GONE the caller forgets the listing. */
enum listing_step	listing_step(struct listing *,
			    const struct answer_seen *, bool second_look,
			    const struct policy *, int64_t now_ms);

#endif
