/*
 * share.h - who asks the lists about what several hosts send by
 *
 * Hosts that share a Redis and have addresses or domains in common need not
 * all ask about them: one has the lease of a subject, asks, and writes down
 * what it found; the others read that.  This is the part without Redis: who
 * has which lease, what is to be written, what others wrote, and what may be
 * concluded from it.
 *
 * It saves questions and is never relied upon:
 *  - a question is left to another host only while its lease was read
 *    lately, its results are seen to come in this host's own beat, and
 *    nothing is known here against that subject on that list;
 *  - another's "clean" releases nothing, and another's "listed" makes this
 *    host look itself.  Only where it is blind for a list does it take the
 *    listing of a host that sees, until it sees itself that it is gone;
 *  - a result counts only when it was seen to arrive, by this host's own
 *    clock, from the holder of the lease under the lease's own number (its
 *    fence), so that one that was frozen and comes back is not believed.
 *
 * Pure but for allocation; event-loop thread only.  Times are monotonic
 * milliseconds, named _ms; 0 means never.
 */
#ifndef MAILBRAKE_CORE_SHARE_H
#define MAILBRAKE_CORE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/board.h"

#define SHARE_HOST_MAX		256
#define SHARE_TICK_MIN_MS	200
#define SHARE_TICK_MAX_MS	5000

struct share;				/* opaque */

/* What another host has found, new since it was read last. */
struct share_told {
	size_t		 subject, list;	/* of the board */
	bool		 present;	/* else it is not listed there */
	uint32_t	 code;		/* host order */
	bool		 confirmed;	/* by a second look of that host's */
};

typedef void	 share_told_cb(void *ctx, const struct share_told *);

/* host: this one's name in leases. */
struct share	*share_new(const char *host);
void		 share_free(struct share *);	/* NULL is allowed */

/* The subjects and lists are those of the board, from now on: whatever was
 * known is forgotten, but for the name.  interval_ms: the beat. */
void		 share_configure(struct share *, const struct board *,
		    int64_t interval_ms);
/* Who is told; NULL for nobody. */
void		 share_listen(struct share *, share_told_cb *, void *ctx);
/* Counts the configurations: what was asked under another is not for this
 * one any more. */
unsigned int	 share_generation(const struct share *);
/* How often leases are renewed and results read, and how long a lease
 * lives without. */
int		 share_tick_ms(const struct share *);
int		 share_lease_ms(const struct share *);

/* Its name as it stands in leases. */
const char	*share_host(const struct share *);

/* --- leases ------------------------------------------------------------ */

size_t		 share_subject_count(const struct share *);
const char	*share_subject(const struct share *, size_t);

/* Whether this host sees anything at all: one that does not wants no
 * leases.  Before that is known it is not yet time to ask for any. */
void		 share_sees(struct share *, bool);
bool		 share_ready(const struct share *);
bool		 share_wants(const struct share *);

/*
 * The lease of a subject as it was read by a request sent at sent_ms:
 * "<host> <fence>", and the name of another host that would have liked it.
 * "" or what cannot be read: nobody has it.
 */
void		 share_lease(struct share *, size_t subject, const char *value,
		    int64_t sent_ms);
/* Before the leases are read, every share_tick_ms().  After a pause, in which
 * others took them, what was asked before counts no more. */
void		 share_tick(struct share *, int64_t now_ms);
/* Redis is away: nobody is relied upon. */
void		 share_lost(struct share *);

/* Is this question another host's, for now?  every_ms: how often this host
 * would ask it. */
bool		 share_leaves(const struct share *, size_t subject,
		    size_t list, int64_t every_ms, int64_t now_ms);

/* For people: subjects whose lease is held here, and by others. */
void		 share_count(const struct share *, int64_t now_ms, size_t *held,
		    size_t *left);

/* --- what this host found ---------------------------------------------- */

/* A sweep of one list and kind is done: share_answer() for each subject that
 * was asked follows.  stamp differs from round to round.  Not usable: what
 * was known is withdrawn.  began_ms: when the first question was sent. */
void		 share_round(struct share *, size_t list, enum subject_kind,
		    bool usable, int64_t stamp, int64_t began_ms,
		    int64_t now_ms);
/* Also after a second look. */
void		 share_answer(struct share *, size_t subject, size_t list,
		    bool present, uint32_t code, bool confirmed,
		    int64_t now_ms);

/*
 * The text that others are to read, which the caller frees.  NULL if no
 * other host could want it, or nothing is new since the last call.
 */
char		*share_write(struct share *, int64_t now_ms);
/* What was written may be gone: all of it is new again. */
void		 share_unwritten(struct share *);

/* --- what others found ------------------------------------------------- */

/* Hosts whose results are of interest. */
size_t		 share_peer_count(const struct share *);
const char	*share_peer(const struct share *, size_t);

/* Reads the text of a peer; "" if there is none.  Calls who listens. */
void		 share_read(struct share *, const char *peer, const char *text,
		    int64_t now_ms);
/* How the text began that was read last: where that has not changed, the
 * rest has not, and share_read_same() does. */
#define SHARE_AT_MAX		64
const char	*share_peer_at(const struct share *, const char *peer);
void		 share_read_same(struct share *, const char *peer,
		    int64_t now_ms);

/* --- what follows ------------------------------------------------------ */

enum share_use {
	SHARE_NOTHING,		/* known already, or for this host to see */
	SHARE_CLEAN,		/* as before: it was looked at */
	SHARE_LOOK,		/* seen by another: look, too */
	SHARE_TAKE,		/* we cannot see: as if it were our own */
};

/* own: the list as this host sees it; known: something is known here about
 * that subject on that list. */
enum share_use	 share_use(enum health own, bool known, bool present);

#endif
