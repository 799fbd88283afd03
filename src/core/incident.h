/*
 * incident.h - one record from the first listing to the return to normal
 *
 * The book of incidents: the time line, which lists and why, what became of
 * the mail, operators' words, and the six steps of the procedure.  Steps that
 * only a person can do are ticked by one.
 *
 * An incident is opened by the first confirmed listing that has weight, or by
 * a stop, and closed when everybody sends again by evidence and no such
 * listing is left.  What happens on several egresses meanwhile belongs to it:
 * it is most often one cause.
 *
 * Pure: facts and the time come in.  Event-loop thread.  Times are wall-clock
 * milliseconds, 0 for never.
 */
#ifndef MAILBRAKE_CORE_INCIDENT_H
#define MAILBRAKE_CORE_INCIDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/board.h"

#define INCIDENT_LINES_MAX	400	/* of a time line; the middle goes */
#define INCIDENT_KEPT		20	/* closed ones in the book */
#define INCIDENT_NOTE_MAX	400
#define INCIDENT_BY_MAX		64

/* In the order in which they are to be done. */
enum incident_step {
	STEP_STOPPED,		/* by itself */
	STEP_LISTS,		/* by itself: which lists, and why */
	STEP_CAUSE,		/* a person */
	STEP_REMOVED,		/* a person */
	STEP_ASKED,		/* a person, for each list */
	STEP_RESUMED,		/* by itself */
	STEP_KINDS
};

const char	*incident_step_name(enum incident_step);	/* "cause" */
bool		 incident_step_parse(const char *, enum incident_step *out);

enum step_state {
	STEP_OPEN,
	STEP_NEXT,		/* the first that is not done */
	STEP_DONE,
};

const char	*step_state_name(enum step_state);

/* A person's tick.  Strings are of no more than INCIDENT_BY_MAX and
 * INCIDENT_NOTE_MAX with their end; NULL without a tick. */
struct incident_tick {
	int64_t		 at_ms;			/* 0: there is none */
	char		*by, *note;
};

/* A listing that has weight, while the incident lasts or lasted.  There may
 * be thousands. */
struct incident_listing {
	char		*subject, *zone;
	char		*name;			/* "SBL", or the code */
	char		*text;			/* the list's TXT, or "" */
	uint32_t	 code;			/* host order */
	int		 weight;
	int64_t		 since_ms;
	int64_t		 gone_ms;		/* 0: still there */
	struct incident_tick asked;		/* to be delisted */
};

struct incident_line {
	int64_t		 at_ms;
	char		*text;
};

/* Of all front ends, since the daemon's start. */
struct incident_counts {
	uint64_t	 refused, held, rerouted, queued;
};

struct incident {
	int64_t		 id;			/* 1, 2, 3 ... */
	int64_t		 opened_ms, closed_ms;
	int64_t		 stopped_ms;		/* the first stop */
	struct incident_counts mail;		/* meanwhile */
	struct incident_tick cause, removed;
	struct incident_listing *listings;
	size_t		 listing_count;
	struct incident_line *lines;
	size_t		 line_count;
	size_t		 left_out;		/* lines, in the middle */
};

struct incidents;				/* opaque: the book */

struct incidents *incidents_new(void);
void		 incidents_free(struct incidents *);	/* NULL is allowed */

/* Each event, in order. */
void		 incidents_event(struct incidents *,
		    const struct board_event *);

/* Looks at the board as it was published last: opens, fills in, closes.
 * counts only grow, until a restart.  True if anything is different that
 * should be kept. */
bool		 incidents_update(struct incidents *, const struct board *,
		    const struct incident_counts *, int64_t now_ms);

/* Open now, or NULL. */
const struct incident *incidents_current(const struct incidents *);
/* Oldest first, the current one last. */
size_t		 incidents_count(const struct incidents *);
const struct incident *incidents_get(const struct incidents *, size_t);
/* By its number; 0 is the current one, else the last.  NULL: there is none. */
const struct incident *incidents_find(const struct incidents *, int64_t id);

enum step_state	 incident_step_state(const struct incident *,
		    enum incident_step);

/*
 * A person says that a step is done: STEP_CAUSE or STEP_REMOVED with a note,
 * or STEP_ASKED with a list's zone, or NULL for all that are open.  NULL, or
 * what is wrong.  Ticked again, the new one counts.
 */
const char	*incidents_tick(struct incidents *, int64_t id,
		    enum incident_step, const char *zone, const char *by,
		    const char *note, int64_t now_ms);

/* For what was kept over a restart: takes over what the incident owns.
 * Oldest first, before anything else is told. */
void		 incidents_restore(struct incidents *, struct incident *);

#endif
