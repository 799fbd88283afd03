/*
 * site.h - what the event loop writes down for whoever looks
 *
 * Keeps the recent events and the states of the last days, and every now and
 * then takes down how things stand, has page, status and metrics made of it
 * beside the loop, and hands them to http.h: within about a second when
 * something changed, every SITE_EVERY_MS in any case, and never for more
 * than a twentieth of the loop's time.  Event-loop thread.
 */
#ifndef MAILBRAKE_FRONT_SITE_H
#define MAILBRAKE_FRONT_SITE_H

#include <stdint.h>

#include <event2/event.h>

#include "base/endpoint.h"
#include "core/board.h"
#include "front/control.h"

#define SITE_BEAT_MS	1000
#define SITE_EVERY_MS	10000
#define SITE_SHARE	20
#define SITE_EVENTS	60	/* kept for the page */

struct site;				/* opaque, see site.c */

/* Copies ops and their strings; ctx and the board outlive it.  NULL and a
 * line logged if the socket cannot be opened. */
struct site	*site_start(struct event_base *, struct board *,
		    const struct endpoint *, const struct control_ops *,
		    void *ctx);
void		 site_stop(struct site *);	/* NULL is allowed */

/* A line of the time line, like control_event(). */
void		 site_event(struct site *, const struct board_event *);

#endif
