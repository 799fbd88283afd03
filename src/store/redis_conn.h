/*
 * redis_conn.h - one connection to a Redis server
 *
 * Requests go out in order and are answered in order, each within a
 * deadline.  Whatever a peer does that a Redis server does not (answers
 * nobody asked for, endless or absurd ones, another protocol, silence) ends
 * the connection with a reason for people, and never the process.
 *
 * hiredis is the codec and stays behind this header.  All of it runs on the
 * event-loop thread, and handlers run from the loop only, never from within
 * a call of these functions.
 */
#ifndef MAILBRAKE_STORE_REDIS_CONN_H
#define MAILBRAKE_STORE_REDIS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "base/endpoint.h"
#include "store/redis_tls.h"

#define REDIS_ARGS_MAX		512	/* of one request */

enum reply_kind {
	REPLY_STRING,
	REPLY_STATUS,
	REPLY_ERROR,
	REPLY_INTEGER,
	REPLY_NIL,
	REPLY_ARRAY,
};

struct redis_conn;			/* opaque */
struct redis_reply;			/* opaque; good until the handler
					 * that was given it returns */

struct redis_conn_limits {
	int	 connect_ms;
	int	 answer_ms;		/* for each request */
	size_t	 reply_bytes;		/* of one whole reply */
	size_t	 pending;		/* requests without an answer */
};

/* arg is that of the request, ctx that of the connection. */
typedef void	 redis_reply_cb(void *ctx, void *arg,
		    const struct redis_reply *);

struct redis_conn_handlers {
	void	(*up)(void *ctx);
	/* A message of a subscription; NULL: there can be none. */
	void	(*message)(void *ctx, const struct redis_reply *payload);
	/* It is over.  Requests without an answer are forgotten.  Called
	 * once; redis_conn_free() is still the owner's, here or later. */
	void	(*down)(void *ctx, const char *why);
};

/* Starts to connect; up or down follows.  handlers must outlive it; TLS is
 * NULL for none. */
struct redis_conn *redis_conn_new(struct event_base *,
		    const struct endpoint *, const struct redis_tls *,
		    const struct redis_conn_limits *,
		    const struct redis_conn_handlers *handlers, void *ctx);
/* Closes without calling anybody.  Also from within a handler. */
void		 redis_conn_free(struct redis_conn *);

/* Sends one request.  Arguments are copied.  cb may be NULL: the answer
 * does not matter. */
void		 redis_conn_send(struct redis_conn *, redis_reply_cb *,
		    void *arg, size_t argc, const char *const *argv);
/* The same; the arguments end with NULL. */
void		 redis_conn_sendl(struct redis_conn *, redis_reply_cb *,
		    void *arg, ...) __attribute__((__sentinel__));

/*
 * Runs this connection alone, on a loop of its own, until done says so, it
 * is over, or wait_ms have passed: for the last writes before an exit.  Not
 * from within a handler, and nothing but redis_conn_free() may follow.  One
 * with TLS cannot be moved to another loop: it is only ended.
 */
void		 redis_conn_drain(struct redis_conn *, int wait_ms,
		    bool (*done)(void *ctx));

enum reply_kind	 reply_kind(const struct redis_reply *);
/* The text of a string, status or error, NUL-terminated but free to hold
 * other NULs; "" for the other kinds.  len may be NULL. */
const char	*reply_text(const struct redis_reply *, size_t *len);
int64_t		 reply_integer(const struct redis_reply *);
/* 0 for what is not an array. */
size_t		 reply_count(const struct redis_reply *);
const struct redis_reply *reply_at(const struct redis_reply *, size_t);

#endif
