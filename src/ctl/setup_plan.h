/*
 * setup_plan.h - which changes to Postfix' configuration mailbrake needs
 *
 * Pure: configuration as it is in, changes out.  What is right already is
 * not changed, so that a second plan is empty; what the site has of its own
 * is kept behind what is added.
 */
#ifndef MAILBRAKE_CTL_SETUP_PLAN_H
#define MAILBRAKE_CTL_SETUP_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/wiring.h"

enum change_kind {
	CHANGE_SERVICE,		/* a new line of master.cf */
	CHANGE_MAIN,		/* a parameter of main.cf */
	CHANGE_OVERRIDE,	/* an -o of a service */
};

struct change {
	enum change_kind kind;
	char		*service;	/* "mx2/unix"; NULL for CHANGE_MAIN */
	char		*name;		/* parameter; NULL for CHANGE_SERVICE */
	char		*value;		/* or the service's line */
	char		*why;		/* one line */
};

struct plan {
	struct change	*v;
	size_t		 count;
	char		**notes;	/* what to know */
	size_t		 note_count;
	char		**blocks;	/* why something is left undone that
					 * somebody has to mend first */
	size_t		 block_count;
};

struct plan_ask {
	enum wiring_gate_form gate;	/* NONE: the file, or what is there */
	bool		 fail_open, fail_closed;	/* neither: as it is */
	/* Whether this host can send from it. */
	bool		(*is_local)(const struct addr *);
};

/* is: values as they go by ("postconf -x"); raw: as they are written.  out
 * is filled by this and freed by plan_free(). */
void	plan_make(const struct wiring *is, const struct wiring *raw,
	    const struct wiring_want *, const struct plan_ask *,
	    struct plan *out);
void	plan_free(struct plan *);

/* What does it, for postconf(1): { "-e", "name=value" }, argv[0] excluded;
 * the caller frees the second. */
void	change_command(const struct change *, const char **option,
	    char **argument);

/* text as a word of sh(1); the caller frees it. */
char	*shell_quote(const char *text);

#endif
