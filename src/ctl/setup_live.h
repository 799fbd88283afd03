/*
 * setup_live.h - whether Postfix really asks
 *
 * What is configured may not be in effect.  So each listener is told of a
 * message up to its recipient, which is then not sent, and a question
 * whether an address could be delivered ("sendmail -bv") goes through the
 * queue: both ask everything that a message would, and neither leaves
 * anything behind.  The address is one of the loopback network where
 * nobody takes mail; with a relayhost that one is asked whether it would
 * take such a recipient, and no more.
 *
 * Who was asked, the daemon's counters say.  A gate file counts nothing:
 * there the smtp(8) process is looked for which has just that file open
 * (by /proc, where there is one).
 */
#ifndef MAILBRAKE_CTL_SETUP_LIVE_H
#define MAILBRAKE_CTL_SETUP_LIVE_H

#include <jansson.h>

#include "conf/wiring.h"

enum live {
	LIVE_CONFIGURED,	/* cannot be tried, or needs not */
	LIVE_ASKED,		/* it was asked just now */
	LIVE_SILENT,		/* it was tried, and nobody asked */
};

struct live_point {
	enum live	 live;
	char		*text;	/* what was seen; NULL: nothing to say */
};

struct live_ask {
	const char		*directory;	/* Postfix' configuration */
	const struct wiring	*w;
	const struct wiring_findings *found;
	const char		*gate_file;	/* [TYPE:]PATH */
	/* The daemon's status, owned by the caller of it; NULL: it does not
	 * answer. */
	json_t			*(*status)(void *ctx);
	void			*ctx;
};

/* One point for each finding, which live_free() frees. */
struct live_point	*live_test(const struct live_ask *);
void			 live_free(struct live_point *, size_t count);

/* True if the listener, and there is one, greets. */
bool			 live_greets(const struct wiring *);

/* True if Postfix starts the transport's program when it is wanted. */
bool			 live_starts(const struct wiring *,
			    const char *transport);

#endif
