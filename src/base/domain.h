/*
 * domain.h - domain names as lists are asked about them
 *
 * Lower case, A-labels, no final dot.  Lists of domains want the registered
 * domain (RFC 5782 section 3 knows no wildcards): which part of a name that
 * is, the public suffix list says.  Any thread.
 */
#ifndef MAILBRAKE_BASE_DOMAIN_H
#define MAILBRAKE_BASE_DOMAIN_H

#include <stdbool.h>

#define DOMAIN_MAX	254	/* 253 octets as text, and NUL */

/* NULL and out set, or what is wrong. */
const char	*domain_normal(const char *text, char out[DOMAIN_MAX]);

/* The registered domain of a normal name: "example.co.uk" for
 * "www.example.co.uk"; the name itself where the list knows none, as for a
 * public suffix or a bare host name.  Points into name. */
const char	*domain_registered(const char *name);

/* Is name that domain, or below it?  Both in any case. */
bool		 domain_within(const char *name, const char *domain);

#endif
