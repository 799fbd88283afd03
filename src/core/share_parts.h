/*
 * share_parts.h - what the files of share have in common
 *
 * For share.c and share_text.c only.
 */
#ifndef MAILBRAKE_CORE_SHARE_PARTS_H
#define MAILBRAKE_CORE_SHARE_PARTS_H

#include "core/share.h"

#define SHARE_STAMP_MAX		24

enum lease_state {
	LEASE_NONE,
	LEASE_MINE,
	LEASE_OTHER,
};

struct shared_subject {
	char		*text;		/* "203.0.113.7", "example.org" */
	enum subject_kind kind;
	enum lease_state lease;
	uint64_t	 fence;
	int64_t		 until_ms;	/* the lease is not relied on after */
	struct peer	*holder;	/* LEASE_OTHER: never NULL */
	int64_t		 wanted_ms;	/* when another host wanted it last */
	bool		 written;	/* this host speaks of it */
};

/* Something that is not clean: on a list, by the number of a subject. */
struct shared_hit {
	size_t		 subject;
	uint32_t	 code;
	bool		 confirmed;
};

/* One list and kind, as this host found it.  Indexes are the board's. */
struct own_result {
	int64_t		 stamp;		/* 0: never asked */
	bool		 usable;
	uint8_t		*asked;		/* a bit for each subject */
	struct shared_hit *hits;
	size_t		 hit_count;
};

/* One list and kind, as a peer wrote it.  Indexes are the peer's. */
struct peer_result {
	char		 stamp[SHARE_STAMP_MAX];
	int64_t		 heard_ms;	/* not older than that; 0 never */
	uint8_t		*covers;	/* a bit for each subject of the peer */
};

struct peer_subject {
	size_t		 mine;		/* the board's index, or SIZE_MAX */
	uint64_t	 fence;		/* 0: it has no lease */
};

/* The subjects that this host has as well, sorted by mine. */
struct peer_place {
	size_t		 mine, theirs;
};

struct peer {
	struct peer	*next;
	char		 host[SHARE_HOST_MAX];
	int64_t		 met_ms;	/* of interest: last */
	int64_t		 read_ms;	/* last read */
	char		 at[SHARE_AT_MAX];
	char		*subjects_text;	/* as read, to see that it changed */
	struct peer_subject *subjects;
	size_t		 subject_count;
	struct peer_place *places;
	size_t		 place_count;
	struct peer_result *results;	/* list_count * SUBJECT_KINDS */
};

struct share {
	char			 host[SHARE_HOST_MAX];
	unsigned int		 generation;
	int			 tick_ms;
	struct shared_subject	*subjects;
	size_t			 subject_count;
	size_t			*by_text;	/* subjects, sorted */
	char			**zones;
	size_t			 list_count;
	struct own_result	*own;	/* list_count * SUBJECT_KINDS */
	bool			 dirty;
	uint64_t		 writes;
	struct peer		*peers;
	size_t			 peer_count;
	bool			 ready, sees;
	int64_t			 ticked_ms;
	int64_t			 awake_ms;	/* without a pause since */
	share_told_cb		*told;
	void			*told_ctx;
};

static inline bool
bit_get(const uint8_t *bits, size_t i)
{
	return bits != NULL && (bits[i / 8] >> i % 8 & 1) != 0;
}

static inline void
bit_set(uint8_t *bits, size_t i)
{
	bits[i / 8] = (uint8_t)(bits[i / 8] | 1 << i % 8);
}

static inline size_t
result_of(size_t list, enum subject_kind kind)
{
	return list * SUBJECT_KINDS + (size_t)kind;
}

struct peer	*share_find_peer(const struct share *, const char *host);
/* The peer's number of a subject of ours, or -1. */
int		 share_place(const struct peer *, size_t subject);
/* May another host want to know what this one finds about it? */
bool		 share_is_shared(const struct share *, size_t subject,
		    int64_t now_ms);

#endif
