/*
 * pool.h - which way out, and who stands in for whom
 *
 * Pure functions over a view.  Any thread.
 */
#ifndef MAILBRAKE_CORE_POOL_H
#define MAILBRAKE_CORE_POOL_H

#include "core/board.h"

/* The state that counts for mail: an operator's word, the evidence, the
 * guard of the pool.  *by: the word that decides, or NULL; may be NULL. */
enum state	 pool_egress_state(const struct view *, size_t egress,
		    int64_t now_ms, const struct override **by);

/*
 * The egress that a sender's mail takes on a good day, whatever its state:
 * the first of the pool, or where mail is spread the one that weighted
 * rendezvous hashing (Thaler and Ravishankar 1998; the weighted form of
 * Schindelhauer and Schomaker 2005) gives to the sender's domain, so that an
 * address that is lost moves only its own share.  domain is normal or NULL.
 * -1 for an empty pool.
 */
int		 pool_home(const struct view *, size_t pool,
		    const char *domain);

/* The one that takes the place of egress for this domain, or -1: it sends,
 * was used before, and has room for more in this hour. */
int		 pool_stand_in(const struct view *, size_t egress,
		    const char *domain, int64_t now_ms);

/* Why this egress would not stand in for others now; NULL if it would.  A
 * part of a sentence: "is in probation". */
const char	*pool_refusal(const struct view *, size_t egress,
		    int64_t now_ms);

#endif
