/*
 * policy_request.h - reading requests of the Postfix policy protocol
 *
 * A request is lines "name=value" in any order, ended by an empty line;
 * names that are not known are ignored, and of one given twice the last
 * counts.  A line may end in CR LF, as people's terminals send it.
 *
 * Pure: knows of no sockets, allocates nothing, and remembers how far it
 * has read, so that a request that arrives byte by byte is read once.
 */
#ifndef MAILBRAKE_FRONT_POLICY_REQUEST_H
#define MAILBRAKE_FRONT_POLICY_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#define POLICY_REQUEST_MAX	65536	/* bytes, with the empty line */
#define POLICY_ATTRIBUTES_MAX	1000

/* The attributes that the decision needs. */
enum policy_attribute {
	POLICY_REQUEST,
	POLICY_STATE,
	POLICY_SENDER,
	POLICY_RECIPIENT,
	POLICY_SASL_USERNAME,
	POLICY_ATTRIBUTES
};

/* All zero where a request begins: the caller clears it after each. */
struct policy_parser {
	uint32_t	at;		/* where the next line begins */
	uint32_t	scanned;	/* nothing of interest before this */
	uint32_t	attributes;	/* lines so far */
	struct {
		uint32_t	at, len;	/* at is 0 if there is none */
	} value[POLICY_ATTRIBUTES];
};

/* Values are borrowed from the buffer; NULL if the attribute is missing. */
struct policy_request {
	const char	*value[POLICY_ATTRIBUTES];
};

enum policy_result {
	POLICY_MORE,		/* the request is not complete */
	POLICY_READY,
	POLICY_MALFORMED,	/* the connection is of no more use */
};

/*
 * Reads on in buf, which holds len bytes: all that has arrived since the
 * request began, so the same as last time and more.  POLICY_READY: *out is
 * filled in, its values are terminated in place, and *used is the request's
 * length.  POLICY_MALFORMED: *why is a phrase and *used the
 * offset of the offending line.
 */
enum policy_result	 policy_request_read(struct policy_parser *,
			    char *buf, size_t len, struct policy_request *out,
			    size_t *used, const char **why);

#endif
