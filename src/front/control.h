/*
 * control.h - the socket that `mailbrake` talks to
 *
 * One JSON object a line asks, one or more lines answer:
 *
 *	{"command": "status"}
 *	{"command": "lists"}
 *	{"command": "fleet"}
 *	{"command": "reload"}
 *	{"command": "override", "word": "stop"|"send"|"auto", "target": "mx1",
 *	    "for_ms": 7200000, "reason": "...", "as": "alice"}
 *	{"command": "explain", "sender": "...", "recipient": "...",
 *	    "account": "...", "transport": "...", "must_take": false}
 *	{"command": "incident", "id": 3}
 *	{"command": "tick", "id": 3, "step": "cause", "zone": "...",
 *	    "note": "...", "as": "alice"}
 *	{"command": "events", "last": 50, "follow": true}
 *
 *	{"ok": true, "more": false, "data": ...}
 *	{"ok": false, "error": "..."}
 *
 * "more" says that another line follows (of events, and of hooks that are
 * tested).  A request that is no such object
 * is answered with an error and the connection closed; one that is
 * understood and refused leaves it open.  The next request of a connection
 * is read when the answer to the last one is on its way, so that a client
 * costs one answer of memory at most.
 *
 * Everything runs on the event-loop thread and nothing here waits.  Who may
 * connect may do everything; the socket is for its owner and its group
 * (0660), and which group that is comes from the directory or from whoever
 * started the daemon.  SIGPIPE must be ignored.
 */
#ifndef MAILBRAKE_FRONT_CONTROL_H
#define MAILBRAKE_FRONT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <jansson.h>

#include "base/endpoint.h"
#include "core/board.h"
#include "core/misread.h"
#include "core/incident.h"
#include "front/front.h"

struct wiring_findings;

/* Where state is kept.  NULL where there is nothing to say.  Strings are
 * borrowed until the loop goes on. */
struct control_store {
	const char	*redis;	/* "off", "connected", "connecting", "down" */
	const char	*why;		/* for people */
	const char	*way;		/* "tracking", "polling" */
	size_t		 left;		/* subjects that others ask about */
	const char	*no_leases;	/* why there are none; NULL or "" */
	const char	*state_file;
	const char	*state_file_error;
};

/* Whether an address has the name that it greets with. */
struct control_identity {
	const char	*state;		/* "good", "bad", "unknown" */
	const char	*name;		/* its PTR record */
	const char	*text;		/* what is wrong, what to do */
};

/* The table that shuts egresses; file NULL: there is none. */
struct control_gate {
	const char	*file;
	const char	*error;
	const char	*queue_error;	/* of postqueue(1) */
	bool		 settled;	/* the latest change is in force */
	const char *const *shut;
	size_t		 shut_count;
};

/* findings NULL: not known. */
struct control_postfix {
	const struct wiring_findings *findings;
	const char	*error;
};

/* One host of the fleet, as Redis shows it. */
struct control_node {
	const char	*host, *version, *mode;
	int64_t		 started_ms;	/* wall clock, its own */
	bool		 alive;		/* else nothing but host is known */
	bool		 here;		/* it is this one */
	bool		 same_rules;	/* it decides as this one does */
	bool		 same_overrides;
	size_t		 overrides;	/* how many it knows */
	size_t		 leases;	/* what it asks the lists about */
};

struct control_fleet {
	const struct control_node *nodes;
	size_t		 count;
	int64_t		 age_ms;	/* of this knowledge; -1: none yet */
};

/* What only the owner of the daemon's parts knows.  None may call back into
 * this module but control_event(). */
struct control_ops {
	const char	*version, *host, *config_file;
	int64_t		 started_ms;		/* wall */

	/* An operator's word with a target that board_target() made; sets
	 * it on the board, publishes, and tells Redis.  WORD_NONE removes.
	 * False if it was refused; *why says so. */
	bool		(*override)(void *ctx, const struct override *,
			    const char **why);
	/* Reads the configuration again.  False if the old one goes on:
	 * then *errors are lines for people, freed by the caller. */
	bool		(*reload)(void *ctx, char **errors);
	/* Wall clock, 0 if not known; egress -1: of any. */
	int64_t		(*next_check)(void *ctx, int egress);
	void		(*store)(void *ctx, struct control_store *out);
	/* Where a front end listens, as in the configuration; NULL if it
	 * is not offered. */
	const char	*(*front_where)(void *ctx, enum front_kind);

	/* May be NULL: then status does not speak of it. */

	/* Facts whose consequences are still to be drawn have them when it
	 * returns: what is shown together fits together. */
	void		(*settle)(void *ctx);
	/* What all lists that fail have in common; NULL if nothing. */
	const char	*(*resolver_fault)(void *ctx);
	/* Overrides that change nothing. */
	const struct misreads *(*misreads)(void *ctx);
	/* Questions a day about a list, by its index. */
	int64_t		(*daily)(void *ctx, size_t list);
	/* The gate file; out is zeroed before. */
	void		(*gate)(void *ctx, struct control_gate *out);
	/* The book; NULL: there is none. */
	const struct incidents *(*incidents)(void *ctx);
	/* A person ticks a step, see incidents_tick(). */
	const char	*(*tick)(void *ctx, int64_t id, enum incident_step,
			    const char *zone, const char *by,
			    const char *note);
	/* Messages in the queue that wait because of an egress; -1: not
	 * counted yet. */
	int64_t		(*waiting)(void *ctx, const char *egress);
	/* What Postfix's own configuration says. */
	void		(*postfix)(void *ctx, struct control_postfix *out);
	/* Runs a hook, or all (NULL), with a test.  What they say comes by
	 * control_reply() with this ticket, later.  NULL, or why not. */
	const char	*(*test_alert)(void *ctx, const char *hook,
			    uint64_t ticket);
	void		(*identity)(void *ctx, size_t egress, size_t addr,
			    struct control_identity *out);
	/* The other hosts.  NULL, or why there are none; every call has them
	 * looked at anew, for the next one.  Then whether node i of them
	 * knows an override. */
	const char	*(*fleet)(void *ctx, struct control_fleet *out);
	bool		(*fleet_knows)(void *ctx, size_t i,
			    const struct override *);
};

struct control;				/* opaque */

/* Copies ops and their strings; ctx and the board outlive it.  NULL and a
 * line logged if the socket cannot be opened. */
struct control	*control_start(struct event_base *, struct board *,
		    const struct endpoint *, const struct control_ops *,
		    void *ctx);
/* Closes all connections and removes the socket file.  NULL is allowed. */
void		 control_stop(struct control *);

/* Keeps the event among the last 1000 and shows it to those who follow.
 * Strings need not be clean. */
void		 control_event(struct control *, const struct board_event *);

/* A line for the client that waits with that ticket, if it still does.
 * Takes data over.  more: others follow. */
void		 control_reply(struct control *, uint64_t ticket,
		    json_t *data, bool more);

#endif
