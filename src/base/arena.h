/* arena.h - 64-byte aligned, zeroed bump allocation with marks; everything after a mark is released at once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ARENA_H
#define GP_ARENA_H

#include "base/compiler.h"

typedef struct gp_arena gp_arena;
typedef struct gp_arena_mark {
    void *block;
    size_t used;
} gp_arena_mark;

gp_arena *gp_arena_create(size_t first_block_bytes); /* NULL when out of memory */
void gp_arena_free(gp_arena **a);

/* count * size bytes, zeroed, 64-byte aligned; NULL on overflow or when out of memory, and then gp_arena_failed() stays true. */
void *gp_arena_alloc(gp_arena *a, size_t count, size_t size);
/* The same without zeroing, for buffers that are written whole. */
void *gp_arena_alloc_raw(gp_arena *a, size_t count, size_t size);
char *gp_arena_strdup(gp_arena *a, const char *s);

bool gp_arena_failed(const gp_arena *a);
gp_arena_mark gp_arena_mark_get(const gp_arena *a);
/* Back to the mark.  Popping to an empty arena merges its blocks to one of the high-water size. */
void gp_arena_pop(gp_arena *a, gp_arena_mark m);
size_t gp_arena_high_water(const gp_arena *a);

#endif
