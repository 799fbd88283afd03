/*
 * unit.h - what the unit tests share
 *
 * A test is a claim: each row of a table is one test, and cmocka prints its
 * claim.  No test waits; time is an argument.
 */
#ifndef MAILBRAKE_TESTS_UNIT_H
#define MAILBRAKE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct config;
struct policy;

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/* For every row one test, which finds the row in *state.  A row begins with
 * its claim, a const char *. */
#define unit_rows(rows, test) \
	unit_add_rows(rows, COUNT(rows), sizeof((rows)[0]), test)
void		 unit_add_rows(const void *rows, size_t count, size_t size,
		    CMUnitTestFunction test);
void		 unit_claim(const char *claim, CMUnitTestFunction test);

/* Before and after every test, also one that fails; NULL for none. */
void		 unit_around(CMFixtureFunction before,
		    CMFixtureFunction after);

/* Runs what was added; what main() returns. */
int		 unit_run(const char *module);

/* A directory of this process that is removed at its end. */
const char	*unit_dir(void);

/* The path of a file in it; written if text is not NULL.  The path is good
 * until the process ends. */
const char	*unit_file(const char *name, const char *text);

/* The whole file, terminated; the caller frees it.  NULL if there is none. */
char		*unit_read(const char *path);

/* Absolute path of a file of the source tree; good until the process ends. */
const char	*unit_source(const char *path);

/* The configuration in text, which must be good; no catalogue. */
struct config	*unit_config(const char *text);
struct policy	*unit_policy(const char *text);	/* one reference */

/* Fails unless text holds words. */
void		 unit_says(const char *text, const char *words);
void		 unit_says_not(const char *text, const char *words);

/* True where file permissions count: gives root's rights up until
 * unit_rights_back(). */
void		 unit_rights_off(void);
void		 unit_rights_back(void);

#endif
