/*
 * health.h - may this list be believed, in this sweep and by this resolver
 *
 * Three probes go with every round of questions: an entry that must be
 * listed, one that must not be (RFC 5782 section 5), and a random label
 * that cannot exist, which no cache can answer and which shows wildcards,
 * parking and rewritten NXDOMAINs.  Pure.
 */
#ifndef MAILBRAKE_WATCH_HEALTH_H
#define MAILBRAKE_WATCH_HEALTH_H

#include "core/board.h"
#include "core/list.h"
#include "watch/reply.h"

enum probe {
	PROBE_LISTED,
	PROBE_CLEAN,
	PROBE_RANDOM,
	PROBE_KINDS
};

/* What is behind a list that is not usable, as far as it can be told.
 * When all lists have the same, it is the resolver's fault. */
enum cause {
	CAUSE_NONE,
	CAUSE_REFUSED,		/* a refusal code */
	CAUSE_STRIPPED,		/* 127/8 is taken out on the way */
	CAUSE_FOREIGN,		/* parked, or NXDOMAIN is rewritten */
	CAUSE_WORLD,		/* lists what cannot be listed */
	CAUSE_EMPTY,		/* its own test entry is not there */
	CAUSE_SILENT,		/* time-out, unreachable */
	CAUSE_FAILURE,		/* SERVFAIL, REFUSED and the like */
	CAUSE_KINDS
};

/* A probe that the list does not have (see struct list_test) was not
 * asked. */
struct probe_result {
	bool		 asked;
	struct reply	 reply;
};

enum cause	health_cause(const struct list *,
		    const struct probe_result probes[PROBE_KINDS]);

/* The sentence that blames the resolver: into reason[BOARD_REASON_MAX]. */
void		health_blame(enum cause, const char *resolver,
		    size_t list_count, char *reason);

/* Writes into reason[BOARD_REASON_MAX] what is wrong and how to mend it,
 * "" when usable.  resolver is its address, for the text. */
enum health	health_judge(const struct list *,
		    const struct probe_result probes[PROBE_KINDS],
		    const char *resolver, char *reason);

#endif
