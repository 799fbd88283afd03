/*
 * hook_dir.h - the executables in hooks.d, as far as they can be trusted
 *
 * What is in there runs as the daemon's user, so nobody but root and that
 * user may be able to change it: not the file, nor any directory on the way
 * to it, by the name in hooks.d or, for a link, by where that leads.
 *
 * Any thread; touches the disk.
 */
#ifndef MAILBRAKE_FRONT_HOOK_DIR_H
#define MAILBRAKE_FRONT_HOOK_DIR_H

#include <stdbool.h>
#include <stddef.h>

#define HOOKS_MAX	32

struct hook_file {
	char		*name;		/* in hooks.d */
	char		*path;		/* where that leads, absolute */
	char		*settings;	/* hooks.d/NAME.conf, whether or not
					 * there is one */
};

struct hook_dir {
	struct hook_file files[HOOKS_MAX];	/* by name */
	size_t		 count;
	char		**complaints;	/* sentences for people */
	size_t		 complaint_count;
};

/* Reads what is there now; never fails, but may find nothing.  must_be: that
 * there is no such directory is a complaint too. */
void	hook_dir_read(struct hook_dir *, const char *path, bool must_be);
void	hook_dir_free(struct hook_dir *);

/* NULL, or why others than root and we could change it: "..., which is
 * writable by others".  Good until the next call. */
const char *hook_dir_unsafe(const char *path);

#endif
