/*
 * catalog.h - the lists: etc/lists.conf and `lists` of mailbrake.conf
 *
 * Both have rows of the same form; a row of mailbrake.conf changes the
 * fields that it names of the catalogue's row for the same zone, or adds a
 * list of its own.
 */
#ifndef MAILBRAKE_CONF_CATALOG_H
#define MAILBRAKE_CONF_CATALOG_H

#include <stddef.h>

#include "conf/errors.h"
#include "conf/schema.h"
#include "core/list.h"

/* A zone that is dead or no block list; it and all below it are refused. */
struct denied {
	char	*zone;
	char	*since;		/* "2015-01"; may be NULL */
	char	*reason;
};

struct catalog {
	struct list	*lists;
	size_t		 count;
	struct denied	*denied;
	size_t		 denied_count;
};

/* One row as typed, and its settings, for the schema of mailbrake.conf. */
struct test_row {
	struct group_head	 head;
	char			*listed, *clean;
	char			*listed6, *clean6;
	char			*domain, *domain_clean;
};

struct list_row {
	struct group_head	 head;
	char			*zone;
	char			*operator;
	struct strings		 lists;
	int			 weight;
	bool			 weight_given;
	bool			 enabled;
	bool			 enabled_given;
	struct rows		 answers;
	struct test_row		 test;
	int64_t			 expires_ms, interval_ms;
	int			 limit, rate;
	char			*influence, *lookup, *delist, *note, *key;
	bool			 verified;
	bool			 verified_given;
};

extern const struct setting	catalog_row_schema[];

/* Reads a catalogue file into cat (zeroed).  All mistakes go to errs. */
void	catalog_load(const char *path, struct catalog *cat,
	    struct errors *errs);

/* Applies the rows of `lists` in mailbrake.conf. */
void	catalog_apply(struct catalog *cat, const struct rows *rows,
	    struct errors *errs);

/* Moves the enabled lists out; the caller owns them. */
void	catalog_take_enabled(struct catalog *cat, struct list **lists,
	    size_t *count);
void	catalog_free(struct catalog *cat);

#endif
