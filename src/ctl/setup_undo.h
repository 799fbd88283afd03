/*
 * setup_undo.h - what Postfix had before, in a file
 *
 * For people too: one entry a change, with the value that was there and the
 * one that has been set.  What it says is done as root, so that it is only
 * believed if it belongs to the caller and nobody else could write it.
 */
#ifndef MAILBRAKE_CTL_SETUP_UNDO_H
#define MAILBRAKE_CTL_SETUP_UNDO_H

#include <stddef.h>

#include "ctl/setup_plan.h"

struct undo_entry {
	enum change_kind kind;
	char		*service;	/* as in struct change */
	char		*name;
	char		*was;		/* NULL: it was not set */
	char		*now;		/* NULL: it was removed again */
};

struct undo {
	char			*directory;	/* Postfix' configuration */
	struct undo_entry	*v;
	size_t			 count;
};

/* Where it is kept for this configuration, beside the state file (which may
 * be ""); the caller frees it. */
char	*undo_path(const char *state_file, const char *directory);

/* 1: read into out (zeroed by the caller); 0: there is none; -1: *why says
 * what is wrong, which the caller frees. */
int	 undo_read(const char *path, struct undo *out, char **why);
/* Written whole or not at all, mode 0600.  NULL, or what is wrong, which
 * the caller frees. */
char	*undo_write(const char *path, const struct undo *);
void	 undo_free(struct undo *);

/* The text of the file, and back; for undo_read() and undo_write().  NULL
 * if all of it was understood, or what was not. */
char		*undo_text(const struct undo *);
const char	*undo_parse(const char *text, struct undo *out);

/* Adds an entry; of what is there already the old value stays. */
void	 undo_add(struct undo *, enum change_kind, const char *service,
	    const char *name, const char *was, const char *now);

#endif
