/*
 * alert.h - what a person or a program has to be told, and when
 *
 * Of all that happens a few things matter to somebody who is not looking: an
 * egress or a sender domain is stopped or goes on, by evidence, by a word or
 * by the guard of its pool; an incident begins or ends; lists cannot be seen
 * for long.  Each becomes one alert.  The last ALERTS_KEPT are kept, numbered
 * from 0 on, so that each who is told keeps nothing but a number.
 *
 * A single list that cannot be used is no alert before LIST_LONG_MS: lists
 * come and go, and the others see.  When none can be seen the brake is blind,
 * and that is one after ALL_LONG_MS.
 *
 * Pure: events, the board and the time come in.  Event-loop thread.  Times
 * are wall-clock milliseconds.
 */
#ifndef MAILBRAKE_CORE_ALERT_H
#define MAILBRAKE_CORE_ALERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/board.h"

#define ALERTS_KEPT	200
#define ALL_LONG_MS	(15 * 60000LL)
#define LIST_LONG_MS	(6 * 3600000LL)

enum alert_kind {
	ALERT_LISTING,		/* only beside others of its moment */
	ALERT_LIST,		/* one list, for long */
	ALERT_INCIDENT,
	ALERT_LISTS,		/* all lists, for long */
	ALERT_STATE,
	ALERT_OVERRIDE,		/* a word that changed what counts */
	ALERT_GUARD,
	ALERT_TEST,		/* somebody asked for it */
	ALERT_KINDS
};

const char	*alert_kind_name(enum alert_kind);	/* "state" */

/* Strings are "" where they do not apply. */
struct alert {
	enum alert_kind	 kind;
	int64_t		 at_ms;
	char		 egress[BOARD_NAME_MAX]; /* or "domain:", "pool:",
						 * a word's target */
	char		 from[16], to[16];
	char		 subject[BOARD_NAME_MAX]; /* the listed address */
	char		 zone[BOARD_NAME_MAX];
	char		 text[512];	/* the whole sentence, for people */
};

/* Did it stop mail, did it let some go on? */
bool		 alert_stops(const struct alert *);
bool		 alert_resumes(const struct alert *);

struct incident;
struct alerts;				/* opaque */

struct alerts	*alerts_new(void);
void		 alerts_free(struct alerts *);	/* NULL is allowed */

/* Each event of the board, in order; then, when all of a moment are in,
 * alerts_update().  view is the board's own, published already; current is
 * the open incident or NULL.  True if there is something new to tell.  The
 * first look is where it begins: what is so then is no news. */
void		 alerts_event(struct alerts *, const struct board_event *);
bool		 alerts_update(struct alerts *, const struct board *,
		    const struct view *, const struct incident *current,
		    int64_t now_ms);

/* Numbers of the first that is kept, and of the next that will come. */
uint64_t	 alerts_first(const struct alerts *);
uint64_t	 alerts_end(const struct alerts *);
/* Borrowed until the next update.  number is one of these. */
const struct alert *alerts_get(const struct alerts *, uint64_t number);
/* What matters most of [from, end), the newest of equals; a stop that is
 * over within it matters least.  Borrowed; NULL if there are none. */
const struct alert *alerts_lead(const struct alerts *, uint64_t from,
		    uint64_t end);

/* The state of a sender domain that counts for mail: a word about it or a
 * domain above it, else the evidence. */
enum state	 alert_domain_state(const struct view *, size_t domain,
		    int64_t now_ms);

#endif
