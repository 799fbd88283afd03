/*
 * identity.h - does an egress have the name that it greets with
 *
 * Receivers look up the PTR record of the client's address, the address of
 * that name, and compare with the name in the greeting; where they do not
 * agree they refuse, and lists take it for a bot.  So do we look, and
 * report; nothing is ever stopped by it.  Event-loop thread only.
 */
#ifndef MAILBRAKE_WATCH_IDENTITY_H
#define MAILBRAKE_WATCH_IDENTITY_H

#include <event2/event.h>

#include "core/policy.h"
#include "watch/resolver.h"

enum identity_state {
	IDENTITY_UNKNOWN,	/* not asked yet, or no answer */
	IDENTITY_GOOD,
	IDENTITY_BAD,
};

struct identity;			/* opaque */

/* Looks now and every hour.  changed(ctx) is called when what is known of
 * an address has changed.  NULL with *why set if there is no DNS server. */
struct identity	*identity_new(struct event_base *, struct policy *,
		    const struct resolver_conf *, void (*changed)(void *),
		    void *ctx, const char **why);
void		 identity_free(struct identity *);

/*
 * What is known of one address of an egress; *ptr is its name or "", *text
 * what is wrong and what to do, or "".  Borrowed until the loop goes on.
 */
enum identity_state identity_get(const struct identity *, size_t egress,
		    size_t addr, const char **ptr, const char **text);

#endif
