/*
 * misread.h - overrides that somebody wrote and that change nothing
 *
 * Each with the sentence that says what is wrong, until it is mended or
 * gone; no more than some, for anybody may write them.  Event-loop thread.
 */
#ifndef MAILBRAKE_CORE_MISREAD_H
#define MAILBRAKE_CORE_MISREAD_H

#include <stddef.h>

#include "core/board.h"

#define MISREADS_MAX	20

struct misread {
	char	 target[BOARD_NAME_MAX];	/* as it was typed, cleaned */
	char	 text[2 * BOARD_NAME_MAX];
};

struct misreads {			/* all zero: none */
	struct misread	*v;
	size_t		 count;
};

/* Replaces what was said of that target.  What is too much is left out. */
void	misread_add(struct misreads *, const char *target, const char *text);
void	misread_remove(struct misreads *, const char *target);
void	misread_clear(struct misreads *);

#endif
