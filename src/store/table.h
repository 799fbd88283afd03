/*
 * table.h - things found by name
 *
 * A hash table whose entries are the first member of a caller's struct.
 * The hash is keyed with a random number, because the names may be chosen
 * by whoever writes to a shared server.  Entries belong to the caller, and
 * their names to the table.
 */
#ifndef MAILBRAKE_STORE_TABLE_H
#define MAILBRAKE_STORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_entry {
	struct table_entry	*next;
	uint64_t		 hash;
	char			*name;
};

struct table {
	struct table_entry	**slots;
	size_t			 slot_count;	/* a power of two */
	size_t			 count;
	uint64_t		 seed;
};

void	table_init(struct table *);
/* The table must be empty. */
void	table_clear(struct table *);

/* NULL if there is none. */
struct table_entry *table_find(const struct table *, const char *name);
/* The name must not be there yet; it is copied. */
void	table_add(struct table *, struct table_entry *, const char *name);
/* Frees the name, not the entry. */
void	table_remove(struct table *, struct table_entry *);

/* All entries in no order.  An entry may be removed when the next one has
 * been asked for. */
struct table_entry *table_first(const struct table *);
struct table_entry *table_next(const struct table *,
	    const struct table_entry *);

/* The hash itself: FNV-1a with a seed. */
uint64_t table_hash(uint64_t seed, const void *data, size_t len);

#endif
