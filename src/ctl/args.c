/*
 * args.c - the command line of `mailbrake`
 */
#include "ctl/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/mem.h"
#include "base/text.h"

enum value {
	VALUE_NONE,
	VALUE_TEXT,
	VALUE_DURATION,
	VALUE_NUMBER,
	VALUE_PERHAPS,		/* a number that may be left out */
};

static const struct option_row {
	unsigned int	 bit;
	char		 letter;	/* 0: none */
	const char	*name;
	enum value	 value;
	size_t		 offset;	/* in struct args */
} options[] = {
	{ OPT_CONFIG,	'c', "config",	  VALUE_TEXT,
	    offsetof(struct args, config) },
	{ OPT_SOCKET,	's', "socket",	  VALUE_TEXT,
	    offsetof(struct args, socket) },
	{ OPT_HELP,	'h', "help",	  VALUE_NONE, 0 },
	{ OPT_VERSION,	'V', "version",	  VALUE_NONE, 0 },
	{ OPT_JSON,	'j', "json",	  VALUE_NONE, 0 },
	{ OPT_FOR,	0,   "for",	  VALUE_DURATION,
	    offsetof(struct args, for_ms) },
	{ OPT_REASON,	'r', "reason",	  VALUE_TEXT,
	    offsetof(struct args, reason) },
	{ OPT_ACCOUNT,	0,   "account",	  VALUE_TEXT,
	    offsetof(struct args, account) },
	{ OPT_TRANSPORT, 0,  "transport", VALUE_TEXT,
	    offsetof(struct args, transport) },
	{ OPT_FOLLOW,	'f', "follow",	  VALUE_NONE, 0 },
	{ OPT_LAST,	'n', "last",	  VALUE_NUMBER,
	    offsetof(struct args, last) },
	{ OPT_ALL,	'a', "all",	  VALUE_NONE, 0 },
	{ OPT_SENDMAIL,	0,   "sendmail",  VALUE_NONE, 0 },
	{ OPT_APPLY,	0,   "apply",	  VALUE_NONE, 0 },
	{ OPT_UNDO,	0,   "undo",	  VALUE_NONE, 0 },
	{ OPT_VERIFY,	0,   "verify",	  VALUE_NONE, 0 },
	{ OPT_FORCE,	0,   "force",	  VALUE_NONE, 0 },
	{ OPT_ROUTE,	0,   "route",	  VALUE_NONE, 0 },
	{ OPT_GATE,	0,   "gate",	  VALUE_TEXT,
	    offsetof(struct args, gate) },
	{ OPT_FAIL_OPEN, 0,  "fail-open", VALUE_NONE, 0 },
	{ OPT_FAIL_CLOSED, 0, "fail-closed", VALUE_NONE, 0 },
	{ OPT_DIRECTORY, 0,  "config-directory", VALUE_TEXT,
	    offsetof(struct args, directory) },
	{ OPT_CAUSE,	0,   "cause",	  VALUE_TEXT,
	    offsetof(struct args, cause) },
	{ OPT_REMOVED,	0,   "removed",	  VALUE_TEXT,
	    offsetof(struct args, removed) },
	{ OPT_ASKED,	0,   "asked",	  VALUE_NONE, 0 },
	{ OPT_FLEET,	0,   "fleet",	  VALUE_NONE, 0 },
	{ OPT_WATCH,	'w', "watch",	  VALUE_PERHAPS,
	    offsetof(struct args, watch) },
};

#define OPTION_COUNT	(sizeof(options) / sizeof(options[0]))

static char	wrong[256];

const char *
args_option_name(unsigned int bit)
{
	static char name[32];
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		if (options[i].bit == bit) {
			snprintf(name, sizeof(name), "--%s", options[i].name);
			return name;
		}
	}
	return "?";
}

static const char *
unknown(const char *arg, const char *name, size_t len)
{
	const char *names[OPTION_COUNT], *near = NULL;
	char word[64];
	size_t i;

	if (name != NULL && len < sizeof(word)) {
		memcpy(word, name, len);
		word[len] = '\0';
		for (i = 0; i < OPTION_COUNT; i++)
			names[i] = options[i].name;
		near = text_nearest(word, names, OPTION_COUNT);
	}
	snprintf(wrong, sizeof(wrong), "unknown option \"%.64s\"%s%s%s", arg,
	    near != NULL ? ": did you mean --" : "",
	    near != NULL ? near : "", near != NULL ? "?" : "");
	return wrong;
}

static const char *
set_value(const struct option_row *o, const char *text, struct args *out)
{
	char *field = (char *)out + o->offset, *end;
	const char *why;
	int64_t n;

	switch (o->value) {
	case VALUE_NONE:
		break;
	case VALUE_TEXT:
		memcpy(field, &text, sizeof(text));
		break;
	case VALUE_DURATION:
		if ((why = duration_parse(text, &n)) == NULL && n == 0)
			why = "is no time at all";
		if (why != NULL) {
			snprintf(wrong, sizeof(wrong), "--%s: \"%.64s\" %s",
			    o->name, text, why);
			return wrong;
		}
		memcpy(field, &n, sizeof(n));
		break;
	case VALUE_PERHAPS:
		if (text == NULL)
			break;
		/* FALLTHROUGH */
	case VALUE_NUMBER:
		n = strtol(text, &end, 10);
		if (text[0] < '0' || text[0] > '9' || *end != '\0' ||
		    n > 1000000) {
			snprintf(wrong, sizeof(wrong), "--%s: \"%.64s\" is "
			    "not a number from 0 to 1000000", o->name, text);
			return wrong;
		}
		memcpy(field, &n, sizeof(n));
		break;
	}
	out->given |= o->bit;
	return NULL;
}

/* A number that follows belongs to the option before it. */
static bool
is_number(const char *text)
{
	return *text != '\0' &&
	    text[strspn(text, "0123456789")] == '\0';
}

/* "--name", "--name=value" or "--name value"; *i moves past the value. */
static const char *
parse_long(int argc, char **argv, int *i, struct args *out)
{
	const char *name = argv[*i] + 2, *value = strchr(name, '=');
	size_t len = value != NULL ? (size_t)(value - name) : strlen(name);
	const struct option_row *o;

	for (o = options; o < options + OPTION_COUNT; o++) {
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			break;
	}
	if (o == options + OPTION_COUNT)
		return unknown(argv[*i], name, len);
	if (o->value == VALUE_NONE && value != NULL) {
		snprintf(wrong, sizeof(wrong), "--%s takes no value", o->name);
		return wrong;
	}
	if (o->value == VALUE_PERHAPS && value == NULL) {
		if (*i + 1 < argc && is_number(argv[*i + 1]))
			value = argv[++*i];
	} else if (o->value != VALUE_NONE && value == NULL) {
		if (*i + 1 == argc) {
			snprintf(wrong, sizeof(wrong), "--%s needs a value",
			    o->name);
			return wrong;
		}
		value = argv[++*i];
	} else if (value != NULL) {
		value++;
	}
	return set_value(o, value, out);
}

/* "-j", "-cFILE", "-c FILE", "-jf". */
static const char *
parse_short(int argc, char **argv, int *i, struct args *out)
{
	const char *p, *why, *arg = argv[*i];
	const struct option_row *o;

	for (p = arg + 1; *p != '\0'; p++) {
		for (o = options; o < options + OPTION_COUNT; o++) {
			if (o->letter == *p)
				break;
		}
		if (o == options + OPTION_COUNT)
			return unknown(arg, NULL, 0);
		if (o->value == VALUE_NONE) {
			set_value(o, NULL, out);
			continue;
		}
		if (o->value == VALUE_PERHAPS && p[1] == '\0' &&
		    (*i + 1 == argc || !is_number(argv[*i + 1])))
			return set_value(o, NULL, out);
		/* "-wj": what follows are options. */
		if (o->value == VALUE_PERHAPS && p[1] != '\0' &&
		    !is_number(p + 1)) {
			set_value(o, NULL, out);
			continue;
		}
		if (p[1] == '\0' && *i + 1 == argc) {
			snprintf(wrong, sizeof(wrong), "-%c needs a value",
			    o->letter);
			return wrong;
		}
		why = set_value(o, p[1] != '\0' ? p + 1 : argv[++*i], out);
		return why;
	}
	return NULL;
}

const char *
args_parse(int argc, char **argv, struct args *out)
{
	const char *why;
	bool ended = false;
	int i;

	*out = (struct args){ 0 };
	out->words = xcalloc((size_t)argc + 1, sizeof(*out->words));
	for (i = 1; i < argc; i++) {
		if (!ended && strcmp(argv[i], "--") == 0) {
			ended = true;
			continue;
		}
		/* A lone "-" and the empty sender "" are words. */
		if (ended || argv[i][0] != '-' || argv[i][1] == '\0') {
			if (out->command == NULL)
				out->command = argv[i];
			else
				out->words[out->word_count++] = argv[i];
			continue;
		}
		why = argv[i][1] == '-' ? parse_long(argc, argv, &i, out) :
		    parse_short(argc, argv, &i, out);
		if (why != NULL)
			return why;
	}
	return NULL;
}

void
args_free(struct args *args)
{
	free(args->words);
	args->words = NULL;
}
