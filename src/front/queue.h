/*
 * queue.h - what mailbraked does to Postfix from outside the mail path
 *
 * Shuts and opens the gate (gate_file.h), and when that is in force lets the
 * queue try again as the plan says (core/release.h), by Postfix' own command
 * (mailq.h).  The order of things is kept here: gate shut, then flush; gate
 * open, then portions.  The routes are others' work: a caller switches them
 * before it calls queue_update(), and the plan leaves them time.
 *
 * In observe mode the gate is open and nothing is flushed: it only says what
 * would be done.  On a host without Postfix' commands nothing is done.
 *
 * All calls and callbacks on the thread of the event loop; nothing waits.
 */
#ifndef MAILBRAKE_FRONT_QUEUE_H
#define MAILBRAKE_FRONT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/board.h"
#include "front/gate_file.h"
#include "front/mailq.h"

struct children;
struct event_base;
struct queue;				/* opaque, see queue.c */

struct queue_conf {
	struct gate_file_conf gate;
	const char	*config_directory; /* Postfix's; NULL: its default */
	mailq_whose_fn	*whose;		/* NULL: not known; gets the queue's */
	size_t		 canaries;	/* 0: release.h's own number */
	bool		 observe;
	bool		 no_flush;	/* the queue is left alone */
};

/* What is to be so.  Strings are copied. */
struct queue_egress {
	const char	*name;
	const char	*reason;	/* why it is shut, for people; or NULL */
	enum state	 state;
	bool		 shut;		/* its gate */
	bool		 can_reroute;	/* stopped, but there is another way */
	double		 ramp;		/* probation: 0 at its start, 1 end */
};

/* One thing that was done, or could not be: a line for log and time line; or
 * NULL, see queue_gate_works().  Not the place to call queue_update(). */
typedef void queue_event_fn(void *ctx, const char *text);

/* The children are the caller's and outlive it. */
struct queue	*queue_new(struct event_base *, struct children *,
		    const struct queue_conf *, queue_event_fn *, void *ctx);

/* The gate stays as it is.  Not from the callback.  NULL is allowed.  For
 * another configuration it is freed and made anew: the gate's files are
 * looked at again then, and what waits is found in the queue. */
void		 queue_free(struct queue *);

/*
 * After every change, and now and then for the ramp.  All egresses each
 * time: one that is missing is forgotten and its gate opened.
 */
void		 queue_update(struct queue *, const struct queue_egress *,
		    size_t count);

/* For status: is its gate known to stand as it should?  True without a gate
 * file. */
bool		 queue_gate_in_force(struct queue *, const char *egress);

/* Is there a gate file, and can it be believed that it stands as it should?
 * When that has changed the event function is called with NULL for a text. */
bool		 queue_gate_works(const struct queue *);

/* Why something cannot be done, and what to do: of the gate, and of the
 * queue's last try.  "" if all is well. */
const char	*queue_gate_error(const struct queue *);
const char	*queue_error(const struct queue *);

/* Messages that wait because of an egress, when last counted; -1: not yet. */
int64_t		 queue_waiting(struct queue *, const char *egress);

#endif
