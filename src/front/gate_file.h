/*
 * gate_file.h - the Postfix table that shuts an egress at delivery time
 *
 * smtp(8) asks it before every delivery, by
 *	smtp_tls_policy_maps = pipemap:{static:mx1, hash:/var/lib/.../gate}
 * and puts the message off when it finds "stopped-by-mailbrake", which is no
 * TLS security level.  The table belongs to mailbrake and says the last word
 * when mailbraked is dead, over restarts too: nothing is changed at exit.
 *
 * A wish is written beside the live table, compiled by postmap(1), read back
 * with it, and moved into place.  A running smtp(8) sees that its table has
 * no name any more (dict_changed_name() looks at st_nlink before the time of
 * the last change, which counts whole seconds only) and starts anew before
 * its next delivery.  At every moment there is a whole table.
 *
 * All calls and callbacks on the thread of the event loop; disk work is done
 * aside and programs are not waited for.  Durations in ms.
 */
#ifndef MAILBRAKE_FRONT_GATE_FILE_H
#define MAILBRAKE_FRONT_GATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATE_FILE_VALUE		"stopped-by-mailbrake"
#define GATE_FILE_TYPE_MAX	16

struct children;
struct event_base;
struct gate_file;			/* opaque, see gate_file.c */

struct gate_file_conf {
	const char	*table;		/* "TYPE:PATH" or "PATH"; "" for none */
	bool		 given;		/* by the operator: it must work */
	const char	*config_directory; /* Postfix's; NULL: its default */
	int64_t		 timeout_ms;	/* for postmap; 0: 10 s */
	int64_t		 retry_ms;	/* first wait after a failure, doubled
					 * up to 60 times; 0: 1 s */
};

/* What is in force now.  Borrowed until the callback returns. */
struct gate_file_news {
	const char *const *names;	/* shut, sorted */
	size_t		 count;
	bool		 found;		/* it was so when we came */
	int64_t		 took_ms;	/* since the wish was made */
};

typedef void gate_file_fn(void *ctx, const struct gate_file_news *);
typedef void gate_file_doubt_fn(void *ctx);

/*
 * Splits "TYPE:PATH"; PATH alone is a hash.  NULL and both set, or what is
 * wrong with it ("must be an absolute path, ...").  *path points into table.
 */
const char	*gate_file_parse(const char *table,
		    char type[GATE_FILE_TYPE_MAX], const char **path);

/*
 * Changes nothing before the first gate_file_set().  NULL if there is to be
 * none: table is "", or it was not given and this host has no postmap.  The
 * other functions allow NULL.  in_force is called, never from within
 * gate_file_set(), when a wish is in force that was not so before.
 */
struct gate_file *gate_file_new(struct event_base *, struct children *,
		    const struct gate_file_conf *, gate_file_fn *in_force,
		    void *ctx);

/* Leaves the table as it is.  Not from the callback. */
void		 gate_file_free(struct gate_file *);

/*
 * These egresses are to be shut, and no others; the latest wish wins.
 * Everything is copied.  reasons (or NULL) stand beside the names as
 * comments, for people, and alone are no change.
 */
void		 gate_file_set(struct gate_file *, const char *const *names,
		    const char *const *reasons, size_t count);

/* Looks at the disk again, and mends what somebody may have changed there:
 * for a reload. */
void		 gate_file_check(struct gate_file *);

/* True if the latest wish is in force. */
bool		 gate_file_settled(const struct gate_file *);

/*
 * True while the table may not say what it should: the latest wish has
 * failed, or has taken longer than a second.  False for NULL.  on_doubt is
 * called from the loop when that has changed.
 */
bool		 gate_file_doubtful(const struct gate_file *);
void		 gate_file_on_doubt(struct gate_file *, gate_file_doubt_fn *,
		    void *ctx);

/* Why the latest wish is not in force, and what to do; "" while all is well
 * or nothing has failed yet. */
const char	*gate_file_error(const struct gate_file *);

#endif
