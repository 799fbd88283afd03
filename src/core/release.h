/*
 * release.h - what to do with the queue of an egress after a change
 *
 * Mail that a stop has put off goes another way as soon as there is one,
 * and comes back in portions when the egress does: not the whole queue at
 * once, which would look like what it was stopped for.
 *
 * Pure: facts, results and the time come in, steps come out.  Times are
 * milliseconds of any clock that only goes forward; 0 stands for never.
 * Whoever carries the steps out does one at a time for each egress:
 *
 *	release_update()	whenever facts change
 *	release_due()		at release_next_ms(): LIST or FLUSH
 *	release_listed()	after LIST, with what waits: PORTION, FLUSH or
 *				NOTHING
 *	release_done()		after PORTION or FLUSH
 *	release_failed()	if any of them did not work
 *
 * A step that was begun before the state changed is void: its results are
 * recognized by step.serial and change nothing.
 */
#ifndef MAILBRAKE_CORE_RELEASE_H
#define MAILBRAKE_CORE_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/board.h"

#define RELEASE_TEXT_MAX	240

/* The shut gate has to empty the active queue first. */
#define RELEASE_SETTLE_MS	2000
/* A busy host's may take longer: what has come since then. */
#define RELEASE_REST_MS		8000
/* The queue manager and trivial-rewrite keep a route for 30 s. */
#define RELEASE_CACHE_MS	35000
#define RELEASE_AGAIN_MS	60000	/* while mail waits; doubled ... */
#define RELEASE_AGAIN_MAX_MS	300000	/* ... up to this */
#define RELEASE_PROBATION_MS	30000	/* between two portions */
#define RELEASE_SENDING_MS	15000
#define RELEASE_QUIET_MS	60000	/* the same, when nothing waits */
#define RELEASE_RETRY_MS	10000	/* after a failure; doubled as above */
#define RELEASE_START		100	/* first portion without a probation */
#define RELEASE_MAX		2000	/* no portion is larger */

enum release_do {
	RELEASE_NOTHING,
	RELEASE_LIST,		/* see what waits; count: names wanted */
	RELEASE_PORTION,	/* let the first count of these try */
	RELEASE_FLUSH,		/* let everything try */
};

struct release_step {
	enum release_do	 what;
	size_t		 count;
	unsigned int	 serial;
	char		 text[RELEASE_TEXT_MAX];	/* for the time line;
					 * "" for what nobody needs to know */
};

struct release_facts {
	enum state	 state;
	bool		 can_reroute;	/* its mail has another way out */
	bool		 gate_known;	/* the gate stands as it should */
	double		 ramp;		/* probation: 0 at its start, 1 end */
};

enum release_phase {
	PHASE_IDLE,		/* nothing to do, or waiting for facts */
	PHASE_REROUTE,		/* flushes after a stop */
	PHASE_PORTIONS,
	PHASE_LAST,		/* all released; one more flush */
};

struct release {
	const char	*name;		/* borrowed */
	size_t		 canaries;	/* first portion of a probation */
	bool		 known;		/* there were facts */
	struct release_facts facts;
	enum release_phase phase;
	unsigned int	 serial;
	int		 rounds;	/* steps of this phase that are done */
	int64_t		 flushed_ms;	/* the first of a PHASE_REROUTE */
	bool		 resumed;	/* comes back from a stop */
	size_t		 portion;	/* the last one; 0 before the first */
	size_t		 released;	/* since the stop ended */
	int64_t		 next_ms;
	int64_t		 wait_ms;	/* of a doubling wait */
};

/* canaries: 0 for 10.  The name has to outlive it. */
void		 release_init(struct release *, const char *egress,
		    size_t canaries);
void		 release_update(struct release *, const struct release_facts *,
		    int64_t now_ms);
int64_t		 release_next_ms(const struct release *);

/* True if release_due() would say FLUSH: one flush is enough for all. */
bool		 release_flush_is_due(const struct release *, int64_t now_ms);

/* NOTHING before its time, and until the result of the step before. */
struct release_step release_due(struct release *, int64_t now_ms);
struct release_step release_listed(struct release *,
		    const struct release_step *, size_t waiting,
		    int64_t now_ms);
void		 release_done(struct release *, const struct release_step *,
		    int64_t now_ms);
void		 release_failed(struct release *, const struct release_step *,
		    int64_t now_ms);

#endif
