/*
 * ways.h - the ways out, as Postfix on this host knows them
 *
 * Holds together what acts on Postfix from outside the mail path: gate and
 * queue (front/queue.h), and what Postfix's own configuration says
 * (front/wired.h).  Tells the board which egresses are gated.
 *
 * Event-loop thread; nothing waits.
 */
#ifndef MAILBRAKE_FRONT_WAYS_H
#define MAILBRAKE_FRONT_WAYS_H

#include <stdint.h>

#include "conf/config.h"
#include "core/board.h"
#include "front/control.h"

struct event_base;
struct ways;				/* opaque, see ways.c */

/* One thing that was done: a line for the log and the time line.  Or, with
 * NULL, the board knows something new. */
typedef void ways_fn(void *ctx, const char *text);

/* Takes what it needs of the configuration, which has to outlive the next
 * ways_configure().  Never NULL. */
struct ways	*ways_new(struct event_base *, struct board *,
		    const struct config *, ways_fn *, void *ctx);
void		 ways_free(struct ways *);

/* A new configuration, and the board has its policy already. */
void		 ways_configure(struct ways *, const struct config *);

/* After each change of the board, when its view is published, and every
 * BOARD_BEAT_MS. */
void		 ways_update(struct ways *, int64_t now_ms);

/* For status.  Strings are borrowed until the loop goes on. */
void		 ways_gate(const struct ways *, struct control_gate *out);
void		 ways_postfix(const struct ways *,
		    struct control_postfix *out);
/* Messages that wait because of an egress; -1: not counted yet. */
int64_t		 ways_waiting(const struct ways *, const char *egress);

#endif
