/*
 * redis.h - state, listings, events and overrides in Redis
 *
 * Everything here runs on the event-loop thread and nothing waits for
 * Redis: calls note what is to be written and return.  While Redis is away
 * the last known overrides stand, their ends are kept by our own timers
 * (the board's), and what changed meanwhile is written when it is back.
 *
 * Keys, after the prefix:
 *   override:<target>	string: `stop` or `send`, a space, a reason; its
 *			time to live is the override's end
 *   life		string: names these data, see redis_life.c
 *   state:<egress>	hash: state since checked host, and, unless it is
 *			sending and nothing is known against it, score until
 *			blind reason, and `l:<zone>` for each current listing:
 *			"<address> <code> <name> since=<unix> <text>".  If a
 *			zone lists a second address of the egress, that has
 *			the field `l:<zone>/<address>`.
 *   state:domain:<name>	the same for a sender domain, without checked and
 *			blind
 *   stopped		sorted set: egresses in effect stopped, since when,
 *			and domain:<name>
 *   list:<zone>	hash: health reason checked
 *   events		stream, capped: at kind host egress subject zone from
 *			to text
 *   node:<host>	hash, expiring: version started mode config overrides
 *			all words leases, see struct redis_node
 *   lease:<subject>, fence, sweep:<host>
 *			see redis_share.c
 *   nodes		sorted set: hosts, by when they were heard of last
 * Times are Unix seconds, 0 for none.  `checked` alone is brought up to
 * date only when it is half a minute old.
 */
#ifndef MAILBRAKE_STORE_REDIS_H
#define MAILBRAKE_STORE_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "base/endpoint.h"
#include "core/board.h"
#include "store/redis_tls.h"

struct redis_conf {			/* copied, with all in it */
	struct endpoint	 server;	/* unless there are Sentinels */
	char		*prefix;	/* "mailbrake:" */
	char		*username, *password;	/* NULL: none */
	char		*password_file;	/* NULL, or instead of password: read
					 * for every connection */
	int		 database;
	bool		 use_tls;
	struct redis_tls tls;
	struct endpoint	*sentinels;	/* NULL: none */
	size_t		 sentinel_count;
	char		*master_name;
	char		*sentinel_username, *sentinel_password;
};

enum redis_status {
	REDIS_DOWN,
	REDIS_CONNECTING,
	REDIS_CONNECTED,	/* overrides were read at least once */
};

/*
 * What the store tells its owner, always from the event loop and never
 * from within a call of the functions below.  The owner may call them from
 * here, but for redis_free().
 */
struct redis_callbacks {
	/* One override as it now stands in Redis; WORD_NONE: the key is
	 * gone.  until_ms is wall clock from PTTL, 0 without an end.  Only
	 * what differs from what was told or put before is told, and what
	 * was put once more when Redis has it: its source is "redis" then.
	 * A target is as it was typed, not normalised. */
	void	(*override)(void *ctx, const struct override *);
	/* A key that is not understood; changes nothing, and what that
	 * target had stands.  Called once per distinct value.  Both strings
	 * are cleaned; value is in parentheses when it describes the value
	 * rather than being it.  When the key is gone, override() says so. */
	void	(*bad_override)(void *ctx, const char *target,
		    const char *value);
	/* The connection came (REDIS_CONNECTED, after the overrides of the
	 * first full read), changed its way, or went (REDIS_DOWN); tries in
	 * between are not told, nor is every turn of one that comes and
	 * goes.  It is for people; what is the case says redis_state(). */
	void	(*status)(void *ctx, enum redis_status, const char *why);
	/* Redis has lost overrides that were not removed: they stand, and
	 * go back there.  override() was called for each, with the source
	 * "kept"; text is for people, and not logged here. */
	void	(*kept)(void *ctx, const char *text);
	/* redis_memory() has something else to say, and not only because
	 * of a word that was just put. */
	void	(*memory)(void *ctx);
	/* Results of other hosts were read: the board may have changed. */
	void	(*shared)(void *ctx);
};

struct redis;				/* opaque */
struct share;				/* core/share.h */

/* Copies the conf.  host names this node in node:<host>.  The process must
 * ignore SIGPIPE. */
struct redis	*redis_new(struct event_base *, const struct redis_conf *,
		    const char *host, const char *version,
		    const struct redis_callbacks *, void *ctx);
/* Tries to write what is pending for at most wait_ms.  Other events of the
 * base wait meanwhile.  Not from within one of the callbacks above, and only
 * redis_memory() and redis_free() may follow. */
void		 redis_finish(struct redis *, int wait_ms);
/* NULL is allowed. */
void		 redis_free(struct redis *);

/*
 * What must survive a restart besides the overrides that are in force: which
 * data they were in, and what Redis is still to be told.  Lines of text; the
 * caller frees them, and gives them back to redis_remember() before anything
 * else.
 */
char		*redis_memory(const struct redis *);
void		 redis_remember(struct redis *, const char *memory);

/* An override that the owner remembers to have come from Redis, before the
 * first read: if it has gone there meanwhile, override() says so. */
void		 redis_expect_override(struct redis *,
		    const struct override *);

/* Writes override:<target> (SET with PX, or DEL for WORD_NONE); kept and
 * repeated until Redis has taken it or a newer word for the target comes. */
void		 redis_put_override(struct redis *, const struct override *,
		    int64_t now_ms);

/* The wall clock was set, see base/clock.h. */
void		 redis_clock_set(struct redis *, int64_t step_ms);

/* Mirrors of the board: state:<egress>, stopped, list:<zone>.  All are
 * compared with what was written last; only differences are sent.  May be
 * called at every change: the board is looked at later, and seldom if that
 * takes long.  So it must be there until redis_free() has returned. */
void		 redis_put_board(struct redis *, const struct board *,
		    int64_t now_ms);
/* Kept in order while Redis is away, the last thousand of them.  After a
 * connection that broke at the wrong moment one may be there twice. */
void		 redis_put_event(struct redis *, const struct board_event *);

/*
 * The fleet, as it was read age_ms ago (-1: never); every call has it read
 * anew, for the next one.  The nodes are good until the loop goes on.
 */
#define REDIS_MARKS_MAX	100

struct redis_seen {
	size_t		 count;		/* overrides in force */
	uint64_t	 all;		/* equal: the same overrides */
	uint32_t	 marks[REDIS_MARKS_MAX]; /* redis_word_mark() */
	size_t		 mark_count;	/* as many as fit */
};

struct redis_node {
	char		 host[256], version[32], mode[16];
	char		 config[16];	/* equal: decides by the same rules */
	int64_t		 started_ms;	/* wall clock, its own */
	struct redis_seen seen;
	size_t		 leases;	/* held by it */
	bool		 alive;		/* else nothing but host is known */
};

const struct redis_node *redis_fleet(struct redis *, size_t *count,
		    int64_t *age_ms);
/* This host, as the others will see it: host, config and seen. */
void		 redis_own_node(struct redis *, struct redis_node *);
/* An override in 32 bits, without its end. */
uint32_t	 redis_word_mark(const struct override *);
/* See policy_rules_hash(). */
void		 redis_set_config(struct redis *, uint64_t rules);

/*
 * Takes part in sharing who asks the lists.  Once, right after redis_new();
 * share must outlive it.
 */
void		 redis_set_share(struct redis *, struct share *);
/* Why there are no leases, for people; "" if all is well. */
const char	*redis_share_trouble(const struct redis *);

/* way: "tracking", "polling" or "" before either. */
enum redis_status redis_state(const struct redis *, const char **why,
		    const char **way);

#endif
