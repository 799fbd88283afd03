/*
 * traffic.h - how much mail takes a way out
 *
 * Front ends count, on any thread; the board reads what was counted and
 * learns from it what is usual, so that a rerouted flood can be told from an
 * ordinary morning.  The counters only grow; no order between them is
 * promised.
 */
#ifndef MAILBRAKE_CORE_TRAFFIC_H
#define MAILBRAKE_CORE_TRAFFIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TRAFFIC_HOUR_MS		3600000LL
#define TRAFFIC_KNOWN_HOURS	24	/* before "usual" means anything */
#define TRAFFIC_FLOOR		100	/* messages an hour that are no flood */

/* Of one egress.  A message with several recipients counts for each. */
struct traffic {
	_Atomic uint64_t	passed;		/* let pass, its own */
	_Atomic uint64_t	rerouted;	/* let pass, another's */
	_Atomic uint64_t	delivered;	/* let pass by the gate */
	_Atomic int64_t		gate_ms;	/* gate asked last; 0 never */
};

/* What the board makes of it.  Plain numbers, the event loop's. */
struct volume {
	uint64_t	 passed, rerouted, delivered;	/* read last */
	int64_t		 hour_ms;	/* when the running hour began */
	uint64_t	 hour;		/* messages in it */
	uint64_t	 hour_rerouted;
	bool		 tainted;	/* the hour says nothing of what is
					 * usual */
	bool		 used;		/* anything was counted */
	uint64_t	 accepted;	/* since the standing changed */
	uint64_t	 delivered_before;	/* ... and delivered then */
};

/* What is remembered over a restart. */
struct usual {
	double		 per_hour;
	int		 hours;		/* that it was learned from */
};

/*
 * Reads the counters.  usual_times: mail took its usual ways, so the hour
 * may be learned from.  Returns true if *usual has changed, which it does
 * once an hour.
 */
bool	volume_read(struct volume *, const struct traffic *, struct usual *,
	    bool usual_times, int64_t now_ms);

/* Nothing counted so far is news: after a start or a new policy. */
void	volume_begin(struct volume *, const struct traffic *, int64_t now_ms);

/* The standing has changed: accepted counts from here. */
void	volume_restart(struct volume *, const struct traffic *);

/* Messages an hour that an egress takes when it stands in for others, or 0
 * for any number: factor times what is usual, as soon as that is known. */
double	usual_limit(const struct usual *, int factor);

#endif
