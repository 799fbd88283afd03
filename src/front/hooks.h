/*
 * hooks.h - an operator's programs are told what has happened
 *
 * Runs the executables in hooks.d (hook_dir.h) for the alerts of core/alert.h,
 * with the facts in the environment and as JSON on standard input; what they
 * get is described in mailbraked(8).  When each is run, hook_line.h says.
 * They are started in the order of their names and do not wait for each
 * other.  Their output goes to the log, cleaned and bounded.
 *
 * All calls and callbacks on the event-loop thread; nothing waits.  The
 * directory is read when an alert has come, not before each decision.
 */
#ifndef MAILBRAKE_FRONT_HOOKS_H
#define MAILBRAKE_FRONT_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "core/board.h"
#include "core/incident.h"

struct config;
struct event_base;
struct hooks;				/* opaque */

/* The configuration is borrowed until hooks_configure() names another; board
 * and host outlive it. */
struct hooks	*hooks_new(struct event_base *, struct board *,
		    const struct config *, const char *host);
/* Ends what runs, and says in the log who has not been told what.  NULL is
 * allowed. */
void		 hooks_free(struct hooks *);

/* A program that runs goes on to its end. */
void		 hooks_configure(struct hooks *, const struct config *);

/* Each event, in order; then, when the view is published, the rest. */
void		 hooks_event(struct hooks *, const struct board_event *);
void		 hooks_update(struct hooks *, const struct incident *current,
		    int64_t now_ms);

/* One line of an answer, taken over; the last one is null. */
typedef void hooks_said_fn(void *ctx, json_t *line, bool more);

/*
 * Runs hook name, or all (NULL), with an event that says that it is a test.
 * The first line names them, then comes one for each as it ends.  NULL, or
 * why not; good until the next call.  Calls back only after it has returned.
 */
const char	*hooks_test(struct hooks *, const char *name,
		    hooks_said_fn *, void *ctx);

#endif
