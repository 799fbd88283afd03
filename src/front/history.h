/*
 * history.h - which state each egress was in, the last days
 *
 * Changes of state in a ring, seen from outside: whoever calls says what an
 * egress's state is now, as often as he likes.  In memory only; after a
 * start an egress is known since when its state is known to last.
 *
 * Pure; one thread.  Times are wall-clock milliseconds.
 */
#ifndef MAILBRAKE_FRONT_HISTORY_H
#define MAILBRAKE_FRONT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/board.h"

#define HISTORY_CHANGES	4096	/* kept, of all egresses together */

/* Neither known nor there; beside those of enum state. */
#define HISTORY_UNKNOWN	STATE_KINDS

struct history_span {
	int64_t		 from_ms, to_ms;
	int		 state;		/* enum state, or HISTORY_UNKNOWN */
};

struct history;				/* opaque, see history.c */

struct history	*history_new(void);
void		 history_free(struct history *);	/* NULL is allowed */
/* One of the caller's own, for another thread. */
struct history	*history_copy(const struct history *);

/* Begins a look at all egresses; then history_see() for each that is there,
 * and history_end(): what was not seen is gone. */
void		 history_begin(struct history *);
/* since_ms: how long its state has lasted, 0 if not known. */
void		 history_see(struct history *, const char *egress,
		    enum state, int64_t since_ms, int64_t now_ms);
void		 history_end(struct history *, int64_t now_ms);

/* Between two times, without a gap, oldest first, equal neighbours joined.
 * At most max spans, the latest ones; returns how many. */
size_t		 history_spans(const struct history *, const char *egress,
		    int64_t from_ms, int64_t to_ms,
		    struct history_span *, size_t max);

#endif
