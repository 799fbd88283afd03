/*
 * html.h - markup, and text that can only ever be text
 *
 * A list's TXT record, an operator's reason or an egress's name may hold
 * anything.  So there are two ways to write and no third: html_raw() takes
 * literals of ours, and what is formatted is always escaped.
 */
#ifndef MAILBRAKE_FRONT_HTML_H
#define MAILBRAKE_FRONT_HTML_H

#include <event2/buffer.h>

/* Markup, as it stands: a literal, never a value. */
void	html_raw(struct evbuffer *, const char *markup);

/* Text or the inside of a quoted attribute: & < > " ' are escaped, and what
 * is no printable ASCII becomes '?'. */
void	html_text(struct evbuffer *, const char *fmt, ...)
	    __attribute__((__format__(__printf__, 2, 3)));

/* A reference if url is one of the web, plain text if not. */
void	html_link(struct evbuffer *, const char *url);

/* All of it, terminated, in memory of malloc; the buffer is freed. */
char	*html_take(struct evbuffer *, size_t *len);

#endif
