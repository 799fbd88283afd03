/*
 * maps.h - what the maps of the socketmap service answer
 *
 * Postfix and Sendmail ask by the name of a map and a key:
 *
 *	route		sender -> transport, for
 *			sender_dependent_default_transport_maps
 *	filter		the same behind a table of the site's own: the key is
 *			what that table said, "mx1", "mx1:" or
 *			"mx1:[host]:25"
 *	rcptroute	recipient -> transport, for transport_maps: only what
 *			routes name by recipient
 *	gate-EGRESS	recipient's domain, for smtp_tls_policy_maps of the
 *			transports of that egress
 *	brake, brake_EGRESS	for Sendmail's rules before it connects: the
 *			key is "<sender> <recipient>", of which "@domain" is
 *			enough; "OK PASS", or "OK LISTED" and the text in
 *			double quotes.  Never "NOTFOUND": there is no way to
 *			tell that from PERM and worse in Sendmail's rules
 *	reroute		the same key -> transport of another egress, for
 *			Sendmail's rules that find the mailer
 *
 * Sendmail's names of maps have letters, digits and underscores: the latter
 * stand for whatever else an egress' name has.
 *
 * Answers follow socketmap_table(5).  Any thread, and never waits.
 */
#ifndef MAILBRAKE_FRONT_MAPS_H
#define MAILBRAKE_FRONT_MAPS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/board.h"

#define MAPS_ANSWER_MAX	600

enum map_kind {
	MAP_ROUTE,
	MAP_FILTER,
	MAP_RCPTROUTE,
	MAP_GATE,
	MAP_BRAKE,
	MAP_REROUTE,
	MAP_KINDS
};

struct map_stats {
	_Atomic uint64_t	requests;
	_Atomic int64_t		last_ms;	/* wall; 0 never */
};

/* For `mailbrake status`: which maps are really asked. */
extern struct map_stats	map_stats[MAP_KINDS];
/* Requests for maps, or gates of egresses, that there are none of. */
extern struct map_stats	map_unknown;

const char	*map_name(enum map_kind);	/* "route" */

/* Does the mail server ask where mail shall go?  Only then may a front end
 * let in what another egress is to take.  A busy queue manager asks every
 * half a minute; five minutes are patience. */
#define MAPS_LIVE_MS	300000LL
bool	maps_routed(int64_t now_ms);

/* The egress that Postfix has a message go by on a good day, as an index; -1
 * if it was not asked here lately, or has tables of its own before ours. */
int	maps_home(const struct view *, const char *sender,
	    const char *recipient, int64_t now_ms);

/*
 * The reply, without the netstring around it: "OK mx2:", "NOTFOUND ",
 * "TEMP reason".  answer is terminated; its length is returned and less than
 * size, which is at least MAPS_ANSWER_MAX.  key need not be terminated and
 * may hold anything.
 */
size_t	maps_answer(struct board *, const char *name, const char *key,
	    size_t key_len, char *answer, size_t size);

#endif
