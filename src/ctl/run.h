/*
 * run.h - other programs, with a deadline
 */
#ifndef MAILBRAKE_CTL_RUN_H
#define MAILBRAKE_CTL_RUN_H

/*
 * Runs argv (ends with NULL) with nothing on its standard input; programs
 * are also looked for in sbin, where PATH often does not lead.  Returns the
 * exit status, or -1 if it cannot be started, was ended by a signal or took
 * more than a minute.  What it prints goes to *out and *err, which the
 * caller frees; they are set in any case.
 */
int	run_program(const char *const *argv, char **out, char **err);

#endif
