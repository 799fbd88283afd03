/*
 * board.h - what we believe right now, and what follows from it
 *
 * The board takes facts (answers of healthy lists, list health, operators'
 * overrides, the time) and keeps listings, scores and the state of every
 * egress.  It is written on the event-loop thread only and does no I/O.
 * Other threads read a view: an immutable, reference-counted snapshot.
 * Times are wall-clock milliseconds since the epoch, named _ms, and always
 * an argument; 0 means never.
 */
#ifndef MAILBRAKE_CORE_BOARD_H
#define MAILBRAKE_CORE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/policy.h"

#define BOARD_NAME_MAX		264	/* "domain:" and a domain name */
#define BOARD_TEXT_MAX		240	/* one line of a list's TXT record */
#define BOARD_REASON_MAX	240

enum state {
	STATE_SENDING,
	STATE_STOPPED,
	STATE_PROBATION,
	STATE_KINDS
};

const char	*state_name(enum state);	/* "sending" */
bool		 state_parse(const char *, enum state *out);

enum health {
	HEALTH_UNKNOWN,		/* not asked yet */
	HEALTH_USABLE,
	HEALTH_BLIND,		/* we cannot see what it says */
	HEALTH_BROKEN,		/* what it says is not true */
	HEALTH_KINDS
};

const char	*health_name(enum health);

/* Who is asked about: the addresses of all egresses, each once. */
struct subject {
	enum subject_kind kind;
	struct addr	 addr;		/* SUBJECT_IPV4, SUBJECT_IPV6 */
	char		*domain;	/* SUBJECT_DOMAIN: lower case A-label */
};

/* "203.0.113.7" or the domain itself; buf is at least ADDR_TEXT_MAX. */
const char	*subject_text(const struct subject *, char *buf);

/* The heaviest reading of one query's answer, see watch/classify.h. */
struct answer_seen {
	enum answer	 kind;
	uint32_t	 code;		/* host order; 0 without an address */
	int		 weight;	/* what it would count */
	char		 name[32];	/* of the table's row, or "" */
};

/* One subject on one list. */
struct listing {
	size_t		 subject, list;	/* indexes */
	struct answer_seen seen;	/* the last answer that was not clean */
	char		 text[BOARD_TEXT_MAX];	/* the list's TXT, cleaned */
	bool		 confirmed;
	bool		 disputed;	/* a second look did not agree */
	int		 looks;		/* seen so often, until confirmed; then
					 * those of something heavier */
	int		 heavier;	/* ... and its weight */
	int		 cleans;	/* consecutive clean answers since */
	int		 lighter;	/* consecutive ones that say less */
	int		 returns;	/* gone and back within flap_window */
	int64_t		 first_ms;	/* first look */
	int64_t		 since_ms;	/* confirmed */
	int64_t		 seen_ms;	/* last seen listed */
};

enum word {
	WORD_NONE,
	WORD_STOP,
	WORD_SEND,
};

const char	*word_name(enum word);

/* An operator's word.  source: where it came from, "redis" or "control". */
struct override {
	char		 target[BOARD_NAME_MAX];
	enum word	 word;
	int64_t		 until_ms;	/* 0: until it is removed */
	int64_t		 since_ms;	/* first heard of; the board's */
	char		 reason[BOARD_REASON_MAX];
	char		 source[16];
	bool		 restored;	/* until_ms is of an earlier run: by the
					 * calendar, not counted by this one */
};

/* The standing of one egress: the state machine's own memory. */
struct standing {
	enum state	 state;		/* by evidence alone */
	int64_t		 since_ms;
	int64_t		 until_ms;	/* next expected move; 0 unknown */
	int64_t		 clean_since_ms;/* stopped, and nothing listed */
	int64_t		 resumed_ms;	/* sending again since; 0 long ago */
	int		 relapses;
	int		 score;
	int64_t		 stopped_ms;	/* stopped last; 0 never */
	int64_t		 unseen_ms;	/* probation: no list can be believed
					 * since; 0: one can */
	struct usual	 usual;
	bool		 fresh;		/* never used before: no message was
					 * ever seen to leave by it */
};

enum event_kind {
	EVENT_STATE,		/* an egress changed its state */
	EVENT_LISTED,		/* a listing was confirmed */
	EVENT_DELISTED,
	EVENT_SUSPECTED,	/* seen once, a second look follows */
	EVENT_UNCONFIRMED,	/* the second look did not agree */
	EVENT_HEALTH,		/* a list's health changed */
	EVENT_OVERRIDE,		/* set, changed, removed or ended */
	EVENT_GUARD,		/* a pool stops, or may go on */
	EVENT_QUEUE,		/* the gate, a flush, a portion released */
	EVENT_NOTE,		/* anything else worth a line */
	EVENT_KINDS
};

const char	*event_kind_name(enum event_kind);

/* One line of the time line.  Strings are "" where they do not apply. */
struct board_event {
	enum event_kind	 kind;
	int64_t		 at_ms;
	char		 egress[BOARD_NAME_MAX];
	char		 subject[BOARD_NAME_MAX];
	char		 zone[BOARD_NAME_MAX];
	char		 from[16], to[16];	/* states, health, words */
	char		 text[512];	/* the whole sentence, for people */
};

struct board;				/* opaque, see board.c */

/* What the caller should do about an answer that it reported. */
enum board_wish {
	BOARD_NOTHING,
	BOARD_LOOK_AGAIN,	/* ask once more after the confirm delay */
	BOARD_ASK_TEXT,		/* confirmed: fetch the TXT record */
};

struct board	*board_new(struct policy *, int64_t now_ms);
void		 board_free(struct board *);

/* A new policy: egresses are matched by name, subjects by address, lists
 * by zone; what is gone from the policy is forgotten.  Takes a reference. */
void		 board_set_policy(struct board *, struct policy *,
		    int64_t now_ms);
struct policy	*board_policy(const struct board *);	/* borrowed */

size_t		 board_subject_count(const struct board *);
const struct subject *board_subject(const struct board *, size_t);
/* Index of the subject with that text, or -1. */
int		 board_find_subject(const struct board *, const char *text);

/*
 * Facts.  An answer may be reported only when the list was usable in the
 * same round and through the same resolver; answers that prove nothing
 * (refused, foreign, odd, failed) change nothing and are ignored here.
 * second_look: this was asked because of BOARD_LOOK_AGAIN.
 */
enum board_wish	 board_answer(struct board *, size_t subject, size_t list,
		    const struct answer_seen *, bool second_look,
		    int64_t now_ms);
/* Is anything known of one of these subjects by this list? */
bool		 board_has_listing(const struct board *, size_t list,
		    enum subject_kind);
/* What is known of this one, or NULL.  Borrowed until the board changes. */
const struct listing *board_known(const struct board *, size_t subject,
		    size_t list);
void		 board_text(struct board *, size_t subject, size_t list,
		    const char *text);
/* Health is kept per kind of subject: an IPv6 zone may be silent while the
 * IPv4 one of the same name answers. */
void		 board_health(struct board *, size_t list,
		    enum subject_kind, enum health, const char *reason,
		    int64_t now_ms);

/* Sets or (WORD_NONE) removes an override.  False if the target names
 * nothing that can be overridden; *why says so. */
bool		 board_override(struct board *, const struct override *,
		    int64_t now_ms, const char **why);
/* All overrides in effect; the index is good until the next change. */
size_t		 board_override_count(const struct board *);
const struct override *board_get_override(const struct board *, size_t);
/* Checks and normalises a target ("account:", "domain:", an address, an
 * egress, "all") into out[BOARD_NAME_MAX]; NULL or what is wrong. */
const char	*board_target(const struct board *, const char *target,
		    char *out);

/* Lets time act, and reads what front ends counted.  Returns when it wants to
 * be called next (wall clock), or 0 if nothing is due; the counters want a
 * look every BOARD_BEAT_MS besides. */
#define BOARD_BEAT_MS	10000
int64_t		 board_tick(struct board *, int64_t now_ms);

/* What happened since the last call, oldest first; false when none left. */
bool		 board_next_event(struct board *, struct board_event *out);
/* Adds a line to the time line on behalf of another part. */
void		 board_note(struct board *, enum event_kind, int64_t now_ms,
		    const char *fmt, ...)
		    __attribute__((__format__(__printf__, 4, 5)));

/* Restoring from the store at start: no events, no confirmation. */
void		 board_restore_listing(struct board *, const struct listing *);
void		 board_restore_standing(struct board *, size_t egress,
		    const struct standing *);
/* What a probation has proven and let out before, after its standing. */
void		 board_restore_probation(struct board *, size_t egress,
		    uint64_t accepted, uint64_t let_out);
void		 board_restore_domain(struct board *, size_t domain,
		    const struct standing *);

/* The wall clock was set, see base/clock.h: what began and what ends moves
 * along, so that it lasts as long as it would have. */
void		 board_clock_set(struct board *, int64_t step_ms);
/* The same for one time; 0 stays 0. */
void		 board_move_ms(int64_t *t, int64_t step_ms);
void		 board_move_override(struct override *, int64_t step_ms);

/* Current facts, for the store and status.  Borrowed until the next call
 * that changes the board. */
size_t		 board_listing_count(const struct board *);
const struct listing *board_listing(const struct board *, size_t);
const struct standing *board_standing(const struct board *, size_t egress);
const struct standing *board_domain_standing(const struct board *,
		    size_t domain);
/* The same without a line in the time line, where a line that says more is
 * written instead; returns what it was. */
enum health	 board_health_silent(struct board *, size_t list,
		    enum subject_kind, enum health, const char *reason,
		    int64_t now_ms);
/* The worst of the kinds that were asked; reason is "" when usable. */
enum health	 board_list_health(const struct board *, size_t list,
		    const char **reason, int64_t *checked_ms);
/* True if any list that should see this egress cannot. */
bool		 board_blind(const struct board *, size_t egress);
int64_t		 board_checked_ms(const struct board *, size_t egress);
/* State with overrides and the guard of its pool; *by is the override that
 * decides, or NULL. */
enum state	 board_effective(const struct board *, size_t egress,
		    int64_t now_ms, const struct override **by);

/* The guard of a pool, now. */
const struct pool_view *board_pool(const struct board *, size_t pool);
/* What this hour brought. */
const struct volume *board_volume(const struct board *, size_t egress);
/* The MTA's configuration was seen to ask the gate of this egress, or not:
 * only then may mail be taken that the gate has to keep. */
void		 board_set_gated(struct board *, size_t egress, bool gated);
/* This egress was not there when the rest of the state was kept. */
void		 board_set_fresh(struct board *, size_t egress);

/* --- views: any thread ------------------------------------------------- */

/* What the mail path needs to know of one egress or sender domain. */
struct party_view {
	enum state	 state;			/* by evidence */
	int64_t		 since_ms, until_ms;
	int64_t		 unseen_ms;		/* see struct standing */
	int		 score;
	/* The heaviest confirmed listing, for the sender's eyes: NULL without
	 * one, else good as long as the view. */
	const char	*subject, *zone;
	const char	*listing;		/* name, or code */
	size_t		 listing_count;
	/* Egresses only. */
	bool		 fresh;			/* never used before */
	bool		 full;			/* takes no more for others
						 * in this hour */
	bool		 gated;			/* the MTA asks our gate */
	double		 usual;			/* messages an hour; 0 not
						 * known */
	uint64_t	 accepted;		/* messages since since_ms */
	uint64_t	 delivered_before;	/* its counter at since_ms */
};

/* The cascade guard: so many egresses of the pool were stopped lately that
 * the rest would be next. */
struct pool_view {
	bool		 guarded;
	size_t		 stopped;		/* within burn_window */
	int64_t		 until_ms;		/* when time alone ends it */
};

struct view {
	const struct policy	*policy;
	const struct party_view	*egress;	/* policy->egress_count */
	const struct party_view	*domains;	/* policy->domain_count */
	const struct pool_view	*pools;		/* policy->pool_count */
	const struct override	*overrides;	/* sorted by target */
	size_t			 override_count;
	int64_t			 clock_ms;	/* for clock_wall_when(): of what
						 * its times are */
	uint64_t		 generation;
};

/* Makes the current facts what other threads see, at once.  Cheap when
 * nothing changed.  Event-loop thread. */
void		 board_publish(struct board *);

/* Counts the views published: equal numbers, equal facts. */
uint64_t	 board_generation(const struct board *);

/* The caller owns one reference and returns it with view_put().  Any
 * thread, never NULL, never waits for more than a copy of a pointer. */
const struct view *board_view_get(struct board *);
void		 view_put(const struct view *);

#endif
