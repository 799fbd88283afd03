/*
 * statefile.h - what must survive a restart, in one file
 *
 * Listings, states and overrides as JSON.  Written to a new file, synced,
 * renamed over the old one, and the directory synced: whatever happens,
 * there is a whole file, and the one before it as FILE.old.  What was written
 * as FILE.tmp when the daemon was killed is used too, if it is whole.  A
 * thread of its own writes, because a disk may hang; the caller hands over
 * text and goes on.  A write that fails is tried again until it works; memory
 * is the truth meanwhile.
 */
#ifndef MAILBRAKE_STORE_STATEFILE_H
#define MAILBRAKE_STORE_STATEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/board.h"

struct statefile;			/* opaque */

/* Texts of other parts that are kept beside the board, each its own. */
enum statefile_part {
	STATEFILE_STORE,	/* the other store */
	STATEFILE_INCIDENTS,	/* JSON */
	STATEFILE_PARTS
};

/*
 * Restores the board from path, or from path.old when that is damaged or
 * gone; says in the log what it did.  A damaged file is kept as path.bad.
 * False only if there is something that could not be used.  parts are what
 * statefile_keep() was given, or NULL; the caller frees them.
 */
bool		 statefile_load(const char *path, struct board *,
		    int64_t now_ms, char *parts[STATEFILE_PARTS]);

/* Takes the lock of path ("path.lock") so that no second daemon writes the
 * same file: NULL with *why set if it is taken.  Starts the thread; signals
 * must be blocked.  A file that cannot be written is only said. */
struct statefile *statefile_open(const char *path, const char **why);

/* What another part wants to know after a restart; it is written with the
 * next statefile_save().  Copied; NULL: nothing. */
void		 statefile_keep(struct statefile *, enum statefile_part,
		    const char *text);

/* Hands over the present state, as it was published.  Cheap if nothing has
 * changed.  NULL is allowed: no state file. */
void		 statefile_save(struct statefile *, const struct board *);

/* Waits at most wait_ms until all that was handed over is on disk; not for a
 * disk that fails.  False if it is not. */
bool		 statefile_wait(struct statefile *, int wait_ms);

/* Writes what is pending, waits for it at most wait_ms, ends the thread. */
void		 statefile_close(struct statefile *, int wait_ms);

/* Why the last write failed, written into buf; "" if it did not. */
const char	*statefile_error(struct statefile *, char *buf, size_t size);

#endif
