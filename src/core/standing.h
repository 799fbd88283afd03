/*
 * standing.h - sending, stopped, probation: the moves of one egress
 *
 * One row of a table per legal move, one function that makes every move.
 * Pure: evidence (the score) and the time come in, the state comes out.
 */
#ifndef MAILBRAKE_CORE_STANDING_H
#define MAILBRAKE_CORE_STANDING_H

#include "core/board.h"

/*
 * Lets the score and the time act.  True if the state changed; *from is
 * then the one before.  checked_ms: when healthy lists answered last.  Time
 * alone ends no stop: after the wait there must be an answer, so that nobody
 * is let out by silence, or by a daemon that was not there.
 */
bool	standing_step(struct standing *, const struct policy *, int score,
	    int64_t checked_ms, int64_t now_ms, enum state *from);

/* How long an egress must stay clean before it is let out of a stop. */
int64_t	standing_wait_ms(const struct policy *, int relapses);

#endif
