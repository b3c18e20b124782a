/* arena.c - bump allocation in chained blocks that become one block once the need is known.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GP_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define GP_ASAN 1
#endif
#ifdef GP_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define RED_ZONE       64
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define RED_ZONE       0
#endif

typedef struct block {
    struct block *prev;
    size_t cap, used; /* of data */
    uint8_t *data;
} block;

struct gp_arena {
    block *top;   /* never NULL */
    block *spare; /* the largest popped block: steps that reach past a mark each time should not call malloc each time */
    size_t total, high, capacity;
    bool failed;
};

static block *block_create(size_t cap)
{
    block *b = malloc(sizeof *b);
    if (!b) return NULL;
    b->data = aligned_alloc(GP_ALIGN, cap); /* cap is a multiple of GP_ALIGN */
    if (!b->data) {
        free(b);
        return NULL;
    }
    b->prev = NULL;
    b->cap = cap;
    b->used = 0;
    POISON(b->data, cap);
    return b;
}

static void block_free(block *b)
{
    if (!b) return;
    UNPOISON(b->data, b->cap);
    free(b->data);
    free(b);
}

static bool round_up(size_t *n)
{
    size_t m;
    if (!gp_add_size(&m, *n ? *n : 1, GP_ALIGN - 1)) return false;
    *n = m / GP_ALIGN * GP_ALIGN;
    return true;
}

gp_arena *gp_arena_create(size_t first_block_bytes)
{
    gp_arena *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    size_t cap = first_block_bytes;
    if (!round_up(&cap) || !(a->top = block_create(cap))) {
        free(a);
        return NULL;
    }
    a->capacity = cap;
    return a;
}

void gp_arena_free(gp_arena **a)
{
    if (!a || !*a) return;
    for (block *b = (*a)->top; b;) {
        block *prev = b->prev;
        block_free(b);
        b = prev;
    }
    block_free((*a)->spare);
    free(*a);
    *a = NULL;
}

/* Makes room for n bytes in the top block: the spare, or a new block as large as all there is (the capacity doubles). */
static bool grow(gp_arena *a, size_t n)
{
    block *b = a->spare;
    if (b && b->cap >= n) {
        a->spare = NULL;
    } else {
        size_t want = gp_max_size(n, a->capacity);
        b = block_create(want);
        if (!b && want > n) b = block_create(n);
        if (!b) return false;
    }
    a->capacity += b->cap;
    b->prev = a->top;
    a->top = b;
    return true;
}

void *gp_arena_alloc_raw(gp_arena *a, size_t count, size_t size)
{
    size_t n, padded;
    if (!gp_mul_size(&n, count, size) || !gp_add_size(&padded, n, RED_ZONE) || !round_up(&padded) ||
        (padded > a->top->cap - a->top->used && !grow(a, padded))) {
        a->failed = true;
        return NULL;
    }
    uint8_t *p = a->top->data + a->top->used;
    a->top->used += padded;
    a->total += padded;
    a->high = gp_max_size(a->high, a->total);
    UNPOISON(p, n);
    return p;
}

void *gp_arena_alloc(gp_arena *a, size_t count, size_t size)
{
    void *p = gp_arena_alloc_raw(a, count, size);
    if (p) memset(p, 0, count * size);
    return p;
}

char *gp_arena_strdup(gp_arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = gp_arena_alloc_raw(a, n, 1);
    if (p) memcpy(p, s, n);
    return p;
}

bool gp_arena_failed(const gp_arena *a)
{
    return a->failed;
}

/* An empty arena is marked by NULL, because merging replaces its block. */
gp_arena_mark gp_arena_mark_get(const gp_arena *a)
{
    if (a->total == 0) return (gp_arena_mark){NULL, 0};
    return (gp_arena_mark){a->top, a->top->used};
}

static void drop_top(gp_arena *a)
{
    block *b = a->top;
    a->top = b->prev;
    a->total -= b->used;
    a->capacity -= b->cap;
    b->prev = NULL;
    b->used = 0;
    POISON(b->data, b->cap);
    if (a->spare && a->spare->cap >= b->cap) {
        block_free(b);
    } else {
        block_free(a->spare);
        a->spare = b;
    }
}

void gp_arena_pop(gp_arena *a, gp_arena_mark m)
{
    while (a->top->prev && (void *)a->top != m.block) drop_top(a);
    size_t used = m.block ? m.used : 0;
    a->total -= a->top->used - used;
    a->top->used = used;
    POISON(a->top->data + used, a->top->cap - used);
    if (a->total == 0 && a->top->cap < a->high) {
        block_free(a->spare);
        a->spare = NULL;
        block *b = block_create(a->high);
        if (!b) return; /* the small block still serves */
        block_free(a->top);
        a->top = b;
        a->capacity = b->cap;
    }
}

size_t gp_arena_high_water(const gp_arena *a)
{
    return a->high;
}
