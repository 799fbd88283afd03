/*
 * page.h - the status page: one look at three in the morning
 *
 * One document without scripts and without anything from elsewhere, for a
 * phone as well as a desk, that needs no colours to be understood.  The first
 * sentence says what is stopped, since when and why, what happens next and
 * what to do now; the rest is there to be believed.
 *
 * Pure: made of the same JSON that `mailbrake --json` prints.  Its length
 * has a bound whatever the number of egresses, for it shows PAGE_ROWS of
 * anything at most.
 */
#ifndef MAILBRAKE_FRONT_PAGE_H
#define MAILBRAKE_FRONT_PAGE_H

#include <stddef.h>

#include <jansson.h>

struct evbuffer;
struct history;

/* Of page_style: base64 of its SHA-256, for the Content-Security-Policy.
 * The tests compare them. */
#define PAGE_STYLE_SHA256 \
	"2rhY+AZtSAmsY2bsD5LbC0oQU+pX1L2OdjNT3F6jPqc="
#define PAGE_ROWS		30
#define PAGE_REFRESH_S		15
#define PAGE_HISTORY_MS		(3 * 86400000LL)

extern const char page_style[];

struct page_facts {
	const json_t	*status;	/* report_status() */
	const json_t	*incident;	/* the current or the last one,
					 * report_incident(); NULL for none */
	const json_t	*events;	/* report_event() each, oldest first */
	const struct history *history;
};

/* The caller frees it. */
char	*page_render(const struct page_facts *, size_t *len);

/* The time line of the last PAGE_HISTORY_MS: page_time.c. */
void	 page_time(struct evbuffer *, const struct page_facts *);

#endif
