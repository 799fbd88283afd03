/*
 * watch.h - the status again and again, in one place
 */
#ifndef MAILBRAKE_CTL_WATCH_H
#define MAILBRAKE_CTL_WATCH_H

#include <stddef.h>
#include <stdio.h>

#include "ctl/args.h"

/* Until SIGINT or SIGTERM; an exit status. */
int	watch_status(const struct args *);

/* Draws text over what the terminal shows, without clearing it first: line
 * by line, each up to its end.  What is more than rows is left out, and the
 * last row says so. */
void	watch_draw(FILE *, const char *text, size_t rows);

#endif
