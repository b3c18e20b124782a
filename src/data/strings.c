/* strings.c - see strings.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "data/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define CHUNK ((size_t)1 << 18)

typedef struct chunk {
    struct chunk *next;
    size_t used, cap;
    char s[];
} chunk;

struct gp_strings {
    chunk *first;
};

gp_strings *gp_strings_create(void)
{
    return calloc(1, sizeof(gp_strings));
}

void gp_strings_free(gp_strings **s)
{
    if (!s || !*s) return;
    for (chunk *c = (*s)->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(*s);
    *s = NULL;
}

static char *take(gp_strings *s, size_t n)
{
    chunk *c = s->first;
    if (!c || c->cap - c->used < n) {
        /* A string of its own chunk does not end the one being filled. */
        const bool large = n > CHUNK / 8 && c;
        const size_t cap = large ? n : gp_max_size(n, c ? CHUNK : 4096);
        size_t bytes;
        chunk *fresh = gp_add_size(&bytes, sizeof *c, cap) ? malloc(bytes) : NULL;
        if (!fresh) return NULL;
        *fresh = (chunk){.cap = cap};
        if (large) {
            fresh->next = c->next;
            c->next = fresh;
        } else {
            fresh->next = c;
            s->first = fresh;
        }
        c = fresh;
    }
    char *p = c->s + c->used;
    c->used += n;
    return p;
}

char *gp_strings_add(gp_strings *s, const char *text, size_t n)
{
    size_t bytes;
    char *p = gp_add_size(&bytes, n, 1) ? take(s, bytes) : NULL;
    if (!p) return NULL;
    if (n) memcpy(p, text, n);
    p[n] = '\0';
    return p;
}

char *gp_strings_join(gp_strings *s, const char *a, const char *b)
{
    const size_t na = a ? strlen(a) : 0, nb = strlen(b);
    if (na == 0) return gp_strings_add(s, b, nb);
    char *p = take(s, na + nb + 2);
    if (!p) return NULL;
    memcpy(p, a, na);
    p[na] = '/';
    memcpy(p + na + 1, b, nb + 1);
    return p;
}

/* The slot of a word, or the empty one where it belongs. */
static size_t place(const gp_intern *t, const char *word, size_t n)
{
    size_t i = (size_t)gp_hash(word, n) & (t->n_slots - 1);
    for (; t->slot[i]; i = (i + 1) & (t->n_slots - 1)) {
        const char *w = t->word[t->slot[i] - 1];
        if (strncmp(w, word, n) == 0 && w[n] == '\0') break;
    }
    return i;
}

static bool grow(gp_intern *t)
{
    const size_t n_slots = t->n_slots ? 2 * t->n_slots : 64;
    uint32_t *slot = calloc(n_slots, sizeof *slot);
    if (!slot) return false;
    free(t->slot);
    t->slot = slot;
    t->n_slots = n_slots;
    for (size_t i = 0; i < t->n; i++) t->slot[place(t, t->word[i], strlen(t->word[i]))] = (uint32_t)i + 1;
    return true;
}

bool gp_intern_find(const gp_intern *t, uint32_t *number, const char *word, size_t n)
{
    if (t->n_slots == 0) return false;
    const size_t i = place(t, word, n);
    if (t->slot[i] == 0) return false;
    *number = t->slot[i] - 1;
    return true;
}

bool gp_intern_add(gp_intern *t, uint32_t *number, const char *word, size_t n)
{
    if (gp_intern_find(t, number, word, n)) return true;
    if (t->n >= UINT32_MAX - 1 || (2 * (t->n + 1) > t->n_slots && !grow(t))) return false;
    if (t->n == t->cap) {
        const size_t cap = t->cap ? 2 * t->cap : 32;
        char **v = reallocarray(t->word, cap, sizeof *v);
        if (!v) return false;
        t->word = v;
        t->cap = cap;
    }
    char *copy = gp_strings_add(t->pool, word, n);
    if (!copy) return false;
    t->word[t->n] = copy;
    t->slot[place(t, word, n)] = (uint32_t)t->n + 1;
    *number = (uint32_t)t->n++;
    return true;
}

void gp_intern_free(gp_intern *t)
{
    free(t->word);
    free(t->slot);
    *t = (gp_intern){0};
}
