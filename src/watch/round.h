/*
 * round.h - one list, one resolver, some subjects, and the three probes
 *
 * The smallest thing that can be believed: answers come with the health of
 * the list as seen through the same resolver at the same time.  Used by the
 * checker and by `mailbrake check`.  Event-loop thread only.
 */
#ifndef MAILBRAKE_WATCH_ROUND_H
#define MAILBRAKE_WATCH_ROUND_H

#include "core/board.h"
#include "core/list.h"
#include "watch/health.h"
#include "watch/resolver.h"

struct round_result {
	enum health		 health;
	enum cause		 cause;
	const char		*reason;	/* "" when usable */
	const struct answer_seen *answers;	/* one per subject */
	const enum reply_status	*status;	/* how each query ended */
	size_t			 count;
	bool			 cancelled;	/* only clean up */
};

/* The result is valid during the call. */
typedef void	round_cb(void *ctx, const struct round_result *);

struct round;				/* opaque */

/*
 * Subjects must all be of that kind and are copied; list must live until
 * the callback, which comes exactly once and never before this returns.
 * urgent: before all that is not.
 */
struct round	*round_start(struct resolver *, size_t server,
		    const struct list *, enum subject_kind,
		    const struct subject *const *subjects, size_t count,
		    bool urgent, round_cb *cb, void *ctx);

/* Writes the name that is asked for a subject: NULL if it would be longer
 * than a name can be.  buf holds 256. */
const char	*round_query_name(const struct list *, const struct subject *,
		    char *buf);

#endif
