/*
 * schema.h - a table of settings, and the walk that fills a struct by it
 *
 * One row a setting: its name, type, what is allowed, its default and where
 * it goes.  What the table does not know is an error with a suggestion.
 * The reader checks a file against a table; rules between settings are the
 * caller's, who gets positions to complain about.
 */
#ifndef MAILBRAKE_CONF_SCHEMA_H
#define MAILBRAKE_CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/errors.h"

enum setting_type {
	SET_STRING,		/* char * */
	SET_STRINGS,		/* struct strings: an array or one string */
	SET_INT,		/* int */
	SET_BOOL,		/* bool */
	SET_DURATION,		/* int64_t, milliseconds */
	SET_WORD,		/* int: index into words */
	SET_WORDS,		/* struct strings: each must be in words */
	SET_GROUP,		/* a struct in place */
	SET_GROUPS,		/* struct rows: a list of groups */
};

/* Owned by the struct that it was read into; see schema_free(). */
struct strings {
	char		**v;
	size_t		 count;
	struct position	 at;
	bool		 given;
	bool		 bad;		/* an error in it has been said */
};

struct rows {
	void		*v;		/* count structs of the row's size */
	size_t		 count;
	struct position	 at;
	bool		 given;
};

/* A struct that is read from a group begins with one of these. */
struct group_head {
	struct position	 at;
	bool		 given;		/* the group stands in the file */
};

struct setting {
	const char		*name;
	enum setting_type	 type;
	size_t			 offset;
	const char		*default_value;	/* as it would be typed; NULL:
						 * none */
	int64_t			 min, max;	/* SET_INT, SET_DURATION */
	const char *const	*words;		/* NULL-terminated */
	const struct setting	*children;	/* ends with a NULL name */
	size_t			 size;		/* of a row of SET_GROUPS */
	size_t			 given;		/* offset of a bool that tells
						 * whether it stands in the
						 * file; 0: nobody asks */
	bool			 secret;	/* never shown in a message */
};

/* What was read; strings that positions point to live as long. */
struct schema_file;

/*
 * Reads path by the table into out (zeroed by the caller).  All mistakes go to errs; out is filled as
 * far as possible, defaults where the file is silent.  Never NULL.
 */
struct schema_file *schema_read(const char *path,
		    const struct setting *table, void *out,
		    struct errors *errs);

/* Where a setting such as "listen.milter" stands; where it does not, the
 * group that it would be in.  Valid until schema_close(). */
struct position	 schema_where(const struct schema_file *, const char *path);

/* Fills out with the table's defaults alone. */
void		 schema_defaults(const struct setting *table, void *out);

/* Frees what the table's fields in out own. */
void		 schema_free(const struct setting *table, void *out);
void		 schema_close(struct schema_file *);

#endif
