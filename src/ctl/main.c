/*
 * main.c - mailbrake, the operator's tool
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/layout.h"

/* In the order in which they are wanted at night. */
static const struct command *const commands[] = {
	&command_status,
	&command_check,
	&command_explain,
	&command_stop,
	&command_send,
	&command_auto,
	&command_incident,
	&command_delist,
	&command_events,
	&command_lists,
	&command_reload,
	&command_test_alert,
	&command_setup,
};

#define COMMAND_COUNT	(sizeof(commands) / sizeof(commands[0]))

static const char	usage[] =
    "usage: mailbrake [-c FILE] [-s SOCKET] COMMAND [ARGUMENT ...]\n";

static const struct command *
find_command(const char *name)
{
	const char *names[COMMAND_COUNT + 1], *near;
	size_t i;

	for (i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
		names[i] = commands[i]->name;
	}
	names[COMMAND_COUNT] = "help";
	near = text_nearest(name, names, COMMAND_COUNT + 1);
	if (near != NULL)
		complain("there is no command \"%.64s\": did you mean "
		    "\"%s\"?", name, near);
	else
		complain("there is no command \"%.64s\": \"mailbrake "
		    "--help\" lists them", name);
	return NULL;
}

static int
help_all(void)
{
	static const struct column columns[] = { { "", 0 },
	    { "", COLUMN_WRAP } };
	struct grid *t = grid_new(columns, 2);
	struct screen s;
	size_t i;

	screen_open(&s, stdout);
	printf("%s\n", usage);
	screen_say(&s, 0, 0, PAINT_NONE, "Shows and sets what mailbraked "
	    "does with outgoing mail.");
	putchar('\n');
	for (i = 0; i < COMMAND_COUNT; i++) {
		grid_cell(t, PAINT_NONE, "%s", commands[i]->name);
		grid_cell(t, PAINT_NONE, "%s", commands[i]->summary);
	}
	grid_print(t, &s, 2);
	grid_free(t);
	printf("\n"
	    "  -c, --config FILE    read listen.control of this file\n"
	    "  -s, --socket SOCKET  unix:PATH or inet:ADDRESS:PORT of the "
	    "daemon\n"
	    "      --help           this, or help on the command that is "
	    "given\n"
	    "      --version        the version\n"
	    "\n"
	    "Options may stand anywhere. \"mailbrake help COMMAND\" says "
	    "more.\n");
	return CTL_OK;
}

static int
help_command(const struct command *c)
{
	printf("usage: mailbrake %s%s%s\n\n%s", c->name,
	    *c->synopsis != '\0' ? " " : "", c->synopsis, c->help);
	return CTL_OK;
}

/* False after a complaint about words or options that do not belong. */
static bool
check_usage(const struct command *c, const struct args *args)
{
	unsigned int alien = args->given & ~(c->options | OPT_COMMON);

	if (args->word_count < c->words_min) {
		complain("%s: something is missing: mailbrake %s %s",
		    c->name, c->name, c->synopsis);
		return false;
	}
	if (args->word_count > c->words_max) {
		complain("%s: \"%.64s\" is too much: mailbrake %s%s%s",
		    c->name, args->words[c->words_max], c->name,
		    *c->synopsis != '\0' ? " " : "", c->synopsis);
		return false;
	}
	if (alien != 0) {
		complain("%s does not take %s: mailbrake %s%s%s", c->name,
		    args_option_name(alien & -alien), c->name,
		    *c->synopsis != '\0' ? " " : "", c->synopsis);
		return false;
	}
	return true;
}

static int
run(const struct args *args)
{
	const struct command *c;
	const char *name = args->command;

	if (args->given & OPT_VERSION) {
		puts("mailbrake " PACKAGE_VERSION);
		return CTL_OK;
	}
	if (name == NULL) {
		if (args->given & OPT_HELP)
			return help_all();
		fprintf(stderr, "%sTry \"mailbrake status\", or \"mailbrake "
		    "--help\" for more.\n", usage);
		return CTL_USAGE;
	}
	if (strcmp(name, "help") == 0) {
		if (args->word_count == 0)
			return help_all();
		c = find_command(args->words[0]);
		return c != NULL ? help_command(c) : CTL_USAGE;
	}
	if ((c = find_command(name)) == NULL)
		return CTL_USAGE;
	if (args->given & OPT_HELP)
		return help_command(c);
	if (!check_usage(c, args))
		return CTL_USAGE;
	return c->run(args);
}

int
main(int argc, char **argv)
{
	struct args args;
	const char *why;
	int status;

	if ((why = args_parse(argc, argv, &args)) != NULL) {
		complain("%s", why);
		status = CTL_USAGE;
	} else {
		status = run(&args);
	}
	args_free(&args);
	/* A full disk must not pass for success. */
	if (fflush(stdout) == EOF || ferror(stdout)) {
		complain("cannot write the output");
		return status == CTL_OK ? CTL_FAILED : status;
	}
	return status;
}
