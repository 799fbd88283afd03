/*
 * daemon.h - mailbraked: all its parts, for the files that join them
 *
 * main.c		start-up, reload, stop; the order of things
 * daemon_redis.c	what Redis tells
 * daemon_ops.c		what the control socket and the page ask
 *
 * Everything here is the main thread's, which runs the event loop.
 */
#ifndef MAILBRAKE_DAEMON_H
#define MAILBRAKE_DAEMON_H

#include <event2/event.h>

#include "conf/config.h"
#include "core/board.h"
#include "core/incident.h"
#include "core/misread.h"
#include "core/share.h"
#include "front/control.h"
#include "front/hooks.h"
#include "front/policy.h"
#include "front/site.h"
#include "front/socketmap.h"
#include "front/ways.h"
#include "store/redis.h"
#include "store/statefile.h"
#include "watch/checker.h"
#include "watch/identity.h"

struct daemon {
	struct event_base	*base;
	struct config		*conf;
	struct board		*board;
	struct checker		*checker;
	struct identity		*identity;
	struct redis		*redis;
	char			*redis_memory;	/* of an earlier one */
	struct share		*share;
	struct misreads		 misreads;
	struct control_node	*fleet;		/* for one answer */
	struct statefile	*state;
	struct incidents	*incidents;
	struct control		*control;
	struct site		*site;
	struct ways		*ways;
	struct hooks		*hooks;
	uint64_t		 test_ticket;	/* who waits for hooks */
	struct policy_server	*policy;
	struct socketmap	*socketmap;
	struct event		*tick;		/* the board's next moment */
	struct event		*beat;		/* every BOARD_BEAT_MS */
	struct event		*route;		/* looks at the host's routes */
	struct event		*soon;		/* settle() once, see there */
	struct event		*signals[3];
	char			 host[256];
	int64_t			 started_ms;
	bool			 milter_runs;
	bool			 whole;		/* all parts are there */
	bool			 unsettled;	/* see daemon_settle_soon() */
	bool			 redis_said;	/* good or bad, anything */
	char			 state_error[200];
	char			 where[FRONT_KINDS][ENDPOINT_TEXT_MAX];
};

/* Facts have changed: states move, the view is published, all are told. */
void	daemon_settle(struct daemon *);
/* For what comes in thousands: once, when all that is at hand is read. */
void	daemon_settle_soon(struct daemon *);
/* The time line, for all who look at it. */
void	daemon_show_event(struct daemon *, const struct board_event *);
/* False, and the old configuration goes on, if the new one is bad.  *said,
 * unless NULL, becomes the lines about it; the caller frees them. */
bool	daemon_reload(struct daemon *, char **said);

void	daemon_start_redis(struct daemon *);
/* Waits a moment for what Redis has to say. */
void	daemon_hear_redis(struct daemon *);
bool	daemon_same_redis(const struct config *, const struct config *);

/* But for what only the running daemon knows of itself. */
extern const struct control_ops daemon_ops;

#endif
