/*
 * redis_parts.h - what the parts of the Redis store share
 *
 * redis.c		the connections, their coming and going
 * redis_overrides.c	override:* in both directions
 * redis_fleet.c	node:*, the other hosts
 * redis_life.c		whether the data are still the same
 * redis_share.c	lease:*, sweep:*: who asks the lists
 * redis_mirror.c	what is only written: states, lists, events, node
 *
 * Nobody else includes this, but for the tests that set the pace.
 */
#ifndef MAILBRAKE_STORE_REDIS_PARTS_H
#define MAILBRAKE_STORE_REDIS_PARTS_H

#include <sys/queue.h>

#include <event2/buffer.h>

#include "store/redis.h"
#include "store/redis_conn.h"
#include "store/table.h"

#define REDIS_TEXT_MAX		256	/* reasons for people */
#define REDIS_BATCH		64	/* keys in one transaction */

/* How fast things go; tests are in a hurry.  Milliseconds. */
struct redis_pace {
	int	 connect;	/* until a connection stands */
	int	 answer;	/* until a request is answered */
	int	 heartbeat;
	int	 full_read;	/* between full reads, when tracking; longer
				 * with many keys, see read_wait() */
	int	 full_gap;	/* at least, when somebody asks for them */
	int	 poll;		/* the same when polling */
	int	 full_read_max;	/* one full read is hopeless after */
	int	 retry_min, retry_max;
	int	 tracking_again;	/* after it was refused */
	int	 steady;	/* a connection that lived so long was good */
	int	 node;		/* renewal of node:<host> */
};

/* One kind of write, tried again on its own schedule while refused. */
struct redis_lane {
	const char	*what;		/* "overrides" */
	bool		 refused;
	int64_t		 retry_ms;	/* monotonic: not before */
	int64_t		 delay_ms;
	char		 why[REDIS_TEXT_MAX];
};

enum redis_way {
	WAY_NONE,			/* not settled yet */
	WAY_TRACKING,
	WAY_POLLING,
};

struct target;				/* redis_overrides.c */
struct mirror;				/* redis_mirror.c */
struct kept_event;
TAILQ_HEAD(target_queue, target);
TAILQ_HEAD(mirror_queue, mirror);
TAILQ_HEAD(event_queue, kept_event);

/* One target being read: PTTL, GETRANGE, PTTL. */
struct redis_reading {
	struct target	*target;
	int64_t		 ttl_ms;	/* of the first PTTL */
	char		*value;
	size_t		 len;
	bool		 is_string;
};

struct redis_overrides {
	struct table	 targets;
	struct target_queue words;	/* own words to be written */
	size_t		 writing;	/* of them without an answer */
	struct target_queue reads;	/* targets to be read */
	struct redis_reading batch[REDIS_BATCH];
	size_t		 batch_count, batch_left;
	int64_t		 batch_ms;	/* monotonic, when it was asked */
	struct target_queue missing;	/* in the batch; to be judged */
	struct table	 families;	/* targets by their normal name */
	unsigned int	 life;		/* counts those of the data */
	unsigned int	 full_life;	/* in which the full read began */
	unsigned int	 read_life;	/* of which all was read */
	size_t		 kept;		/* words that Redis had lost */
	char		*pattern;	/* of their keys, for SCAN */
	/* The full read: SCAN, then all that it found. */
	bool		 full;		/* one is under way */
	bool		 full_again;	/* another is wanted after it */
	bool		 scanning;	/* its SCAN has not ended */
	bool		 scan_sent;
	unsigned int	 scans;		/* so many so far */
	char		 cursor[24];
	size_t		 full_left;	/* targets of it not read yet */
	int64_t		 full_since_ms;	/* monotonic */
	bool		 too_many;	/* said that there are */
	/* Names that were reported as impossible. */
	uint64_t	 bad_names[64];
	size_t		 bad_name_count;
	struct redis_lane lane;
};

/* What tells one life of the data from another; texts, "" if unknown. */
struct redis_life {
	char		 run[128], mark[48], evicted[24];
	/* Those of the life that the counter stands for. */
	char		 was_run[128], was_mark[48], was_evicted[24];
	/* The life of which every override is known, as one text. */
	char		 settled[208];
	char		 eviction[32];	/* maxmemory_policy */
	char		 refused[REDIS_TEXT_MAX];	/* writing the mark */
	const char	*happened;	/* before this life; for people */
	unsigned int	 connection;	/* counted */
	bool		 asked, said_no_mark;
};

struct batch_part;
struct outline;

struct redis_mirrors {
	const struct board *board;	/* to be looked at, or NULL */
	int64_t		 board_now_ms;
	int64_t		 look_ms;	/* monotonic: not before */
	struct outline	*outline;
	struct table	 table;
	struct mirror_queue dirty;
	unsigned int	 generation;	/* of redis_put_board() */
	struct batch_part *batch;	/* commands of the transaction */
	size_t		 batch_count, batch_size;
	bool		 batch_sent;
	char		 batch_error[REDIS_TEXT_MAX];
	struct redis_lane lane;

	struct event_queue events;
	size_t		 event_count, events_sent, events_lost;
	struct redis_lane event_lane;

	char		 mode[16];
	int64_t		 started;	/* Unix seconds */
	/* Looking for keys of ours that are of no egress any more. */
	bool		 names_read, names_written;	/* names:<host> */
	bool		 names_sent;	/* a request about them */
	char		**old;		/* names to be looked at */
	size_t		 old_count;
};

struct redis_fleet {
	char		 config[16];
	int64_t		 node_ms;	/* monotonic: renew at; 0 now */
	int64_t		 node_sent_ms;	/* monotonic */
	bool		 node_written;
	struct redis_node *nodes, *next;	/* next: being read */
	size_t		 node_count, next_count, found;
	int64_t		 read_ms;	/* monotonic */
	bool		 asking;
	int64_t			 known;		/* hosts of late; 0 unknown */
};

struct redis_sharing {
	struct share	*share;		/* NULL: nothing is shared */
	struct event	*timer;
	/* Of the round of requests that is under way. */
	unsigned int	 generation, turn;
	int64_t		 sent_ms;	/* monotonic */
	size_t		 leases_open, reads_open;	/* without an answer */
	char		**peers;
	size_t		 peer_count;
	char		 why[REDIS_TEXT_MAX];	/* it was refused */
	int64_t		 again_ms;	/* monotonic */
	size_t		 said_left;
	int64_t		 said_ms;
};

struct redis {
	struct event_base	*base;
	struct redis_callbacks	 cbs;
	void			*ctx;
	struct redis_conf	 conf;		/* own copies */
	char			*password;	/* in use; NULL: none */
	char			*host, *version;
	struct endpoint		 at;		/* the server in use */
	char			 server[ENDPOINT_TEXT_MAX];
	struct sentinel		*sentinel;	/* NULL: not used */
	bool			 asking;	/* it */
	char			*override_prefix; /* "mailbrake:override:" */
	struct redis_pace	 pace;

	struct redis_conn	*data;		/* reads and writes */
	bool			 ready;		/* greeted, and a master */
	bool			 slow;		/* about asking again */
	bool			 said_eviction;
	struct redis_conn	*notices;	/* tracking */
	bool			 subscribed;
	int64_t			 subscribed_ms;	/* monotonic */
	enum redis_way		 way, told_way;
	char			 way_why[REDIS_TEXT_MAX];

	enum redis_status	 status;
	char			 why[REDIS_TEXT_MAX];
	int64_t			 since_ms;	/* of status; monotonic */
	int			 flaps;		/* short lives in a row */
	uint64_t		 said[8];	/* troubles, since it worked */
	size_t			 said_count;

	int64_t			 delay_ms;	/* of the next try */
	int64_t			 notices_delay_ms;
	struct event		*connect_timer, *notices_timer, *read_timer;
	struct event		*tick, *pump;
	bool			 draining;

	struct redis_life	 life;
	struct redis_overrides	 o;
	struct redis_mirrors	 m;
	struct redis_fleet	 f;
	struct redis_sharing	 s;
};

/* --- redis.c ----------------------------------------------------------- */

void	redis_set_pace(struct redis *, const struct redis_pace *);

/* There is something to send: looks at it when the loop comes round. */
void	redis_kick(struct redis *);
void	redis_kick_in(struct redis *, int64_t ms);

/* The connection is of no use any more; the parts are told by their
 * _lost() before this returns, and another try is due later. */
void	redis_drop(struct redis *, const char *fmt, ...)
	    __attribute__((__format__(__printf__, 2, 3)));

/* The text of an error reply, cleaned, without anything secret. */
const char *redis_error_text(const struct redis *, const struct redis_reply *,
	    char buf[REDIS_TEXT_MAX]);
/* True, and the connection dropped, if an error means that this server or
 * this connection cannot be worked with. */
bool	redis_hopeless(struct redis *, const char *error);

void	redis_lane_refused(struct redis *, struct redis_lane *,
	    const char *error);
void	redis_lane_taken(struct redis *, struct redis_lane *);
bool	redis_lane_open(const struct redis_lane *);

/* A full read is complete; kept: words that were found lost since. */
void	redis_read_done(struct redis *, size_t kept);
/* The data connection is greeted and its life known. */
void	redis_greeted(struct redis *);
void	redis_want_full_read(struct redis *);
/* What redis_memory() gives has changed. */
void	redis_memory_changed(struct redis *);

/* --- redis_life.c ------------------------------------------------------ */

/* The answer to INFO. */
void	life_info(struct redis *, const char *info);
/* Asks for the rest, then calls redis_greeted() unless that is done, and
 * overrides_judged(). */
void	life_ask_mark(struct redis *);
/* Both. */
void	life_ask(struct redis *);
void	life_lost(struct redis *);
/* The life that an earlier daemon had settled. */
void	life_remember(struct redis *, const char *);
/* Every override of this life is known.  True if that is news. */
bool	life_settled(struct redis *);

/* --- redis_overrides.c ------------------------------------------------- */

void	overrides_init(struct redis *);
void	overrides_clear(struct redis *);
void	overrides_pump(struct redis *);
void	overrides_tick(struct redis *, int64_t mono_ms);
void	overrides_lost(struct redis *);
void	overrides_read_all(struct redis *);
/* A key changed; name is the whole key. */
void	overrides_notice(struct redis *, const char *name, size_t len);
/* Whether the data are still those that had the missing keys. */
void	overrides_judged(struct redis *, bool same_life);
/* Adds a line for each word that Redis does not have yet. */
void	overrides_memory(const struct redis *, struct evbuffer *);
/* Takes such a line. */
void	overrides_remember(struct redis *, const char *line);
/* True if a word of ours could be written now and is not. */
bool	overrides_pending(const struct redis *);

/*
 * Reads the value of an override key.  NULL, and word and reason of *out
 * set (nothing else is touched), or what is wrong with it.
 */
const char *override_parse(const char *value, size_t len,
	    struct override *out);

/* All keys that begin so, for SCAN; the caller frees it. */
char	*redis_pattern(const char *prefix, const char *more);
/* What is in force by all that is known of Redis. */
void	overrides_seen(const struct redis *, struct redis_seen *);
/* Equal for all spellings of a target. */
void	override_normal_target(const char *name,
	    char normal[BOARD_NAME_MAX]);

/* --- redis_fleet.c ----------------------------------------------------- */

void	fleet_pump(struct redis *);
/* What node:<host> says has changed. */
void	fleet_changed(struct redis *);
void	fleet_unknown(struct redis *);
void	fleet_lost(struct redis *);
void	fleet_clear(struct redis *);

/* --- redis_share.c ----------------------------------------------------- */

void	sharing_lost(struct redis *);
/* Leases of this host. */
size_t	sharing_held(const struct redis *);
/* Gives the leases back. */
void	sharing_release(struct redis *);
bool	sharing_pending(const struct redis *);
void	sharing_clear(struct redis *);

/* --- redis_mirror.c ---------------------------------------------------- */

void	mirror_init(struct redis *);
void	mirror_clear(struct redis *);
/* Takes over what redis_put_board() announced; also without Redis. */
void	mirror_look(struct redis *);
void	mirror_pump(struct redis *);
void	mirror_lost(struct redis *);
/* What Redis holds of ours is not known: everything is written again. */
void	mirror_unknown(struct redis *);
bool	mirror_pending(const struct redis *);

#endif
