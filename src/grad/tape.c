/* tape.c - the linear tape: variables in an arena, one record per differentiable operation, backward calls from the newest to the oldest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grad/tape.h"

#include <stdlib.h>
#include <string.h>

typedef struct record {
    gp_tape_bwd *fn;
    const bool *reached; /* of the operation's output */
    const void *data;
} record;

struct gp_tape {
    gp_compute *c;
    gp_arena *a;
    record *rec;
    size_t n, cap;
    bool off; /* recording switched off */
    gopro_status status;
    char msg[200];
};

gopro_status gp_tape_create(gp_tape **t, gp_compute *c, gopro_error *err)
{
    gp_tape *x = calloc(1, sizeof *x);
    if (x) x->a = gp_arena_create((size_t)1 << 20);
    if (!x || !x->a) {
        gp_tape_free(&x);
        return gp_fail_nomem(err, (size_t)1 << 20, "the tape");
    }
    x->c = c;
    *t = x;
    return GOPRO_OK;
}

void gp_tape_free(gp_tape **t)
{
    if (!*t) return;
    gp_arena_free(&(*t)->a);
    free((*t)->rec);
    free(*t);
    *t = NULL;
}

gp_compute *gp_tape_compute(gp_tape *t)
{
    return t->c;
}

gp_arena *gp_tape_arena(gp_tape *t)
{
    return t->a;
}

bool gp_tape_set_recording(gp_tape *t, bool on)
{
    const bool was = !t->off;
    t->off = !on;
    return was;
}

bool gp_tape_recording(const gp_tape *t)
{
    return !t->off;
}

gp_var gp_tape_var(gp_tape *t, size_t rows, size_t cols, bool wants_grad)
{
    gp_var x = {0};
    size_t n;
    if (gp_tape_failed(t)) return x;
    if (!gp_mul_size(&n, rows, cols)) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "a matrix is too large for the address space");
        return x;
    }
    gp_real *v = gp_arena_alloc_raw(t->a, n, sizeof(gp_real));
    gp_real *g = NULL;
    bool *reached = NULL;
    if (wants_grad && !t->off) {
        g = gp_arena_alloc(t->a, n, sizeof(gp_real));
        reached = gp_arena_alloc(t->a, 1, sizeof *reached);
    }
    if (gp_arena_failed(t->a)) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the values and gradients of a step; a smaller batch needs less");
        return x;
    }
    return (gp_var){.v = v, .g = g, .reached = reached, .rows = rows, .cols = cols};
}

gp_var gp_const(gp_real *v, size_t rows, size_t cols)
{
    return (gp_var){.v = v, .rows = rows, .cols = cols};
}

gp_var gp_detach(gp_var x)
{
    return gp_const(x.v, x.rows, x.cols);
}

void gp_tape_push(gp_tape *t, gp_tape_bwd *fn, gp_var out, const void *rec, size_t size)
{
    if (gp_tape_failed(t) || !out.g) return;
    if (t->n == t->cap) {
        const size_t cap = t->cap ? 2 * t->cap : 256;
        record *r = realloc(t->rec, cap * sizeof *r);
        if (!r) {
            gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the records of a step");
            return;
        }
        t->rec = r;
        t->cap = cap;
    }
    void *copy = gp_arena_alloc_raw(t->a, 1, size);
    if (!copy) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the records of a step");
        return;
    }
    memcpy(copy, rec, size);
    t->rec[t->n++] = (record){.fn = fn, .reached = out.reached, .data = copy};
}

void gp_tape_fail(gp_tape *t, gopro_status st, const char *msg)
{
    if (t->status != GOPRO_OK) return;
    t->status = st;
    strncpy(t->msg, msg, sizeof t->msg - 1);
}

bool gp_tape_failed(const gp_tape *t)
{
    return t->status != GOPRO_OK;
}

gopro_status gp_tape_status(const gp_tape *t, gopro_error *err)
{
    return t->status == GOPRO_OK ? GOPRO_OK : gp_fail(err, t->status, "%s", t->msg);
}

gp_tape_mark gp_tape_mark_get(gp_tape *t)
{
    return (gp_tape_mark){.mem = gp_arena_mark_get(t->a), .n_records = t->n};
}

void gp_tape_backward(gp_tape *t, gp_tape_mark m)
{
    while (t->n > m.n_records) {
        const record *r = &t->rec[--t->n];
        if (*r->reached && !gp_tape_failed(t)) r->fn(t, r->data);
    }
}

void gp_tape_pop(gp_tape *t, gp_tape_mark m)
{
    t->n = m.n_records;
    gp_arena_pop(t->a, m.mem);
}
