/*
 * ctl.h - what the commands of `mailbrake` share
 */
#ifndef MAILBRAKE_CTL_CTL_H
#define MAILBRAKE_CTL_CTL_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "ctl/args.h"
#include "ctl/layout.h"

/* Exit statuses; `check` has its own, see check.c. */
enum {
	CTL_OK = 0,
	CTL_FAILED = 1,		/* refused, or it did not work */
	CTL_USAGE = 2,
	CTL_UNREACHABLE = 3,	/* no daemon, or no permission */
};

/* Each command's file describes it for the table in main.c. */
struct command {
	const char	*name;
	const char	*synopsis;	/* after the name */
	const char	*summary;	/* for --help: one line */
	const char	*help;		/* paragraphs and examples */
	unsigned int	 options;	/* beside OPT_COMMON */
	size_t		 words_min, words_max;
	int		 (*run)(const struct args *);
};

extern const struct command	command_status, command_lists, command_check,
				command_explain, command_stop, command_send,
				command_auto, command_events, command_reload,
				command_setup, command_incident,
				command_delist, command_test_alert;

/* "mailbrake: ..." to standard error. */
void	complain(const char *fmt, ...)
	    __attribute__((__format__(__printf__, 1, 2)));

/* From now on to this stream; NULL: to standard error again. */
void	complain_to(FILE *);

/* Who asks, for the daemon's log; behind sudo the person, not root.  NULL if
 * that is not known. */
const char	*ctl_login(void);

/* Prints a value as indented JSON. */
void	print_json(const json_t *);

#endif
