/*
 * hook_dir.c - the executables in hooks.d, as far as they can be trusted
 */
#include "front/hook_dir.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

static void	 complain(struct hook_dir *, const char *, ...)
		    __attribute__((__format__(__printf__, 2, 3)));

static void
complain(struct hook_dir *d, const char *fmt, ...)
{
	char text[1024], clean[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_clean(clean, sizeof(clean), text, strlen(text));
	d->complaints = xreallocarray(d->complaints, d->complaint_count + 1,
	    sizeof(*d->complaints));
	d->complaints[d->complaint_count++] = xstrdup(clean);
}

/* What is wrong with one file or directory; NULL if nothing. */
static const char *
wrong_with(const struct stat *st)
{
	/* In a sticky directory nobody can touch what is another's. */
	bool sticky = S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX;

	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "belongs neither to root nor to the daemon's user";
	if (!sticky && st->st_mode & S_IWOTH)
		return "is writable by others: chmod go-w";
	if (!sticky && st->st_mode & S_IWGRP)
		return "is writable by its group: chmod go-w";
	return NULL;
}

const char *
hook_dir_unsafe(const char *path)
{
	static char text[PATH_MAX + 128];
	char real[PATH_MAX], *end;
	const char *wrong;
	struct stat st;

	if (realpath(path, real) == NULL) {
		snprintf(text, sizeof(text), "%s", strerror(errno));
		return text;
	}
	for (;;) {
		if (stat(real[0] != '\0' ? real : "/", &st) == -1)
			wrong = strerror(errno);
		else
			wrong = wrong_with(&st);
		if (wrong != NULL) {
			snprintf(text, sizeof(text), "%s %s",
			    real[0] != '\0' ? real : "/", wrong);
			return text;
		}
		if (real[0] == '\0' || (end = strrchr(real, '/')) == NULL)
			return NULL;
		*end = '\0';
	}
}

/* What lies in such a directory and is no hook. */
static bool
is_other(const char *name)
{
	static const char *const ends[] = { "~", ".conf", ".bak", ".orig",
	    ".disabled", ".sample", ".rpmsave", ".rpmnew", ".rpmorig" };
	static const char *const parts[] = { ".dpkg-", ".ucf-" };
	size_t i, len = strlen(name), n;

	if (name[0] == '.' || strncmp(name, "README", 6) == 0)
		return true;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		n = strlen(ends[i]);
		if (len >= n && strcmp(name + len - n, ends[i]) == 0)
			return true;
	}
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strstr(name, parts[i]) != NULL)
			return true;
	}
	return false;
}

/* Its settings are a part of it: a shell reads them. */
static const char *
file_wrong(const char *path, const char *settings)
{
	const char *wrong;
	struct stat st;

	if (stat(path, &st) == -1)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is no regular file";
	if ((wrong = hook_dir_unsafe(path)) != NULL)
		return wrong;
	if (access(path, X_OK) == -1)
		return errno == EACCES ? "the daemon's user may not execute "
		    "it: chmod a+rx" : strerror(errno);
	if (access(settings, F_OK) == 0)
		return hook_dir_unsafe(settings);
	return NULL;
}

static void
add_file(struct hook_dir *d, const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	char *settings = xasprintf("%s/%s.conf", dir, name);
	const char *wrong = file_wrong(path, settings);
	char real[PATH_MAX];

	if (wrong == NULL && realpath(path, real) == NULL)
		wrong = strerror(errno);
	if (wrong == NULL && d->count == HOOKS_MAX)
		wrong = "there are too many hooks";
	if (wrong != NULL) {
		complain(d, "hook %s is not run: %s", path, wrong);
		free(settings);
	} else {
		d->files[d->count].name = xstrdup(name);
		d->files[d->count].path = xstrdup(real);
		d->files[d->count++].settings = settings;
	}
	free(path);
}

void
hook_dir_read(struct hook_dir *d, const char *path, bool must_be)
{
	struct dirent **names;
	const char *wrong;
	int i, count;

	*d = (struct hook_dir){ 0 };
	if (path[0] == '\0' || (access(path, F_OK) == -1 &&
	    errno == ENOENT && !must_be))
		return;
	if ((wrong = hook_dir_unsafe(path)) != NULL) {
		complain(d, "no hooks are run: hooks = \"%s\": %s", path,
		    wrong);
		return;
	}
	if ((count = scandir(path, &names, NULL, alphasort)) == -1) {
		complain(d, "no hooks are run: hooks = \"%s\": %s", path,
		    strerror(errno));
		return;
	}
	for (i = 0; i < count; i++) {
		if (!is_other(names[i]->d_name))
			add_file(d, path, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

void
hook_dir_free(struct hook_dir *d)
{
	size_t i;

	for (i = 0; i < d->count; i++) {
		free(d->files[i].name);
		free(d->files[i].path);
		free(d->files[i].settings);
	}
	for (i = 0; i < d->complaint_count; i++)
		free(d->complaints[i]);
	free(d->complaints);
	*d = (struct hook_dir){ 0 };
}
