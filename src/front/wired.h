/*
 * wired.h - does Postfix on this host ask what it should ask?
 *
 * Reads Postfix's own configuration with postconf(1), now and then, and
 * compares it with mailbrake's (conf/wiring.h): a brake that is not connected
 * is the worst state of all, and mail may be taken for the gate to keep only
 * where the gate is asked.
 *
 * Event-loop thread; programs are not waited for.  On a host without
 * postconf there is nothing to say.
 */
#ifndef MAILBRAKE_FRONT_WIRED_H
#define MAILBRAKE_FRONT_WIRED_H

#include <stdbool.h>

#include "conf/config.h"
#include "conf/wiring.h"

struct children;
struct event_base;
struct wired;				/* opaque, see wired.c */

/* What was found has changed, or was found for the first time. */
typedef void wired_fn(void *ctx);

/* Looks at once, then when main.cf or master.cf has changed.  NULL if this host has no postconf;
 * the other functions allow that. */
struct wired	*wired_new(struct event_base *, struct children *, wired_fn *,
		    void *ctx);
void		 wired_free(struct wired *);

/* What is to be found; takes what it needs of the configuration, and looks
 * again. */
void		 wired_want(struct wired *, const struct config *);

/* What was found last; NULL as long as nothing was.  Borrowed until the
 * loop goes on. */
const struct wiring_findings *wired_findings(const struct wired *);

/* Why Postfix's configuration cannot be read; "" if it can. */
const char	*wired_error(const struct wired *);

/* Do all transports of this egress ask its gate before they deliver?  False
 * too if that is not known.  *by_file: at least one asks the file. */
bool		 wired_gated(const struct wired *, const char *egress,
		    bool *by_file);

#endif
