/*
 * test_gate_file.c - the Postfix table that shuts an egress
 *
 * With a postmap of our own, a script that can be told to misbehave; its
 * tables are the text itself.  The system tests have the real one.
 */
#include "unit.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "front/gate_file.h"

#define DEADLINE_MS	10000
#define RETRY_MS	20

static const char script[] =
    "#!/bin/sh\n"
    "dir=${0%/*}\n"
    "mode=$(cat $dir/mode)\n"
    "echo \"$*\" >>$dir/calls\n"
    "for table; do :; done\n"
    "path=${table#*:}\n"
    "case $table in hash:*) map=$path.db ;; cdb:*) map=$path.cdb ;; esac\n"
    "case $mode in\n"
    "fail)	echo 'postmap: fatal: no such luck' >&2; exit 1 ;;\n"
    "hang)	exec sleep 60 ;;\n"
    "killed)	kill -9 $$ ;;\n"
    "nothing)	exit 0 ;;\n"
    "garbage)	echo 'mx1	may'; echo nonsense; echo x >$map; exit 0 ;;\n"
    "esac\n"
    "case \" $* \" in\n"
    "*' -s '*)	grep -v '^#' $map; exit 0 ;;\n"
    "*' -q '*)	[ -s $map ] || {\n"
    "		echo \"postmap: fatal: open $map: Invalid argument\" >&2\n"
    "		exit 1; }\n"
    "	found=1\n"
    "	while read -r key; do\n"
    "		grep \"^$key	\" $map && found=0\n"
    "	done; exit $found ;;\n"
    "esac\n"
    "case $mode in slow*)\n"
    "	while [ ! -e $dir/go ]; do sleep 0.01; done ;;\n"
    "esac\n"
    "[ $mode != slow-death ] || kill -9 $$\n"
    "[ $mode != wrong ] || { grep '^#' $path >$map; exit 0; }\n"
    "cp $path $map\n";

static struct event_base *base;
static struct children *children;
static struct gate_file *gate;
static const char *path, *bin;
static char *old_path;
static int place, calls, found;
static int64_t took_ms, timeout_ms = DEADLINE_MS, retry_ms = RETRY_MS;
static char in_force[500];
static char logged[8192];

/* --- the log, instead of standard error ---------------------------------- */

static void
keep(const char *fmt, va_list ap)
{
	size_t at = strlen(logged);

	vsnprintf(logged + at, sizeof(logged) - at, fmt, ap);
	at = strlen(logged);
	snprintf(logged + at, sizeof(logged) - at, "\n");
}

#define LOGGER(name) \
void \
name(const char *fmt, ...) \
{ \
	va_list ap; \
\
	va_start(ap, fmt); \
	keep(fmt, ap); \
	va_end(ap); \
}

LOGGER(log_info)
LOGGER(log_warn)
LOGGER(log_warnx)

void
log_debug(const char *fmt, ...)
{
	(void)fmt;
}

void
fatal(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

void
fatalx(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

/* --- a place ------------------------------------------------------------- */

static void
in_force_cb(void *ctx, const struct gate_file_news *n)
{
	size_t i;

	(void)ctx;
	calls++;
	found = n->found;
	took_ms = n->took_ms;
	in_force[0] = '\0';
	for (i = 0; i < n->count; i++) {
		strcat(in_force, i > 0 ? " " : "");
		strcat(in_force, n->names[i]);
	}
}

static void
mode(const char *word)
{
	char name[64];
	const char *new;

	/* In one piece: one that is running may be reading it. */
	snprintf(name, sizeof(name), "bin%d/mode.new", place);
	new = unit_file(name, word);
	snprintf(name, sizeof(name), "bin%d/mode", place);
	assert_int_equal(rename(new, unit_file(name, NULL)), 0);
}

/* The slow postmap may end. */
static void
go(void)
{
	char name[64];

	snprintf(name, sizeof(name), "bin%d/go", place);
	unit_file(name, "");
}

static void
open_gate(const char *table)
{
	struct gate_file_conf conf = { .table = table, .given = true,
	    .timeout_ms = timeout_ms, .retry_ms = retry_ms };

	gate = gate_file_new(base, children, &conf, in_force_cb, NULL);
}

static void
close_gate(void)
{
	gate_file_free(gate);
	gate = NULL;
	calls = 0;
}

static int
open_place(void **state)
{
	char name[64], *new_path;

	(void)state;
	place++;
	calls = 0;
	logged[0] = in_force[0] = '\0';
	base = event_base_new();
	children = children_new(base, 4);
	snprintf(name, sizeof(name), "bin%d", place);
	bin = unit_file(name, NULL);
	mkdir(bin, 0755);
	mode("good");
	snprintf(name, sizeof(name), "bin%d/postmap", place);
	chmod(unit_file(name, script), 0755);
	new_path = xasprintf("%s:%s", bin, old_path);
	setenv("PATH", new_path, 1);
	free(new_path);
	snprintf(name, sizeof(name), "gate%d", place);
	path = unit_file(name, NULL);
	open_gate(path);
	return gate == NULL;
}

static int
close_place(void **state)
{
	(void)state;
	unit_rights_back();
	close_gate();
	children_free(children);
	event_base_free(base);
	return 0;
}

/* A path beside the gate; good for the test. */
static const char *
beside(const char *suffix)
{
	static char paths[4][300];
	static int next;
	char *p = paths[next++ % 4];

	snprintf(p, sizeof(paths[0]), "%s%s", path, suffix);
	return p;
}

static void
put(const char *where, const char *text)
{
	FILE *f = fopen(where, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) != EOF);
	assert_int_equal(fclose(f), 0);
}

static void
turn(void)
{
	struct timeval tick = { 0, 5000 };

	event_base_loopexit(base, &tick);
	event_base_loop(base, EVLOOP_ONCE);
}

static void
pass_ms(int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;

	while (clock_mono_ms() < end)
		turn();
}

static void
wait_calls(int n)
{
	int64_t end = clock_mono_ms() + DEADLINE_MS;

	while (calls < n) {
		if (clock_mono_ms() > end)
			fail_msg("not in force: %s", gate_file_error(gate));
		turn();
	}
}

static void
wait_error(void)
{
	int64_t end = clock_mono_ms() + DEADLINE_MS;

	while (gate_file_error(gate)[0] == '\0') {
		if (clock_mono_ms() > end)
			fail_msg("no error");
		turn();
	}
}

/* "mx1 mx2" */
static void
set(const char *words)
{
	const char *names[8], *reasons[8];
	char copy[100], *word, *rest = copy;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		names[n] = word;
		reasons[n++] = "listed by\nbl.example";
	}
	gate_file_set(gate, names, reasons, n);
}

/* The lines of a file that are no comments. */
static const char *
entries(const char *file)
{
	static char lines[1000];
	char *text = unit_read(file), *line, *rest = text;

	lines[0] = '\0';
	if (text == NULL)
		return "(none)";
	while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
		if (*line != '#') {
			strcat(lines, line);
			strcat(lines, "\n");
		}
	}
	free(text);
	return lines;
}

static void
must_say(const char *expected)
{
	assert_string_equal(entries(path), expected);
	assert_string_equal(entries(beside(".db")), expected);
}

static int
postmap_calls(void)
{
	char name[300], *text, *c;
	int n = 0;

	snprintf(name, sizeof(name), "%s/calls", bin);
	text = unit_read(name);
	for (c = text; c != NULL && *c != '\0'; c++)
		n += *c == '\n';
	free(text);
	return n;
}

static int
count(const char *text, const char *words)
{
	int n = 0;

	for (; (text = strstr(text, words)) != NULL; text++)
		n++;
	return n;
}

#define MX1	"mx1\tstopped-by-mailbrake\n"
#define MX2	"mx2\tstopped-by-mailbrake\n"
#define OURS	"# mailbrake gate file: the egresses that are stopped.\n"

/* --- what is written ------------------------------------------------------ */

static void
writes_the_wish(void **state)
{
	char *text;

	(void)state;
	assert_false(gate_file_settled(gate));
	set("mx2 mx1 mx2");
	assert_int_equal(calls, 0);
	wait_calls(1);
	must_say(MX1 MX2);
	assert_string_equal(in_force, "mx1 mx2");
	assert_true(gate_file_settled(gate));
	assert_false(found);
	assert_in_range(took_ms, 0, 5000);
	text = unit_read(path);
	assert_true(strncmp(text, OURS, strlen(OURS)) == 0);
	unit_says(text, "do not edit");
	unit_says(text, "# listed by bl.example\nmx1\t");
	free(text);
	assert_int_equal(access(beside(".new"), F_OK), -1);
	assert_int_equal(access(beside(".new.db"), F_OK), -1);
}

static void
opens_again(void **state)
{
	(void)state;
	set("mx1");
	wait_calls(1);
	set("");
	assert_false(gate_file_settled(gate));
	wait_calls(2);
	must_say("");
	assert_string_equal(in_force, "");
}

static void
replaces_the_table_by_another_file(void **state)
{
	struct stat before, after;

	(void)state;
	set("");
	wait_calls(1);
	assert_int_equal(link(beside(".db"), beside(".kept")), 0);
	assert_int_equal(stat(beside(".db"), &before), 0);
	set("mx1");
	wait_calls(2);
	assert_int_equal(stat(beside(".db"), &after), 0);
	assert_true(before.st_ino != after.st_ino);
	/* Who has it open sees that it has lost its name. */
	assert_int_equal(stat(beside(".kept"), &before), 0);
	assert_int_equal(before.st_nlink, 1);
	assert_string_equal(entries(beside(".kept")), "");
}

static void
takes_the_latest_wish(void **state)
{
	int runs;

	(void)state;
	mode("slow");
	set("mx1");
	pass_ms(50);
	set("mx2");
	set("mx1 mx2");
	set("mx3");
	set("mx2");
	go();
	wait_calls(2);
	assert_string_equal(in_force, "mx2");
	must_say(MX2);
	pass_ms(50);
	assert_int_equal(calls, 2);
	/* Two runs of two calls; those in between were never tried. */
	runs = postmap_calls();
	assert_int_equal(runs, 4);
}

static void
goes_back_during_a_run(void **state)
{
	(void)state;
	set("mx1");
	wait_calls(1);
	mode("slow");
	set("");
	pass_ms(50);
	set("mx1");
	go();
	wait_calls(3);
	assert_string_equal(in_force, "mx1");
	must_say(MX1);
}

static void
does_nothing_twice(void **state)
{
	const char *names[] = { "mx1" }, *other[] = { "another reason" };

	(void)state;
	set("mx1");
	wait_calls(1);
	assert_int_equal(postmap_calls(), 2);
	set("mx1");
	gate_file_set(gate, names, other, 1);
	pass_ms(50);
	assert_int_equal(postmap_calls(), 2);
	assert_int_equal(calls, 1);
}

static void
leaves_it_at_exit(void **state)
{
	(void)state;
	set("mx1");
	wait_calls(1);
	set("");
	close_gate();		/* in the middle of a run */
	pass_ms(50);
	must_say(MX1);
}

/* --- at the start ---------------------------------------------------------- */

static const struct {
	const char	*claim;
	const char	*text, *map;	/* NULL: no such file */
	const char	*wish;
	bool		 found;		/* nothing is to be written */
} starts[] = {
	{ "start: nothing there, all open", NULL, NULL, "", false },
	{ "start: as wanted, nothing is written", OURS MX1, OURS MX1, "mx1",
	    true },
	{ "start: open as wanted, nothing is written", OURS, OURS, "", true },
	{ "start: the reason in the text does not matter",
	    OURS "# why\n" MX1, OURS MX1, "mx1", true },
	{ "start: a stop of before is lifted", OURS MX1, OURS MX1, "",
	    false },
	{ "start: a stop that the text lacks but the table has is lifted",
	    OURS MX2, OURS MX1 MX2, "mx1", false },
	{ "start: the table has less than the text", OURS MX1, OURS, "mx1",
	    false },
	{ "start: the table is missing", OURS MX1, NULL, "mx1", false },
	{ "start: the table is damaged", OURS MX1, "", "mx1", false },
	{ "start: the text is missing", NULL, OURS MX1, "mx1", false },
	{ "start: another value in the table", OURS MX1,
	    OURS "mx1\tmay\n", "mx1", false },
};

static void
starts_with_what_is_there(void **state)
{
	const typeof(starts[0]) *row = *state;
	const char *expected = strcmp(row->wish, "") == 0 ? "" : MX1;
	struct stat before = { 0 }, after;

	if (row->text != NULL)
		put(path, row->text);
	if (row->map != NULL) {
		put(beside(".db"), row->map);
		assert_int_equal(stat(beside(".db"), &before), 0);
	}
	set(row->wish);
	wait_calls(1);
	assert_int_equal(found, row->found);
	must_say(expected);
	assert_int_equal(stat(beside(".db"), &after), 0);
	assert_int_equal(before.st_ino == after.st_ino, row->found);
	assert_string_equal(logged, "");
}

static void
mends_on_demand(void **state)
{
	(void)state;
	set("mx1");
	wait_calls(1);
	put(beside(".db"), OURS);
	gate_file_check(gate);
	assert_false(gate_file_settled(gate));
	wait_calls(2);
	must_say(MX1);
	gate_file_check(gate);
	wait_calls(3);
	assert_true(found);
}

static const struct {
	const char	*claim;
	const char	*text, *map;
} others[] = {
	{ "somebody else's text is not written over", "mx1 smtp:\n", NULL },
	{ "nor with its table", "mx1 smtp:\n", "mx1\tsmtp:\n" },
	{ "an empty file is not ours", "", NULL },
	{ "a table without a text that is not ours", NULL, "mx9\tsmtp:\n" },
};

static void
refuses_what_is_not_ours(void **state)
{
	const typeof(others[0]) *row = *state;
	char *text, *map;

	if (row->text != NULL)
		put(path, row->text);
	if (row->map != NULL)
		put(beside(".db"), row->map);
	set("mx1");
	wait_error();
	unit_says(gate_file_error(gate), "somebody else's");
	unit_says(gate_file_error(gate), "name another gate_file");
	pass_ms(100);			/* tries again, and again does not */
	text = unit_read(path);
	map = unit_read(beside(".db"));
	assert_int_equal(text == NULL, row->text == NULL);
	assert_int_equal(map == NULL, row->map == NULL);
	if (text != NULL)
		assert_string_equal(text, row->text);
	if (map != NULL)
		assert_string_equal(map, row->map);
	free(text);
	free(map);
	assert_int_equal(count(logged, "somebody else's"), 1);
	unlink(path);
	unlink(beside(".db"));
	wait_calls(1);
	assert_string_equal(gate_file_error(gate), "");
	must_say(MX1);
}

static void
minds_what_is_put_there_later(void **state)
{
	char *text;

	(void)state;
	set("mx1");
	wait_calls(1);
	put(path, "mx1 smtp:\n");
	set("mx1 mx2");
	wait_error();
	unit_says(gate_file_error(gate), "somebody else's");
	text = unit_read(path);
	assert_string_equal(text, "mx1 smtp:\n");
	free(text);
	assert_string_equal(entries(beside(".db")), MX1);
	assert_int_equal(access(beside(".new"), F_OK), -1);
}

/* --- what goes wrong -------------------------------------------------------- */

static const struct {
	const char	*claim;
	const char	*mode;
	const char	*says;
} failures[] = {
	{ "postmap fails: its words are in the error", "fail",
	    "postmap: status 1: postmap: fatal: no such luck" },
	{ "postmap hangs: it is ended", "hang", "not done in time" },
	{ "postmap is killed", "killed", "ended by signal 9" },
	{ "postmap says that all is well and makes no table", "nothing",
	    "does not find what it was given" },
	{ "postmap makes another table than it was told", "wrong",
	    "does not find what it was given" },
	{ "postmap talks nonsense", "garbage",
	    "does not find what it was given" },
};

static void
keeps_the_old_table(void **state)
{
	const typeof(failures[0]) *row = *state;
	int before;

	if (strcmp(row->mode, "hang") == 0) {
		close_gate();
		timeout_ms = 300;
		open_gate(path);
		timeout_ms = DEADLINE_MS;
	}
	set("mx1");
	wait_calls(1);
	mode(row->mode);
	before = postmap_calls();
	set("mx1 mx2");
	wait_error();
	unit_says(gate_file_error(gate), row->says);
	unit_says(gate_file_error(gate), "postmap hash:");
	must_say(MX1);
	assert_false(gate_file_settled(gate));
	while (postmap_calls() < before + 3)
		turn();
	must_say(MX1);
	assert_int_equal(calls, 1);
	/* Said once, however often it is tried. */
	assert_int_equal(count(logged, row->says), 1);
	unit_says(logged, "stays in force");
	mode("good");
	wait_calls(2);
	must_say(MX1 MX2);
	assert_string_equal(gate_file_error(gate), "");
	unit_says(logged, "all is well again");
}

static void
needs_a_place_to_write(void **state)
{
	(void)state;
	set("mx1");
	wait_calls(1);
	/* The directory is for root only. */
	unit_rights_off();
	set("");
	wait_error();
	unit_says(gate_file_error(gate), "Permission denied");
	unit_says(gate_file_error(gate), path);
	unit_rights_back();
	must_say(MX1);
	wait_calls(2);
	must_say("");
}

static void
minds_a_full_disk(void **state)
{
	struct rlimit rl, tight;

	(void)state;
	set("mx1");
	wait_calls(1);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	tight = rl;
	tight.rlim_cur = 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	set("mx1 mx2");
	wait_error();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
	unit_says(gate_file_error(gate), "cannot write");
	must_say(MX1);
	wait_calls(2);
	must_say(MX1 MX2);
}

static int doubts;

static void
doubt_cb(void *ctx)
{
	(void)ctx;
	doubts++;
}

static void
wait_doubts(int n)
{
	int64_t end = clock_mono_ms() + DEADLINE_MS;

	while (doubts < n) {
		assert_true(clock_mono_ms() < end);
		turn();
	}
	assert_int_equal(doubts, n);
}

/* What keeps mail has to know that the gate does not. */
static void
says_when_it_cannot_be_believed(void **state)
{
	int64_t start;

	(void)state;
	doubts = 0;
	gate_file_on_doubt(gate, doubt_cb, NULL);
	assert_false(gate_file_doubtful(NULL));
	set("mx1");
	assert_false(gate_file_doubtful(gate));
	wait_calls(1);
	pass_ms(1200);
	assert_int_equal(doubts, 0);
	/* At once when it fails, once for many tries. */
	mode("fail");
	set("");
	wait_error();
	assert_true(gate_file_doubtful(gate));
	wait_doubts(1);
	pass_ms(10 * RETRY_MS);
	assert_int_equal(doubts, 1);
	mode("good");
	wait_calls(2);
	assert_false(gate_file_doubtful(gate));
	wait_doubts(2);
	/* After a second when it is slow. */
	mode("slow");
	start = clock_mono_ms();
	set("mx2");
	wait_doubts(3);
	assert_true(clock_mono_ms() - start >= 950);
	assert_true(gate_file_doubtful(gate));
	go();
	wait_calls(3);
	wait_doubts(4);
	assert_false(gate_file_doubtful(gate));
	/* Also when the wish is taken back. */
	mode("fail");
	set("");
	wait_error();
	wait_doubts(5);
	set("mx2");
	assert_int_equal(doubts, 5);
	wait_doubts(6);
	pass_ms(1200);
	assert_int_equal(doubts, 6);
	assert_false(gate_file_doubtful(gate));
}

static void
waits_longer_and_longer(void **state)
{
	int64_t start = clock_mono_ms();

	(void)state;
	mode("fail");
	set("mx1");
	while (postmap_calls() < 7)
		turn();
	/* After 20, 40, 80, 160, 320 and 640 ms. */
	assert_true(clock_mono_ms() - start >= 1260);
}

static void
tries_a_new_wish_at_once(void **state)
{
	int n;

	(void)state;
	close_gate();
	retry_ms = 10 * DEADLINE_MS;
	open_gate(path);
	retry_ms = RETRY_MS;
	mode("fail");
	set("mx1");
	wait_error();
	mode("good");
	set("mx2");
	wait_calls(1);
	assert_string_equal(in_force, "mx2");
	/* Also one that comes while another is about to fail. */
	n = postmap_calls();
	mode("slow-death");
	set("mx1");
	while (postmap_calls() == n)
		turn();
	mode("good");
	set("mx3");
	go();
	wait_calls(2);
	assert_string_equal(in_force, "mx3");
}

static void
forgets_a_failed_wish(void **state)
{
	(void)state;
	set("mx1");
	wait_calls(1);
	mode("fail");
	set("");
	wait_error();
	set("mx1");
	assert_string_equal(gate_file_error(gate), "");
	assert_true(gate_file_settled(gate));
	pass_ms(100);
	assert_int_equal(calls, 1);
	must_say(MX1);
}

/* --- settings ---------------------------------------------------------------- */

static const struct {
	const char	*claim;
	const char	*table;
	const char	*type, *path;	/* NULL: refused */
} tables[] = {
	{ "a path alone is a hash", "/var/lib/x/gate", "hash",
	    "/var/lib/x/gate" },
	{ "a type before it", "lmdb:/gate", "lmdb", "/gate" },
	{ "btree", "btree:/g", "btree", "/g" },
	{ "cdb", "cdb:/g:h", "cdb", "/g:h" },
	{ "no relative path", "gate", NULL, NULL },
	{ "no relative path behind a type", "hash:gate", NULL, NULL },
	{ "no table that postmap does not make", "pcre:/g", NULL, NULL },
	{ "no table that Postfix does not read again", "texthash:/g", NULL,
	    NULL },
	{ "no type at all", ":/g", NULL, NULL },
};

static void
parses_a_table(void **state)
{
	const typeof(tables[0]) *row = *state;
	char type[GATE_FILE_TYPE_MAX] = "x";
	const char *where = "y";
	const char *why = gate_file_parse(row->table, type, &where);

	if (row->type == NULL) {
		assert_non_null(why);
		return;
	}
	assert_null(why);
	assert_string_equal(type, row->type);
	assert_string_equal(where, row->path);
}

static void
makes_other_types(void **state)
{
	char *table = xasprintf("cdb:%s", path), *said;
	struct gate_file_conf conf = { .table = table,
	    .config_directory = "/etc/postfix-out" };
	char name[300];

	(void)state;
	close_gate();
	gate = gate_file_new(base, children, &conf, in_force_cb, NULL);
	set("mx1");
	wait_calls(1);
	free(table);
	assert_string_equal(entries(beside(".cdb")), MX1);
	assert_int_equal(access(beside(".db"), F_OK), -1);
	snprintf(name, sizeof(name), "%s/calls", bin);
	said = unit_read(name);
	table = xasprintf("-c /etc/postfix-out cdb:%s.new\n"
	    "-c /etc/postfix-out -q - cdb:%s.new\n", path, path);
	assert_string_equal(said, table);
	free(said);
	free(table);
}

static void
is_off(void **state)
{
	struct gate_file_conf conf = { .table = "", .given = true };

	(void)state;
	assert_null(gate_file_new(base, children, &conf, in_force_cb, NULL));
	gate_file_set(NULL, NULL, NULL, 0);
	gate_file_check(NULL);
	assert_true(gate_file_settled(NULL));
	assert_string_equal(gate_file_error(NULL), "");
	assert_string_equal(logged, "");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	old_path = xstrdup(getenv("PATH"));
	unit_around(open_place, close_place);
	unit_claim("a wish is written, sorted, with the reason for people",
	    writes_the_wish);
	unit_claim("an empty wish opens the gate", opens_again);
	unit_claim("a new table is another file",
	    replaces_the_table_by_another_file);
	unit_claim("of the wishes during a run only the latest counts",
	    takes_the_latest_wish);
	unit_claim("the latest wish may be what was before",
	    goes_back_during_a_run);
	unit_claim("the same wish is no work", does_nothing_twice);
	unit_claim("at exit the table stays as it is", leaves_it_at_exit);
	unit_rows(starts, starts_with_what_is_there);
	unit_claim("asked to look again, it mends the table",
	    mends_on_demand);
	unit_rows(others, refuses_what_is_not_ours);
	unit_claim("nor one that is put there while we run",
	    minds_what_is_put_there_later);
	unit_rows(failures, keeps_the_old_table);
	unit_claim("a directory that cannot be written to",
	    needs_a_place_to_write);
	unit_claim("a disk that is full", minds_a_full_disk);
	unit_claim("says when it cannot be believed",
	    says_when_it_cannot_be_believed);
	unit_claim("tries become rarer", waits_longer_and_longer);
	unit_claim("a new wish is tried at once",
	    tries_a_new_wish_at_once);
	unit_claim("a wish that failed and is not wanted any more is no error",
	    forgets_a_failed_wish);
	unit_rows(tables, parses_a_table);
	unit_claim("another type of table, another Postfix",
	    makes_other_types);
	unit_claim("none is wanted: everything is quiet", is_off);
	return unit_run("gate_file");
}
