/*
 * board_parts.h - what the files of the board share
 *
 * For board.c, board_health.c, board_words.c, board_pools.c and board_view.c
 * only.
 */
#ifndef MAILBRAKE_CORE_BOARD_PARTS_H
#define MAILBRAKE_CORE_BOARD_PARTS_H

#include <pthread.h>

#include "core/board.h"

/* A listing and its place in the two chains that find it. */
struct entry {
	struct listing	 l;
	struct entry	*next;		/* of the same subject */
	size_t		 place;		/* in board->listings */
};

/* A listing that is gone, minded for a while in case it comes back. */
struct gone {
	struct gone	*next;
	size_t		 list;
	int		 times;
	int64_t		 at_ms;
};

struct subject_facts {
	struct subject	 subject;
	struct entry	*listings;
	struct gone	*gone;
	int64_t		 checked_ms;	/* last answer of a healthy list */
};

struct kind_health {
	enum health	 health;
	char		 reason[BOARD_REASON_MAX];
	int64_t		 checked_ms;
};

struct list_facts {
	struct kind_health kinds[SUBJECT_KINDS];
};

/* Whoever can be stopped: an egress, or a sender domain. */
struct party {
	struct standing	 standing;
	size_t		*subjects;
	size_t		 subject_count;
	struct volume	 volume;	/* egresses only, like these */
	bool		 full;
	bool		 gated;
};

struct counted_view {
	struct view	 view;
	int		 references;	/* atomic */
};

struct board {
	struct policy		*policy;
	struct subject_facts	*subjects;	/* sorted, see compare */
	size_t			 subject_count;
	struct list_facts	*lists;
	struct party		*egress;
	struct party		*domains;
	struct pool_view	*pools;
	struct entry		**listings;
	size_t			 listing_count;
	struct override		*overrides;	/* sorted by target */
	size_t			 override_count;
	struct board_event		*events;	/* not drained yet */
	size_t			 event_first, event_count, event_room;

	int64_t			 clock_ms;	/* it was set by, all in all */
	bool			 dirty;		/* since the last view */
	uint64_t		 generation;
	pthread_mutex_t		 lock;		/* guards current */
	struct counted_view	*current;
};

/* A new line of the time line, to be filled in. */
struct board_event *board_add_event(struct board *, enum event_kind,
		    int64_t now_ms);
/* Index of the subject with this address, or -1. */
int		 board_find_addr(const struct board *, const struct addr *);
/* The weights of the confirmed listings of all subjects, at most the
 * heaviest of each operator.  *worst is the heaviest listing, or NULL. */
int		 board_score(const struct board *, const struct party *,
		    const struct listing **worst);
/* "SBL", or "127.0.0.4" where the table has no name. */
const char	*board_listing_label(const struct answer_seen *,
		    char buf[48]);
/* *next becomes t if that is earlier; 0 is never. */
void		 board_sooner(int64_t *next, int64_t t);

/* board_words.c */
void		 board_remove_override(struct board *, size_t,
		    int64_t now_ms, const char *ended);

/* board_pools.c: time acts on one of them */
void		 board_tick_pool(struct board *, size_t pool, int64_t now_ms,
		    int64_t *next);
void		 board_tick_volumes(struct board *, size_t pool,
		    int64_t now_ms);

#endif
