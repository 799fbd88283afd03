/*
 * list.h - a DNS list, and what its answers mean
 *
 * Rows of the catalogue (etc/lists.conf) and of `lists` in mailbrake.conf
 * become these.  Immutable once the configuration is loaded.
 */
#ifndef MAILBRAKE_CORE_LIST_H
#define MAILBRAKE_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a list can be asked about. */
enum subject_kind {
	SUBJECT_IPV4,
	SUBJECT_IPV6,
	SUBJECT_DOMAIN,
	SUBJECT_KINDS
};

/* What one query gave.  Only ANS_LISTED can stop anything (and others when
 * the operator gave them a weight), only ANS_CLEAN and what is no listing
 * can release, and what follows ANS_REFUSED in this list says nothing. */
enum answer {
	ANS_CLEAN,		/* NXDOMAIN */
	ANS_LISTED,		/* abuse was seen */
	ANS_POLICY,		/* "should not send directly" */
	ANS_GREY,		/* mixed source, neighbourhood */
	ANS_GOOD,		/* an allow list */
	ANS_AGE,		/* the domain is new, nothing else */
	ANS_INFO,		/* information, test entries */
	ANS_UNKNOWN,		/* in 127/8, but not in the zone's table */
	ANS_REFUSED,		/* the list would not answer us */
	ANS_FOREIGN,		/* outside 127/8: list or resolver is broken */
	ANS_ODD,		/* no addresses, strange chain: proves nothing */
	ANS_FAILED,		/* time-out, SERVFAIL ...: no knowledge */
	ANS_KINDS
};

const char	*answer_name(enum answer);	/* "listed" */
bool		 answer_parse(const char *name, enum answer *out);
const char	*subject_kind_name(enum subject_kind);	/* "ipv4" */

/* One row of a zone's table.  A row matches a code in [lo, hi], or, with
 * bits set, any 127/8 code whose last octet has one of the bits. */
struct list_answer {
	uint32_t	 lo, hi;	/* host order, inclusive */
	uint8_t		 bits;
	enum answer	 means;
	int		 weight;	/* -1: the list's own, for listings */
	char		*name;		/* "SBL"; may be NULL */
};

/* Must be listed, must not be: RFC 5782 section 5, unless the catalogue
 * knows an exception.  Labels as they stand before the zone; NULL where the
 * list keeps no such entry. */
struct list_test {
	char		*listed;
	char		*clean;
};

struct list {
	char		*zone;		/* as configured: may hold "{key}" */
	char		*query_zone;	/* with the key filled in: a secret */
	char		*operator;
	bool		 kinds[SUBJECT_KINDS];
	int		 weight;
	bool		 enabled;
	struct list_answer *answers;
	size_t		 answer_count;
	struct list_test tests[SUBJECT_KINDS];
	int64_t		 expires_ms;	/* how long an entry lives; 0 unknown */
	int64_t		 interval_ms;	/* ask no more often; 0: no limit */
	int64_t		 limit;		/* free queries a day; 0 unknown */
	int		 rate;		/* questions a second; 0: no limit */
	char		*influence;	/* may be NULL, like those below */
	char		*lookup;
	char		*delist;
	char		*note;
	bool		 verified;
};

/* The weight that an answer of this row counts with. */
int	list_row_weight(const struct list *, const struct list_answer *);

/* Blots out the operator's key in text that came from the list: what repeats
 * the question would show it. */
void	list_hide_key(const struct list *, char *text);

/* Frees what it owns. */
void	list_clear(struct list *);

#endif
