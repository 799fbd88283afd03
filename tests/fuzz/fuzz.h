/*
 * fuzz.h - what a fuzz target is
 */
#ifndef MAILBRAKE_TESTS_FUZZ_H
#define MAILBRAKE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A claim about the code under test; the sanitizers show where. */
#define CLAIM(claim)	do { if (!(claim)) abort(); } while (0)

#endif
