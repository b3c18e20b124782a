/* util.c - memory, strings, a map and two threads for the program that prepares the embedded drawings.
 * SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void ge_die(const char *fmt, ...)
{
    va_list a;
    va_start(a, fmt);
    fputs("gopro-embedded: ", stderr);
    vfprintf(stderr, fmt, a);
    fputc('\n', stderr);
    va_end(a);
    exit(1);
}

void *ge_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) ge_die("out of memory for %zu x %zu bytes", n, size);
    return p;
}

void *ge_grow(void *p, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size) ge_die("out of memory for %zu x %zu bytes", n, size);
    p = realloc(p, n && size ? n * size : 1);
    if (!p) ge_die("out of memory for %zu x %zu bytes", n, size);
    return p;
}

char *ge_dup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *d = ge_alloc(n, 1);
    return memcpy(d, s, n);
}

char *ge_fmt(const char *fmt, ...)
{
    va_list a;
    va_start(a, fmt);
    char *s = NULL;
    if (vasprintf(&s, fmt, a) < 0) ge_die("out of memory");
    va_end(a);
    return s;
}

char *ge_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        if (errno == ENOENT) return NULL;
        ge_die("%s: %s", path, strerror(errno));
    }
    char *s = NULL;
    size_t len = 0, cap = 0, got;
    do {
        cap = cap ? cap * 2 : 1 << 16;
        s = ge_grow(s, cap + 1, 1);
        got = fread(s + len, 1, cap - len, f);
        len += got;
    } while (len == cap);
    if (ferror(f)) ge_die("%s: cannot be read", path);
    fclose(f);
    s[len] = 0;
    if (n) *n = len;
    return s;
}

FILE *ge_create(const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f && errno == ENOENT) {
        char *p = ge_dup(path);
        for (char *s = p + 1; *s; s++) {
            if (*s != '/') continue;
            *s = 0;
            if (mkdir(p, 0777) != 0 && errno != EEXIST) ge_die("%s: %s", p, strerror(errno));
            *s = '/';
        }
        free(p);
        f = fopen(path, "wb");
    }
    if (!f) ge_die("%s: %s", path, strerror(errno));
    return f;
}

void ge_close(FILE *f, const char *path)
{
    if (fflush(f) != 0 || ferror(f) || fclose(f) != 0) ge_die("%s: cannot be written, is the disk full?", path);
}

char *ge_cut(char **at, char sep)
{
    char *s = *at;
    if (!s) return NULL;
    char *e = strchr(s, sep);
    *at = e ? e + 1 : NULL;
    if (e) *e = 0;
    return s;
}

bool ge_ends(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

uint64_t ge_hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

static size_t slot(const ge_map *m, const char *key)
{
    size_t i = (size_t)ge_hash(key) & (m->cap - 1);
    while (m->key[i] && strcmp(m->key[i], key) != 0) i = (i + 1) & (m->cap - 1);
    return i;
}

void ge_map_put(ge_map *m, const char *key, size_t value)
{
    if (2 * (m->n + 1) > m->cap) {
        ge_map old = *m;
        m->cap = old.cap ? old.cap * 2 : 64;
        m->key = ge_alloc(m->cap, sizeof *m->key);
        m->value = ge_alloc(m->cap, sizeof *m->value);
        for (size_t i = 0; i < old.cap; i++) {
            if (!old.key[i]) continue;
            size_t j = slot(m, old.key[i]);
            m->key[j] = old.key[i];
            m->value[j] = old.value[i];
        }
        free(old.key);
        free(old.value);
    }
    size_t i = slot(m, key);
    if (m->key[i]) return;
    m->key[i] = ge_dup(key);
    m->value[i] = value;
    m->n++;
}

size_t ge_map_get(const ge_map *m, const char *key)
{
    if (!m->cap) return GE_NONE;
    size_t i = slot(m, key);
    return m->key[i] ? m->value[i] : GE_NONE;
}

void ge_map_free(ge_map *m)
{
    for (size_t i = 0; i < m->cap; i++) free(m->key[i]);
    free(m->key);
    free(m->value);
    *m = (ge_map){0};
}

typedef struct each {
    size_t n;
    void (*fn)(void *, size_t);
    void *arg;
    atomic_size_t next;
} each;

static void *each_run(void *p)
{
    each *e = p;
    for (size_t i; (i = atomic_fetch_add(&e->next, 1)) < e->n;) e->fn(e->arg, i);
    return NULL;
}

void ge_each(size_t n, void (*fn)(void *, size_t), void *arg)
{
    each e = {.n = n, .fn = fn, .arg = arg};
    pthread_t other;
    bool two = pthread_create(&other, NULL, each_run, &e) == 0;
    each_run(&e);
    if (two) pthread_join(other, NULL);
}
