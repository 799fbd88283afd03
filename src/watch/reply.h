/*
 * reply.h - what a DNS message says
 *
 * Reads one answer message into a small struct.  Pure; every byte of the
 * message is foreign and nothing in it is believed before it is checked:
 * answers count only when they belong to the question or to the chain of
 * aliases that starts there.
 */
#ifndef MAILBRAKE_WATCH_REPLY_H
#define MAILBRAKE_WATCH_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_ADDRS_MAX	32
#define REPLY_TEXT_MAX	512
#define REPLY_NAMES_MAX	8
#define REPLY_NAME_MAX	256

/* How a query ended.  Each says something different to the operator. */
enum reply_status {
	REPLY_OK,		/* NOERROR with records of the type asked */
	REPLY_NXDOMAIN,
	REPLY_NODATA,		/* NOERROR without such records */
	REPLY_SERVFAIL,
	REPLY_REFUSED,
	REPLY_NOTIMP,
	REPLY_FORMERR,
	REPLY_TIMEOUT,
	REPLY_NETWORK,		/* no server could be reached */
	REPLY_BAD,		/* not an answer to our question */
	REPLY_BADNAME,		/* could not be asked: too long ... */
	REPLY_CANCELLED,
	REPLY_STATUS_KINDS
};

const char	*reply_status_name(enum reply_status);

enum {
	REPLY_TYPE_A = 1,	/* numbers of the DNS itself */
	REPLY_TYPE_PTR = 12,
	REPLY_TYPE_TXT = 16,
	REPLY_TYPE_AAAA = 28,
};

struct reply {
	enum reply_status status;
	uint32_t	 addrs[REPLY_ADDRS_MAX];	/* host order */
	size_t		 addr_count;
	bool		 cut;		/* truncated: ask again over TCP */
	bool		 more_addrs;	/* than fit: do not trust the rest */
	uint8_t		 addrs6[REPLY_NAMES_MAX][16];	/* AAAA */
	size_t		 addr6_count;
	char		 names[REPLY_NAMES_MAX][REPLY_NAME_MAX];	/* PTR */
	size_t		 name_count;
	bool		 aliased;	/* through a CNAME chain */
	bool		 left_zone;	/* the chain ends outside the zone; for
					 * REPLY_NXDOMAIN too */
	uint32_t	 ttl_s;		/* the smallest, clamped to 1 day */
	char		 text[REPLY_TEXT_MAX];	/* TXT records, cleaned */
};

/*
 * msg: the whole message.  name: what was asked, without the final dot;
 * zone: the list's, for left_zone.  type: REPLY_TYPE_.
 */
void	reply_read(const unsigned char *msg, size_t len, const char *name,
	    const char *zone, int type, struct reply *out);

#endif
