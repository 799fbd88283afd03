/*
 * unit.c - what the unit tests share
 */
#include "unit.h"

#include <sys/stat.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/config.h"

#define NOBODY	65534

static struct CMUnitTest *tests;
static size_t test_count;
static CMFixtureFunction before_each, after_each;
static char directory[256];
static char **kept;
static size_t kept_count;

/* --- tests ------------------------------------------------------------- */

static void
add(const char *claim, CMUnitTestFunction test, const void *row)
{
	tests = xreallocarray(tests, test_count + 1, sizeof(*tests));
	tests[test_count++] = (struct CMUnitTest){ .name = claim,
	    .test_func = test, .setup_func = before_each,
	    .teardown_func = after_each,
	    .initial_state = (void *)(uintptr_t)row };
}

void
unit_around(CMFixtureFunction before, CMFixtureFunction after)
{
	before_each = before;
	after_each = after;
}

void
unit_add_rows(const void *rows, size_t count, size_t size,
    CMUnitTestFunction test)
{
	size_t i;

	for (i = 0; i < count; i++) {
		const void *row = (const char *)rows + i * size;

		add(*(const char *const *)row, test, row);
	}
}

void
unit_claim(const char *claim, CMUnitTestFunction test)
{
	add(claim, test, NULL);
}

static int
remove_one(const char *path, const struct stat *st, int type,
    struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

int
unit_run(const char *module)
{
	int failed = _cmocka_run_group_tests(module, tests, test_count, NULL,
	    NULL);
	size_t i;

	if (directory[0] != '\0')
		nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	for (i = 0; i < kept_count; i++)
		free(kept[i]);
	free(kept);
	free(tests);
	return failed;
}

/* --- files ------------------------------------------------------------- */

static const char *
keep(char *s)
{
	kept = xreallocarray(kept, kept_count + 1, sizeof(*kept));
	return kept[kept_count++] = s;
}

const char *
unit_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (directory[0] == '\0') {
		snprintf(directory, sizeof(directory),
		    "%s/mailbrake-unit.XXXXXX", tmp != NULL ? tmp : "/tmp");
		if (mkdtemp(directory) == NULL)
			abort();
	}
	return directory;
}

const char *
unit_file(const char *name, const char *text)
{
	const char *path = keep(xasprintf("%s/%s", unit_dir(), name));
	FILE *f;

	if (text == NULL)
		return path;
	if ((f = fopen(path, "w")) == NULL || fputs(text, f) == EOF ||
	    fclose(f) == EOF)
		fail_msg("cannot write %s", path);
	return path;
}

char *
unit_read(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t room = 4096, len = 0, n;
	char *text;

	if (f == NULL)
		return NULL;
	text = xcalloc(1, room);
	while ((n = fread(text + len, 1, room - len - 1, f)) > 0) {
		len += n;
		if (len == room - 1)
			text = xreallocarray(text, 1, room *= 2);
	}
	text[len] = '\0';
	fclose(f);
	return text;
}

const char *
unit_source(const char *path)
{
	const char *top = getenv("srcdir");
	char *full = xasprintf("%s/%s", top != NULL ? top : ".", path);
	char *absolute = realpath(full, NULL);

	/* One that is not there is for the caller to find out. */
	if (absolute == NULL)
		return keep(full);
	free(full);
	return keep(absolute);
}

/* --- configurations ---------------------------------------------------- */

struct config *
unit_config(const char *text)
{
	struct errors errs = { 0 };
	char *all = xasprintf("catalogue = \"\";\n%s", text);
	struct config *c = config_load(unit_file("unit.conf", all), &errs);
	size_t i;

	if (c == NULL) {
		for (i = 0; i < errs.count; i++)
			print_error("%s\n", errs.lines[i]);
		fail_msg("the configuration is bad");
	}
	errors_free(&errs);
	free(all);
	return c;
}

struct policy *
unit_policy(const char *text)
{
	struct config *c = unit_config(text);
	struct policy *p = policy_ref(c->policy);

	config_free(c);
	return p;
}

/* --- checks ------------------------------------------------------------ */

void
unit_says(const char *text, const char *words)
{
	if (strstr(text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

void
unit_says_not(const char *text, const char *words)
{
	if (strstr(text, words) != NULL)
		fail_msg("\"%s\" says \"%s\"", text, words);
}

void
unit_rights_off(void)
{
	if (geteuid() == 0 && seteuid(NOBODY) == -1)
		fail_msg("cannot give up the rights of root");
}

void
unit_rights_back(void)
{
	if (getuid() == 0 && seteuid(0) == -1)
		abort();
}
