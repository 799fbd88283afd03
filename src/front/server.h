/*
 * server.h - what the socket front ends share: everything but the protocol
 *
 * One event loop on one thread of its own per server, so that neither the
 * daemon's own loop nor another front end ever makes a mail wait.  It takes
 * connections, hands what arrives to the protocol, writes the answers in
 * order, and looks after slow, idle and too many clients:
 *
 *  - who does not read its answers is not read from;
 *  - who is idle for too long is closed;
 *  - when there are too many, the one that is idle longest makes room for
 *    the new one.  A question that has arrived is answered first.
 *
 * Mail servers connect again when an idle connection was closed.
 */
#ifndef MAILBRAKE_FRONT_SERVER_H
#define MAILBRAKE_FRONT_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "front/front.h"

struct server;				/* opaque, see server.c */

enum server_result {
	SERVER_MORE,		/* the request is not complete */
	SERVER_READY,
	SERVER_MALFORMED	/* answered if it can be, then closed */
};

/* One look at what a client has sent. */
struct server_turn {
	/* Given: all that has arrived since the request began.  May be
	 * written to. */
	char		*buf;
	size_t		 len;

	/* Given: room for answer_max bytes.  Back: where the answer begins
	 * and its length, 0 for none; sent on READY and on MALFORMED. */
	char		*answer;
	size_t		 answer_len;

	/* Back: READY: the request's length; MALFORMED: the offset of what
	 * is to be shown of it, and a phrase that says what is wrong. */
	size_t		 used;
	const char	*why;
};

struct server_protocol {
	const char	*name;		/* in the log; listen.NAME */
	enum front_kind	 kind;		/* whose connections and malformed
					 * requests are counted */
	size_t		 request_max;	/* bytes; never more arrive at once */
	size_t		 answer_max;	/* bytes */
	unsigned int	 clients_max;
	int64_t		 idle_ms;

	/* Bytes of a client that are all zero where a request begins: what
	 * the protocol remembers of one that has not arrived completely. */
	size_t		 parser_size;

	/* On the server's thread.  Must not wait. */
	enum server_result (*take)(void *ctx, void *parser,
			    struct server_turn *);
};

/* Listens and starts the thread, with all signals blocked in it.  The
 * protocol and ctx outlive the server.  socket_group: group that may
 * connect to a Unix socket, NULL for the default.  NULL with errno kept and
 * a line logged if that cannot be done. */
struct server	*server_start(const struct server_protocol *, void *ctx,
		    const struct endpoint *, const char *socket_group);

/* Returns when the answers that were due are out, or after two seconds;
 * the socket file is removed.  NULL is allowed. */
void		 server_stop(struct server *);

#endif
