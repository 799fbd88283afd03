/*
 * test_hook_dir.c - what in hooks.d may be run
 */
#include "unit.h"

#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "front/hook_dir.h"

static struct hook_dir d;

static int
forget(void **state)
{
	(void)state;
	hook_dir_free(&d);
	return 0;
}

/* hooks.d below the tests' directory, made anew. */
static const char *
make_dir(const char *name)
{
	static char *path;

	free(path);
	path = xasprintf("%s/%s", unit_dir(), name);
	mkdir(path, 0755);
	return path;
}

static void
make_hook(const char *dir, const char *name, mode_t mode)
{
	char *file = xasprintf("%s/%s", strrchr(dir, '/') + 1, name);

	assert_int_equal(chmod(unit_file(file, "#!/bin/sh\n"), mode), 0);
	free(file);
}

static const char *
complaint(void)
{
	assert_int_equal(d.complaint_count, 1);
	return d.complaints[0];
}

static void
test_in_order(void **state)
{
	const char *dir = make_dir("order");

	(void)state;
	make_hook(dir, "20-b", 0755);
	make_hook(dir, "10-a", 0700);
	make_hook(dir, "30-c.sh", 0555);
	make_hook(dir, "10-a.conf", 0644);
	hook_dir_read(&d, dir, true);
	assert_int_equal(d.count, 3);
	assert_int_equal(d.complaint_count, 0);
	assert_string_equal(d.files[0].name, "10-a");
	assert_string_equal(d.files[1].name, "20-b");
	assert_string_equal(d.files[2].name, "30-c.sh");
	unit_says(d.files[0].path, "/order/10-a");
	unit_says(d.files[0].settings, "/order/10-a.conf");
}

static void
test_other_files(void **state)
{
	static const char *const names[] = { ".hidden", "README", "README.md",
	    "a~", "a.conf", "a.bak", "a.disabled", "a.dpkg-dist", "a.rpmnew",
	    "a.sample", "a.ucf-old" };
	const char *dir = make_dir("others");
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++)
		make_hook(dir, names[i], 0777);
	hook_dir_read(&d, dir, true);
	assert_int_equal(d.count, 0);
	assert_int_equal(d.complaint_count, 0);
}

static const struct row {
	const char	*claim, *name, *words;
	mode_t		 mode;
} rows[] = {
	{ "writable by others", "w-others", "is writable by others", 0757 },
	{ "writable by its group", "w-group", "is writable by its group",
	    0775 },
	{ "not executable", "w-plain", "chmod a+rx", 0644 },
};

static void
test_bad_file(void **state)
{
	const struct row *row = *state;
	const char *dir = make_dir(row->name);

	make_hook(dir, "x", row->mode);
	hook_dir_read(&d, dir, true);
	assert_int_equal(d.count, 0);
	unit_says(complaint(), row->words);
	unit_says(complaint(), "is not run");
}

static void
test_bad_settings(void **state)
{
	const char *dir = make_dir("settings");

	(void)state;
	make_hook(dir, "x", 0755);
	make_hook(dir, "x.conf", 0666);
	hook_dir_read(&d, dir, true);
	assert_int_equal(d.count, 0);
	unit_says(complaint(), "x.conf is writable by others");
}

static void
test_links(void **state)
{
	char *away = xstrdup(make_dir("away")), *to, *from;
	const char *dir = make_dir("links");

	(void)state;
	make_hook(away, "hook", 0755);
	to = xasprintf("%s/hook", away);
	from = xasprintf("%s/10-mine", dir);
	assert_int_equal(symlink(to, from), 0);
	hook_dir_read(&d, dir, true);
	assert_int_equal(d.count, 1);
	assert_string_equal(d.files[0].name, "10-mine");
	unit_says(d.files[0].path, "/away/hook");
	unit_says(d.files[0].settings, "/links/10-mine.conf");
	hook_dir_free(&d);
	/* Whoever writes there could put another one in its place. */
	assert_int_equal(chmod(away, 0777), 0);
	hook_dir_read(&d, dir, true);
	assert_int_equal(d.count, 0);
	unit_says(complaint(), "away is writable by others");
	/* Not with the sticky bit, as in /tmp. */
	hook_dir_free(&d);
	assert_int_equal(chmod(away, 01777), 0);
	hook_dir_read(&d, dir, true);
	assert_int_equal(d.count, 1);
	free(away);
	free(to);
	free(from);
}

static void
test_directories(void **state)
{
	const char *dir = make_dir("bad");

	(void)state;
	make_hook(dir, "x", 0755);
	assert_int_equal(chmod(dir, 0775), 0);
	hook_dir_read(&d, dir, false);
	assert_int_equal(d.count, 0);
	unit_says(complaint(), "no hooks are run");
	unit_says(complaint(), "is writable by its group");
	hook_dir_free(&d);
	hook_dir_read(&d, "/nonexistent/hooks.d", false);
	assert_int_equal(d.complaint_count, 0);
	hook_dir_read(&d, "/nonexistent/hooks.d", true);
	unit_says(complaint(), "No such file");
	hook_dir_free(&d);
	hook_dir_read(&d, "", true);
	assert_int_equal(d.complaint_count, 0);
	hook_dir_read(&d, unit_file("file", ""), true);
	unit_says(complaint(), "Not a directory");
}

static void
test_too_many(void **state)
{
	const char *dir = make_dir("many");
	char name[16];
	int i;

	(void)state;
	for (i = 0; i < HOOKS_MAX + 2; i++) {
		snprintf(name, sizeof(name), "%03d", i);
		make_hook(dir, name, 0755);
	}
	hook_dir_read(&d, dir, true);
	assert_int_equal(d.count, HOOKS_MAX);
	assert_int_equal(d.complaint_count, 2);
	unit_says(d.complaints[0], "too many hooks");
}

int
main(void)
{
	umask(022);
	unit_around(NULL, forget);
	unit_claim("hooks come in the order of their names", test_in_order);
	unit_claim("what is no hook is left alone", test_other_files);
	unit_rows(rows, test_bad_file);
	unit_claim("a hook whose settings others may write is not run",
	    test_bad_settings);
	unit_claim("a link is as safe as where it leads", test_links);
	unit_claim("so is the directory itself", test_directories);
	unit_claim("there is an end to their number", test_too_many);
	return unit_run("hook_dir");
}
