/*
 * checker.h - asks all lists about all egress addresses, again and again
 *
 * Each list has its own beat, spread over the interval.  What healthy lists
 * say goes to the board; what the board wants looked at once more is asked
 * again after the delay, of another resolver where there is one.  What
 * another host asks is not asked here, see core/share.h; the probes of each
 * list are, so that this host knows what it could see itself.  Event-loop thread only.
 */
#ifndef MAILBRAKE_WATCH_CHECKER_H
#define MAILBRAKE_WATCH_CHECKER_H

#include <stdint.h>

#include <event2/event.h>

#include "core/board.h"
#include "core/share.h"
#include "watch/resolver.h"

struct checker_conf {
	struct resolver_conf	 resolver;
	int64_t			 interval_ms;
	int64_t			 confirm_delay_ms;
	struct share		*share;		/* NULL: nothing is left to
						 * other hosts */
};

struct checker;				/* opaque */

/*
 * Starts sweeping what the board's policy has; changed(ctx) is called after
 * the board was told something.  Keeps a reference to the policy; after
 * board_set_policy() a new checker is needed.  NULL with *why set if there
 * is no DNS server.
 */
struct checker	*checker_new(struct event_base *, struct board *,
		    const struct checker_conf *,
		    void (*changed)(void *ctx), void *ctx, const char **why);
void		 checker_free(struct checker *);

/* When the next question about a list or, for all, about any is due; wall clock, 0 if never. */
int64_t		 checker_next_ms(const struct checker *);

/* Questions a day about this list, probes included, at the present pace. */
int64_t		 checker_daily(const struct checker *, size_t list);

/* The sentence that blames a resolver for what all lists have in common;
 * NULL while there is nothing of the kind. */
const char	*checker_resolver_fault(const struct checker *);

/* Asks everything at once, out of turn. */
void		 checker_hurry(struct checker *);

#endif
