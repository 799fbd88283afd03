/*
 * text.h - strings from people and from the network
 */
#ifndef MAILBRAKE_BASE_TEXT_H
#define MAILBRAKE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies at most len bytes of src into dst, always terminated: control
 * characters and bytes outside ASCII become '?', runs of white space one
 * space, and what does not fit ends in "...".  For everything that came over a socket and may
 * reach a log line, a reply or a terminal.  Returns dst.
 */
char		*text_clean(char *dst, size_t dst_size, const char *src,
		    size_t len);

/* Copies with truncation, always terminated.  Returns dst. */
char		*text_copy(char *dst, size_t dst_size, const char *src);

/* The candidate nearest to word, or NULL if none is near enough to be a
 * slip of the pen. */
const char	*text_nearest(const char *word, const char *const *candidates,
		    size_t count);

/* The part after the last '@' or NULL; "" and "<>" have none. */
const char	*text_domain(const char *mailbox);

/* Equal without regard to ASCII case; either may be NULL. */
bool		 text_same(const char *, const char *);
/* The same with regard to case. */
bool		 text_equal(const char *, const char *);

#endif
