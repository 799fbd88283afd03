/*
 * words.h - which operator's word applies
 *
 * Looks overrides up in the sorted array that the board keeps and every
 * view carries.  Pure; any thread.
 */
#ifndef MAILBRAKE_CORE_WORDS_H
#define MAILBRAKE_CORE_WORDS_H

#include "core/board.h"

/* The word for exactly this target, unless it has ended.  NULL for none. */
const struct override *words_find(const struct override *, size_t count,
		    const char *target, int64_t now_ms);

/* The same for kind and name together: "account:", "bob". */
const struct override *words_find_named(const struct override *,
		    size_t count, const char *kind, const char *name,
		    int64_t now_ms);

/* *best becomes o if that counts more.  A stop beats every send: who stops
 * an account does not want it let out by a send that was meant for the
 * address.  o may be NULL. */
void		 words_weigh(const struct override **best,
		    const struct override *o);

/* What counts for an egress: words for all, for its name, its addresses. */
const struct override *words_for_egress(const struct override *,
		    size_t count, const struct egress *, int64_t now_ms);

#endif
