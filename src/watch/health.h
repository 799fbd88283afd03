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

/* A probe that the list does not have (see struct list_test) was not
 * asked. */
struct probe_result {
	bool		 asked;
	struct reply	 reply;
};

/* Writes into reason[BOARD_REASON_MAX] what is wrong and how to mend it,
 * "" when usable.  resolver is its address, for the text. */
enum health	health_judge(const struct list *,
		    const struct probe_result probes[PROBE_KINDS],
		    const char *resolver, char *reason);

#endif
