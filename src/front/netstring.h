/*
 * netstring.h - requests of the socketmap protocol, and framing of answers
 *
 * A request is "LENGTH:NAME KEY,": the name of a map, one space, and the key,
 * which may have spaces of its own or be empty.  An answer is
 * "LENGTH:TEXT,".  Sources: socketmap_table(5) of Postfix, op.me of
 * Sendmail, and Bernstein's netstrings.txt, which forbids leading zeros.
 *
 * Pure: knows of no sockets, allocates nothing, and remembers how far it has
 * read.  What is wrong with a length is seen before anything else arrives;
 * the rest when the request is complete.
 */
#ifndef MAILBRAKE_FRONT_NETSTRING_H
#define MAILBRAKE_FRONT_NETSTRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETSTRING_MAX	100000	/* bytes of text: Postfix' own limit */
#define NETSTRING_HEAD	7	/* "100000:" */
#define NETSTRING_WHOLE	(NETSTRING_HEAD + NETSTRING_MAX + 1)

/* All zero where a request begins: the caller clears it after each. */
struct netstring_parser {
	uint32_t	at;		/* bytes of the length read so far */
	uint32_t	length;
	bool		counted;	/* up to the colon */
};

/* Borrowed from the buffer; both end with a NUL. */
struct netstring_request {
	const char	*name;		/* not empty */
	const char	*key;
	size_t		 key_len;
};

enum netstring_result {
	NETSTRING_MORE,		/* the request is not complete */
	NETSTRING_READY,
	NETSTRING_MALFORMED	/* the connection is of no more use */
};

/*
 * Reads on in buf, which holds len bytes: all that has arrived since the
 * request began, so the same as last time and more.  NETSTRING_READY: *out
 * is filled in, terminated in place, and *used is the request's length.
 * NETSTRING_MALFORMED: *why is a phrase, and *used is 0.
 */
enum netstring_result	 netstring_read(struct netstring_parser *, char *buf,
			    size_t len, struct netstring_request *out,
			    size_t *used, const char **why);

/* Frames a text of len bytes, at most NETSTRING_MAX, that stands at room +
 * NETSTRING_HEAD and has one byte free behind it.  Returns where the
 * netstring begins, and its length in *total. */
char			*netstring_frame(char *room, size_t len,
			    size_t *total);

#endif
