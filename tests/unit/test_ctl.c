/*
 * test_ctl.c - the tool's command line, tables and status page
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/show.h"
#include "ctl/args.h"
#include "ctl/layout.h"
#include "ctl/status.h"
#include "ctl/watch.h"

/* --- command line ------------------------------------------------------ */

#define WORDS_MAX	8

static const struct {
	const char	*claim;
	const char	*argv[WORDS_MAX];
	const char	*error;		/* part of it; NULL: it is good */
	const char	*command, *word;
	unsigned int	 given;
	int64_t		 for_ms, watch;
	const char	*config;
} lines[] = {
	{ "nothing is a line too", { NULL }, .command = NULL },
	{ "options may stand before the command",
	    { "-c", "f", "status" }, .command = "status",
	    .given = OPT_CONFIG, .config = "f" },
	{ "options may stand behind everything",
	    { "stop", "mx1", "--for", "2h", "--config=f" },
	    .command = "stop", .word = "mx1", .given = OPT_FOR | OPT_CONFIG,
	    .for_ms = 7200000, .config = "f" },
	{ "options may stand between words",
	    { "stop", "--for=1h30m", "mx1" }, .command = "stop",
	    .word = "mx1", .given = OPT_FOR, .for_ms = 5400000 },
	{ "letters may stand together",
	    { "events", "-jfcx" }, .command = "events",
	    .given = OPT_JSON | OPT_FOLLOW | OPT_CONFIG, .config = "x" },
	{ "a letter's value may follow it at once",
	    { "-cf", "status" }, .command = "status", .given = OPT_CONFIG,
	    .config = "f" },
	{ "two dashes end the options",
	    { "stop", "--", "--for" }, .command = "stop", .word = "--for" },
	{ "the null sender is a word",
	    { "explain", "" }, .command = "explain", .word = "" },
	{ "a lone dash is a word",
	    { "explain", "-" }, .command = "explain", .word = "-" },
	{ "an unknown option is told with the nearest one",
	    { "events", "--folow" }, .error = "did you mean --follow?" },
	{ "an unknown letter is told",
	    { "events", "-x" }, .error = "unknown option \"-x\"" },
	{ "a value may not be missing", { "stop", "mx1", "--for" },
	    .error = "--for needs a value" },
	{ "nor a letter's", { "-c" }, .error = "-c needs a value" },
	{ "a value may not be too many", { "status", "--json=yes" },
	    .error = "--json takes no value" },
	{ "a duration needs a unit", { "stop", "mx1", "--for", "5" },
	    .error = "\"5\" has no unit" },
	{ "a duration is not negative", { "stop", "mx1", "--for", "-5m" },
	    .error = "\"-5m\" is not a duration" },
	{ "no time at all is no duration", { "stop", "mx1", "--for", "0s" },
	    .error = "is no time at all" },
	{ "a count is a number", { "events", "-n", "ten" },
	    .error = "\"ten\" is not a number" },
	{ "a number may be left out", { "status", "--watch" },
	    .command = "status", .given = OPT_WATCH },
	{ "or follow, and is no word", { "status", "--watch", "5" },
	    .command = "status", .given = OPT_WATCH, .watch = 5 },
	{ "or stand behind the sign", { "--watch=5", "status" },
	    .command = "status", .given = OPT_WATCH, .watch = 5 },
	{ "or follow a letter", { "status", "-w", "5", "-j" },
	    .command = "status", .given = OPT_WATCH | OPT_JSON, .watch = 5 },
	{ "or a letter at once", { "status", "-w5" },
	    .command = "status", .given = OPT_WATCH, .watch = 5 },
	{ "left out before a letter", { "status", "-wj" },
	    .command = "status", .given = OPT_WATCH | OPT_JSON },
	{ "left out at the end", { "status", "-jw" },
	    .command = "status", .given = OPT_WATCH | OPT_JSON },
	{ "left out before a word", { "-w", "status" },
	    .command = "status", .given = OPT_WATCH },
	{ "but if it is given it is a number", { "status", "--watch=often" },
	    .error = "\"often\" is not a number" },
	{ "a count is not negative", { "events", "-n", "-1" },
	    .error = "\"-1\" is not a number" },
};

static void
test_command_lines(void **state)
{
	char *argv[WORDS_MAX + 1];
	struct args args;
	const char *why;
	size_t i;
	int argc;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		argv[0] = (char *)(uintptr_t)"mailbrake";
		for (argc = 1; lines[i].argv[argc - 1] != NULL; argc++)
			argv[argc] = (char *)(uintptr_t)
			    lines[i].argv[argc - 1];
		why = args_parse(argc, argv, &args);
		if ((why == NULL) != (lines[i].error == NULL) ||
		    (why != NULL && strstr(why, lines[i].error) == NULL))
			fail_msg("%s: %s", lines[i].claim, why);
		if (why != NULL) {
			args_free(&args);
			continue;
		}
		if (args.given != lines[i].given ||
		    args.for_ms != lines[i].for_ms ||
		    args.watch != lines[i].watch ||
		    (args.command == NULL) != (lines[i].command == NULL) ||
		    args.word_count != (lines[i].word != NULL))
			fail_msg("%s", lines[i].claim);
		if (args.command != NULL)
			assert_string_equal(args.command, lines[i].command);
		if (lines[i].word != NULL)
			assert_string_equal(args.words[0], lines[i].word);
		if (lines[i].config != NULL)
			assert_string_equal(args.config, lines[i].config);
		args_free(&args);
	}
}

/* --- layout ------------------------------------------------------------ */

struct paper {
	struct screen	 screen;
	char		*text;
	size_t		 len;
};

static void
paper_open(struct paper *p, int width)
{
	p->screen.out = open_memstream(&p->text, &p->len);
	p->screen.width = width;
	p->screen.colour = false;
	assert_non_null(p->screen.out);
}

static void
paper_read(struct paper *p)
{
	fclose(p->screen.out);
}

/* No line is wider than the screen, and none ends in a space. */
static void
assert_fits(const struct paper *p)
{
	const char *s = p->text, *end;

	for (; *s != '\0'; s = end + 1) {
		end = strchr(s, '\n');
		assert_non_null(end);
		if (end - s > p->screen.width)
			fail_msg("too wide: %.*s", (int)(end - s), s);
		if (end > s && end[-1] == ' ')
			fail_msg("ends in a space: %.*s|", (int)(end - s), s);
	}
}

static const struct {
	const char	*claim;
	int		 width;
	const char	*cells[6];
	const char	*print;
} grids[] = {
	{ "columns are as wide as what is in them", 80,
	    { "mx1", "100", "clean", "mx10", "5", "" },
	    "NAME  SCORE  WHY\n"
	    "mx1     100  clean\n"
	    "mx10      5\n" },
	{ "the column that may wrap does", 24,
	    { "mx1", "100", "a list that says no", "mx2", "1", "x" },
	    "NAME  SCORE  WHY\n"
	    "mx1     100  a list that\n"
	    "             says no\n"
	    "mx2       1  x\n" },
	{ "a long word breaks behind its punctuation", 24,
	    { "mx1", "100", "blocklist.zen.org", "", "", "" },
	    "NAME  SCORE  WHY\n"
	    "mx1     100  blocklist.\n"
	    "             zen.org\n"
	    "\n" },
	{ "a longer one breaks anywhere", 24,
	    { "mx1", "100", "aaaaaaaaaaabbb", "", "", "" },
	    "NAME  SCORE  WHY\n"
	    "mx1     100  aaaaaaaaaaa\n"
	    "             bbb\n"
	    "\n" },
	{ "when that is not enough the others wrap too", 24,
	    { "a-very-long-name", "1", "something else", "", "", "" },
	    "NAME      SCORE  WHY\n"
	    "a-very-       1  somethin\n"
	    "long-            g else\n"
	    "name\n"
	    "\n" },
};

static void
test_grids(void **state)
{
	static const struct column columns[] = {
		{ "NAME", 0 },
		{ "SCORE", COLUMN_RIGHT },
		{ "WHY", COLUMN_WRAP },
	};
	struct grid *t;
	struct paper p;
	size_t i, c;

	(void)state;
	for (i = 0; i < sizeof(grids) / sizeof(grids[0]); i++) {
		t = grid_new(columns, 3);
		paper_open(&p, grids[i].width);
		for (c = 0; c < 6; c++)
			grid_cell(t, PAINT_NONE, "%s", grids[i].cells[c]);
		assert_int_equal(grid_rows(t), 2);
		grid_print(t, &p.screen, 0);
		paper_read(&p);
		if (strcmp(p.text, grids[i].print) != 0)
			print_error("%s\n", grids[i].claim);
		assert_string_equal(p.text, grids[i].print);
		grid_free(t);
		free(p.text);
	}
}

static void
test_an_empty_grid_prints_nothing(void **state)
{
	static const struct column columns[] = { { "NAME", 0 } };
	struct grid *t = grid_new(columns, 1);
	struct paper p;

	(void)state;
	paper_open(&p, 80);
	grid_print(t, &p.screen, 0);
	paper_read(&p);
	assert_string_equal(p.text, "");
	grid_free(t);
	free(p.text);
}

static void
test_paragraphs_hang(void **state)
{
	struct paper p;

	(void)state;
	paper_open(&p, 20);
	screen_say(&p.screen, 0, 4, PAINT_BAD, "%s",
	    "STOPPED: mx1, of two, and nothing else");
	screen_say(&p.screen, 2, 2, PAINT_NONE, "%s", "");
	paper_read(&p);
	assert_string_equal(p.text,
	    "STOPPED: mx1, of\n"
	    "    two, and nothing\n"
	    "    else\n"
	    "  \n");
	free(p.text);
}

static void
test_colour_is_around_the_text_only(void **state)
{
	static const struct column columns[] = { { "A", COLUMN_RIGHT } };
	struct grid *t = grid_new(columns, 1);
	struct paper p;

	(void)state;
	paper_open(&p, 80);
	p.screen.colour = true;
	grid_cell(t, PAINT_GOOD, "%s", "1234");
	grid_cell(t, PAINT_BAD, "%s", "1");
	grid_print(t, &p.screen, 0);
	paper_read(&p);
	assert_string_equal(p.text,
	    "   \033[2mA\033[0m\n"
	    "\033[32m1234\033[0m\n"
	    "   \033[1;31m1\033[0m\n");
	grid_free(t);
	free(p.text);
}

static void
test_no_colour_without_a_terminal(void **state)
{
	struct screen s;
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	screen_open(&s, f);
	assert_false(s.colour);
	assert_int_equal(s.width, 80);
	fclose(f);
}

/* --- values ------------------------------------------------------------ */

#define T_MS		1795331882000LL		/* 2026-11-22T07:18:02Z */

static void
test_values_of_any_type_are_read(void **state)
{
	json_t *o = json_pack("{s:s, s:i, s:b, s:n, s:s, s:s}", "text", "x",
	    "int", 5, "bool", 1, "null", "time", "2026-11-22T07:18:02Z",
	    "odd", "2026-11-22 07:18");
	char buf[SHOW_TIME_MAX];

	(void)state;
	assert_string_equal(show_text(o, "text"), "x");
	assert_string_equal(show_text(o, "int"), "");
	assert_string_equal(show_text(o, "none"), "");
	assert_int_equal(show_int(o, "int"), 5);
	assert_int_equal(show_int(o, "text"), 0);
	assert_true(show_bool(o, "bool"));
	assert_false(show_bool(o, "int"));
	assert_int_equal(show_ms(o, "time"), T_MS);
	assert_int_equal(show_ms(o, "null"), 0);
	assert_int_equal(show_ms(o, "odd"), 0);
	assert_string_equal(show_age(T_MS - 7500000, T_MS, buf), "2h 5m ago");
	assert_string_equal(show_age(T_MS + 1500, T_MS, buf), "in 2s");
	assert_string_equal(show_age(T_MS, T_MS, buf), "now");
	assert_string_equal(show_age(0, T_MS, buf), "-");
	assert_string_equal(show_time(T_MS - 125000, T_MS, buf),
	    "07:15:57 (2m 5s ago)");
	assert_string_equal(show_time(T_MS + 86400000, T_MS, buf),
	    "2026-11-23 07:18:02 (in 1d)");
	json_decref(o);
}

/* --- the page ---------------------------------------------------------- */

#define HEAD(mode)							\
	"\"mode\": \"" mode "\", \"version\": \"1.2\", \"host\": "	\
	"\"mail.example.org\", \"config_file\": \"/etc/m.conf\", "	\
	"\"started\": \"2026-11-22T04:18:02Z\", "			\
	"\"now\": \"2026-11-22T07:18:02Z\", \"stop_score\": 100, "

#define SENDING								\
	"{\"name\": \"mx2\", \"state\": \"sending\", "			\
	"\"evidence_state\": \"sending\", \"score\": 0, "		\
	"\"addresses\": [\"203.0.113.8\"], "				\
	"\"since\": \"2026-11-22T04:18:02Z\", "				\
	"\"checked\": \"2026-11-22T07:17:02Z\", \"override\": null, "	\
	"\"listings\": []}"

#define LISTING								\
	"{\"address\": \"203.0.113.7\", \"zone\": \"zen.example.org\", " \
	"\"code\": \"127.0.0.2\", \"name\": \"SBL\", "			\
	"\"text\": \"see https://zen.example.org/?ip=203.0.113.7\", "	\
	"\"weight\": 100, \"since\": \"2026-11-22T06:18:02Z\", " \
	"\"confirmed\": true, \"kind\": \"listed\", "			\
	"\"delist\": \"https://zen.example.org/remove\"}"

#define STOPPED(state, override)					\
	"{\"name\": \"mx1\", \"state\": \"" state "\", " \
	"\"evidence_state\": \"stopped\", \"score\": 100, "		\
	"\"addresses\": [\"203.0.113.7\", "				\
	"\"2001:db8:1234:5678:9abc:def0:1234:5678\"], "			\
	"\"since\": \"2026-11-22T06:18:02Z\", "				\
	"\"checked\": \"2026-11-22T07:17:02Z\", \"override\": "		\
	override ", \"listings\": [" LISTING "]}"

#define WORD(word)							\
	"{\"target\": \"mx1\", \"word\": \"" word "\", \"until\": "	\
	"\"2026-11-22T08:18:02Z\", \"reason\": \"drill\", "		\
	"\"source\": \"uid 0\"}"

#define LISTS								\
	"\"lists\": [{\"zone\": \"a.example\", \"health\": \"usable\"}, " \
	"{\"zone\": \"b.example\", \"health\": \"blind\", \"reason\": "	\
	"\"the resolver is refused\"}, {\"zone\": \"c.example\", "	\
	"\"health\": \"blind\", \"reason\": \"the resolver is refused\"}], "

#define ASKED								\
	"\"fronts\": [{\"name\": \"milter\", \"where\": \"unix:/m\", "	\
	"\"requests\": 12, \"passed\": 9, \"tempfailed\": 3, "		\
	"\"last\": \"2026-11-22T07:17:02Z\"}], "

#define UNASKED								\
	"\"fronts\": [{\"name\": \"milter\", \"where\": \"unix:/m\", "	\
	"\"requests\": 0, \"last\": null}], "

#define STORE "\"store\": {\"redis\": \"off\"}"

static const struct {
	const char	*claim;
	const char	*status;
	const char	*first;		/* how the page begins */
	const char	*has[5], *lacks[3];
} pages[] = {
	{ "all is well is one line",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS ASKED
	    STORE "}",
	    "SENDING: mx2; no listing counts\n",
	    { "Lists: 1 usable, 2 not\n",
	    "b.example, c.example  blind   the resolver is refused\n",
	    "Redis: not used.\n" },
	    { "NO MAIL SERVER", "OBSERVE" } },
	{ "what is stopped comes first, and why, and what to do",
	    "{" HEAD("enforce") "\"egress\": [" STOPPED("stopped", "null")
	    ", " SENDING "], " LISTS ASKED STORE "}",
	    "STOPPED: mx1 (1 of 2) since 06:18:02 (1h ago)\n"
	    "  mx1: 203.0.113.7 is listed by zen.example.org (SBL)\n",
	    { "zen.example.org says: \"see https://zen.example.org/",
	    "https://zen.example.org/remove\n", "Next:",
	    "mailbrake send mx1 --for 1h\n" }, { "NO MAIL SERVER" } },
	{ "a brake that nobody asks is said loudly",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS UNASKED
	    STORE "}",
	    "SENDING: mx2; no listing counts\n! NO MAIL SERVER HAS ASKED YET",
	    { "    smtpd_milters = unix:/m\n", "never" }, { NULL } },
	{ "the way to be asked is that of a front end that is offered",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS
	    "\"fronts\": [{\"name\": \"milter\", \"where\": null}, "
	    "{\"name\": \"policy\", \"where\": \"inet:p\"}, "
	    "{\"name\": \"socketmap\", \"where\": \"unix:/s\"}], "
	    STORE "}",
	    "SENDING: mx2; no listing counts\n! NO MAIL SERVER HAS ASKED YET",
	    { "    smtpd_recipient_restrictions = check_policy_service "
	    "inet:p\n" }, { NULL } },
	{ "a socketmap alone is a way to be asked",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS
	    "\"fronts\": [{\"name\": \"milter\", \"where\": null}, "
	    "{\"name\": \"socketmap\", \"where\": \"unix:/s\", "
	    "\"requests\": 0, \"last\": null}], " STORE "}",
	    "SENDING: mx2; no listing counts\n! NO MAIL SERVER HAS ASKED YET",
	    { "    sender_dependent_default_transport_maps = "
	    "socketmap:unix:/s:route\n  and Sendmail as mailbraked(8)" },
	    { "check_policy_service" } },
	{ "where Postfix is, there is a command for that",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS UNASKED
	    "\"postfix\": {\"findings\": [{\"point\": \"milter\", "
	    "\"state\": \"missing\", \"text\": \"t\"}]}, " STORE "}",
	    "SENDING: mx2; no listing counts\n! NO MAIL SERVER HAS ASKED "
	    "YET, so no mail is braked. What to do here: mailbrake\n"
	    "  setup postfix\n", { NULL }, { "smtpd_milters" } },
	{ "and one to try what is set up",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS UNASKED
	    "\"postfix\": {\"findings\": [{\"point\": \"milter\", "
	    "\"state\": \"ok\"}]}, " STORE "}",
	    "SENDING: mx2; no listing counts\n! NO MAIL SERVER HAS ASKED "
	    "since the start.", { "setup postfix --verify" },
	    { "no mail is braked" } },
	{ "a front end that is not offered cannot be asked",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS
	    "\"fronts\": [{\"name\": \"milter\", \"where\": null}], "
	    STORE "}",
	    "SENDING: mx2", { "! NO MAIL SERVER CAN ASK" }, { NULL } },
	{ "an operator's stop says whose it is and when it ends",
	    "{" HEAD("enforce") "\"egress\": [" STOPPED("stopped",
	    WORD("stop")) "], \"overrides\": [" WORD("stop") "], " LISTS
	    ASKED STORE "}",
	    "STOPPED: mx1 since 06:18:02 (1h ago)\n"
	    "  mx1: \"stop\" by an operator (uid 0): drill\n",
	    { "ends at 08:18:02 (in 1h)", "mailbrake auto mx1\n",
	    "in 1h  uid 0  drill\n" }, { NULL } },
	{ "sending in spite of the evidence is an alarm",
	    "{" HEAD("enforce") "\"egress\": [" STOPPED("sending",
	    WORD("send")) "], " LISTS ASKED STORE "}",
	    "SENDING IN SPITE OF THE EVIDENCE: mx1",
	    { "find what sends the spam" }, { "STOPPED" } },
	{ "observe mode is said",
	    "{" HEAD("observe") "\"egress\": [" STOPPED("stopped", "null")
	    "], " LISTS ASKED STORE "}",
	    "WOULD BE STOPPED: mx1", { "! OBSERVE MODE: all mail passes.",
	    "(REFUSED)" }, { NULL } },
	{ "what was rerouted or queued has a column where there is any",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS
	    "\"fronts\": [{\"name\": \"milter\", \"where\": \"unix:/m\", "
	    "\"requests\": 12, \"passed\": 4, \"tempfailed\": 1, "
	    "\"rerouted\": 5, \"queued\": 2, "
	    "\"last\": \"2026-11-22T07:17:02Z\"}], " STORE "}",
	    "SENDING: mx2", { "ASKED  PASSED  REFUSED  REROUTED  QUEUED",
	    "12       4        1         5       2" }, { "HELD" } },
	{ "as what enforce mode would have done",
	    "{" HEAD("observe") "\"egress\": [" SENDING "], " LISTS
	    "\"fronts\": [{\"name\": \"milter\", \"where\": \"unix:/m\", "
	    "\"requests\": 12, \"passed\": 12, \"would_hold\": 3, "
	    "\"queued\": 2, \"last\": \"2026-11-22T07:17:02Z\"}], " STORE "}",
	    "SENDING: mx2", { "ASKED  PASSED  (REFUSED)  (HELD)",
	    "12      12          0       3" }, { "QUEUED" } },
	{ "no usable list is an alarm",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], \"lists\": ["
	    "{\"zone\": \"b\", \"health\": \"broken\", \"reason\": \"r\"}], "
	    ASKED STORE "}",
	    "SENDING: mx2", { "! BLIND: no list can be used" }, { NULL } },
	{ "a state that is not saved and a Redis that is down are said",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS ASKED
	    "\"store\": {\"redis\": \"down\", \"why\": \"refused\", "
	    "\"state_file\": \"/s\", \"state_file_error\": \"disk full\"}}",
	    "SENDING: mx2", { "/s: disk full", "! Redis is down",
	    "Redis: down, refused." }, { NULL } },
	{ "a Redis that is connected says so once",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], " LISTS ASKED
	    "\"store\": {\"redis\": \"connected\", \"why\": \"connected, "
	    "overrides arrive by tracking\", \"way\": \"tracking\"}}",
	    "SENDING: mx2",
	    { "Redis: connected, overrides arrive by tracking.\n" },
	    { NULL } },
	{ "an egress that cannot be watched is said",
	    "{" HEAD("enforce") "\"egress\": [{\"name\": \"default\", "
	    "\"state\": \"sending\", \"evidence_state\": \"sending\", "
	    "\"addresses\": [\"10.0.0.1\"], \"watched\": false}], " LISTS
	    ASKED STORE "}",
	    "NOT CHECKED YET", { "! default IS NOT WATCHED" }, { NULL } },
	{ "a listed sender domain is told beside the egresses",
	    "{" HEAD("enforce") "\"egress\": [" SENDING "], "
	    "\"domains\": [{\"name\": \"example.org\", \"state\": "
	    "\"stopped\", \"evidence_state\": \"stopped\", \"score\": 100, "
	    "\"since\": \"2026-11-22T06:18:02Z\", \"override\": null, "
	    "\"listings\": [{\"domain\": \"example.org\", \"zone\": "
	    "\"dbl.example\", \"code\": \"127.0.1.2\", \"weight\": 100, "
	    "\"confirmed\": true, \"kind\": \"listed\"}]}], " LISTS ASKED
	    STORE "}",
	    "STOPPED: mail from example.org since 06:18:02 (1h ago)\n"
	    "  example.org: example.org is listed by dbl.example (127.0.1.2)\n",
	    { "mail from example.org is stopped since",
	    "mailbrake send domain:example.org --for 1h" }, { NULL } },
	{ "a wrong name and a resolver at fault are told",
	    "{" HEAD("enforce") "\"resolver_fault\": \"resolver x strips\", "
	    "\"egress\": [{\"name\": \"mx1\", \"state\": \"sending\", "
	    "\"evidence_state\": \"sending\", \"identity\": [{\"state\": "
	    "\"bad\", \"text\": \"no PTR record\"}, {\"state\": "
	    "\"good\"}]}], " LISTS ASKED STORE "}",
	    "NOT CHECKED YET", { "! resolver x strips\n",
	    "! Name of mx1: no PTR record\n" }, { NULL } },
	{ "an empty object is survived", "{}", "NO EGRESS",
	    { "NO MAIL SERVER CAN ASK", "NO LIST" }, { NULL } },
};

static void
test_pages(void **state)
{
	json_error_t wrong;
	json_t *status;
	struct paper p;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		status = json_loads(pages[i].status, 0, &wrong);
		if (status == NULL)
			fail_msg("%s: %s", pages[i].claim, wrong.text);
		paper_open(&p, 80);
		status_print(&p.screen, status, false);
		paper_read(&p);
		assert_fits(&p);
		if (strncmp(p.text, pages[i].first,
		    strlen(pages[i].first)) != 0)
			fail_msg("%s:\n%s", pages[i].claim, p.text);
		for (n = 0; n < 5 && pages[i].has[n] != NULL; n++)
			if (strstr(p.text, pages[i].has[n]) == NULL)
				fail_msg("%s: no \"%s\":\n%s", pages[i].claim,
				    pages[i].has[n], p.text);
		for (n = 0; n < 3 && pages[i].lacks[n] != NULL; n++)
			if (strstr(p.text, pages[i].lacks[n]) != NULL)
				fail_msg("%s: \"%s\":\n%s", pages[i].claim,
				    pages[i].lacks[n], p.text);
		json_decref(status);
		free(p.text);
	}
}

/* The fleet: what sends is a number, what does not is a name. */
static void
test_a_large_fleet_fits_a_screen(void **state)
{
	json_t *status, *egress = json_array(), *e;
	struct paper p;
	char name[160];
	int i, rows = 0;
	char *s;

	(void)state;
	for (i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "egress-%d.%s", i, i == 7 ?
		    "with.a.name.that.is.quite.long.and.goes.on.and.on.and."
		    "on.until.it.is.as.long.as.a.name.may.be.in.mailbrake" :
		    "example.org");
		e = json_pack("{s:s, s:s, s:s, s:i}", "name", name, "state",
		    i % 2500 == 7 ? "stopped" : "sending", "evidence_state",
		    i % 2500 == 7 ? "stopped" : "sending", "score", 0);
		json_array_append_new(egress, e);
	}
	status = json_pack("{s:s, s:o}", "now", "2026-11-22T07:18:02Z",
	    "egress", egress);
	paper_open(&p, 80);
	status_print(&p.screen, status, false);
	paper_read(&p);
	assert_fits(&p);
	assert_non_null(strstr(p.text, "(4 of 10000)"));
	assert_non_null(strstr(p.text, "9996 more egresses are sending"));
	for (s = p.text; (s = strchr(s, '\n')) != NULL; s++)
		rows++;
	assert_true(rows < 70);
	json_decref(status);
	free(p.text);
}

static void
test_lists_page(void **state)
{
	json_t *lists = json_loads("[{\"zone\": \"a.example\", \"health\": "
	    "\"usable\", \"weight\": 100, \"kinds\": [\"ipv4\", \"ipv6\"], "
	    "\"checked\": \"2026-11-22T07:17:02Z\", \"daily\": 2000, "
	    "\"limit\": 1000}, {\"zone\": \"b\", \"health\": \"broken\", "
	    "\"reason\": \"lists the world\"}, {\"zone\": \"c\", "
	    "\"health\": \"blind\", \"reason\": \"no answer\"}, {\"zone\": "
	    "\"d\", \"health\": \"blind\", \"reason\": \"no answer\"}]", 0,
	    NULL);
	struct paper p;

	(void)state;
	paper_open(&p, 80);
	lists_print(&p.screen, lists, T_MS);
	paper_read(&p);
	assert_string_equal(p.text,
	    "LIST       HEALTH  WEIGHT  A DAY  ABOUT      CHECKED\n"
	    "a.example  usable     100   2000  ipv4 ipv6  1m ago\n"
	    "b          broken       0      -             -\n"
	    "c          blind        0      -             -\n"
	    "d          blind        0      -             -\n"
	    "a.example: 2000 questions a day are more than the 1000 that are "
	    "free: make\n  check.interval longer, or register with it\n"
	    "b: broken: lists the world\n"
	    "c, d: blind: no answer\n");
	json_decref(lists);
	free(p.text);
}

/* --- watching ----------------------------------------------------------- */

#define TOP	"\033[H\033[?7l"
#define LINE	"\033[K"
#define REST	"\r\n\033[J"
#define END	"\033[?7h"

static const struct {
	const char	*claim, *text;
	size_t		 rows;
	const char	*drawn;
} pictures[] = {
	{ "each line erases what was in its place", "a\nbc\n", 10,
	    TOP LINE "a\r\n" LINE "bc" REST END },
	{ "what fits exactly leaves nothing below", "a\nb\n", 2,
	    TOP LINE "a\r\n" LINE "b" END },
	{ "what does not fit is told", "a\nb\nc\n", 2,
	    TOP LINE "a\r\n" LINE "... 2 more lines: make the window higher"
	    END },
	{ "nothing erases everything", "", 3, TOP REST END },
};

static void
test_pictures(void **state)
{
	char *text;
	size_t i, len;
	FILE *out;

	(void)state;
	for (i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		out = open_memstream(&text, &len);
		assert_non_null(out);
		watch_draw(out, pictures[i].text, pictures[i].rows);
		fclose(out);
		if (strcmp(text, pictures[i].drawn) != 0)
			fail_msg("%s", pictures[i].claim);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command_lines),
		cmocka_unit_test(test_grids),
		cmocka_unit_test(test_an_empty_grid_prints_nothing),
		cmocka_unit_test(test_paragraphs_hang),
		cmocka_unit_test(test_colour_is_around_the_text_only),
		cmocka_unit_test(test_no_colour_without_a_terminal),
		cmocka_unit_test(test_values_of_any_type_are_read),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_a_large_fleet_fits_a_screen),
		cmocka_unit_test(test_lists_page),
		cmocka_unit_test(test_pictures),
	};

	/* The pages show local time. */
	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
