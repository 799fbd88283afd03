/*
 * resolver.h - questions to DNS servers, asynchronously
 *
 * Each server has a c-ares channel of its own, so that an answer is known
 * to come from it: which resolver said a thing matters here.  Names are
 * absolute; no search list, no hosts file, no cache.  Event-loop thread
 * only.
 */
#ifndef MAILBRAKE_WATCH_RESOLVER_H
#define MAILBRAKE_WATCH_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "base/endpoint.h"
#include "watch/reply.h"

struct resolver_conf {
	const struct endpoint	*servers;	/* none: resolv.conf's */
	size_t			 server_count;
	int64_t			 timeout_ms;	/* of the first try */
	int			 tries;
	int			 parallel;	/* questions in flight */
	int			 rate;		/* a second; 0: no limit */
};

/* reply is valid during the call. */
typedef void	resolver_cb(void *ctx, const struct reply *reply);

struct resolver;			/* opaque */

/* NULL with *why set if there is no server to ask. */
struct resolver	*resolver_new(struct event_base *,
		    const struct resolver_conf *, const char **why);

/* Every question that is open is answered REPLY_CANCELLED first. */
void		 resolver_free(struct resolver *);

size_t		 resolver_server_count(const struct resolver *);
/* "127.0.0.1" or "127.0.0.1:5353"; lives as long as the resolver. */
const char	*resolver_server_name(const struct resolver *, size_t server);

/*
 * Asks server for name (without final dot) of REPLY_TYPE_; zone: the
 * list's, see reply_read().  Copies name and zone.  urgent questions go
 * before all others and are not held back by the rate.  cb is called
 * exactly once, never before this returns.
 */
void		 resolver_ask(struct resolver *, size_t server,
		    const char *name, const char *zone, int type,
		    bool urgent, resolver_cb *cb, void *ctx);

/* Calls back after that time, or when the resolver goes: then cancelled is
 * true.  Exactly once, never before this returns. */
typedef void	resolver_later_cb(void *ctx, bool cancelled);
void		 resolver_later(struct resolver *, int64_t wait_ms,
		    resolver_later_cb *cb, void *ctx);

/* Questions that have not been sent yet. */
size_t		 resolver_waiting(const struct resolver *);

/* Questions sent so far, tries not counted. */
uint64_t	 resolver_asked(const struct resolver *);

#endif
