/* util.h - what the program that prepares the embedded drawings needs everywhere: memory that does not fail quietly, strings, a map,
 * threads. SPDX-License-Identifier: Apache-2.0 */
#ifndef GE_UTIL_H
#define GE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* This is a program for one purpose, run on files whose SHA-256 is known: a mistake ends it with a message. */
_Noreturn void ge_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *ge_alloc(size_t n, size_t size); /* zeroed */
void *ge_grow(void *p, size_t n, size_t size);
char *ge_dup(const char *s);
char *ge_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *ge_read(const char *path, size_t *n); /* NUL-terminated; NULL when there is no such file */
FILE *ge_create(const char *path);          /* makes the folders above it */
void ge_close(FILE *f, const char *path);

/* Cuts at `sep`, in place; NULL when used up. */
char *ge_cut(char **at, char sep);
bool ge_ends(const char *s, const char *tail);

typedef struct ge_map { /* string -> number; keys are copied */
    char **key;
    size_t *value, cap, n;
} ge_map;
#define GE_NONE ((size_t)-1)
void ge_map_put(ge_map *m, const char *key, size_t value); /* the first value stays */
size_t ge_map_get(const ge_map *m, const char *key);       /* GE_NONE */
void ge_map_free(ge_map *m);
uint64_t ge_hash(const char *s); /* FNV-1a, finalised; the only source of chance */

/* fn(arg, i) for i in 0..n-1 on two threads. */
void ge_each(size_t n, void (*fn)(void *, size_t), void *arg);

#endif
