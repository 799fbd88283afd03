/*
 * sentinel.h - which Redis server is the master, by Redis Sentinel
 *
 * Asks one Sentinel after the other, and listens at one of them for
 * fail-overs, so that a new master is known at once.  Of several answers
 * that of the latest fail-over counts: a Sentinel that was cut off may not
 * know of it.  Event-loop thread; nothing is called from within a call of
 * these functions.
 */
#ifndef MAILBRAKE_STORE_SENTINEL_H
#define MAILBRAKE_STORE_SENTINEL_H

#include <stddef.h>

#include <event2/event.h>

#include "base/endpoint.h"
#include "store/redis_conn.h"
#include "store/redis_tls.h"

struct sentinel_conf {			/* borrowed, with all in it */
	const struct endpoint	*servers;
	size_t			 server_count;
	const char		*master_name;
	const char		*username, *password;	/* NULL: none */
	const struct redis_tls	*tls;	/* NULL: none */
};

struct sentinel_callbacks {
	/* This is the master: after sentinel_ask(), and unasked after a
	 * fail-over, also if it is the same as before. */
	void	(*master)(void *ctx, const struct endpoint *);
	/* After sentinel_ask(): this one could not tell.  Ask again. */
	void	(*unknown)(void *ctx, const char *why);
};

struct sentinel;			/* opaque */

struct sentinel	*sentinel_new(struct event_base *,
		    const struct sentinel_conf *,
		    const struct redis_conn_limits *,
		    const struct sentinel_callbacks *, void *ctx);
void		 sentinel_free(struct sentinel *);	/* NULL is allowed */
/* How often it is asked without need, and until it is listened to again. */
void		 sentinel_pace(struct sentinel *, int poll_ms, int again_ms,
		    int heartbeat_ms);

/* Asks the next Sentinel; one of the callbacks follows. */
void		 sentinel_ask(struct sentinel *);

#endif
