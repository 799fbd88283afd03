/*
 * milter_signals.h - keeps libmilter's hands off the process's signals
 */
#ifndef MAILBRAKE_FRONT_MILTER_SIGNALS_H
#define MAILBRAKE_FRONT_MILTER_SIGNALS_H

#include <stdbool.h>

/* True when libmilter's signal thread has been put to sleep; false if that
 * has not happened after timeout_ms.  Any thread. */
bool	milter_signals_caught(int timeout_ms);

#endif
