/*
 * http.h - serves what the event loop has written down
 *
 *	/		the page (front/page.h)
 *	/status.json	what `mailbrake status --json` prints
 *	/metrics	for Prometheus (front/metrics.h)
 *	/healthz	200 while the event loop is alive, 503 when it is not
 *
 * The event loop hands finished documents over and goes on; a thread of its
 * own serves the latest ones.  Neither waits for the other: what they share
 * is a few pointers under a lock that is held for moments.  GET and HEAD
 * only, one request a connection, no access control: who may connect may
 * read all of it.
 *
 * A bad client costs little: a connection that is silent or takes too long
 * is closed, and when too many are open the oldest makes room.
 *
 * libmicrohttpd stops at http.c.  SIGPIPE must be ignored, and the signals
 * that the main thread takes be blocked, before http_start().
 */
#ifndef MAILBRAKE_FRONT_HTTP_H
#define MAILBRAKE_FRONT_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"

/* Without a beat for so long the event loop does not live, and what it wrote
 * down is not served any more: an old "all is well" would be a lie. */
#define HTTP_STALE_MS		20000
#define HTTP_IDLE_S		5	/* a silent connection */
#define HTTP_DEADLINE_MS	20000	/* any connection */
#define HTTP_CONNECTIONS	64

enum http_document {
	HTTP_PAGE,
	HTTP_STATUS,
	HTTP_METRICS,
	HTTP_DOCUMENTS
};

struct http;				/* opaque, see http.c */

/* NULL, and a line logged, if it cannot listen there. */
struct http	*http_start(const struct endpoint *);
/* Ends all connections, and removes the socket file.  NULL is allowed. */
void		 http_stop(struct http *);

/* Takes text (of malloc) over, which replaces the last one at once.  A
 * request that is being answered goes on with the one that it began with. */
void		 http_put(struct http *, enum http_document, char *text,
		    size_t len);

/* The event loop is alive, says its thread, once a second; ends what takes
 * too long.  Monotonic milliseconds. */
void		 http_beat(struct http *, int64_t now_ms);

#endif
