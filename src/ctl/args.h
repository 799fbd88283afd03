/*
 * args.h - the command line of `mailbrake`
 *
 * Options may stand anywhere, before or after the command, and "--" ends
 * them.  getopt_long() does that in some C libraries only.
 */
#ifndef MAILBRAKE_CTL_ARGS_H
#define MAILBRAKE_CTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of args.given and command.options. */
enum {
	OPT_CONFIG = 1 << 0,
	OPT_SOCKET = 1 << 1,
	OPT_HELP = 1 << 2,
	OPT_VERSION = 1 << 3,
	OPT_JSON = 1 << 4,
	OPT_FOR = 1 << 5,
	OPT_REASON = 1 << 6,
	OPT_ACCOUNT = 1 << 7,
	OPT_TRANSPORT = 1 << 8,
	OPT_FOLLOW = 1 << 9,
	OPT_LAST = 1 << 10,
	OPT_ALL = 1 << 11,
	OPT_SENDMAIL = 1 << 12,
	OPT_APPLY = 1 << 13,
	OPT_UNDO = 1 << 14,
	OPT_VERIFY = 1 << 15,
	OPT_FORCE = 1 << 16,
	OPT_ROUTE = 1 << 17,
	OPT_GATE = 1 << 18,
	OPT_FAIL_OPEN = 1 << 19,
	OPT_FAIL_CLOSED = 1 << 20,
	OPT_DIRECTORY = 1 << 21,
	OPT_CAUSE = 1 << 22,
	OPT_REMOVED = 1 << 23,
	OPT_ASKED = 1 << 24,
	OPT_FLEET = 1 << 25,
	OPT_WATCH = 1 << 26,
};

/* Those that every command takes. */
#define OPT_COMMON	(OPT_CONFIG | OPT_SOCKET | OPT_HELP | OPT_VERSION)

struct args {
	unsigned int	 given;
	const char	*config;
	const char	*socket;
	const char	*reason;
	const char	*account;
	const char	*transport;
	const char	*gate;
	const char	*directory;
	const char	*cause, *removed;
	int64_t		 for_ms;
	int64_t		 last;
	int64_t		 watch;		/* seconds; 0: it is up to us */
	const char	*command;	/* NULL: none was given */
	const char	**words;	/* what follows it; points into argv */
	size_t		 word_count;
};

/* Fills out (owned strings: none; words is freed by args_free).  NULL, or
 * what is wrong: text that is good until the next call. */
const char	*args_parse(int argc, char **argv, struct args *out);
void		 args_free(struct args *);

/* "--for", for messages. */
const char	*args_option_name(unsigned int bit);

#endif
