/* pickle.h - Python's pickle format read as data: nothing is imported, called or executed; types that a reader does not know are refused.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PICKLE_H
#define GP_PICKLE_H

#include "base/error.h"

typedef enum gp_pk_kind {
    GP_PK_NONE,
    GP_PK_BOOL,
    GP_PK_INT,
    GP_PK_FLOAT,
    GP_PK_BIG,  /* a whole number of more than 64 bits */
    GP_PK_TEXT, /* str or bytes */
    GP_PK_TUPLE,
    GP_PK_LIST,
    GP_PK_DICT,
    GP_PK_TYPE,    /* a name on the reader's list: its row and, in `first`, its use */
    GP_PK_STORAGE, /* a persistent id: its tuple's items */
    GP_PK_TENSOR,  /* _rebuild_tensor_v2: its arguments */
    GP_PK_OBJECT   /* anything else that is built: at most one item, its state */
} gp_pk_kind;

typedef struct gp_pk {
    gp_pk_kind kind;
    uint32_t n;           /* items; pairs of a dictionary */
    uint32_t first, last; /* cells */
    const char *s;        /* text, inside the input */
    int64_t i;            /* number; length of the text; of a type: its row */
} gp_pk;

/* What calling a type, or making an object of it, comes to. */
typedef enum gp_pk_use {
    GP_USE_TENSOR,  /* its arguments */
    GP_USE_FIRST,   /* its first argument */
    GP_USE_ORDERED, /* a dictionary */
    GP_USE_STORAGE, /* named, never called */
    GP_USE_OBJECT   /* an object whose state may be read */
} gp_pk_use;

/* The types that a pickle may name. */
typedef struct gp_pk_types {
    int (*find)(const char *module, size_t n_module, const char *name, size_t n_name, gp_pk_use *use); /* the row, or -1: refused */
    const char *owner;  /* for messages: which things have no need of what was refused, "no list of weights needs" */
    const char *advice; /* what a user who trusts the file can do */
} gp_pk_types;

typedef struct gp_pk_cell {
    uint32_t key, value, next; /* nodes, and the next cell */
} gp_pk_cell;

typedef struct gp_pickle {
    gp_pk *node; /* node 0 is None */
    gp_pk_cell *cell;
    uint32_t n_node, cap_node, n_cell, cap_cell, root;
    size_t used; /* bytes of the input up to the end of the pickle */
} gp_pickle;

/* FORMAT errors name the byte, and the type or operation that was refused. */
gopro_status gp_pickle_read(gp_pickle *p, const uint8_t *data, size_t size, const gp_pk_types *types, const char *label, gopro_error *err);
void gp_pickle_free(gp_pickle *p);

#define GP_PK_NIL UINT32_MAX
uint32_t gp_pk_item(const gp_pickle *p, uint32_t node, uint32_t i);        /* of a tuple, list, storage, tensor, object; or NIL */
uint32_t gp_pk_lookup(const gp_pickle *p, uint32_t dict, const char *key); /* the value, or NIL; also where dict is no dictionary */
bool gp_pk_is_text(const gp_pickle *p, uint32_t node, const char *text);
bool gp_pk_int(const gp_pickle *p, uint32_t node, size_t *v); /* a whole number of at least 0 */

#endif
